"""What a model takes and gives: the part of the manifest that also travels inside every model file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runtime.errors import ManifestError
from runtime.preprocess import Step, check_steps
from runtime.schema import build, parse_json, to_json

FORMAT_VERSION = 1
METADATA_KEY = "edgezoo"

Precision = Literal["fp32"]


@dataclass(frozen=True)
class ImageInput:
    """An image: ``[batch, height, width, channels]``, raw pixel values 0-255.

    Args:
        kind: Always ``image``.
        name: The graph's input name.
        shape: Height, width, channels (1 grey, 3 RGB).
        preprocess: The steps from an encoded image to that shape.
    """

    kind: Literal["image"]
    name: str
    shape: tuple[int, int, int]
    preprocess: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Check that the steps give the shape."""
        check_steps(self.preprocess, self.shape)


@dataclass(frozen=True)
class Classification:
    """One class of several: the graph gives logits ``float32 [batch, labels]``.

    Args:
        task: Always ``classification``.
        name: The graph's output name.
        labels: What each logit stands for.
    """

    task: Literal["classification"]
    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the labels can be told apart."""
        named = all(label and label.isprintable() for label in self.labels)
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels) or not named:
            raise ValueError(
                f"labels must be two or more different, non-empty, printable names, got {list(self.labels)[:8]}"
            )


@dataclass(frozen=True)
class ModelSpec:
    """A model's name, input and output, the same for every file of a bundle."""

    name: str
    input: ImageInput
    output: Classification

    def __post_init__(self) -> None:
        """Check the name."""
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise ValueError(f"a model's name is 1 to 200 printable characters, got {self.name[:40]!r}")


@dataclass(frozen=True)
class FileSpec:
    """How one model file implements the `ModelSpec`.

    Args:
        format: The file's format, such as ``onnx`` or ``tflite``.
        precision: What its weights and activations are.
        input_dtype: What the graph's input takes: the same values, 0-255, in either type.
        batch: The only batch size it runs, or None for any.
    """

    format: str
    precision: Precision
    input_dtype: Literal["uint8", "float32"]
    batch: int | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")


@dataclass(frozen=True)
class FileMetadata:
    """What a model file carries inside, so that it predicts without its bundle."""

    format: int
    model: ModelSpec
    file: FileSpec


def encode_metadata(model: ModelSpec, file: FileSpec) -> str:
    """Return the text that a format's writer puts under `METADATA_KEY`."""
    return to_json(FileMetadata(FORMAT_VERSION, model, file))


def decode_metadata(text: str, where: str) -> FileMetadata:
    """Read the text under `METADATA_KEY`.

    Raises:
        ManifestError: If it breaks the contract.
    """
    value = parse_json(text, where, ManifestError)
    check_version(value, where)
    return build(FileMetadata, value, where, ManifestError)


def check_version(value: object, where: str) -> None:
    """Check the contract's version before anything else of `value` is read.

    Raises:
        ManifestError: If the version is missing or newer than this release reads.
    """
    found = value.get("format") if isinstance(value, dict) else None
    if type(found) is not int or found < 1:
        raise ManifestError(f"{where}: the field 'format' must be a version number, got {found!r}")
    if found > FORMAT_VERSION:
        raise ManifestError(
            f"{where}: format {found} is newer than this edgezoo reads ({FORMAT_VERSION}): pip install -U edgezoo"
        )
