"""LiteRT (``ai_edge_litert``, or its forerunner ``tflite_runtime``): ``.tflite`` files on edge devices."""

from __future__ import annotations

import importlib
import re
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from runtime import tflite
from runtime.errors import DeviceError, EngineError, MissingExtraError, one_line
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "tflite"
EXTRA = "litert"
PRIORITY = 1

LIBRARIES = ("ai_edge_litert", "tflite_runtime")


def missing() -> bool:
    """Tell whether both libraries are absent."""
    return not any(find_spec(name) for name in LIBRARIES)


def devices() -> tuple[str, ...]:
    """Return the devices on offer: the CPU, through XNNPACK."""
    return ("cpu",)


def refuses(precision: str) -> str:
    """Refuse int8-dynamic on LiteRT's forerunner; see `runtime.engines.EngineModule.refuses`."""
    old = find_spec("tflite_runtime") and not find_spec("ai_edge_litert")
    if precision != "int8-dynamic" or not old:
        return ""
    return (
        "tflite_runtime answers int8-dynamic files wrongly, without an error: take a file of another precision, "
        "or pip install 'edgezoo[litert]'"
    )


def library() -> tuple[str, Any]:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    problems = []
    for name in LIBRARIES:
        if find_spec(name):
            try:
                return name, importlib.import_module(f"{name}.interpreter")
            except ImportError as problem:
                problems.append(one_line(problem))
    if problems:
        raise EngineError(f"engine 'litert' can't be loaded: {'; '.join(problems)}")
    raise MissingExtraError("engine 'litert'", EXTRA)


class LiteRT:
    """One interpreter, which is not thread-safe: a lock admits one caller at a time."""

    device = "cpu"
    skipped: tuple[str, ...] = ()

    def __init__(self, data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], threads: int) -> None:
        """Open `data`; raises what the library raises."""
        name, module = library()
        self._data = data  # the interpreter reads its weights from this buffer
        self._interpreter = module.Interpreter(model_content=data, num_threads=threads)
        self._lock = threading.Lock()
        self._inputs, self._outputs = _named(self._interpreter, inputs, outputs)
        self._interpreter.allocate_tensors()
        self._shapes = {key: tuple(detail["shape"].tolist()) for key, detail in self._inputs.items()}
        self.version = f"{name} {importlib.import_module(name).__version__}"
        self.threads = threads

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once, resized to the arrays' batch if need be; see `runtime.engines.Engine.run`."""
        interpreter = self._interpreter
        try:
            with self._lock:
                for name, detail in self._inputs.items():
                    if inputs[name].shape != self._shapes[name]:
                        interpreter.resize_tensor_input(detail["index"], inputs[name].shape)
                        self._shapes[name] = ()  # until the new one has proved possible
                if () in self._shapes.values():
                    interpreter.allocate_tensors()
                    self._shapes = {name: inputs[name].shape for name in self._inputs}
                for name, detail in self._inputs.items():
                    interpreter.set_tensor(detail["index"], inputs[name])
                interpreter.invoke()
                return {name: interpreter.get_tensor(detail["index"]) for name, detail in self._outputs.items()}
        except KeyError as name:
            raise EngineError(f"engine 'litert' needs the input {name}") from None
        except (RuntimeError, ValueError) as problem:
            raise EngineError(f"engine 'litert' failed: {one_line(problem)}") from None


def _named(
    interpreter: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the details of each input and output tensor by our names, which follow the order of the trace.

    The interpreter's own lists need not keep that order, and two states of one shape would be swapped unnoticed. The
    converter's signature numbers them: ``args_0``, ``args_1``; ``output_0``, ``output_1``.
    """
    own_takes, own_gives = (
        {detail["name"]: detail for detail in details}
        for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )
    if own_takes.keys() == set(inputs) and own_gives.keys() >= set(outputs):  # a file made elsewhere
        return own_takes, {name: own_gives[name] for name in outputs}
    signatures = interpreter.get_signature_list()
    if len(signatures) == 1:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        takes, gives = _numbered(runner.get_input_details()), _numbered(runner.get_output_details())
    else:
        takes, gives = interpreter.get_input_details(), interpreter.get_output_details()
        if len(takes) > 1 or len(gives) > 1:
            raise ValueError(f"{len(signatures)} signatures, so nothing says which input is which")
    return dict(zip(inputs, takes, strict=True)), dict(zip(outputs, gives, strict=True))


def _numbered(details: dict[str, Any]) -> list[Any]:
    numbers = {name: int(found[0]) if (found := re.search(r"[0-9]+$", name)) else -1 for name in details}
    if len(set(numbers.values())) < len(details):
        raise ValueError(f"the names of its signature have no numbers: {', '.join(details)}")
    return [details[name] for name in sorted(details, key=numbers.__getitem__)]


def open(data: bytes, *, inputs: tuple[str, ...], outputs: tuple[str, ...], device: str, threads: int) -> LiteRT:  # noqa: A001
    """Open a TFLite file; see `runtime.engines.EngineModule.open`."""
    if device not in ("auto", *devices()):
        raise DeviceError(f"engine 'litert' has no device {device!r} here; it has: {', '.join(devices())}")
    try:
        return LiteRT(data, inputs, outputs, threads)
    except (RuntimeError, ValueError) as problem:
        raise EngineError(f"engine 'litert' can't open the model: {one_line(problem)}") from None


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.tflite.metadata`."""
    return tflite.metadata(data, METADATA_KEY)
