"""The app's manifests, inputs, answers and self-test against Python's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from runtime.bundle import GoldenSource, ModelFile, Quantization, parse_manifest
from runtime.bundle.golden import Golden
from runtime.compare import difference
from runtime.errors import InputError, ManifestError
from runtime.feed import Feed, QuantizationParams
from runtime.images.preprocess import image_steps
from runtime.inputs import CategoricalColumn, ImageInput, NumericColumn, SequenceInput, TableInput
from runtime.postprocess import decode
from runtime.spec import FORMAT_VERSION, State
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression
from runtime.tensors import by_name
from tests.mobile_demo.manifests import (
    PARITY,
    SPEC,
    assert_refused_in_a_sentence,
    assert_taken_or_refused_as_in_python,
    manifest_of,
    text_of,
    whole,
)
from zoo.web.site import APP_FORMAT

FIXTURES = Path(__file__).parents[1] / "fixtures"
LABELS = ("ant", "bee", "cow 🐄", "dög", "eel", "fox", "gnu")
PRICE = Regression("regression", "y", "price", "EUR", 100.0, 10.0)
TASKS = (
    Classification("classification", "y", LABELS),
    Binary("binary", "y", ("ham", "spam")),
    MultiLabel("multilabel", "y", LABELS, 0.8),
    Classification("classification", "y", LABELS, "softmax"),
    Binary("binary", "y", ("ham", "spam"), "sigmoid"),
    MultiLabel("multilabel", "y", LABELS, 0.75, "sigmoid"),
    CTC("ctc", "y", "ab 🐄é", "softmax"),
    PRICE,
    Forecasting("forecasting", "y", "load", "MW", 4, 100.0, 10.0),
    CTC("ctc", "y", "ab 🐄é"),
    Anomaly("anomaly", "y", 9, 4.0),
)
COLUMNS = (
    NumericColumn("numeric", "age", 50.0, 20.0, 18.0, 89.0, missing=45.5),
    CategoricalColumn("categorical", "city", ("", "Bern", "Oslo", "Zürich")),
    NumericColumn("numeric", "year", 2008.0, 10.0, 1990.0, 2025.0),
)
TABLE = TableInput("table", "row", COLUMNS)
SEQUENCE = SequenceInput("sequence", "steps", 12, ("heat", "wind"), (20.0, -3.0), (5.0, 1.0))
ROWS = SequenceInput(
    "sequence", "steps", 8, tuple(map(str, range(6))), (0.0,) * 6, (1.0,) * 6, image_steps((8, 6), "L")
)
IMAGE = ImageInput("image", "image", (12, 10, 3), image_steps((12, 10), "RGB", fit="pad"))
FEED = Feed(
    "in", "out", "NCHW", "int8", (0.0, 1.0, 2.0), (255.0,) * 3, "BGR", QuantizationParams(0.004, -128), gives="softmax"
)


def test_manifests_say_whose_samples_they_publish(layer):
    manifest = dataclasses.replace(manifest_of(TABLE, TASKS[1]), golden=GoldenSource("chosen", 3))
    files = {name: entry for name, entry in manifest.files.items() if name != "golden.npz"}
    for each in (manifest, dataclasses.replace(manifest, golden=GoldenSource("none"), files=files)):
        assert layer.call("(text) => model.parseManifest(text)", text_of(each)) == whole(each)


# manifests


@pytest.mark.parametrize("input_spec", [TABLE, SEQUENCE, ROWS, IMAGE], ids=["table", "sequence", "rows", "image"])
@pytest.mark.parametrize("output", TASKS, ids=lambda task: task.task)
def test_manifests_of_every_kind_are_read_as_they_are(layer, input_spec, output):
    quantized = Quantization({"conv": 0.25}, 200, "min-max", {"ant": 3})
    files = {
        "model.int8.tflite": ModelFile(dataclasses.replace(SPEC, format="tflite", precision="int8"), None, quantized),
        "model.onnx": ModelFile(SPEC, PARITY),
        "model.step.onnx": ModelFile(dataclasses.replace(SPEC, state=(State("hidden", (3, 4)),)), PARITY),
        "model.int8.tflm": ModelFile(dataclasses.replace(SPEC, format="tflm", batch=1), PARITY, None, {"flash": 9}),
        "eight.onnx": ModelFile(dataclasses.replace(SPEC, batch=8), PARITY),
    }
    if input_spec is IMAGE:
        files["foreign.onnx"] = ModelFile(dataclasses.replace(SPEC, feed=FEED), PARITY)
    manifest = manifest_of(input_spec, output, files)
    parsed, playable = layer.call(
        "(text) => [model.parseManifest(text), model.playable(model.parseManifest(text))]", text_of(manifest)
    )
    assert parsed == whole(manifest)
    assert [each["file"] for each in playable] == [
        "model.int8.tflite", "model.onnx", *(["foreign.onnx"] if input_spec is IMAGE else []),
    ]  # fmt: skip
    assert playable[0] == {"file": "model.int8.tflite", "format": "tflite", "precision": "int8", "size": 10}


def test_labels_of_every_script_are_read(layer):
    labels = ["क\u200dष", "می\u200cخواهم", "10\u00a0km", "黒\u3000猫", "👩\u200d👩\u200d👧", "🫩", "שלום\u200e"]
    manifest = json.loads(text_of(manifest_of(IMAGE, Classification("classification", "logits", tuple(labels)))))
    parsed_labels = layer.call("(text) => model.parseManifest(text).model.output.labels", json.dumps(manifest))
    assert parsed_labels == labels


@pytest.mark.parametrize("code", [0x1B, 0x7F, 0x85, 0x9B, 0x2028, 0x2029, 0x202E, 0x2067])
def test_labels_with_control_characters_are_refused(layer, code):
    manifest = json.loads(text_of(manifest_of(IMAGE, Classification("classification", "logits", ("a", "b")))))
    manifest["model"]["output"]["labels"][1] = f"b{chr(code)}"
    with pytest.raises(ManifestError):
        parse_manifest(json.dumps(manifest).encode(), "manifest.json")
    assert "labels must be" in layer.call("(text) => said(() => model.parseManifest(text))", json.dumps(manifest))


def test_the_app_reads_what_python_reads(layer):
    assert layer.call("() => model.FORMAT_VERSION") == APP_FORMAT == FORMAT_VERSION


@pytest.mark.parametrize("version", ["1", "2", "3", "3-detector"])
def test_bundles_of_every_version_are_read(layer, version):
    bundle = FIXTURES / f"format-{version}"
    layer.files["golden.npz"] = (bundle / "golden.npz").read_bytes()
    golden = Golden.decode(layer.files["golden.npz"], "golden.npz")
    name, parsed_golden = layer.call(
        """async (text) => {
          const manifest = model.parseManifest(text);
          const bytes = await model.checked(await file("golden.npz"), manifest.files["golden.npz"], "golden.npz");
          return [manifest.model.name, plain(model.readGolden(bytes))];
          function plain(golden) {
            const values = (batch) => Object.fromEntries([...batch].map(([name, { data }]) => [name, [...data]]));
            const { raw, inputs, outputs } = golden;
            const files = raw.map((each) => [...each]);
            return { ...golden, raw: files, inputs: values(inputs), outputs: values(outputs) };
          }
        }""",
        (bundle / "manifest.json").read_text(),
    )
    assert name == json.loads((bundle / "manifest.json").read_text())["model"]["name"]
    assert parsed_golden["raw"] == [list(each) for each in golden.raw]
    for batch, values in ((golden.inputs, parsed_golden["inputs"]), (golden.outputs, parsed_golden["outputs"])):
        assert values == {name: array.ravel().tolist() for name, array in by_name(batch, ("",)).items()}
    limits = (parsed_golden["real"], parsed_golden["tolerance"], parsed_golden["inputTolerance"])
    assert limits == (golden.real, golden.tolerance, golden.input_tolerance)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.update(extra=1), "extra"),
        (lambda m: m.pop("card"), "card"),
        (lambda m: m.update(format=4), "newer"),
        (lambda m: m.update(format="2"), "version number"),
        (lambda m: m["model"]["input"].update(kind="sound"), "sound"),
        (lambda m: m["model"]["input"]["preprocess"][0].update(step="shrink"), "shrink"),
        (lambda m: m["model"]["input"]["preprocess"][4].update(interpolation="magic"), "magic"),
        (
            lambda m: m["model"]["input"]["preprocess"][4].update(interpolation="opencv-bilinear", fit="crop"),
            "resizes whole images",
        ),
        (
            lambda m: m["model"]["input"]["preprocess"][4].update(interpolation="opencv-bilinear", fit="pad"),
            "leave out its 'reduce' step",
        ),
        (lambda m: m["model"]["input"]["preprocess"][4].update(width=11), "the input takes"),
        (lambda m: m["model"]["input"]["preprocess"].pop(3), "one 'mode' step"),
        (lambda m: m["model"]["output"].update(task="poetry"), "poetry"),
        (lambda m: m["model"]["output"].update(labels=["a", "a"]), "labels must be"),
        (lambda m: m["model"]["output"].update(labels=["a", "b\x1b[2J"]), "labels must be"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(precision="fp8"), "fp8"),
        (lambda m: m["models"]["model.onnx"]["spec"].update(batch=0), "batch"),
        (lambda m: m["models"].clear(), "at least one model file"),
        (lambda m: m["files"].pop("golden.npz"), "golden.npz"),
        (lambda m: m.update(golden={"kind": "none"}), "says that there is none"),
        (lambda m: m.update(golden={"kind": "mine"}), "mine"),
        (lambda m: m["files"].update({"../evil.onnx": m["files"]["golden.npz"]}), "../evil.onnx"),
        (lambda m: m["files"].update({"a/b": m["files"]["golden.npz"]}), "a/b"),
        (lambda m: m["files"].update({"manifest.json": m["files"]["golden.npz"]}), "can't be a file"),
        (lambda m: m["files"].update({"two\nlines": 3}), "two"),
        (lambda m: m["files"]["README.md"].update(sha256="0" * 64 + "\n"), "64 hexadecimal"),
        (lambda m: m["files"]["README.md"].update(size=-1), "size must be"),
    ],
)
def test_a_hostile_manifest_is_refused_in_a_sentence(layer, change, named):
    manifest = json.loads(text_of(manifest_of(IMAGE, TASKS[0])))
    change(manifest)
    assert_refused_in_a_sentence(layer, manifest, named)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not valid JSON"),
        ("[1]", "version number"),
        ("[" * 10**6, "not valid JSON"),
        ('{"format": 2, "card": ' + "[" * 10**6 + "]" * 10**6 + "}", "manifest.json"),
        ('{"format": 2' + " " * (8 * 2**20) + "}", "larger than expected"),
        ("null", "version number"),
    ],
    ids=["empty", "a list", "deep", "deep inside", "large", "null"],
)
def test_what_is_no_manifest_is_refused(layer, text, named):
    said = layer.call("(text) => said(() => model.parseManifest(text))", text)
    assert said.startswith("ZooError: manifest.json")
    assert named in said


def test_odd_names_harm_nothing(layer):
    text = text_of(manifest_of(IMAGE, TASKS[0]))
    deep = "[" * 10**5 + "]" * 10**5
    for odd, refused in (
        (text.replace('"accuracy": 0.5', '"accuracy": 0.5, "accuracy": 0.25'), False),
        (text.replace('"accuracy": 0.5', '"__proto__": 0.5, "constructor": 1'), False),
        (text.replace('"recipe": null', '"__proto__": {"polluted": 1}'), False),
        (text.replace('"recipe": null', f'"recipe": {deep}'), True),
        (text.replace('"created"', '"__proto__": {"card": 1}, "created"'), True),
        (text.replace('"task": "classification"', '"task": "constructor"'), True),
        (text.replace('"kind": "image"', '"kind": "__proto__"'), True),
    ):
        said, polluted = layer.call("(text) => [said(() => model.parseManifest(text)), {}.polluted]", odd)
        assert polluted is None
        assert said.startswith("ZooError: ") if refused else said == ""
    said = layer.call("(text) => said(() => new model.Model(model.parseManifest(text), 'constructor', {}))", text)
    assert said == 'ZooError: the bundle has no model file "constructor"; it has: model.onnx'


@pytest.mark.parametrize("input_spec", [TABLE, SEQUENCE, ROWS, IMAGE], ids=["table", "sequence", "rows", "image"])
def test_damaged_manifests_are_taken_or_refused_as_in_python(layer, input_spec):
    files = {"model.onnx": ModelFile(SPEC, PARITY, Quantization()), "second.tflite": ModelFile(SPEC, None)}
    if input_spec is IMAGE:
        files["foreign.onnx"] = ModelFile(dataclasses.replace(SPEC, feed=FEED), PARITY)
    sound = [json.loads(text_of(manifest_of(input_spec, task, files))) for task in TASKS]
    assert_taken_or_refused_as_in_python(layer, sound, 500, seed=len(input_spec.name))


# files


def test_a_flipped_byte_is_found_with_and_without_the_browsers_own_hash(layer):
    random = np.random.default_rng(0)
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_003]
    digests = []
    for length in lengths:
        layer.files[f"part{length}"] = random.bytes(length)
        digests.append(hashlib.sha256(layer.files[f"part{length}"]).hexdigest())
    checks = layer.call(
        """async ([lengths, digests]) => {
          const out = [];
          for (const [i, length] of lengths.entries()) {
            const bytes = await file("part" + length);
            const own = [...model.sha256(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
            const kept = await model.checked(bytes, { sha256: digests[i], size: length }, "part");
            out.push([own, kept === bytes]);
          }
          return out;
        }""",
        [lengths, digests],
    )
    assert checks == [[digest, True] for digest in digests]
    said = layer.call(
        """async ([sha256, size]) => {
          const bytes = await file("part1000");
          const out = [];
          const attempt = (bytes) =>
            model.checked(bytes, { sha256, size }, "model.onnx").then(() => "", (fault) => fault.message);
          bytes[700] ^= 1;
          out.push(await attempt(bytes));
          bytes[700] ^= 1;
          out.push(await attempt(bytes.subarray(1)), await attempt(bytes));
          return out;
        }""",
        [digests[lengths.index(1000)], 1000],
    )
    assert said[0].startswith("model.onnx: the file is not the one that the manifest lists")
    assert "999 bytes, expected 1000" in said[1]
    assert said[2] == ""


@pytest.mark.parametrize("shape", [(2, 4), (2, 7, 3), (2, 8, 8, 1)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_golden_packs_are_read_as_in_python(layer, shape, kind):
    inputs = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    outputs = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    answers = {"model.int8.onnx": outputs + 1, "model.fp16.tflite": outputs - 1}
    layer.files["pack"] = Golden((b"one", b"two"), inputs, outputs, 1, 1e-5, 3.0, answers).encode()
    parsed_golden = layer.call(
        """async () => {
          const golden = model.readGolden(await file("pack"));
          const [inputs, outputs] = [golden.inputs.get(""), golden.outputs.get("")];
          return {
            raw: golden.raw.map((each) => String.fromCharCode(...each)), shape: inputs.shape, inputs: [...inputs.data],
            kind: inputs.data.constructor.name, outputs: [outputs.shape, [...outputs.data]], real: golden.real,
            answers: Object.fromEntries([...golden.answers].map(([name, batch]) => [name, [...batch.get("").data]])),
          };
        }"""
    )
    assert parsed_golden["raw"] == ["one", "two"]
    assert (parsed_golden["shape"], parsed_golden["real"]) == (list(shape), 1)
    assert parsed_golden["kind"] == {np.uint8: "Uint8Array", np.float32: "Float32Array"}[kind]
    assert parsed_golden["inputs"] == inputs.ravel().tolist()
    assert parsed_golden["outputs"] == [[2, 5, 4], outputs.ravel().tolist()]
    assert parsed_golden["answers"] == {name: array.ravel().tolist() for name, array in answers.items()}


def test_damaged_golden_packs_raise_nothing_but_sentences(layer):
    data = (FIXTURES / "format-2" / "golden.npz").read_bytes()
    random = np.random.default_rng(0)
    layer.files.update({"bad0": b"", "bad1": b"junk", "bad2": data[:-30], "bad3": data[30:], "bad4": data[:100]})
    for number in range(5, 400):
        damage = bytearray(data)
        for index in random.integers(0, len(data), 3):
            damage[index] = random.integers(256)
        layer.files[f"bad{number}"] = bytes(damage)
    messages = layer.call(
        """async () => {
          const found = [];
          for (let i = 0; i < 400; i++) {
            const bytes = await file("bad" + i);
            found.push(said(() => model.readGolden(bytes)));
          }
          return found;
        }"""
    )
    assert all(said == "" or said.startswith("ZooError: golden.npz") for said in messages)
    assert all(messages[:5])


# inputs


def read(layer, input_spec, sources):
    """Return what the browser reads of rows or sequences: values, or why it can't."""
    script = """([text, sources]) => sources.map((source) => {
      try {
        const [{ shape, data }] = new model.Model(model.parseManifest(text), "model.onnx", {}).read(source);
        return { shape, values: [...data] };
      } catch (problem) {
        return `${problem.name}: ${problem.message}`;
      }
    })"""
    return layer.call(script, [text_of(manifest_of(input_spec, TASKS[1])), sources])


CELLS = (
    "33.5", " 7 ", "1e3", "1_000", "-.5", "5.", "+3", "", "  ", None, 12, -0.1, "0x10", "inf", "nan", "1e39", "3.5e38",
    "1,5", "one", "1__0", "_1", "1e", ".", "٣", "Infinity", "1 000", 1e308, 16777217, "0.1", "1e-50", "000", "1e5_0",
)  # fmt: skip


def test_rows_are_encoded_or_refused_as_in_python(layer):
    cities = ("Oslo", " Bern ", "", None, "Paris", "oslo", "Zürich")
    rows = [{"age": cell, "city": "Oslo", "year": 2000, "more": 1} for cell in CELLS]
    rows += [{"age": 1, "city": city, "year": "1999"} for city in cities]
    rows += [{"age": 1, "city": "Oslo", "year": cell} for cell in ("", None, "x")]
    rows += [{"age": 1, "city": "Oslo"}, [30, "Bern", 1999], [None, "", "2000"], [1, "Bern"], []]
    for row, answer in zip(rows, read(layer, TABLE, rows), strict=True):
        try:
            wanted = TABLE.read(row)
        except InputError:
            if row != {"age": "٣", "city": "Oslo", "year": 2000, "more": 1}:
                assert str(answer).startswith("ZooError: "), row
            continue
        if row == {"age": "٣", "city": "Oslo", "year": 2000, "more": 1}:  # Python reads every script's digits
            continue
        assert answer == {"shape": [6], "values": wanted.tolist()}, row


def test_a_refused_cell_is_named(layer):
    rows = [{"age": "x", "city": "Oslo", "year": 1}, {"age": 1, "city": "Rome", "year": 1}, {"age": 1, "year": 1}]
    words = read(layer, TABLE, rows)
    for said, parts in zip(words, (("age", '"x"'), ("city", "Rome", "Oslo, Zürich"), ("city",)), strict=True):
        assert all(part in said for part in parts)


def test_sequences_are_read_or_refused_as_in_python(layer):
    good = [[[1.5, 2], [0.1, -3]], [[1e300, 0]], [[16777217, 0.1]] * 12]
    for steps, answer in zip(good, read(layer, SEQUENCE, good), strict=True):
        wanted = np.array(steps, np.float64)
        try:
            values = SEQUENCE.read(wanted)
        except InputError:
            assert "not finite" in answer
        else:
            assert answer == {"shape": list(wanted.shape), "values": values.ravel().tolist()}
    for bad in ([], [[1]], [[1, 2], [3]], [[1, 2, 3]], {"heat": 1}):
        assert read(layer, SEQUENCE, [bad])[0].startswith("ZooError: "), bad


def test_rows_of_images_are_sequences_as_in_python(layer):
    array = np.random.default_rng(0).integers(0, 256, (31, 17, 3), np.uint8)
    layer.files["image"] = array.tobytes()
    answer = layer.call(
        """async (text) => {
          const pixels = { width: 17, height: 31, channels: 3, data: await file("image") };
          const [{ shape, data }] = new model.Model(model.parseManifest(text), "model.onnx", {}).read(pixels);
          return [shape, [...data], data.constructor.name];
        }""",
        text_of(manifest_of(ROWS, TASKS[1])),
    )
    assert answer == [[8, 6], ROWS.read(array).ravel().tolist(), "Float32Array"]


# answers


def outputs_of(task, count=40):
    """Return raw outputs: noise, ties, extremes, zeros."""
    random = np.random.default_rng(len(task.name))
    shape = tuple(7 if size is None else size for size in task.shape)
    raw = random.normal(getattr(task, "mean", 0), 3, (count, *shape)).astype(np.float32)
    raw[1] = 0
    raw[2] = 3e38
    raw[3] = -3e38
    raw[4] = np.round(raw[4])
    raw[5] *= 100
    raw[6, ...] = raw[6].flat[0]
    return raw


def plain(prediction):
    """Return an answer as the app tells it."""
    fields = prediction.to_dict()
    if "value" in fields:
        return {"kind": "values", "values": np.atleast_1d(fields.pop("value")).tolist(), **fields}
    if "is_anomaly" in fields:
        return {"kind": "anomaly", "anomalous": fields.pop("is_anomaly"), **fields}
    return {"kind": "text" if "text" in fields else "labels" if "labels" in fields else "class", **fields}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.task)
def test_every_task_decodes_as_in_python(layer, task):
    raw = outputs_of(task)
    predictions = layer.call(
        """([output, raw, shape, k]) =>
          raw.map((each) => model.decode(output, [{ shape, data: Float32Array.from(each.flat()) }], k))""",
        [dataclasses.asdict(task), raw.tolist(), raw.shape[1:], 3],
    )
    with np.errstate(over="ignore"):
        wanted = [plain(each) for each in decode(task, raw, raw, 3)]
    for one, other in zip(wanted, predictions, strict=True):
        assert other.keys() == one.keys()
        for key, value in one.items():
            if key == "top":
                assert [each["label"] for each in other["top"]] == [each["label"] for each in value]
                scores = [[each["score"] for each in top] for top in (other["top"], value)]
                assert scores[0] == pytest.approx(scores[1], abs=1e-6)
            elif isinstance(value, float):
                assert other[key] == pytest.approx(value, rel=1e-6, abs=1e-6)
            else:
                assert other[key] == value


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.task)
def test_outputs_that_are_none_are_refused(layer, task):
    shape = [7 if size is None else size for size in task.shape]
    size = math.prod(shape)
    for raw, axes in (
        ([float("nan")] * size, shape), ([0.0] * 2 * size, [*shape[:-1], 2 * shape[-1]]), ([], [0, *shape[1:]]),
    ):  # fmt: skip
        said = layer.call(
            "([output, shape, raw]) => said(() => model.decode(output, [{ shape, data: Float32Array.from(raw) }], 5))",
            [dataclasses.asdict(task), axes, raw],
        )
        assert said.startswith("ZooError: the model gave ")


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.task)
@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.01, 0.3])
def test_differences_are_those_of_python(layer, task, noise):
    random = np.random.default_rng(1)
    wanted = outputs_of(task)
    wanted = np.delete(wanted, [2, 3], axis=0)
    noisy = (wanted + noise * random.normal(size=wanted.shape) * 3).astype(np.float32)
    for tie in (1e-5, 0.05):
        differences = layer.call(
            """([output, wanted, found, tie]) => {
              const rows = (arrays) => arrays.map((each) => [{ shape: [], data: Float32Array.from(each.flat()) }]);
              return model.difference(rows(wanted), rows(found), output, tie);
            }""",
            [dataclasses.asdict(task), wanted.tolist(), noisy.tolist(), tie],
        )
        expected = difference(wanted, noisy, task, tie)
        assert differences["maximum"] == pytest.approx(expected.maximum, rel=1e-9)
        assert differences["mean"] == pytest.approx(expected.mean, rel=1e-9)
        assert differences["agreement"] == expected.agreement


