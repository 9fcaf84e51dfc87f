"""Models of several tensors in the app: manifests, golden packs, files and the self-test against Python's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.bundle import ModelFile, parse_manifest
from runtime.bundle.golden import Golden
from runtime.compare import difference
from runtime.errors import InputError
from runtime.feed import Feed
from runtime.graph_tensors import from_graph, to_graph
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput, TensorsInput
from runtime.numpy_files import write_npz
from runtime.quantization import QuantizationParams
from runtime.spec import FileSpec
from runtime.tasks import Raw
from runtime.tensor_spec import TensorSpec
from tests.mobile_demo.app import benchmark, open_model, self_test
from tests.mobile_demo.manifests import (
    PARITY,
    SPEC,
    assert_refused_in_a_sentence,
    assert_taken_or_refused_as_in_python,
    manifest_of,
    said,
    text_of,
    whole,
)

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format-3"
INPUT = TensorsInput(
    "tensors",
    (
        TensorSpec("sound", (3, "time"), axes=("channel", "time"), low=-1.5, high=2.0),
        TensorSpec("words", ("time",), "int64"),
        TensorSpec("mask", (2,), "bool"),
        TensorSpec("level", (), "uint8"),
    ),
    {"time": 4},
)
OUTPUT = Raw("raw", (TensorSpec("small", (4,)), TensorSpec("large", ("time", 2)), TensorSpec("best", (), "int64")))
QUANTIZED = FileSpec(
    "tflite", "int8", None, 1,
    dtypes={
        "sound": "int8", "words": "int32", "level": "float16", "mask": "uint8", "small": "uint8", "best": "int32",
    },
    quantization={"sound": QuantizationParams(0.02, -3), "small": QuantizationParams(0.1, 12)},
    unbatched=("level", "large"),
)  # fmt: skip
FILES = {
    "model.onnx": ModelFile(dataclasses.replace(SPEC, input_dtype=None), PARITY),
    "model.tflite": ModelFile(
        FileSpec("tflite", "fp32", None, 1, lengths={"time": 4}, dtypes={"words": "int32"}),
        dataclasses.replace(PARITY, tensors={"small": 1e-7}, metrics={"mAP": (0.5, 0.5)}, labels={"ant": (0, 1)}),
    ),
    "model.int8.tflite": ModelFile(QUANTIZED, None),
}


def test_manifests_of_tensors_are_read_as_they_are(layer):
    manifest = manifest_of(INPUT, OUTPUT, FILES)
    assert manifest.format == 3
    parsed, names = layer.call(
        "(text) => [model.parseManifest(text), model.namesOf(model.parseManifest(text), 'model.tflite')]",
        text_of(manifest),
    )
    assert parsed == whole(manifest)
    assert names == {"inputs": ["sound", "words", "mask", "level"], "outputs": ["small", "large", "best"]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m["input"]["tensors"].clear(), "at least one tensor"),
        (lambda m: m["input"]["tensors"][1].update(name="sound"), "of different names"),
        (lambda m: m["input"]["tensors"][1].update(name="a\nb"), "1 to 200 printable"),
        (lambda m: m["input"]["tensors"][1].update(name=" \t"), "1 to 200 printable"),
        (lambda m: m["input"]["tensors"][1].update(name="x" * 201), "1 to 200 printable"),
        (lambda m: m["input"]["tensors"][1].update(dtype="float64"), "float64"),
        (lambda m: m["input"]["tensors"][0].update(shape=[3, 0]), "sizes above 0"),
        (lambda m: m["input"]["tensors"][0].update(shape=[1] * 8), "at most 7 axes"),
        (lambda m: m["input"]["tensors"][0].update(shape=[2**13, 2**13]), "elements"),
        (lambda m: m["input"]["tensors"][0].update(shape=[3, 2.5]), "a whole number"),
        (lambda m: m["input"]["tensors"][0].update(shape=[3, ""]), "printable name"),
        (lambda m: m["input"]["tensors"][0].update(axes=["channel"]), "names for them"),
        (lambda m: m["input"]["tensors"][0].update(low=3), "at most high"),
        (lambda m: m["input"].update(tensors=m["input"]["tensors"][3:], lengths={}), "besides the batch axis"),
        (lambda m: m["input"]["lengths"].update(time=2**23), "has over 16777216 elements"),
        (lambda m: m["input"]["lengths"].update(time=0), "above 0"),
        (lambda m: m["input"]["lengths"].update({"__proto__": 3}), "must be an axis"),
        (lambda m: m["output"]["tensors"][0].update(shape="4"), "a list"),
    ],
)
def test_hostile_tensors_are_refused_in_a_sentence(layer, change, named):
    manifest = json.loads(text_of(manifest_of(INPUT, OUTPUT)))
    change(manifest["model"])
    assert_refused_in_a_sentence(layer, manifest, named)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dtypes": {"sound": "float16"}}, 'the tensor "sound" is quantized'),
        ({"dtypes": {"sound": "int32"}}, 'the tensor "sound" is quantized'),
        ({"dtypes": {"sound": "int4"}}, "int4"),
        ({"quantization": {"sound": {"scale": 0, "zero_point": 0}}}, "a scale above 0"),
        ({"quantization": {"sound": {"scale": 1, "zero_point": 2**16}}}, "16-bit zero point"),
        ({"batch": None}, "without a batch axis"),
        ({"unbatched": "level"}, "a list"),
        ({"lengths": {"time": "4"}}, "a whole number"),
    ],
)
def test_hostile_files_are_refused_in_a_sentence(layer, change, named):
    manifest = json.loads(text_of(manifest_of(INPUT, OUTPUT, FILES)))
    manifest["models"]["model.int8.tflite"]["spec"].update(change)
    assert_refused_in_a_sentence(layer, manifest, named)


def test_a_long_key_makes_no_long_message(layer):
    manifest = json.loads(text_of(manifest_of(INPUT, OUTPUT)))
    manifest["model"]["input"]["lengths"]["x" * 100_000] = 5
    (complaint,) = said(layer, [json.dumps(manifest)])
    assert complaint.startswith("ZooError: manifest.json") and len(complaint) < 1100


def test_damaged_manifests_are_taken_or_refused_as_in_python(layer):
    sound = json.loads(text_of(manifest_of(INPUT, OUTPUT, FILES)))
    assert_taken_or_refused_as_in_python(layer, [sound], 600, seed=3)


# files


def sample(time=4, seed=0):
    random = np.random.default_rng(seed)
    return {
        "sound": random.normal(size=(3, time)).astype(np.float32),
        "words": random.integers(-5, 2**40, time),
        "mask": np.array([True, False]),
        "level": np.uint8(200),
    }


def packed(arrays):
    return write_npz({name: np.asarray(array) for name, array in arrays.items()})


def test_files_of_tensors_are_read_or_refused_as_in_python(layer):
    good = sample()
    sources = [
        good,
        sample(1),
        good | {"sound": np.asfortranarray(good["sound"]).astype(np.float16)},
        good | {"sound": good["words"][None].repeat(3, 0).astype(np.int16), "words": good["words"].astype(np.uint8)},
        good | {"level": np.int64(255)},
        good | {"level": np.int64(256)},
        good | {"level": np.int8(-1)},
        good | {"level": np.float32(1)},
        good | {"mask": np.array([1, 0])},
        good | {"sound": good["sound"].astype(np.float64) * 1e39},
        good | {"sound": np.full((3, 4), np.nan)},
        good | {"sound": good["sound"][:, :3]},
        good | {"sound": good["sound"][None]},
        good | {"other": good["mask"]},
        {name: array for name, array in good.items() if name != "mask"},
    ]
    layer.files.update({f"tensors{i}": packed(each) for i, each in enumerate(sources)})
    answers = layer.call(
        """async ([text, count]) => {
          const { input } = model.parseManifest(text).model;
          const read = async (i) => {
            try {
              const bytes = await file("tensors" + i);
              const read = model.readTensorsFile(input, bytes);
              return read.map(({ shape, data }) => [shape, data.constructor.name, [...data]]);
            } catch (problem) {
              return `${problem.name}: ${problem.message}`;
            }
          };
          return Promise.all(Array.from({ length: count }, (_, i) => read(i)));
        }""",
        [text_of(manifest_of(INPUT, OUTPUT)), len(sources)],
    )
    kinds = {"float32": "Float32Array", "int64": "Float64Array", "bool": "Uint8Array", "uint8": "Uint8Array"}
    refused = 0
    for each, answer in zip(sources, answers, strict=True):
        try:
            wanted = INPUT.read(each)
        except InputError:
            refused += 1
            assert str(answer).startswith("ZooError: "), each
            continue
        assert answer == [
            [list(array.shape), kinds[array.dtype.name], array.ravel().tolist()] for array in wanted.values()
        ]
    assert refused == 10


def test_whole_numbers_that_a_browser_rounds_are_refused(layer):
    layer.files["large"] = packed(sample() | {"words": [2**53] * 4})
    said = layer.call(
        """async (text) => {
          const bytes = await file("large");
          return said(() => model.readTensorsFile(model.parseManifest(text).model.input, bytes));
        }""",
        text_of(manifest_of(INPUT, OUTPUT)),
    )
    assert "beyond 2 ** 53" in said


# running


RUN = """async ([text, name, outputs]) => {
  const manifest = model.parseManifest(text);
  let fed;
  const typed = {
    float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array, uint8: Uint8Array,
  };
  const engine = { run: async (inputs) => {
    fed = inputs.map(({ dtype, shape, data }) => [dtype, shape, data.constructor.name, Array.from(data, Number)]);
    return outputs.map(({ dtype, shape, data }) => (
      { dtype, shape, data: typed[dtype].from(data, dtype === "int64" ? BigInt : Number) }
    ));
  } };
  const read = model.readTensorsFile(manifest.model.input, await file("sample"));
  try {
    const { prediction } = await new model.Model(manifest, name, engine).predict(read);
    return [fed, prediction.tensors.map(({ name, dtype, shape, data }) => [name, dtype, shape, [...data]])];
  } catch (problem) {
    return [fed, `${problem.name}: ${problem.message}`];
  }
}"""
GRAPH_OUTPUTS = (
    {"dtype": "float32", "shape": [1, 4], "data": [1, 2, 3, 4]},
    {"dtype": "float32", "shape": [1, 3, 2], "data": [0.5] * 6},
    {"dtype": "int64", "shape": [1], "data": [7]},
)


def run(layer, name, outputs=GRAPH_OUTPUTS, **changed):
    layer.files["sample"] = packed(sample() | changed)
    return layer.call(RUN, [text_of(manifest_of(INPUT, OUTPUT, FILES)), name, outputs])


def test_tensors_are_fed_in_the_types_that_a_file_takes(layer):
    fed, answer = run(layer, "model.onnx")
    assert [each[:3] for each in fed] == [
        ["float32", [1, 3, 4], "Float32Array"], ["int64", [1, 4], "BigInt64Array"], ["bool", [1, 2], "Uint8Array"],
        ["uint8", [1], "Uint8Array"],
    ]  # fmt: skip
    assert [each[3] for each in fed] == [np.asarray(array).ravel().tolist() for array in sample().values()]
    assert answer == [
        ["small", "float32", [4], [1, 2, 3, 4]], ["large", "float32", [3, 2], [0.5] * 6], ["best", "int64", [], [7]],
    ]  # fmt: skip
    fed, _ = run(layer, "model.tflite", words=np.arange(4))
    assert fed[1] == ["int32", [1, 4], "Int32Array", [0, 1, 2, 3]]
    # converters narrow integers
    fed, answer = run(layer, "model.onnx", (*GRAPH_OUTPUTS[:2], GRAPH_OUTPUTS[2] | {"dtype": "int32"}))
    assert answer[2] == ["best", "int64", [], [7]]


def test_integers_stand_for_real_values_and_batch_axes_may_be_missing_as_in_python(layer):
    files = {"model.tflite": ModelFile(QUANTIZED, None)}
    assert parse_manifest(text_of(manifest_of(INPUT, OUTPUT, files)).encode(), "manifest.json").models == files
    values = sample() | {"words": np.arange(4), "sound": np.linspace(-3, 3, 12).reshape(3, 4).astype(np.float32)}
    layer.files["sample"] = packed(values)
    outputs = (
        {"dtype": "uint8", "shape": [1, 4], "data": [0, 12, 13, 255]},
        {"dtype": "float32", "shape": [3, 2], "data": [0.5] * 6},
        {"dtype": "int32", "shape": [1], "data": [7]},
    )
    fed, answer = layer.call(RUN, [text_of(manifest_of(INPUT, OUTPUT, files)), "model.tflite", outputs])
    batch = {name: np.asarray(array)[None] for name, array in values.items()}
    wanted = to_graph(batch, QUANTIZED, "model.tflite")
    assert [[dtype, shape] for dtype, shape, *_ in fed] == [
        [array.dtype.name, list(array.shape)] for array in wanted.values()
    ]
    numbers = [array.view(np.uint16) if array.dtype == np.float16 else array for array in wanted.values()]
    assert [each[3] for each in fed] == [array.ravel().tolist() for array in numbers]
    arrays = {tensor.name: np.array(each["data"], each["dtype"]).reshape(each["shape"])
              for tensor, each in zip(OUTPUT.tensors, outputs, strict=True)}  # fmt: skip
    raw = from_graph(arrays, {tensor.name: tensor.numpy_dtype for tensor in OUTPUT.tensors}, QUANTIZED)
    assert answer == [
        [tensor.name, tensor.dtype, list(array.shape[1:]), array.ravel().tolist()]
        for tensor, array in zip(OUTPUT.tensors, raw.values(), strict=True)
    ]


def test_a_graph_made_elsewhere_may_give_its_own_tensors(layer):
    feed = Feed("in", "", "NCHW", "float32", (0.0,), (255.0,))
    image = ImageInput("image", "image", (2, 3, 1), image_steps((2, 3), "L"))
    file = ModelFile(dataclasses.replace(SPEC, input_dtype="uint8", feed=feed), None)
    manifest = manifest_of(image, OUTPUT, {"model.onnx": file})
    names, fed, shapes = layer.call(
        """async ([text, given]) => {
          const manifest = model.parseManifest(text);
          let fed;
          const engine = { run: async ([input]) => {
            fed = [input.dtype, input.shape, [...input.data]];
            return given.map(({ dtype, shape, data }) => (
              { dtype, shape, data: dtype === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data) }
            ));
          } };
          const opened = new model.Model(manifest, "model.onnx", engine);
          const raw = await opened.run([{ shape: [2, 3, 1], data: Uint8Array.of(0, 51, 102, 153, 204, 255) }]);
          return [model.namesOf(manifest, "model.onnx"), fed, raw.map(({ shape }) => shape)];
        }""",
        [text_of(manifest), GRAPH_OUTPUTS],
    )
    assert names == {"inputs": ["in"], "outputs": ["small", "large", "best"]}
    assert fed == ["float32", [1, 1, 2, 3], pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])]
    assert shapes == [[4], [3, 2], []]
    refused = json.loads(text_of(manifest))
    refused["model"]["output"] = {"task": "anomaly", "name": "y", "features": 4, "threshold": 1}
    assert_refused_in_a_sentence(layer, refused, "needs the name of the graph's output")


def test_what_does_not_fit_a_file_or_its_manifest_is_said(layer):
    _, said = run(layer, "model.tflite", words=np.full(4, 2**40))
    assert said == 'ZooError: model.tflite takes "words" as int32, into which its values don\'t fit'
    _, said = run(layer, "model.tflite", sound=np.zeros((3, 5)), words=np.zeros(5, int))
    assert said == 'ZooError: the axis "time" has 4 here, and 5 in the tensor "sound"'
    for at, other in ((0, {"shape": [1, 5]}), (0, {"shape": [2, 4]}), (1, {"shape": [1, 6]}), (0, {"dtype": "int32"})):
        outputs = [each | other if i == at else each for i, each in enumerate(GRAPH_OUTPUTS)]
        assert "ZooError: model.onnx gave" in run(layer, "model.onnx", outputs)[1]
    assert "gave nothing for int64 [1]" in run(layer, "model.onnx", GRAPH_OUTPUTS[:2])[1]
    nan = [GRAPH_OUTPUTS[0] | {"data": [None, 1, 2, 3]}, *GRAPH_OUTPUTS[1:]]  # null is 0, so the browser makes the NaN
    script = RUN.replace("from(data,", "from(data.map((x) => x ?? NaN),")
    said = layer.call(script, [text_of(manifest_of(INPUT, OUTPUT, FILES)), "model.onnx", nan])[1]
    assert "not finite" in said


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.01])
def test_each_tensor_is_compared_by_itself_as_in_python(layer, noise):
    """A tensor of small values is not hidden behind one of large ones."""
    random = np.random.default_rng(1)
    wanted = {
        "small": random.normal(0, 1e-4, (9, 4)).astype(np.float32),
        "large": random.normal(0, 1e4, (9, 3, 2)).astype(np.float32),
        "best": random.integers(0, 100, 9),
    }
    noisy = {
        "small": (wanted["small"] * (1 + noise * random.normal(size=(9, 4)))).astype(np.float32),
        "large": (wanted["large"] + noise).astype(np.float32),
        "best": wanted["best"] + (noise > 1e-3),
    }
    for tie in (1e-5, 0.05):
        differences = layer.call(
            """([output, wanted, found, tie]) => {
              const samples = (tensors) => tensors[0].map((_, i) =>
                tensors.map((rows) => ({ shape: [], data: Float64Array.from([rows[i]].flat(2)) })));
              return model.difference(samples(wanted), samples(found), output, tie);
            }""",
            [
                dataclasses.asdict(OUTPUT),
                *([array.tolist() for array in each.values()] for each in (wanted, noisy)),
                tie,
            ],
        )
        expected = difference(wanted, noisy, OUTPUT, tie)
        assert differences["maximum"] == pytest.approx(expected.maximum, rel=1e-9)
        assert differences["mean"] == pytest.approx(expected.mean, rel=1e-9)
        assert differences["agreement"] == expected.agreement
        assert differences["tensors"] == pytest.approx(expected.tensors, rel=1e-9)


def test_packs_that_do_not_fit_the_manifest_are_refused(layer):
    golden = Golden.decode((FIXTURE / "golden.npz").read_bytes(), "golden.npz")
    text = (FIXTURE / "manifest.json").read_text()
    inputs, outputs = golden.inputs, golden.outputs
    packs = (
        ({"inputs": {"numbers": inputs["numbers"]}}, "its inputs"),
        ({"inputs": inputs | {"words": inputs["words"].astype(np.int32)}}, "its inputs"),
        ({"outputs": outputs | {"other": outputs["small"]}}, "its outputs"),
        ({"outputs": {"small": outputs["large"], "large": outputs["small"]}}, "its outputs"),
    )
    for change, named in packs:
        layer.files["pack"] = dataclasses.replace(golden, answers={}, **change).encode()
        said = layer.call(
            """async (text) => {
              const opened = new model.Model(model.parseManifest(text), "model.onnx", {});
              const golden = model.readGolden(await file("pack"));
              return model.selfTest(opened, golden, () => undefined).then(() => "", (problem) => problem.message);
            }""",
            text,
        )
        assert said.startswith(f"golden.npz: {named}"), said
    torn = inputs | {"words": inputs["words"][:-1]}
    layer.files["pack"] = dataclasses.replace(golden, answers={}, inputs=torn).encode()
    said = layer.call("async () => { const pack = await file('pack'); return said(() => model.readGolden(pack)); }")
    assert "don't belong together" in said


# the page


@pytest.fixture(scope="module")
def address(site):
    return site(FIXTURE)


@pytest.mark.parametrize("file", ["model.onnx", "model.tflite"])
def test_the_page_answers_like_pytorch_tensor_by_tensor(address, page, file):
    open_model(page, address, "format-3", "proof", file)
    report = self_test(page)
    assert report["passed"], report
    assert (report["samples"], report["inputs"]["maxDifference"]) == (11, 0)
    assert report["outputs"]["tensors"].keys() == {"small", "large"}
    assert max(report["outputs"]["tensors"].values()) <= 1e-5
    page.get_by_text("small, from the same inputs").wait_for()
    engine, whole_prediction = benchmark(page)
    assert 0 < engine <= whole_prediction


def test_the_page_shows_tensors_and_takes_a_file_of_them(address, page):
    open_model(page, address, "format-3", "tensors", "model.onnx")
    assert page.get_by_role("tab").all_inner_texts() == ["Tensors", "Proof"]
    page.get_by_text("int64 [length] · word · 0 to 19").wait_for()
    page.get_by_role("button", name="Try an example").click()
    page.locator(".answer .headline").get_by_text("2 tensors").wait_for()
    arrays = {"numbers": np.linspace(-1, 1, 8), "words": np.arange(3)}
    wanted = runtime.load(FIXTURE / "model.onnx").predict(arrays)
    chosen = {"name": "sample.npz", "mimeType": "application/zip", "buffer": write_npz(arrays)}
    page.get_by_label("Load a .npz file").set_input_files(chosen)
    page.locator(".past").nth(1).wait_for()
    shown = page.locator(".answer .tensors code").all_inner_texts()
    values = [[float(number) for number in text.split()] for text in shown]
    for numbers, name in zip(values, ("small", "large"), strict=True):
        assert numbers == pytest.approx(wanted[name].tolist(), rel=1e-3)
    chosen["buffer"] = write_npz({"numbers": np.zeros(7)})
    page.get_by_label("Load a .npz file").set_input_files(chosen)
    page.get_by_role("alert").get_by_text('tensor "numbers": expected float32 [8], got float64 [7]').wait_for()
