"""Third-party detectors: the same boxes of a picture in each layout, and questions where that is open."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.util import find_spec

import numpy as np
import onnx
import onnx.helper as oh
import pytest

import runtime
from runtime.errors import EngineError, OptionError
from runtime.verify import verify
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

FLOAT = onnx.TensorProto.FLOAT
HEIGHT, WIDTH = 32, 64
LABELS = ("ant", "bee", "cow")
CORNERS = np.float32([[10, 4, 30, 20], [11, 5, 30, 21], [40, 8, 60, 28], [2, 2, 8, 30]])
CLASSES = np.array([1, 1, 0, 2])
SCORES = np.float32([0.9, 0.8, 0.7, 0.1])
SIDES = np.float32([WIDTH, HEIGHT] * 2)
SCALING = {"mean": (0.0,), "std": (255.0,)}
MORE = 12
"""Candidates of no score, so that candidates are more than numbers."""


def table():
    """Return the scores of each candidate, ``[candidates, labels]``: the other labels have half of its own."""
    scores = np.tile(SCORES[:, None] / 2, (1, len(LABELS)))
    scores[np.arange(len(SCORES)), CLASSES] = SCORES
    return np.concatenate([scores, np.zeros((MORE, len(LABELS)))]).astype(np.float32)


def centers(corners=CORNERS):
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    boxes = np.concatenate([middle, corners[:, 2:] - corners[:, :2]], axis=1)
    return np.concatenate([boxes, np.full((MORE, 4), WIDTH / 2)]).astype(np.float32)


def kept(values):
    """Return the rows of the boxes that a graph leaves which suppresses boxes itself, and rows of zeros."""
    rows = np.zeros((8, *values.shape[1:]), np.float32)
    rows[:2], rows[2] = values[[0, 2]], values[3]
    return rows


def logits(scores):
    return np.log(np.maximum(scores, 1e-6) / (1 - np.maximum(scores, 1e-6))).astype(np.float32)


V8 = np.concatenate([centers(), table()], axis=1)
V5 = np.concatenate([centers(), np.full((len(CORNERS) + MORE, 1), 0.95), table() / 0.95], axis=1)
ROWS = np.concatenate([kept(CORNERS), kept(SCORES[:, None]), kept(CLASSES[:, None])], axis=1)
SIZES = np.float32([*SIDES, 1, 1, 1])
ONE = np.eye(len(LABELS))[np.append(CLASSES, np.zeros(MORE, int))] * np.append(SCORES, np.zeros(MORE))[:, None]
"""The scores of each candidate's own label; those of a softmax can't be higher together than 1."""
DETR = np.log(np.maximum(np.concatenate([ONE, 1 - ONE.sum(1, keepdims=True)], axis=1), 1e-6))

LAYOUTS = {
    "YOLOv8": ({"boxes": "yolov8"}, {"output0": V8.T}),
    "YOLOv8, normalized": ({"boxes": "yolov8"}, {"output0": (V8 / SIZES).T}),
    "YOLOv8 by its labels": ({"task": "detection"}, {"output0": V8.T}),
    "YOLOv5": ({"boxes": "yolov5-pixels"}, {"output0": V5}),
    "YOLOv5 by its labels": ({"task": "detection"}, {"output0": V5}),
    "suppressed in the graph": ({"boxes": "ranked"}, {"output0": ROWS}),
    "suppressed in the graph, normalized": ({"boxes": "ranked"}, {"output0": ROWS / np.float32([*SIDES, 1, 1])}),
    "SSD": (
        {"boxes": "ssd"},
        {
            "boxes": kept(CORNERS)[:, [1, 0, 3, 2]] / SIDES[[1, 0, 3, 2]], "classes": kept(CLASSES[:, None])[:, 0],
            "scores": kept(SCORES[:, None])[:, 0], "count": np.float32(3),
        },
    ),
    "DETR": ({"boxes": "detr"}, {"logits": DETR, "pred_boxes": centers() / SIDES}),
    "RT-DETR": ({"boxes": "rt-detr"}, {"pred_boxes": centers() / SIDES, "logits": logits(table())}),
}  # fmt: skip
"""What is said of the file, and its outputs for any picture."""


def detector(path, outputs, properties=None):
    """Write a file that gives these outputs, whatever the picture shows."""
    inputs = [oh.make_tensor_value_info("images", FLOAT, ("batch", 3, HEIGHT, WIDTH))]
    nodes = [
        oh.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        oh.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = {"axes": np.array([1, 2, 3]), "zero": np.float32(0)}
    output_infos = []
    for name, array in outputs.items():
        constants[f"{name} shape"] = np.array([-1] + [1] * array.ndim)
        constants[f"{name} values"] = np.asarray(array, np.float32)[None]
        nodes += [
            oh.make_node("Reshape", ["nothing", f"{name} shape"], [f"{name} of none"]),
            oh.make_node("Add", [f"{name} of none", f"{name} values"], [name]),
        ]
        output_infos.append(oh.make_tensor_value_info(name, FLOAT, ("batch", *array.shape)))
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = oh.make_graph(nodes, "foreign", inputs, output_infos, weights)
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", 18)], ir_version=9)
    oh.set_model_props(model, properties or {})
    path.write_bytes(model.SerializeToString())
    return path


def imported(path, tmp_path, facts):
    import_file(path, ModelFacts(**facts), out=tmp_path / "bundle", overwrite=True)
    results = list(verify(tmp_path / "bundle"))
    assert [each.note for each in results if each.passed is False] == []
    return runtime.load(tmp_path / "bundle")


def assert_boxes(boxes, scale=1.0):
    """Check that they are those of the first two labels, in a picture `scale` times as large as the input."""
    assert [box.label for box in boxes] == ["bee", "ant"]
    assert [box.score for box in boxes] == pytest.approx([0.9, 0.7], abs=1e-5)
    for box, corners in zip(boxes, CORNERS[[0, 2]], strict=True):
        assert box[2:] == pytest.approx((corners * scale).tolist(), abs=1e-3)


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_layout_gives_the_boxes_of_the_picture(case, tmp_path):
    facts, outputs = LAYOUTS[case]
    path = detector(tmp_path / "net.onnx", outputs)
    model = imported(path, tmp_path, {**SCALING, "fit": "pad", "labels": LABELS, "iou": 0.5, **facts})
    picture = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    assert_boxes(model.predict(picture).boxes, 2)
    high = np.zeros((4 * HEIGHT, 2 * WIDTH, 3), np.uint8)  # which the letterbox fills up left and right
    (box, *_) = model.predict(high).boxes
    assert box[2:] == pytest.approx((CORNERS[0] * 4 - np.array([WIDTH, 0] * 2)).clip(0, 2 * WIDTH).tolist(), abs=1e-3)
    assert [each.label for each in model.predict(picture, confidence=0.05).boxes] == ["bee", "ant", "cow"]


YOLO = {
    "names": "{0: 'ant', 1: 'bee', 2: 'cow'}", "imgsz": "[32, 64]", "task": "detect", "stride": "32",
    "args": "{'nms': None}",
}  # fmt: skip


def test_ultralytics_metadata_of_detectors(tmp_path):
    path = detector(tmp_path / "net.onnx", {"output0": V8.T}, YOLO)
    model = imported(path, tmp_path, {})
    resize = model.spec.input.preprocess[-1]
    assert (resize.fit, resize.ground, resize.interpolation) == ("pad", (114, 114, 114), "opencv-bilinear")
    assert (model.spec.output.confidence, model.spec.output.iou) == (0.25, 0.7)
    assert_boxes(model.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8), iou=0.5).boxes)
    path = detector(tmp_path / "net.onnx", {"output0": ROWS}, YOLO | {"args": "{'nms': True}"})
    model = imported(path, tmp_path, {})
    assert model.spec.output.layout.layout == "ranked"
    assert_boxes(model.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).boxes)


@pytest.mark.parametrize(
    ("facts", "interpolation"),
    [
        ({"boxes": "yolov8"}, "opencv-bilinear"),
        ({"boxes": "yolov8", "fit": "crop"}, "bilinear"),
        ({"boxes": "yolov8", "interpolation": "bicubic"}, "bicubic"),
        ({"boxes": "rt-detr", "fit": "pad"}, "bilinear"),
    ],
)
def test_letterboxes_of_the_yolo_family_are_resized_by_opencv(facts, interpolation, tmp_path):
    outputs = LAYOUTS["RT-DETR" if facts["boxes"] == "rt-detr" else "YOLOv8"][1]
    path = detector(tmp_path / "net.onnx", outputs)
    import_file(path, ModelFacts(**SCALING, labels=LABELS, **facts), out=tmp_path / "bundle")
    resize = runtime.load(tmp_path / "bundle").spec.input.preprocess[-1]
    assert resize.interpolation == interpolation


def test_a_crop_of_ultralytics_letterbox_needs_another_interpolation(tmp_path):
    path = detector(tmp_path / "net.onnx", {"output0": V8.T}, YOLO)
    with pytest.raises(OptionError, match=r"opencv-bilinear resizes whole images.*such as bilinear"):
        import_file(path, ModelFacts(fit="crop"), out=tmp_path / "bundle")
    import_file(path, ModelFacts(fit="crop", interpolation="bilinear"), out=tmp_path / "bundle")


def test_a_transformers_configuration_says_which_detector_it_is(tmp_path):
    path = detector(tmp_path / "net.onnx", LAYOUTS["RT-DETR"][1])
    names = dict(enumerate(LABELS))
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["RTDetrForObjectDetection"], "id2label": names})
    )
    model = imported(path, tmp_path, {**SCALING, "iou": 0.5})
    assert model.labels == LABELS
    assert_boxes(model.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).boxes)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["OwlViTForObjectDetection"]}))
    with pytest.raises(OptionError, match="OwlViTForObjectDetection"):
        import_file(path, ModelFacts(**SCALING), out=tmp_path / "other")


def tflite(answer):
    """Return a TFLite file in NHWC that gives an answer for any picture."""
    import torch

    from tests.micro import converted

    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("answer", torch.from_numpy(np.ascontiguousarray(answer, np.float32)))

        def forward(self, image):
            return self.answer + 0 * image.mean((1, 2, 3))[:, None, None]

    return converted(Constant(), np.zeros((1, HEIGHT, WIDTH, 3), np.float32))


def test_a_tflite_file_of_ultralytics(tmp_path):
    """Its metadata is in a zip behind the file, and its boxes are in shares of the sides."""
    file = io.BytesIO(tflite((V8 / SIZES).T))
    with zipfile.ZipFile(file, "a") as archive:
        names = {str(index): label for index, label in enumerate(LABELS)}
        archive.writestr("metadata.json", json.dumps({"task": "detect", "imgsz": [HEIGHT, WIDTH], "names": names}))
    path = tmp_path / "net.tflite"
    path.write_bytes(file.getvalue())
    model = imported(path, tmp_path, {})
    assert model.spec.output.layout.normalized
    assert_boxes(model.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8), iou=0.5).boxes)


def with_post_processing(data):
    """Return a file whose only output, encoded boxes and scores, goes through TensorFlow Lite's own last operator."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers

    from export.formats._litert.schema import packed

    model = schema.ModelT.InitFromPackedBuf(data)
    (graph,) = model.subgraphs
    count, kinds = len(CORNERS) + MORE, len(LABELS) + 1

    def tensor(name, shape, values=None):
        buffer = 0
        if values is not None:
            model.buffers.append(schema.BufferT(data=np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)))
            buffer = len(model.buffers) - 1
        kind = schema.TensorType.INT32 if values is not None and values.dtype == np.int32 else schema.TensorType.FLOAT32
        graph.tensors.append(schema.TensorT(name=name, shape=shape, type=kind, buffer=buffer))
        return len(graph.tensors) - 1

    def operator(code, inputs, outputs, options=None):
        model.operatorCodes.append(code)
        made = schema.OperatorT(opcodeIndex=len(model.operatorCodes) - 1, inputs=inputs, outputs=outputs)
        made.customOptions = options
        graph.operators.append(made)

    def cut(name, first, size):
        output = tensor(name, [1, count, size])
        begin = tensor(f"{name} begin", [3], np.array([0, 0, first], np.int32))
        length = tensor(f"{name} size", [3], np.array([1, count, size], np.int32))
        slicing = schema.BuiltinOperator.SLICE
        code = schema.OperatorCodeT(builtinCode=slicing, deprecatedBuiltinCode=slicing, version=1)
        operator(code, [graph.outputs[0], begin, length], [output])
        return output

    anchors = tensor("anchors", [count, 4], np.tile(np.float32([0.5, 0.5, 1, 1]), (count, 1)))
    inputs = [cut("encoded", 0, 4), cut("scores", 4, kinds), anchors]
    outputs = [tensor(f"TFLite_Detection_PostProcess:{index}", []) for index in range(4)]
    options = {
        "max_detections": 5, "max_classes_per_detection": 1, "num_classes": len(LABELS), "nms_score_threshold": 0.05,
        "nms_iou_threshold": 0.5, "y_scale": 1.0, "x_scale": 1.0, "h_scale": 1.0, "w_scale": 1.0,
        "use_regular_nms": False,
    }  # fmt: skip
    custom = schema.BuiltinOperator.CUSTOM
    name = "TFLite_Detection_PostProcess"
    code = schema.OperatorCodeT(builtinCode=custom, deprecatedBuiltinCode=custom, customCode=name, version=1)
    operator(code, inputs, outputs, np.frombuffer(flexbuffers.Dumps(options), np.uint8))
    graph.outputs, model.signatureDefs = outputs[::-1], []  # TensorFlow 2's exporter gives them in another order, too
    return packed(model)


