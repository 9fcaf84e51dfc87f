"""Third-party files as bundles: each answers as the few lines do that one would write for it by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import runtime
from runtime.bundle import Bundle
from runtime.bundle.golden import Golden
from runtime.errors import BundleError, EngineError, InputError, OptionError
from runtime.verify import verify
from tests.zoo.foreign import (
    MEAN,
    SIZE,
    STD,
    graph_file,
    onnx_file,
    scaled,
    softmax,
    tflite_metadata,
    with_metadata,
)
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

FLOAT, UINT8, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT16
SCALING = {"mean": tuple(255 * m for m in MEAN), "std": tuple(255 * s for s in STD)}
RANDOM = np.random.default_rng(2)
IMAGES = RANDOM.integers(0, 256, (5, *SIZE, 3), np.uint8)


def run_onnx(path, values):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(values)})[0]


def run_tflite(data, values):
    """Run a TFLite file image by image; integers are written and read as its quantisation says."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for each in values:
        if input_details["dtype"] != np.float32:
            limits, (step, zero) = np.iinfo(input_details["dtype"]), input_details["quantization"]
            each = np.clip(np.round(each / step) + zero, limits.min, limits.max)
        interpreter.set_tensor(input_details["index"], each[None].astype(input_details["dtype"]))
        interpreter.invoke()
        row = interpreter.get_tensor(output_details["index"]).astype(np.float32)
        step, zero = output_details["quantization"]
        rows.append((row - zero) * np.float32(step) if step else row)
    return np.concatenate(rows)


def made(path, tmp_path, facts=None, **options):
    """Import a file; return what was known, the opened model, and the bundle."""
    imported = import_file(path, ModelFacts(**(facts or {})), out=tmp_path / "bundle", overwrite=True, **options)
    return SimpleNamespace(facts=imported.known.facts, model=runtime.load(imported.bundle.path), **vars(imported))