FEEDS = (
    Feed("in", "out", "NHWC", "float32", (0.0,) * 3, (1.0,) * 3),
    Feed("in", "out", "NCHW", "float32", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    Feed("in", "out", "NHWC", "float32", (127.5,) * 3, (127.5,) * 3, "BGR", gives="softmax"),
    Feed("in", "out", "NCHW", "float16", (127.5, 0.0, 1.0), (127.5, 255.0, 3.0), "BGR", gives="sigmoid"),
    Feed(
        "in", "out", "NHWC", "uint8", (0.0,) * 3, (1.0,) * 3, output_scale=QuantizationParams(0.00390625, 0),
        gives="softmax",
    ),
    Feed(
        "in", "out", "NHWC", "int8", (127.5,) * 3, (127.5,) * 3, "RGB", QuantizationParams(1 / 127, -1),
        QuantizationParams(0.1, 12),
    ),
    Feed(
        "in", "out", "NCHW", "uint8", (100.0,) * 3, (0.5,) * 3, "BGR", QuantizationParams(0.25, 128),
        QuantizationParams(1 / 256, -128), "sigmoid",
    ),
)  # fmt: skip


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: f"{feed.dtype}-{feed.layout}-{feed.gives}")
def test_graphs_made_elsewhere_are_fed_as_in_python(layer, feed):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 10, 3), np.uint8)
    graph_input = feed.take(pixels[None])
    graph_output = {
        "uint8": lambda: random.integers(0, 256, 7, np.uint8),
        "int8": lambda: random.integers(-128, 128, 7, np.int8),
        "float16": lambda: random.random(7).astype(np.float16),
        "float32": lambda: random.random(7).astype(np.float32),
    }[feed.dtype]()
    file = ModelFile(dataclasses.replace(SPEC, feed=feed), PARITY)
    manifest = manifest_of(IMAGE, TASKS[0], {"model.onnx": file})
    layer.files.update({"pixels": pixels.tobytes(), "given": graph_output.tobytes()})
    fed, raw, names = layer.call(
        """async ([text, dtype]) => {
          const TYPES = { uint8: Uint8Array, int8: Int8Array, float16: Uint16Array, float32: Float32Array };
          const given = new TYPES[dtype]((await file("given")).buffer);
          let fed;
          const engine = { run: async ([input]) => { fed = input; return [{ dtype, shape: [1, 7], data: given }]; } };
          const manifest = model.parseManifest(text);
          const opened = new model.Model(manifest, "model.onnx", engine);
          const [{ data: raw }] = await opened.run([{ shape: [12, 10, 3], data: await file("pixels") }]);
          await give("fed", new Uint8Array(fed.data.buffer));
          const told = { dtype: fed.dtype, shape: fed.shape, size: fed.data.length };
          return [told, [...raw], model.namesOf(manifest, "model.onnx")];
        }""",
        [text_of(manifest), feed.dtype],
    )
    assert fed == {"dtype": feed.dtype, "shape": list(graph_input.shape), "size": graph_input.size}
    assert names == {"inputs": ["in"], "outputs": ["out"]}
    assert layer.files["fed"] == graph_input.tobytes()
    assert raw == pytest.approx(feed.give(graph_output[None], 1)[0].tolist(), rel=1e-6, abs=1e-6)


