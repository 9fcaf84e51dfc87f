"""TensorFlow Lite for Microcontrollers, on this machine (``tflite_micro``): proves files before they are flashed.

A ``.tflm`` file is a TFLite file of int8 inputs and outputs, byte for byte as it goes into a microcontroller's flash.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.engines import AUTO, DeviceInfo, NodePlacement, Settings, imported, open_best
from runtime.errors import BundleError, EngineError, one_line
from runtime.formats import tflite
from runtime.frozen_dataclass import frozen_dataclass
from runtime.native_output import capture_stderr
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "tflm"
EXTRA = "tflm"
LIBRARIES = ("tflite_micro",)
PRIORITY = 9
"""Last: its portable kernels are for proof, not for speed."""

ARENA = 64 * 2**20
"""More than any microcontroller has. Too small an arena can crash the library; what isn't touched takes no memory."""


@frozen_dataclass
class Tensor:
    """How real values become a graph's integers.

    Args:
        shape: With the batch of 1.
        dtype: ``int8``; nothing is to be converted where it is a float type, or whole numbers of more bits.
        scale: One step of the integers in real values.
        zero_point: The integer of 0.0.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, details: dict[str, Any]) -> Tensor:
        """Read the library's details of a tensor."""
        parameters = details["quantization_parameters"]
        whole = np.issubdtype(details["dtype"], np.integer) and len(parameters["scales"]) == 1
        scale, zero = (float(parameters["scales"][0]), int(parameters["zero_points"][0])) if whole else (1.0, 0)
        return cls(tuple(int(size) for size in details["shape"]), np.dtype(details["dtype"]), scale, zero)

    def quantize(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return real values as the graph takes them, rounded as C's ``round`` does, clipped to the range."""
        if not self.converts:
            return values.astype(self.dtype, copy=False)
        limits, steps = np.iinfo(self.dtype), values.astype(np.float32) / np.float32(self.scale)
        rounded = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + self.zero_point
        integers: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(self.dtype)
        return integers

    @property
    def converts(self) -> bool:
        """Whether its integers stand for real values."""
        return np.issubdtype(self.dtype, np.integer) and self.dtype.itemsize <= 2

    def dequantize(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what the graph gives as real values; whole numbers of more bits than 16 stay what they are."""
        if not self.converts and np.issubdtype(self.dtype, np.integer):
            return values
        dequantized: NDArray[np.float32] = (values.astype(np.float32) - self.zero_point) * np.float32(self.scale)
        return dequantized


@frozen_dataclass
class Refusal:
    """Why TFLM doesn't open a file.

    Args:
        operator: The operator that it stumbled over, such as ``GATHER_ND``; empty if it was nothing of the kind.
        lacking: Whether it doesn't have that operator at all.
        reason: The library's own words.
    """

    operator: str
    lacking: bool
    reason: str

    def __str__(self) -> str:
        """Return the refusal as part of a sentence."""
        if self.lacking:
            return f"TFLM has no operator {self.operator}"
        return f"TFLM can't run the operator {self.operator}: {self.reason}" if self.operator else self.reason


def missing() -> bool:
    """Tell whether TFLM's interpreter is absent."""
    return find_spec("tflite_micro") is None


def devices() -> tuple[DeviceInfo, ...]:
    """Return the only device: the CPU, through TFLM's portable kernels."""
    return (DeviceInfo("cpu", "portable kernels"),)


def version() -> str:
    """Return the library and its version; see `runtime.engines.EngineModule.version`."""
    return f"tflite_micro {library().__version__.partition('-')[0]}"


def unsupported_reason(precision: str) -> str:
    """Refuse nothing; see `runtime.engines.EngineModule.unsupported_reason`."""
    return ""


def library() -> Any:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    return imported("tflm", "tflite_micro", EXTRA)


class TFLM:
    """One interpreter, which has a state: a lock admits one caller at a time."""

    device = "cpu"
    threads = 1
    skipped: tuple[str, ...] = ()

    def __init__(self, data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """Open `data`; raises what the library raises."""
        module = library()
        self._data = data  # the interpreter reads its weights from this buffer
        self._interpreter = module.runtime.Interpreter.from_bytes(data, arena_size=ARENA)
        self._lock = threading.Lock()
        self._inputs, self._outputs = inputs, outputs
        self.takes = tuple(Tensor.of(self._interpreter.get_input_details(i)) for i in range(len(inputs)))
        self.gives = tuple(Tensor.of(self._interpreter.get_output_details(i)) for i in range(len(outputs)))
        self.version = version()

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once on real values of batch 1; see `runtime.engines.Engine.run`."""
        for name, tensor in zip(self._inputs, self.takes, strict=True):
            if name not in inputs:
                raise EngineError(f"engine 'tflm' needs the input {name!r}")
            if inputs[name].shape != tensor.shape:
                raise EngineError(
                    f"engine 'tflm' failed: the graph takes {list(tensor.shape)}, not {list(inputs[name].shape)}"
                )
        with self._lock:
            try:
                for index, (name, tensor) in enumerate(zip(self._inputs, self.takes, strict=True)):
                    self._interpreter.set_input(np.ascontiguousarray(tensor.quantize(inputs[name])), index)
                self._interpreter.invoke()
            except (RuntimeError, ValueError) as problem:
                lines, _ = capture_stderr(self._interpreter.invoke)
                raise EngineError(f"engine 'tflm' failed: {_refusal(lines, problem)}") from None
            return {
                name: tensor.dequantize(self._interpreter.get_output(index))
                for index, (name, tensor) in enumerate(zip(self._outputs, self.gives, strict=True))
            }


def open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> TFLM:  # noqa: A001
    """Open a TFLM file, which computes on one thread; see `runtime.engines.EngineModule.open`."""
    return open_best("tflm", devices(), settings.device, lambda _: _open(data, inputs, outputs))


def _open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> TFLM:
    try:
        counts = tflite.counts(data)
    except BundleError as problem:
        raise EngineError(f"engine 'tflm' can't open the model: {problem}") from None
    if (len(inputs), len(outputs)) != counts[:2]:
        raise EngineError(
            f"engine 'tflm' can't open the model: its graph has {counts[0]} inputs and {counts[1]} outputs, not "
            f"{len(inputs)} and {len(outputs)}"
        )
    try:
        return TFLM(data, inputs, outputs)
    except (RuntimeError, ValueError) as problem:
        raise EngineError(f"engine 'tflm' can't open the model: {refusal(data) or one_line(problem)}") from None


def open_numbered(data: bytes) -> TFLM:
    """Open a file whose inputs and outputs are named by their numbers: ``0``, ``1`` ….

    Raises:
        EngineError: If TFLM doesn't open it.
    """
    try:
        inputs, outputs, _ = tflite.counts(data)
    except BundleError as problem:
        raise EngineError(f"engine 'tflm' can't open the model: {problem}") from None
    return _open(data, *(tuple(map(str, range(count))) for count in (inputs, outputs)))


def placement(
    data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
) -> tuple[NodePlacement, ...]:
    """Say what runs where: all of it in portable kernels; see `runtime.engines.EngineModule.placement`."""
    open(data, inputs, outputs, settings)
    return (NodePlacement("portable kernels", "cpu", tflite.counts(data)[2], 1.0),)


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.formats.tflite.metadata`."""
    return tflite.metadata(data, METADATA_KEY)


def refusal(data: bytes) -> Refusal | None:
    """Return why TFLM doesn't open a file, or None if it does.

    Raises:
        EngineError: If TFLM's interpreter is not installed or can't be loaded.
    """
    interpreter = library().runtime.Interpreter
    lines, problem = capture_stderr(lambda: interpreter.from_bytes(data, arena_size=ARENA))
    return _refusal(lines, problem) if problem else None


def arena(data: bytes) -> int:
    """Return the smallest arena that a file runs in, in bytes of RAM.

    It holds activations, scratch memory and TFLM's own records of every tensor and operator, as its portable kernels
    take them on a 64-bit machine. The records hold pointers, which take half on a 32-bit microcontroller; a vendor's
    kernels may take more scratch memory.

    Raises:
        EngineError: If TFLM doesn't open the file.
    """
    model = open_numbered(data)
    lines, _ = capture_stderr(model._interpreter.print_allocations)
    match = re.search(r"Arena allocation total ([0-9]+) bytes", "\n".join(lines))
    if match is None:
        raise EngineError(f"{model.version} doesn't say how large an arena it took: another version may")
    return int(match[1])


def _refusal(lines: Sequence[str], problem: Exception) -> Refusal:
    for i, line in enumerate(lines):
        if match := re.search(r"get registration from op code (\w+)", line):
            return Refusal(match[1], True, lines[max(0, i - 1)].strip())
        if match := re.search(r"Node (\w+) \(number [0-9]+f?\) failed to (prepare|invoke)", line):
            return Refusal(match[1], False, " ".join(lines[max(0, i - 1)].split()))
    return Refusal("", False, " ".join(lines[0].split()) if lines else one_line(problem))
