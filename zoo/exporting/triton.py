"""`zoo triton`: bundles to a model repository of NVIDIA's Triton Inference Server, for its ONNX Runtime back end.

The layout and the fields of ``config.pbtxt`` are those of Triton's documentation (Model Repository, Model
Configuration). Names, types and shapes are those of the file's own graph, so clients send what the graph takes: raw
pixels for an image, after the geometry that the manifest lists.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.atomic import check_writable, staged_folder
from runtime.bundle import Bundle, is_file_name
from runtime.errors import BundleError, OptionError, OutputError, one_line
from runtime.formats.onnx import check_self_contained
from runtime.runner import BATCH
from runtime.spec import FileSpec, tensor_names
from zoo.resolve import display_name, resolve

CONFIG = "config.pbtxt"
LABELS = "labels.txt"
VERSION = "1"
MODEL = "model.onnx"
"""The file's name in the folder of its version: the back end's default."""
TYPES = {
    "BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64", "INT8": "INT8",
    "INT16": "INT16", "INT32": "INT32", "INT64": "INT64", "FLOAT16": "FP16", "FLOAT": "FP32", "DOUBLE": "FP64",
    "STRING": "STRING", "BFLOAT16": "BF16",
}  # fmt: skip
"""Triton's name of each of ONNX's types, without ``TYPE_``."""


@dataclass(frozen=True)
class TritonModel:
    """A model of a repository.

    Args:
        name: Its name, which is that of its folder.
        file: The bundle's file.
        batch: The largest batch that Triton makes of requests; 0 where the graph runs batches of one size only.
        folder: Where it is written.
        files: The content of each file by its path in the folder.
    """

    name: str
    file: str
    batch: int
    folder: Path
    files: dict[str, bytes]


def write_repository(
    bundles: Sequence[str | os.PathLike[str]], out: Path, *, overwrite: bool = False
) -> tuple[TritonModel, ...]:
    """Write a model for each bundle into a repository, beside those that are there.

    Every bundle is checked before the first is written; each model appears whole or not at all.

    Args:
        bundles: Folders or names of bundles; the first ``.onnx`` file of each that takes whole inputs is used.
        out: The repository's folder.
        overwrite: Replace a model of that name that this command has written earlier.

    Raises:
        BundleError: If a bundle can't be trusted, or has no such file.
        OptionError: If two bundles have one name, or a name can't be that of a model.
        OutputError: If a model is there, or can't be written.
    """
    models = [_model(bundle, out) for bundle in bundles]
    names = [model.name for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OptionError(f"two bundles would be the model {twice!r}: write them to repositories of their own")
    for model in models:
        _check_place(model.folder, overwrite)
    for model in models:
        with staged_folder(model.folder) as stage:
            (stage / VERSION).mkdir()
            for name, content in model.files.items():
                (stage / name).write_bytes(content)
    return tuple(models)


def _model(path: str | os.PathLike[str], out: Path) -> TritonModel:
    folder = resolve(path)
    bundle = Bundle.read(folder)
    name = display_name(folder).translate(str.maketrans(":/", "--"))
    if not is_file_name(name):
        raise OptionError(f"{folder}: {name!r} can't be a model's name: rename the folder to letters, digits, '-', '_'")
    files = {file: each.spec for file, each in bundle.manifest.models.items()}
    usable = [file for file, spec in files.items() if spec.format == "onnx" and not spec.state]
    if not usable:
        raise BundleError(f"{folder}: has no .onnx file that takes whole inputs; it has: {', '.join(files)}")
    file = usable[0]
    data = bundle.bytes(file)
    inputs, outputs = _tensors(data, f"{folder / file}")
    named = tensor_names(bundle.manifest.model, files[file])
    absent = [
        name for names, graph in zip(named, (inputs, outputs), strict=True) for name in names if name not in graph
    ]
    if absent:
        raise BundleError(f"{folder / file}: has no {absent[0]!r}, which the manifest names")
    batch = BATCH if _batched(files[file], [*inputs.values(), *outputs.values()]) else 0
    labels: tuple[str, ...] = getattr(bundle.manifest.model.output, "labels", ())
    labelled = [each for each, (_, shape) in outputs.items() if labels and _size(shape) == len(labels)]
    config = "\n".join(_config(name, batch, inputs, outputs, labelled)) + "\n"
    written = {CONFIG: config.encode(), f"{VERSION}/{MODEL}": data}
    if labelled:
        written[LABELS] = "".join(f"{label}\n" for label in labels).encode()
    return TritonModel(name, file, batch, out / name, written)


Tensors = dict[str, tuple[str, tuple[int, ...]]]
"""The type, in Triton's words, and the shape of each tensor by name; -1 stands for an axis of any length."""


