"""Inputs and outputs of a model: the part of the manifest that every model file holds too."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from runtime.audio.listening import Listening
from runtime.errors import ManifestError, shown
from runtime.feed import Feed
from runtime.frozen_dataclass import frozen_dataclass
from runtime.images.preprocess import oldest_format
from runtime.inputs import AudioInput, ImageInput, Input, SequenceInput
from runtime.printable import is_printable
from runtime.quantization import QuantizationParams
from runtime.schema import NEW, build, check_types, parse_json, to_json
from runtime.tasks import Binary, Classification, Detection, Output
from runtime.tensor_spec import GraphDType

if TYPE_CHECKING:
    from runtime.tensors import Tensors

FORMAT_VERSION = 3
"""The newest version of the contract. Format 1 knew images and classification only, format 2 one input and one output;
everything in them means the same in format 3. A bundle says the oldest version that has all that it needs."""
PER_TENSOR = 3
"""The version of the contract from which files say the quantization of each tensor."""
METADATA_KEY = "edgezoo"
MAX_METADATA = 8 * 2**20
MAX_STATE = 2**24
MAX_BATCH = 2**16
"""The largest batch size that a file may be fixed to: a smaller batch is filled up to it."""
MAX_STEPS = 2**24
INTEGERS = ("uint8", "int8", "int16")
"""The types of integers that may stand for real values."""

Precision = Literal["fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int16x8", "int4-weights"]
"""fp32; fp16: weights of 16 bits, computed in fp32 on CPUs; int8: weights and activations of 8 bits, ranges from
calibration; int8-dynamic: the same with ranges measured at every run; int8-weights: weights of 8 bits, computed in
fp32; int16x8: activations of 16 bits and weights of 8; int4-weights: weights of 4 bits."""


@frozen_dataclass
class ModelSpec:
    """A model's name, input and output, the same for every file of a bundle.

    Args:
        name: What to call it.
        input: What it takes.
        output: What it gives.
        listening: How labels are heard in a stream, of a classifier of audio.
    """

    name: str
    input: Input
    output: Output
    listening: Listening | None = field(default=None, metadata=NEW)

    def __post_init__(self) -> None:
        """Check the types and the name, and that the parts fit each other."""
        check_types(self)
        if not self.name or len(self.name) > 200 or not is_printable(self.name):
            raise ValueError(f"a model's name is 1 to 200 printable characters, got {self.name[:40]!r}")
        if isinstance(self.output, Detection):
            size = (self.output.height, self.output.width)
            if not isinstance(self.input, ImageInput) or self.input.shape[:2] != size:
                raise ValueError(f"a detector of {size[1]}x{size[0]} pixels takes images of that size")

        if self.listening is not None:
            if not isinstance(self.input, AudioInput) or not isinstance(self.output, Classification | Binary):
                raise ValueError("only a classifier of audio listens to streams")
            if self.input.hop and self.listening.step != self.input.hop:
                raise ValueError(f"a streaming network listens in steps of its hop, {self.input.hop} samples")
            self.listening.check_labels(self.output.labels)

    @cached_property
    def read(self) -> Callable[[Any], Tensors]:
        """Reads a source as the input does; where the task is `PLACED`, together with its placement in the picture."""
        if self.output.PLACED and isinstance(self.input, ImageInput):
            return self.input.read_placed
        return self.input.read

    @property
    def format(self) -> int:
        """The oldest version of the contract that has its kind of input, its preprocessing and its task."""
        steps = self.input.preprocess if isinstance(self.input, ImageInput | SequenceInput) else ()
        return max(self.input.SINCE, self.output.SINCE, oldest_format(steps))


@frozen_dataclass
class State:
    """What a step graph remembers: the input ``name`` and the output ``next_name``, zeros before the first step.

    Args:
        name: The graph's input name.
        shape: Of one sample, ``float32``, without the batch axis.
    """

    name: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the shape."""
        sized = self.shape and all(size > 0 for size in self.shape) and math.prod(self.shape) <= MAX_STATE
        if not self.name or not sized:
            raise ValueError(
                f"a state needs a name and 1 to {MAX_STATE} values, got {shown(self.name)} {list(self.shape)[:8]}"
            )

    @property
    def following(self) -> str:
        """The graph's output name."""
        return f"next_{self.name}"