ONNX = {
    "NCHW": ({}, SCALING, lambda x: scaled(x).transpose(0, 3, 1, 2)),
    "NHWC": ({"shape": ("batch", *SIZE, 3)}, SCALING, scaled),
    "one image at a time": ({"shape": (1, 3, *SIZE)}, SCALING, None),
    "four images at a time": ({"shape": (4, 3, *SIZE)}, SCALING, None),
    "BGR": ({}, {**SCALING, "order": "BGR"}, lambda x: scaled(x[..., ::-1]).transpose(0, 3, 1, 2)),
    "pixels as they are": ({"shape": ("n", *SIZE, 3), "dtype": UINT8}, {}, lambda x: x),
    "half precision": (
        {"dtype": HALF, "shape": ("n", 3, *SIZE)}, SCALING, lambda x: scaled(x).transpose(0, 3, 1, 2).astype(np.float16)
    ),
    "any size": (
        {"shape": ("n", 3, "h", "w")}, {**SCALING, "size": SIZE}, lambda x: scaled(x).transpose(0, 3, 1, 2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ONNX)
def test_an_onnx_file_answers_as_by_hand(case, tmp_path):
    options, facts, feed = ONNX[case]
    path = onnx_file(tmp_path / "net.onnx", **options)
    imported = made(path, tmp_path, facts)
    batch = options.get("shape", ("n",))[0]
    assert imported.model.file_spec.batch == (batch if isinstance(batch, int) else None)
    if feed is None:
        values = scaled(IMAGES).transpose(0, 3, 1, 2)
        wanted = np.concatenate([run_onnx(path, np.repeat(each[None], batch, 0))[:1] for each in values])
    else:
        wanted = run_onnx(path, feed(IMAGES))
    tolerance = 2e-2 if options.get("dtype") == HALF else 2e-6  # one rounding of a pixel in half precision is 5e-4
    np.testing.assert_allclose(imported.model.forward(IMAGES), wanted, atol=tolerance * np.abs(wanted).max())
    scores = np.stack([each.scores for each in imported.model.predict(list(IMAGES))])
    np.testing.assert_allclose(scores, softmax(wanted), atol=tolerance)
    assert [each.label for each in imported.model.predict(list(IMAGES))] == [str(i) for i in wanted.argmax(axis=1)]


def test_gray_images(tmp_path):
    path = onnx_file(tmp_path / "net.onnx", shape=("n", 1, *SIZE))
    imported = made(path, tmp_path, {"mean": (127.5,), "std": (127.5,)})
    gray = IMAGES[:, :, :, 0]
    wanted = run_onnx(path, scaled(gray[:, None], (0.5,), (0.5,)))
    np.testing.assert_allclose(imported.model.forward(gray[..., None]), wanted, atol=1e-5)
    assert imported.model.predict(gray[0]).label == str(wanted[0].argmax())


@pytest.mark.parametrize(
    ("ending", "outputs", "facts", "scores"),
    [
        (("Softmax",), 3, {}, lambda y: y),
        (("Sigmoid",), 3, {"task": "multilabel"}, lambda y: y),
        ((), 3, {"task": "multilabel"}, lambda y: 1 / (1 + np.exp(-y))),
        (("Sigmoid",), 1, {"labels": ("no", "yes")}, lambda y: np.concatenate([1 - y, y], axis=1)),
        ((), 1, {"labels": ("no", "yes")}, lambda y: 1 / (1 + np.exp(np.concatenate([y, -y], axis=1)))),
        (("Sigmoid",), 6, {}, lambda y: y),
        (("LogSoftmax",), 3, {}, np.exp),
        (("Softmax", "Identity"), 3, {"task": "multilabel"}, lambda y: y),
        (("Relu",), 3, {"task": "multilabel"}, lambda y: 1 / (1 + np.exp(-y))),
        (("Tanh", "Abs"), 3, {"task": "multilabel"}, lambda y: 1 / (1 + np.exp(-y))),
        (("Tanh", "Abs"), 3, {}, softmax),
        (("Softmax",), 3, {"gives": "values"}, softmax),
    ],
)
def test_what_the_output_holds_is_seen_in_its_answers(ending, outputs, facts, scores, tmp_path):
    path = onnx_file(tmp_path / "net.onnx", ending=ending, outputs=outputs)
    imported = made(path, tmp_path, facts | SCALING)
    wanted = scores(run_onnx(path, scaled(IMAGES).transpose(0, 3, 1, 2)))
    answers = np.stack([each.scores for each in imported.model.predict(list(IMAGES))])
    np.testing.assert_allclose(answers, wanted, atol=1e-6)


def test_what_is_told_of_the_output_is_checked(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    with pytest.raises(OptionError, match="contains a sigmoid, but its values"):
        import_file(path, ModelFacts(**SCALING, gives="sigmoid"), out=tmp_path / "bundle", overwrite=True)
    path = onnx_file(tmp_path / "net.onnx", outputs=1)
    with pytest.raises(OptionError, match="leave out --gives softmax"):
        import_file(
            path, ModelFacts(**SCALING, task="regression", gives="softmax"), out=tmp_path / "bundle", overwrite=True
        )
    path = onnx_file(tmp_path / "net.onnx", ending=("Sigmoid", "Log"))
    with pytest.raises(OptionError, match="leave out the logarithm"):
        import_file(path, ModelFacts(**SCALING, task="multilabel"), out=tmp_path / "bundle", overwrite=True)


def test_a_regression_gives_its_value(tmp_path):
    path = onnx_file(tmp_path / "net.onnx", outputs=1)
    imported = made(path, tmp_path, {"task": "regression", "labels": ("age",), **SCALING})
    wanted = run_onnx(path, scaled(IMAGES).transpose(0, 3, 1, 2))[:, 0]
    assert [each.value for each in imported.model.predict(list(IMAGES))] == pytest.approx(wanted.tolist(), rel=1e-5)
    assert imported.model.predict(IMAGES[0]).target == "age"


@pytest.fixture(scope="module")
def plain():
    """A network for scaled pixels as plain TFLite files: its two layouts, and int8 throughout."""
    import torch
    from torch import nn

    from tests.micro import converted, static_int8

    class Last(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return torch.softmax(self.net(x.permute(0, 3, 1, 2)), 1)

    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(240, 3))
    values = np.ascontiguousarray(scaled(IMAGES).transpose(0, 3, 1, 2))
    return {
        "NCHW": converted(net, values),
        "NHWC": converted(Last(net), scaled(IMAGES)),
        "int8": static_int8(net, values),
        "int8 with a softmax": static_int8(nn.Sequential(net, nn.Softmax(1)), values),
        "int8 with a sigmoid": static_int8(nn.Sequential(net, nn.Sigmoid()), values),
    }


GIVES = {"NHWC": "softmax", "int8 with a softmax": "softmax", "int8 with a sigmoid": "sigmoid"}


@pytest.mark.parametrize("kind", ["NCHW", "NHWC", "int8", "int8 with a softmax", "int8 with a sigmoid"])
def test_a_tflite_file_answers_as_by_hand(kind, plain, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(plain[kind])
    imported = made(path, tmp_path, SCALING | ({"task": "multilabel"} if "sigmoid" in kind else {}))
    values = scaled(IMAGES) if kind == "NHWC" else scaled(IMAGES).transpose(0, 3, 1, 2)
    wanted = run_tflite(plain[kind], values)
    answers = np.stack([each.scores for each in imported.model.predict(list(IMAGES))])
    assert imported.facts.gives == GIVES.get(kind, "values")
    assert imported.model.file_spec.precision == ("int8" if "int8" in kind else "fp32")
    np.testing.assert_allclose(answers, wanted if kind in GIVES else softmax(wanted), atol=1e-6)


def test_quantized_inputs_without_scaling_take_pixels_as_they_are(plain, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(plain["int8"])
    imported = made(path, tmp_path)
    values = imported.model.file_spec.feed.take(IMAGES)
    np.testing.assert_array_equal(values, (IMAGES.astype(np.int16) - 128).astype(np.int8).transpose(0, 3, 1, 2))
    assert "quantization" in imported.known.origins["mean"]


def test_the_file_stays_as_it_is_and_nothing_claims_a_proof(tmp_path, capsys):
    path = onnx_file(tmp_path / "net.onnx")
    imported = made(path, tmp_path, SCALING)
    bundle = Bundle.read(tmp_path / "bundle")
    assert bundle.bytes("model.onnx") == path.read_bytes()
    assert bundle.manifest.models["model.onnx"].parity is None
    card = bundle.bytes("README.md").decode()
    assert "not proved" in card
    assert "PyTorch" not in card
    record = bundle.manifest.card.training["imported"]
    assert record["golden pack"] == imported.samples == "8 made-up images"
    assert record["told by"]["mean"] == "the command line"
    assert runtime.load(tmp_path / "bundle" / "model.onnx").spec == imported.model.spec
    with pytest.raises(BundleError, match="zoo import"):
        runtime.load(path)


def test_verify_notices_another_answer(tmp_path):
    made(onnx_file(tmp_path / "net.onnx"), tmp_path, SCALING)
    assert all(each.passed for each in verify(tmp_path / "bundle"))
    bundle = Bundle.read(tmp_path / "bundle")
    golden = Golden.decode(bundle.bytes("golden.npz"), "golden.npz")
    assert golden.real == 8
    assert len(golden.inputs) == 11
    other = onnx_file(tmp_path / "other.onnx", opset=17, ending=("Neg",))
    edited = json.loads((tmp_path / "bundle/manifest.json").read_text())
    data = other.read_bytes()
    (tmp_path / "bundle/model.onnx").write_bytes(data)
    from dataclasses import asdict

    from runtime.bundle import identify

    edited["files"]["model.onnx"] = asdict(identify(data))
    (tmp_path / "bundle/manifest.json").write_text(json.dumps(edited))
    failed = [each for each in verify(tmp_path / "bundle") if not each.passed]
    assert {each.file for each in failed} == {"model.onnx"}


def test_real_samples_make_the_golden_pack(tmp_path, photos):
    path = onnx_file(tmp_path / "net.onnx")
    imported = made(path, tmp_path, SCALING, samples=photos)
    golden = Golden.decode(imported.bundle.bytes("golden.npz"), "golden.npz")
    files = {file.read_bytes() for file in photos.rglob("*.*")}
    assert len(golden.raw) == 8
    assert set(golden.raw) <= files
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="without files of the kinds that are taken"):
        import_file(path, ModelFacts(**SCALING), samples=tmp_path / "empty", out=tmp_path / "other")
    (tmp_path / "empty" / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.png"):
        import_file(path, ModelFacts(**SCALING), samples=tmp_path / "empty", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def outside(path):
    """Write a file that keeps its weights beside it."""
    model = onnx.load(onnx_file(path))
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0, convert_attribute=False
    )
    return path


def damaged(path):
    data = onnx_file(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def written(path, data):
    path.write_bytes(data)
    return path


IMAGE = [("x", FLOAT, (1, 3, 8, 8))]
REFUSED = {
    "detector": (lambda p: graph_file(p, IMAGE, [("boxes", FLOAT, (1, 84, 8400))]), {}, "'boxes' float32 [1, 84"),
    "two inputs": (
        lambda p: graph_file(p, [*IMAGE, ("y", FLOAT, (1, 4))], [("z", FLOAT, (1, 3))]), {"input": "image"}, "one image"
    ),
    "four channels": (
        lambda p: graph_file(p, [("x", FLOAT, (1, 4, 8, 8))], [("z", FLOAT, (1, 3))]), {"input": "image"}, "4 channels"
    ),
    "features or a grey image": (
        lambda p: graph_file(p, [("x", FLOAT, (1, 49, 10, 1))], [("z", FLOAT, (1, 3))]), {},
        "say which, with --input image or --input tensors"
    ),
    "an input of int64": (
        lambda p: graph_file(p, [("x", 7, (1, 3, 8, 8))], [("z", FLOAT, (1, 3))]), {}, "int64 [1, 3, 8, 8]"
    ),
    "several outputs": (
        lambda p: graph_file(p, IMAGE, [("y", FLOAT, (1, 3)), ("z", FLOAT, (1, 9))]), SCALING, "with --output"
    ),
    "an unknown output": (onnx_file, {**SCALING, "output": "scors"}, "did you mean 'scores'"),
    "no scaling": (onnx_file, {}, "give --mean and --std"),
    "two means": (onnx_file, {"mean": (1.0, 2.0), "std": (1.0,)}, "--mean has 2 values for 3 channels"),
    "no size": (lambda p: onnx_file(p, shape=("n", 3, "h", "w")), SCALING, "--resize 224"),
    "another size": (onnx_file, {**SCALING, "size": (20, 20)}, "12x10 pixels"),
    "too few labels": (onnx_file, {**SCALING, "labels": ("a", "b")}, "labels apart, and the command line has 2"),
    "one value": (lambda p: onnx_file(p, outputs=1), SCALING, "--task regression"),
    "a strange task": (onnx_file, {**SCALING, "task": "segment"}, "unknown task 'segment'"),
    "weights elsewhere": (outside, SCALING, "save_as_external_data=False"),
    "a damaged file": (damaged, SCALING, "not an ONNX file"),
    "no such file": (lambda p: p, SCALING, "can't be read"),
    "text": (lambda p: written(p, b"hello"), SCALING, "not an ONNX file"),
    "TFLite by name": (lambda p: written(p.with_suffix(".tflite"), b"hello"), SCALING, "not a TFLite file"),
    "another format": (lambda p: written(p.with_suffix(".pt"), b"hello"), SCALING, "unknown format 'pt'"),
    "an opset of tomorrow": (lambda p: onnx_file(p, opset=99), SCALING, "opset 99"),
    "divided by zero": (onnx_file, {"mean": (0.0,), "std": (0.0,)}, "std above 0"),
    "a deviation of 0 to 1": (onnx_file, {"mean": (123.7,), "std": (0.229,)}, "was it measured on 0 to 1?"),
    "multiplied twice": (onnx_file, {"mean": (31543.5,), "std": (14917.5,)}, "were they multiplied twice?"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_imported_is_refused_in_a_sentence(case, tmp_path):
    make, facts, words = REFUSED[case]
    path = make(tmp_path / "net.onnx")
    with pytest.raises((OptionError, BundleError, EngineError)) as refused:
        import_file(path, ModelFacts(**facts), out=tmp_path / "bundle", overwrite=True)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "bundle").exists()


ULTRALYTICS = {
    "names": "{0: 'ant', 1: 'bee', 2: 'cow'}", "imgsz": "[12, 10]", "task": "classify", "stride": "1",
    "license": "AGPL-3.0", "description": "bugs",
}  # fmt: skip
TIMM = {
    "architecture": "resnet18", "label_names": ["ant", "bee", "cow"],
    "pretrained_cfg": {
        "input_size": [3, 12, 10], "mean": MEAN, "std": STD, "interpolation": "bicubic", "crop_pct": 0.875,
        "crop_mode": "center",
    },
}  # fmt: skip
TRANSFORMERS = {"architectures": ["ViTForImageClassification"], "id2label": {"0": "ant", "1": "bee", "2": "cow"}}
PROCESSOR = {
    "do_resize": True, "size": {"height": 12, "width": 10}, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": MEAN, "image_std": STD, "resample": 3,
}  # fmt: skip
LABELS = ("ant", "bee", "cow")


def test_ultralytics_metadata(tmp_path):
    path = onnx_file(tmp_path / "n.onnx", shape=("n", 3, "h", "w"), ending=["Softmax"], properties=ULTRALYTICS)
    imported = made(path, tmp_path)
    assert imported.model.labels == LABELS
    assert imported.model.spec.name == "bugs"
    assert (imported.facts.size, imported.facts.gives) == (SIZE, "softmax")
    assert imported.bundle.manifest.card.weights.licence == "AGPL-3.0"
    wanted = run_onnx(path, (IMAGES.astype(np.float32) / 255).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(imported.model.predict(IMAGES[0]).scores, wanted[0], atol=1e-6)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"task": "segment"}, "'segment'"),
        ({"names": "__import__('os').system('true')"}, "'names' can't be read"),
        ({"names": "[" * 90_000}, "'names' can't be read"),
        ({"names": "{0: 'a', 2: 'b'}"}, "not numbered"),
        ({"imgsz": "'large'"}, "not those of Ultralytics"),
        ({"imgsz": "[10**9, 1]"}, "'imgsz' can't be read"),
    ],
)
def test_strange_ultralytics_metadata(edit, words, tmp_path):
    path = onnx_file(tmp_path / "n.onnx", shape=("n", 3, "h", "w"), properties=ULTRALYTICS | edit)
    with pytest.raises(OptionError, match=words):
        import_file(path, out=tmp_path / "bundle", overwrite=True)


def test_what_is_told_of_scaling_does_not_count_where_pixels_go_in_as_they_are(tmp_path):
    path = onnx_file(tmp_path / "net.onnx", shape=("n", *SIZE, 3), dtype=UINT8)
    (tmp_path / "config.json").write_text(json.dumps(TIMM))
    model = made(path, tmp_path).model
    np.testing.assert_array_equal(model.file_spec.feed.take(IMAGES), IMAGES)
    with pytest.raises(OptionError, match="leave out --mean"):
        import_file(path, ModelFacts(**SCALING), out=tmp_path / "other")


def test_a_link_to_a_file_as_model_hubs_keep_them(tmp_path):
    onnx_file(tmp_path / "blobs" / "9f3a")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.onnx").symlink_to(tmp_path / "blobs" / "9f3a")
    (tmp_path / "snapshot" / "labels.txt").write_text("ant\nbee\ncow")
    assert made(tmp_path / "snapshot" / "model.onnx", tmp_path, SCALING).model.labels == LABELS


def test_labels_in_rapidais_metadata(tmp_path):
    path = onnx_file(tmp_path / "n.onnx", properties={"character": "0\n90\n180"})
    assert made(path, tmp_path, SCALING).model.labels == ("0", "90", "180")


def test_timm_config_beside_the_file(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    (tmp_path / "config.json").write_text(json.dumps(TIMM))
    imported = made(path, tmp_path)
    assert imported.model.labels == LABELS
    resize = imported.model.spec.input.preprocess[-1]
    assert (resize.fit, resize.share, resize.interpolation) == ("crop", 0.875, "bicubic")
    wanted = run_onnx(path, scaled(IMAGES).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(imported.model.forward(IMAGES), wanted, atol=1e-5)


def test_transformers_config_beside_the_folder_of_onnx_files(tmp_path):
    path = onnx_file(tmp_path / "onnx" / "model.onnx", shape=("n", 3, "h", "w"))
    (tmp_path / "config.json").write_text(json.dumps(TRANSFORMERS))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    imported = made(path, tmp_path)
    assert imported.model.labels == LABELS
    resize = imported.model.spec.input.preprocess[-1]
    assert (resize.fit, resize.interpolation, resize.height, resize.width) == ("stretch", "bicubic", *SIZE)
    wanted = run_onnx(path, scaled(IMAGES).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(imported.model.forward(IMAGES), wanted, atol=1e-5)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["SegformerForSemanticSegmentation"]}))
    with pytest.raises(OptionError, match="SegformerForSemanticSegmentation"):
        import_file(path, out=tmp_path / "other")


@pytest.mark.parametrize(
    ("processor", "share", "size"),
    [
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True},
            0.875,
            224,
        ),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.9}, 0.9, 224),
        ({"size": 96}, 1.0, 96),
    ],
)
def test_processors_of_transformers_say_how_images_are_cut(processor, share, size, tmp_path):
    path = onnx_file(tmp_path / "net.onnx", shape=("n", 3, "h", "w"))
    (tmp_path / "config.json").write_text(json.dumps(TRANSFORMERS))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | processor))
    resize = made(path, tmp_path).model.spec.input.preprocess[-1]
    assert (resize.share, resize.height, resize.width) == (share, size, size)