def test_half_precision_is_that_of_numpy(layer):
    halves = np.arange(65536, dtype=np.uint16)
    values = halves.view(np.float16)
    finite = np.isfinite(values)
    texts = layer.call("() => Array.from({ length: 65536 }, (_, half) => String(model.fromHalf(half)))")
    wanted = values.astype(np.float64)
    assert all(math.isnan(float(one)) or float(one.replace("Infinity", "inf")) == other
               for one, other in zip(texts, wanted, strict=True))  # fmt: skip
    ordered = np.sort(values[finite].astype(np.float32))
    between = np.concatenate([ordered, (ordered[1:] + ordered[:-1]) / 2, [65519.9, 65520, 1e30, -1e30, 2**-26]])
    spread = np.random.default_rng(0).normal(0, 1, 10_000) * 10.0 ** np.random.default_rng(1).integers(-9, 6, 10_000)
    numbers = np.concatenate([between, spread]).astype(np.float32)
    layer.files["numbers"] = numbers.tobytes()
    layer.call(
        """async () => {
          const numbers = new Float32Array((await file("numbers")).buffer);
          await give("halves", new Uint8Array(Uint16Array.from(numbers, model.toHalf).buffer));
        }"""
    )
    with np.errstate(over="ignore"):
        expected = numbers.astype(np.float16)
    assert layer.files["halves"] == expected.tobytes()


