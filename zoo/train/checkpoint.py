"""Checkpoints of training as one safetensors file and its checksum each: nothing in them is ever unpickled.

Lightning hands over a nested dict. Its tensors go into the file as tensors, the rest as JSON into the header. The
SHA-256 of all that follows it, so that damage is found before anything is parsed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load, save

from runtime.atomic import write_file
from runtime.bundle import MAX_FILE, read_file
from runtime.errors import IntegrityError, TrainingError, one_line
from zoo.train.run import MAX_CHECKPOINT

STATE = "state"
DIGEST = hashlib.sha256().digest_size


class SafeCheckpoints(CheckpointIO):
    """Lightning's door to the disk, with safetensors behind it and atomic writes."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint whole or not at all."""
        tensors: dict[str, torch.Tensor] = {}
        state = json.dumps(_pack(checkpoint, tensors))
        write_file(Path(path), sealed(save(tensors, {STATE: state})))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint back.

        Raises:
            TrainingError: If it is damaged, or no regular file.
        """
        try:
            data = _opened(read_file(Path(path), MAX_CHECKPOINT))
            tensors = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # load() doesn't give its metadata
            checkpoint = _unpack(json.loads(header["__metadata__"][STATE]), tensors)
            if not isinstance(checkpoint, dict):
                raise TypeError("its state is no dict")
        except (IntegrityError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as problem:
            raise TrainingError(f"{path}: not a checkpoint of edgezoo, or damaged ({one_line(problem)})") from None
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def sealed(data: bytes) -> bytes:
    """Return a checkpoint's content with its checksum at the end."""
    return data + hashlib.sha256(data).digest()


def read_digest(path: Path) -> str:
    """Return the checksum at the end of a checkpoint, in hexadecimal; empty where it can't be read."""
    try:
        with path.open("rb") as file:
            file.seek(-DIGEST, os.SEEK_END)
            return file.read().hex()
    except OSError:
        return ""


def _opened(data: bytes) -> bytes:
    """Return a checkpoint's content without its checksum.

    Raises:
        ValueError: If the checksum is not that of the content.
    """
    content, checksum = data[:-DIGEST], data[-DIGEST:]
    if hashlib.sha256(content).digest() != checksum:
        raise ValueError("its checksum is wrong")
    return content


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"items": [[_pack(key, tensors), _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_pack(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a checkpoint can't hold a {type(value).__name__}")


def _unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "tuple":
        return tuple(_unpack(item, tensors) for item in content)
    return {_unpack(key, tensors): _unpack(item, tensors) for key, item in content}


def save_weights(path: Path, module: torch.nn.Module) -> None:
    """Write a module's weights as safetensors, whole or not at all."""
    write_file(path, save({name: tensor.cpu().contiguous().clone() for name, tensor in module.state_dict().items()}))


def load_weights(path: Path, module: torch.nn.Module) -> None:
    """Read weights into a module.

    Raises:
        TrainingError: If the file is missing or damaged, or belongs to another network.
    """
    try:
        module.load_state_dict(load(read_file(path, MAX_FILE)))
    except (IntegrityError, SafetensorError, RuntimeError) as problem:
        raise TrainingError(f"{path}: the weights can't be loaded ({one_line(problem)})") from None