def test_tflite_metadata_in_the_file(plain, tmp_path):
    table = tflite_metadata([255 * m for m in MEAN], [255 * s for s in STD], "labels.txt")
    data = with_metadata(plain["NHWC"], table, {"labels.txt": b"ant\nbee\ncow\n"})
    imported = made(written(tmp_path / "net.tflite", data), tmp_path)
    assert imported.model.labels == LABELS
    assert imported.model.spec.name == "leaf finder"
    assert imported.bundle.manifest.card.weights.licence == "MIT"
    wanted = run_tflite(plain["NHWC"], scaled(IMAGES))
    answers = np.stack([each.scores for each in imported.model.predict(list(IMAGES))])
    np.testing.assert_allclose(answers, wanted, atol=1e-6)


@pytest.mark.parametrize("case", ["no member", "bomb", "no text", "cut off"])
def test_strange_tflite_metadata(case, plain, tmp_path):
    table = tflite_metadata([127.5], [127.5], "labels.txt")
    members = {
        "no member": {"other.txt": b"ant"}, "bomb": {"labels.txt": bytes(2**25)}, "no text": {"labels.txt": b"\xff"},
        "cut off": {},
    }[case]  # fmt: skip
    data = with_metadata(plain["NHWC"], table[:40] if case == "cut off" else table, members)
    with pytest.raises(OptionError, match="TFLite metadata can't be read"):
        import_file(written(tmp_path / "net.tflite", data), out=tmp_path / "bundle", overwrite=True)