# the self-test


ECHO = """async ([text, name, shift, bytes, width]) => {
  const golden = model.readGolden(await file("pack"));
  const manifest = model.parseManifest(text);
  const { shape, data } = golden.inputs.get("");
  const size = data.length / shape[0];
  const { data: wanted, shape: axes } = (golden.answers.get(name) ?? golden.outputs).get("");
  const each = wanted.length / shape[0];
  const key = (values) => Array.from(values).join();
  const known = new Map(Array.from({ length: shape[0] }, (_, i) => [key(data.subarray(i * size, (i + 1) * size)), i]));
  const engine = {
    version: "echo 1", device: "wasm", threads: 1, close() {},
    async run([input]) {
      const i = known.get(key(input.data)) ?? 0;
      const answer = wanted.slice(i * each, (i + 1) * each).map((value) => value + shift);
      return [{ dtype: "float32", shape: [1, ...axes.slice(1)], data: answer }];
    },
  };
  const shares = [];
  const decode = async (raw) => ({ width, height: bytes / width / 3, channels: 3, data: raw.slice(-bytes) });
  const opened = new model.Model(manifest, name, engine);
  const sourceOf = (raw) => model.readInput(opened, { decode }, raw);
  const report = await model.selfTest(opened, golden, sourceOf, (share) => shares.push(share));
  return [report, shares];
}"""


