"""Files as other projects make them: plain exports of small networks, without anything of ours."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
from numpy.typing import NDArray

SIZE = (12, 10)
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def onnx_file(
    path: Path,
    *,
    shape: Sequence[int | str] = ("batch", 3, *SIZE),
    dtype: int = onnx.TensorProto.FLOAT,
    ending: Sequence[str] = (),
    outputs: int = 3,
    names: tuple[str, str] = ("pixel_values", "scores"),
    opset: int = 18,
    properties: dict[str, str] | None = None,
) -> Path:
    """Write a file that weighs the means of the quarters of each channel: order, layout and scaling all matter.

    Args:
        path: Where.
        shape: Of its input; axes with names have any length.
        dtype: Of its input.
        ending: Operators after the last layer.
        outputs: Values that it gives.
        names: Of its input and output.
        opset: Of ONNX.
        properties: Its own metadata.
    """
    channels_first = shape[1] in (1, 3)
    channels = int(shape[1] if channels_first else shape[3])
    random = np.random.default_rng(7)
    nodes, last = [], names[0]

    def add(kind: str, *more: str, **options: Any) -> None:
        nonlocal last
        nodes.append(oh.make_node(kind, [last, *more], [f"{kind}{len(nodes)}"], **options))
        last = nodes[-1].output[0]

    if dtype != onnx.TensorProto.FLOAT:
        add("Cast", to=onnx.TensorProto.FLOAT)
    if not channels_first:
        add("Transpose", perm=[0, 3, 1, 2])
    add("Conv", "kernel", strides=[2, 2])
    add("Relu")
    add("GlobalAveragePool")
    add("Flatten")
    add("MatMul", "weights")
    for kind in ending:
        add(kind, **({"axis": 1} if kind == "Softmax" else {}))
    nodes[-1].output[0] = names[1]
    kernel = random.normal(0, 0.3, (8, channels, 3, 3)).astype(np.float32)
    weights = random.normal(0, 2, (8, outputs)).astype(np.float32)
    graph = oh.make_graph(
        nodes,
        "foreign",
        [oh.make_tensor_value_info(names[0], dtype, shape)],
        [oh.make_tensor_value_info(names[1], onnx.TensorProto.FLOAT, [shape[0], outputs])],
        [onnx.numpy_helper.from_array(kernel, "kernel"), onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = oh.make_model(graph, opset_imports=[oh.make_opsetid("", opset)], ir_version=9)
    oh.set_model_props(model, properties or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def graph_file(path: Path, inputs: Sequence[tuple[str, int, Any]], outputs: Sequence[tuple[str, int, Any]]) -> Path:
    """Write an ONNX file whose only merit is what it takes and gives: names, types and shapes."""
    graph = oh.make_graph(
        [oh.make_node("Identity", [inputs[0][0]], [name]) for name, _, _ in outputs],
        "foreign",
        [oh.make_tensor_value_info(*each) for each in inputs],
        [oh.make_tensor_value_info(*each) for each in outputs],
    )
    path.write_bytes(oh.make_model(graph, opset_imports=[oh.make_opsetid("", 18)], ir_version=9).SerializeToString())
    return path


def tflite_metadata(mean: Sequence[float], std: Sequence[float], labels: str) -> bytes:
    """Return a ``ModelMetadata`` (metadata_schema.fbs) with normalisation of the input and a label file's name."""
    import flatbuffers

    builder = flatbuffers.Builder()

    def table(size: int, fields: dict[int, tuple[str, int]]) -> int:
        builder.StartObject(size)
        for slot, (kind, value) in fields.items():
            if kind == "byte":
                builder.PrependUint8Slot(slot, value, 0)
            else:
                builder.PrependUOffsetTRelativeSlot(slot, value, 0)
        return int(builder.EndObject())

    def listed(offsets: Sequence[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def floats(values: Sequence[float]) -> int:
        return int(builder.CreateNumpyVector(np.array(values, np.float32)))

    means, stds = floats(mean), floats(std)
    scaling = table(2, {0: ("place", means), 1: ("place", stds)})
    unit = table(2, {0: ("byte", 1), 1: ("place", scaling)})
    units = listed([unit])
    inputs = listed([table(7, {4: ("place", units)})])
    name = builder.CreateString(labels)
    files = listed([table(5, {0: ("place", name), 2: ("byte", 2)})])
    outputs = listed([table(7, {6: ("place", files)})])
    graphs = listed([table(7, {2: ("place", inputs), 3: ("place", outputs)})])
    title, license_name = builder.CreateString("leaf finder"), builder.CreateString("MIT")
    builder.Finish(table(8, {0: ("place", title), 3: ("place", graphs), 5: ("place", license_name)}), b"M001")
    return bytes(builder.Output())


def with_metadata(data: bytes, table: bytes, members: dict[str, bytes]) -> bytes:
    """Return a TFLite file with that metadata, and files in a zip at its end, as the metadata's own writer does."""
    from ai_edge_litert import schema_py_generated as schema

    from export.formats._litert.schema import packed

    model = schema.ModelT.InitFromPackedBuf(data)
    model.buffers.append(schema.BufferT(data=np.frombuffer(table, np.uint8)))
    entry = schema.MetadataT(name="TFLITE_METADATA", buffer=len(model.buffers) - 1)
    model.metadata = [*(model.metadata or []), entry]
    archive = io.BytesIO(packed(model))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def scaled(pixels: NDArray[np.uint8], mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> NDArray[np.float32]:
    """Scale pixels as torchvision does, ``[batch, height, width, channels]``."""
    return ((pixels.astype(np.float32) / 255) - np.float32(mean)) / np.float32(std)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