def test_an_ssd_with_its_own_post_processing(tmp_path):
    """Encoded as SSD does: the center's distance from the anchor's, and the logarithms of sides (Liu et al. 2016)."""
    middle = centers() / SIDES
    encoded = np.concatenate([middle[:, [1, 0]] - 0.5, np.log(middle[:, [3, 2]])], axis=1)
    scores = np.concatenate([np.zeros((len(middle), 1)), table()], axis=1)  # of the background first
    path = tmp_path / "net.tflite"
    path.write_bytes(with_post_processing(tflite(np.concatenate([encoded, scores], axis=1))))
    model = imported(path, tmp_path, {**SCALING, "labels": ("???", *LABELS)})
    assert model.labels == LABELS
    assert model.spec.input.preprocess[-1].fit == "stretch"
    assert_boxes(model.predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).boxes)


QUESTIONS = {
    "no labels": ({"output0": V8.T}, {"task": "detection"}, "name its labels with --labels, or say --boxes"),
    "two labels or suppressed": (
        {"output0": np.zeros((9, 6))}, {"task": "detection", "labels": ("a", "b")}, "say how its boxes are read"
    ),
    "pixels or shares": ({"output0": V8.T / 16}, {"boxes": "yolov8"}, "--boxes yolov8-pixels or --boxes yolov8-norm"),
    "nothing seen": ({"output0": np.zeros((9, 6))}, {"boxes": "ranked", "labels": ("a",)}, "reach up to 0"),
    "names of indices": ({"output0": ROWS}, {"boxes": "ranked-pixels"}, "name them with --labels"),
    "three labels for two": ({"output0": V8.T}, {"boxes": "yolov8", "labels": ("a", "b")}, "command line has 2"),
    "a strange layout": ({"output0": V8.T}, {"boxes": "yolov9"}, "unknown layout 'yolov9'"),
    "two tables": ({"a": V8.T, "b": V8.T}, {"boxes": "yolov8"}, "with --output"),
    "boxes that are none": ({"a": V8.T, "b": ROWS}, {"boxes": "detr"}, "detr has logits [queries, labels] and boxes"),
    "no task": ({"output0": V8.T}, {}, "--task detection"),
}  # fmt: skip