def pack(input_spec, output, sources, answers=()):
    """Return a golden pack of sources with made-up outputs that leave no tie."""
    random = np.random.default_rng(0)
    inputs = np.stack([input_spec.read(source) for source in sources])
    shape = tuple(5 if size is None else size for size in output.shape)
    outputs = (random.permuted(np.arange(len(inputs) * math.prod(shape))) + 1.0).reshape(-1, *shape).astype(np.float32)
    named = dict.fromkeys(answers, outputs * 2)
    raw = tuple(input_spec.encode(source) for source in sources[:-1])
    return Golden(raw, inputs, outputs, len(raw), 1e-5, 3.0, named)


@pytest.mark.parametrize("output", TASKS, ids=lambda task: task.task)
@pytest.mark.parametrize("kind", ["table", "sequence"])
def test_the_self_test_passes_what_answers_right_and_nothing_else(layer, output, kind):
    rows = [{"age": i, "city": "Oslo", "year": 2000 + i} for i in range(6)]
    steps = [np.full((12, 2), i, np.float32) for i in range(6)]
    input_spec, sources = {"table": (TABLE, rows), "sequence": (SEQUENCE, steps)}[kind]
    golden = pack(input_spec, output, sources, ["model.int8.onnx"])
    layer.files["pack"] = golden.encode()
    files = {
        "model.onnx": ModelFile(SPEC, PARITY),
        "model.int8.onnx": ModelFile(
            dataclasses.replace(SPEC, precision="int8"), dataclasses.replace(PARITY, tolerance=0.05)
        ),
    }
    text = text_of(manifest_of(input_spec, output, files))
    for name in files:
        report, shares = layer.call(ECHO, [text, name, 0, 0, 1])
        assert report["passed"], report
        assert (report["samples"], report["engine"], report["device"], report["note"]) == (6, "echo 1", "wasm", "")
        assert report["inputs"] == {"maxDifference": 0, "tolerance": 0, "passed": True, "note": ""}
        assert report["outputs"]["maxDifference"] == 0
        assert report["outputs"]["tolerance"] == files[name].parity.tolerance
        assert report["decisions"] == {"agreement": 1, "agreementFromFiles": 1}
        assert shares == sorted(shares)
        assert shares[-1] == 1
    scale = float(np.abs(golden.outputs).max())
    report, _ = layer.call(ECHO, [text, "model.onnx", 1e-3 * scale, 0, 1])
    assert not report["passed"]
    assert not report["outputs"]["passed"]
    assert "over the tolerance" in report["note"]
    shifted = difference(golden.outputs, (golden.outputs + np.float32(1e-3 * scale)).astype(np.float32), output, 1e-5)
    assert report["outputs"]["maxDifference"] == pytest.approx(shifted.maximum, rel=1e-3)
    passing, _ = layer.call(ECHO, [text, "model.int8.onnx", 1e-3 * scale, 0, 1])
    assert passing["passed"]