@frozen_dataclass
class FileSpec:
    """How one model file implements the `ModelSpec`.

    Args:
        format: The file's format, such as ``onnx`` or ``tflite``.
        precision: What its weights and activations are.
        input_dtype: What the graph's input takes: the same values in either type. None where each input has the type
            that the model says.
        batch: The only batch size it runs, or None for any.
        steps: The only number of time steps it runs, or None for any, or where the input has no such axis.
        state: Empty for a graph that takes whole inputs. Otherwise the graph takes one time step ``float32 [batch,
            features]`` with the state before it, and gives the output for all steps so far with the state after it.
        drift: Why the file does not keep PyTorch's answer, with figures; empty where it does.
        feed: How to feed a graph made elsewhere; None where the graph takes the manifest's input itself.
        lengths: The only length that the file runs of each axis of any length of the model's tensors, by the axis's
            name; empty for any.
        dtypes: The types that the graph takes or gives instead of those that the model says, by the tensor's name: the
            same values, as far as they fit, or integers that stand for them by `quantization`.
        quantization: How the graph's integers stand for the real values of a tensor, by its name. The runtime converts
            those that have a type of integers in `dtypes`; the engine converts others.
        unbatched: The names of the tensors that have no batch axis in the graph, which runs one sample at a time.
    """

    format: str
    precision: Precision
    input_dtype: Literal["uint8", "float32"] | None
    batch: int | None
    steps: int | None = None
    state: tuple[State, ...] = ()
    drift: str = ""
    feed: Feed | None = None
    lengths: dict[str, int] = field(default_factory=dict, metadata=NEW)
    dtypes: dict[str, GraphDType] = field(default_factory=dict, metadata=NEW)
    quantization: dict[str, QuantizationParams] = field(default_factory=dict, metadata=NEW)
    unbatched: tuple[str, ...] = field(default=(), metadata=NEW)

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, size, limit in (("batch", self.batch, MAX_BATCH), ("steps", self.steps, MAX_STEPS)):
            if size is not None and not 1 <= size <= limit:
                raise ValueError(f"{name} must be 1 to {limit}, got {shown(size)}")
        if not is_printable(self.drift):
            raise ValueError(f"drift must be one line of printable text, got {self.drift[:40]!r}")
        states = [state.name for state in self.state]
        if len(set(states)) != len(states):
            raise ValueError(f"two states have the same name: {', '.join(states)}")
        if self.feed and self.state:
            raise ValueError("a graph made elsewhere takes no states")
        for name in self.quantization:
            if self.dtypes.get(name, "int8") not in INTEGERS:
                raise ValueError(f"the tensor {name!r} is quantized, so its type must be one of {', '.join(INTEGERS)}")
        if self.unbatched and self.batch != 1:
            raise ValueError(f"without a batch axis a file runs batches of 1, got {self.batch}")


@frozen_dataclass
class FileMetadata:
    """What a model file carries inside, so that it predicts without its bundle."""

    format: int
    model: ModelSpec
    file: FileSpec

    def __post_init__(self) -> None:
        """Check that model and file fit each other."""
        check_feed(self.model, self.file)


def check_feed(model: ModelSpec, file: FileSpec) -> None:
    """Check that a file's feed suits the model's input.

    Raises:
        ValueError: If it doesn't.
    """
    if file.feed is None:
        return
    if not isinstance(model.input, ImageInput):
        raise ValueError(f"a feed is for images, not for an input of kind {model.input.kind!r}")
    if len(file.feed.mean) != model.input.shape[2]:
        raise ValueError(f"a feed with {len(file.feed.mean)} means for {model.input.shape[2]} channels")
    if not file.feed.output and model.output.SINCE < FORMAT_VERSION:
        raise ValueError(f"a feed needs the name of the graph's output for the task {model.output.task!r}")


def tensor_names(model: ModelSpec, file: FileSpec) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a graph's inputs and of its outputs, in the graph's order."""
    inputs = tuple(tensor.name for tensor in model.input.tensors)
    outputs = tuple(tensor.name for tensor in model.output.tensors)
    if file.feed:
        return (file.feed.input,), (file.feed.output,) if file.feed.output else outputs
    return (
        (*inputs, *(state.name for state in file.state)),
        (*outputs, *(state.following for state in file.state)),
    )


def encode_metadata(model: ModelSpec, file: FileSpec) -> str:
    """Return the text that a format's writer puts under `METADATA_KEY`."""
    return to_json(FileMetadata(model.format, model, file))


def decode_metadata(text: str, where: str) -> FileMetadata:
    """Read the text under `METADATA_KEY`.

    Raises:
        ManifestError: If it breaks the contract.
    """
    if len(text) > MAX_METADATA:
        raise ManifestError(f"{where}: larger than expected (over {MAX_METADATA} characters)")
    value = parse_json(text, where, ManifestError)
    check_version(value, where)
    return build(FileMetadata, value, where, ManifestError)


def check_version(value: object, where: str) -> None:
    """Check the contract's version before anything else of `value` is read.

    Raises:
        ManifestError: If the version is missing or newer than this release reads.
    """
    version = value.get("format") if isinstance(value, dict) else None
    if type(version) is not int or version < 1:
        raise ManifestError(f"{where}: the field 'format' must be a version number, got {shown(version)}")
    if version > FORMAT_VERSION:
        raise ManifestError(
            f"{where}: format {shown(version)} is newer than this edgezoo reads ({FORMAT_VERSION}): "
            "pip install -U edgezoo"
        )