def test_the_command_line_has_the_last_word_and_says_so(tmp_path):
    path = onnx_file(tmp_path / "net.onnx", ending=["Softmax"], properties=ULTRALYTICS)
    imported = made(path, tmp_path, {"labels": ("x", "y", "z"), **SCALING})
    assert imported.model.labels == ("x", "y", "z")
    assert imported.facts.mean == pytest.approx(SCALING["mean"])
    notes = " ".join(imported.known.notes)
    assert "labels: Ultralytics' metadata in the file says ant, bee, cow; x, y, z of the command line counts" in notes
    assert imported.bundle.manifest.card.training["imported"]["notes"] == list(imported.known.notes)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("ant\nbee\r\ncow\n\n", ("ant", "bee", "cow")),
        ("\ufeffant\nbee\ncow", ("ant", "bee", "cow")),
        ("0 ant\n1 bee\n2 big cow\n", ("ant", "bee", "big cow")),
        ("0 ant\n2 bee\n1 cow\n", ("0 ant", "2 bee", "1 cow")),
        ("crane\n\ncrane\n", ("crane", "1", "crane (2)")),
    ],
)
def test_labels_beside_the_file(text, labels, tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert made(path, tmp_path, SCALING).model.labels == labels


def test_files_beside_it_that_are_no_files(tmp_path):
    import os

    path = onnx_file(tmp_path / "net.onnx")
    os.mkfifo(tmp_path / "labels.txt")
    with pytest.raises(OptionError, match="not a regular file"):
        import_file(path, ModelFacts(**SCALING), out=tmp_path / "bundle", overwrite=True)


def test_any_command_takes_an_imported_bundle(cli, tmp_path, photos, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = onnx_file(tmp_path / "net.onnx")
    (tmp_path / "names.txt").write_text("leaf\nsky\nstone\n")
    options = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--labels", "names.txt"]
    done = cli("import", path, *options, "--samples", photos, "--out", "b")
    assert done.status == 0, done.err
    assert "123.675" in done.out
    assert "8 pictures that you chose for it are in golden.npz" in " ".join(done.out.split())
    for command in (
        ("info", "b"), ("verify", "b"), ("predict", "b", photos / "sky" / "0.jpg"),
        ("evaluate", "b", "--data", f"folder:{photos}", "--split", "all"), ("bench", "b"),
        ("compare", "b", "b/", "--data", f"folder:{photos}"),
    ):  # fmt: skip
        done = cli(*command)
        assert done.status == 0, (command, done.err)
        replacing = ["--overwrite"] if command[0] in ("evaluate", "bench", "compare") else []
        again = cli(*command, *replacing, "--json")
        json.loads(again.out)
    assert "no original" in cli("diagnose", "b").err
    done = cli("compare", "b", "--overwrite")
    assert done.status == 2
    assert "--data" in done.err
    assert "the answers recorded at import" in cli("verify", "b").out
    assert "not proved" in cli("info", "b").out


def test_the_command_line_says_what_it_can_not_read(cli, tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    for options, words in (
        (("--resize", "big"), "--resize must be"),
        (("--mean", "0,5"), "belong together"),
        (("--mean", "a", "--std", "1"), "--mean must be a number"),
        (("--mean", "0", "--std", "1", "--range", "100"), "--range must be 1 or 255"),
        (("--mean", "0.485", "--std", "58.4"), "--mean is on the scale of 0 to 1 and --std of 0 to 255"),
        (("--mean", "123.7", "--std", "58.4", "--range", "1"), "were they multiplied twice?"),
        (("--mean", "0", "--std", "nan"), "std: expected list of float or none, got [nan]"),
        (("--labels", tmp_path / "none.txt"), "is not there"),
        (("--layout", "CHW"), "NCHW"),
    ):
        done = cli("import", path, *options, "--out", tmp_path / "bundle", "--overwrite")
        assert done.status == 2
        assert words in done.err
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(("mean", "std", "white", "pixels"), [
    ("0.5", "0.5", (), 127.5), ("127.5", "127.5", (), 127.5), ("0.5", "1", ("--range", "255"), 0.5),
])  # fmt: skip
def test_mean_and_std_in_either_unit(cli, mean, std, white, pixels, tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    done = cli("import", path, "--mean", mean, "--std", std, *white, "--out", tmp_path / "b", "--json")
    assert json.loads(done.out)["facts"]["mean"]["value"] == [pixels] * 3


def test_importing_needs_no_pytorch(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'litert_torch'): sys.modules[name] = None\n"
        "from zoo.imports.run import import_file\nfrom zoo.imports.facts import ModelFacts\n"
        f"import_file({str(path)!r}, ModelFacts(mean=(0.0,), std=(255.0,)), out={str(tmp_path / 'b')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(each.passed for each in verify(tmp_path / "b"))


def test_an_image_file_is_read_as_the_manifest_says(tmp_path, save_image, photo):
    path = onnx_file(tmp_path / "net.onnx")
    model = made(path, tmp_path, {**SCALING, "fit": "stretch"}).model
    pixels = np.asarray(Image.fromarray(photo).resize(SIZE[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(model.predict(save_image(photo, "a.png")).input, pixels)