def test_a_manifest_never_gets_more_than_the_self_test_allows(layer):
    golden = pack(TABLE, TASKS[0], [{"age": i, "city": "Oslo", "year": 2000 + i} for i in range(6)])
    layer.files["pack"] = dataclasses.replace(golden, tolerance=1e300, input_tolerance=1e300).encode()
    for parity in (dataclasses.replace(PARITY, tolerance=1e300), None):
        text = text_of(manifest_of(TABLE, TASKS[0], {"model.onnx": ModelFile(SPEC, parity)}))
        report, _ = layer.call(ECHO, [text, "model.onnx", 1.0, 0, 1])
        assert (report["passed"], report["outputs"]["tolerance"], report["inputs"]["tolerance"]) == (False, 1e-5, 0)


def test_a_browser_that_decodes_otherwise_is_told_and_fails_nothing(layer):
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 240, (12, 10, 3), np.uint8) for _ in range(4)]
    golden = pack(IMAGE, TASKS[0], arrays)
    text = text_of(manifest_of(IMAGE, TASKS[0], {"model.onnx": ModelFile(SPEC, PARITY)}))
    for off, within in ((2, True), (9, False)):
        raw = tuple((array + off).tobytes() for array in arrays[:3])
        layer.files["pack"] = dataclasses.replace(golden, raw=raw).encode()
        report, _ = layer.call(ECHO, [text, "model.onnx", 0, 360, 10])
        assert report["passed"]
        assert report["inputs"]["maxDifference"] == off
        assert report["inputs"]["passed"] is within
        assert bool(report["inputs"]["note"]) is not within
        assert report["decisions"]["agreement"] == 1
    layer.files["pack"] = dataclasses.replace(golden, raw=(b"short",) * 3).encode()
    report, _ = layer.call(ECHO, [text, "model.onnx", 0, 360, 10])
    assert report["passed"]
    assert not report["inputs"]["passed"]
    assert "bytes" in report["inputs"]["note"]