def _tensors(data: bytes, where: str) -> tuple[Tensors, Tensors]:
    """Return what the graph of an ONNX file takes and gives.

    Raises:
        BundleError: If it is no ONNX file, or doesn't say a type or shape.
    """
    import onnx
    from google.protobuf.message import DecodeError

    check_self_contained(data, "onnxruntime")
    try:
        graph = onnx.load_from_string(data).graph
    except DecodeError as problem:
        raise BundleError(f"{where}: not an ONNX file ({one_line(problem)})") from None
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    return {each.name: _tensor(each, where) for each in inputs}, {
        each.name: _tensor(each, where) for each in graph.output
    }


def _tensor(value: Any, where: str) -> tuple[str, tuple[int, ...]]:
    import onnx

    kind = value.type.tensor_type
    dtype = TYPES.get(onnx.TensorProto.DataType.Name(kind.elem_type) if kind.elem_type else "")
    if dtype is None or not kind.HasField("shape"):
        raise BundleError(f"{where}: doesn't say the type and shape of {value.name!r}, which Triton must know")
    return f"TYPE_{dtype}", tuple(axis.dim_value or -1 for axis in kind.shape.dim)


def _batched(spec: FileSpec, tensors: list[tuple[str, tuple[int, ...]]]) -> bool:
    """Tell whether the first axis of every tensor is a batch of any size."""
    return spec.batch is None and all(shape[:1] == (-1,) for _, shape in tensors)


def _size(shape: tuple[int, ...]) -> int:
    """Return how many elements a sample has, one where an axis may have any length."""
    return abs(math.prod(shape))


def _config(name: str, batch: int, inputs: Tensors, outputs: Tensors, labelled: list[str]) -> Iterator[str]:
    """Yield the lines of the configuration, in Protocol Buffers' text format."""
    yield f"name: {_text(name)}"
    yield 'backend: "onnxruntime"'
    yield f"max_batch_size: {batch}"
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for each, (dtype, shape) in tensors.items():
            dims = shape[1:] if batch else shape
            yield f"{kind} {{"
            yield f"  name: {_text(each)}"
            yield f"  data_type: {dtype}"
            yield f"  dims: [ {', '.join(map(str, dims or (1,)))} ]"
            if not dims:  # every shape has an axis there
                yield "  reshape { shape: [ ] }"
            if kind == "output" and each in labelled:
                yield f"  label_filename: {_text(LABELS)}"
            yield "}"
    if batch:
        yield "dynamic_batching { }"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check_place(folder: Path, overwrite: bool) -> None:
    """Refuse a place that is taken; `overwrite` lets an earlier model be replaced, and nothing else.

    Raises:
        OutputError: If it is taken, or can't be written.
    """
    if folder.exists() or folder.is_symlink():
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if (names and (CONFIG not in names or names - {CONFIG, LABELS, VERSION})) or not folder.is_dir():
            raise OutputError(f"{folder}: exists and is not a model of zoo triton; name another repository with --out")
        if names and not overwrite:
            raise OutputError(f"{folder}: exists; replace it with --overwrite, or name another repository with --out")
    check_writable(folder)