@pytest.mark.parametrize("case", QUESTIONS)
def test_what_is_open_is_asked(case, tmp_path):
    outputs, facts, words = QUESTIONS[case]
    path = detector(tmp_path / "net.onnx", outputs)
    with pytest.raises(OptionError) as refused:
        import_file(path, ModelFacts(**SCALING, **facts), out=tmp_path / "bundle")
    assert words in str(refused.value)
    assert not (tmp_path / "bundle").exists()


def test_an_index_that_is_no_label_is_refused(tmp_path):
    path = detector(tmp_path / "net.onnx", {"output0": ROWS})
    with pytest.raises(EngineError, match="a box of label 2, and the manifest has 2 labels"):
        import_file(path, ModelFacts(**SCALING, boxes="ranked", labels=("a", "b")), out=tmp_path / "bundle")


def spread(layer, inputs):
    """Set a layer's weights so that its outputs differ by units, and some are above 0."""
    import torch

    values = inputs[0]
    middle = values.mean((0, 2, 3))
    with torch.no_grad():
        layer.weight /= layer.forward(values).std((0, 2, 3)).clamp(min=1e-9)[:, None, None, None]
        layer.weight *= 2
        layer.bias[:] = -6 - layer.weight[:, :, 0, 0] @ middle


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ultralytics"), reason="Ultralytics is in the environment of make bench-peers")
@pytest.mark.parametrize("options", [{}, {"nms": True}, {"dynamic": True}], ids=["plain", "suppressed", "any size"])
def test_boxes_are_those_of_ultralytics_own_predict(options, tmp_path, monkeypatch):
    """On pictures that aren't square: kept as they are, enlarged, and reduced to a tenth."""
    import torch
    from PIL import Image
    from ultralytics import YOLO

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = YOLO("yolo11n.yaml")
    for branch in network.model.model[-1].cv3:  # untrained scores are all alike
        branch[-1].register_forward_pre_hook(spread)
    network.model.eval()(torch.rand(4, 3, 96, 128))
    for branch in network.model.model[-1].cv3:
        branch[-1]._forward_pre_hooks.clear()
    path = network.export(format="onnx", imgsz=(96, 128), simplify=False, opset=18, **options)
    import_file(tmp_path / path, out=tmp_path / "bundle")
    model, random = runtime.load(tmp_path / "bundle"), np.random.default_rng(0)
    count = 0
    kept, enlarged = ((96, 128), (96, 60), (50, 128), (31, 128)), ((41, 97), (60, 50))
    reduced = ((300, 430), (717, 1277), (1280, 720), (1081, 1919), (901, 333))
    for at, (height, width) in enumerate(kept + enlarged + reduced):
        coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
        pixels = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        grain = random.integers(-60, 60, pixels.shape)  # which averaging would smooth
        picture = f"{at}.{'jpg' if at % 2 else 'png'}"
        Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(picture)
        (result,) = YOLO(path, task="detect").predict(picture, imgsz=(96, 128), rect=False, verbose=False)
        boxes = model.predict(picture).boxes
        assert [box.label for box in boxes] == [result.names[int(label)] for label in result.boxes.cls]
        np.testing.assert_allclose(np.reshape([box[2:] for box in boxes], (-1, 4)), result.boxes.xyxy, atol=1)
        np.testing.assert_allclose([box.score for box in boxes], result.boxes.conf, atol=1e-3)
        count += len(boxes)
    assert count > 5