def test_a_pack_of_another_model_is_refused(layer):
    layer.files["pack"] = pack(TABLE, PRICE, [[1, "Oslo", 2000 + i] for i in range(3)]).encode()
    for input_spec, output in ((IMAGE, PRICE), (TABLE, TASKS[0]), (SEQUENCE, PRICE)):
        with pytest.raises(Exception, match=r"ZooError.*golden\.npz: its (inputs|outputs)"):
            layer.call(ECHO, [text_of(manifest_of(input_spec, output)), "model.onnx", 0, 0, 1])


def test_what_an_engine_gives_is_checked(layer):
    text = text_of(manifest_of(TABLE, TASKS[0]))
    for shape, dtype in (([1, 6], "float32"), ([2, 7], "float32"), ([7], "float32"), ([1, 7], "uint8")):
        said = layer.call(
            """async ([text, shape, dtype]) => {
              const size = shape.reduce((a, b) => a * b, 1);
              const data = dtype === "uint8" ? new Uint8Array(size) : new Float32Array(size);
              const engine = { run: async () => [{ dtype, shape, data }] };
              const opened = new model.Model(model.parseManifest(text), "model.onnx", engine);
              const told = ({ name, message }) => `${name}: ${message}`;
              return opened.predict([1, "Oslo", 2000]).then(() => "", told);
            }""",
            [text, shape, dtype],
        )
        assert said.startswith("ZooError: model.onnx gave ")
