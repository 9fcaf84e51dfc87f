"""LiteRT (``ai_edge_litert``, or its forerunner ``tflite_runtime``): ``.tflite`` files on edge devices."""

from __future__ import annotations

import importlib
import re
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from runtime.concurrency.engine_pool import EnginePool
from runtime.engines import AUTO, DeviceInfo, NodePlacement, Settings, open_best
from runtime.errors import DeviceError, EngineError, MissingExtraError, one_line
from runtime.formats import tflite
from runtime.platforms import platform
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine

FORMAT = "tflite"
EXTRA = "litert"
PRIORITY = 1

LIBRARIES = ("ai_edge_litert", "tflite_runtime")
COMPILED = {"gpu": "CompiledModel on a GPU", "npu": "CompiledModel on an NPU"}
DEVICE_FILES = {
    "gpu": ("dri/renderD*", "nvidia0", "mali0", "kgsl-3d0", "dxg"),
    "npu": ("accel/accel*", "fastrpc-*", "ethosu*"),
}
DELEGATES = {
    "edgetpu": {"linux": "libedgetpu.so.1", "darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"},
    "nnapi": {"android": "libnnapi_delegate.so", "linux": "libnnapi_delegate.so"},
}
"""The delegates that go by a name, with the shared library that each is on each platform."""
DELEGATE = "DELEGATE"
BY_NAME = "it may compute in less than fp32, for which parity was not proved"
BY_PATH = "delegate:"
"""What comes before the path of any other external delegate in a device's name."""


def missing() -> bool:
    """Tell whether both libraries are absent."""
    return not any(find_spec(name) for name in LIBRARIES)


def version() -> str:
    """Return the library and its version; see `runtime.engines.EngineModule.version`."""
    name, _ = library()
    return f"{name} {importlib.import_module(name).__version__}"


def devices() -> tuple[DeviceInfo, ...]:
    """Return the devices: ``auto`` means the CPU; see `runtime.engines.EngineModule.devices`."""
    name, _ = library()
    lacking = "" if find_spec(f"{name}.compiled_model") else f"{name} has no CompiledModel"
    return (
        DeviceInfo("cpu", "XNNPACK"),
        *(
            DeviceInfo(device, what, lacking or _unseen(device), "litert" if lacking else "", BY_NAME)
            for device, what in COMPILED.items()
        ),
        *(DeviceInfo(device, _library_of(device) or device, _absent(device), "", BY_NAME) for device in DELEGATES),
    )


def _unseen(device: str) -> str:
    """Say that Linux shows no device of a kind, or nothing if it does, or on systems that don't show them as files."""
    if platform() != "linux" or any(path for pattern in DEVICE_FILES[device] for path in Path("/dev").glob(pattern)):
        return ""
    return f"no {device.upper()} is among /dev/{', /dev/'.join(DEVICE_FILES[device])}"


def _library_of(device: str) -> str:
    return DELEGATES[device].get(platform(), "")


def _absent(device: str) -> str:
    """Say why a delegate's library can't be loaded, or nothing if it can."""
    import ctypes

    name = _library_of(device)
    if not name:
        return "not for this platform"
    try:
        ctypes.CDLL(name)
    except OSError as problem:
        return one_line(problem)
    return ""


def unsupported_reason(precision: str) -> str:
    """Refuse int8-dynamic on LiteRT's forerunner; see `runtime.engines.EngineModule.unsupported_reason`."""
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
    """One interpreter, which is not thread-safe: a lock admits one caller at a time, an `EnginePool` serves more."""

    skipped: tuple[str, ...] = ()
    nodes: tuple[list[str], list[str]]
    """Of an external delegate: the operators that it leaves, and those that it takes."""

    def __init__(
        self, data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], device: str, settings: Settings
    ) -> None:
        """Open `data` on the CPU or with an external delegate; raises what the library raises."""
        _, module = library()
        self._data = data  # the interpreter reads its weights from this buffer
        self._delegates = []
        if device != "cpu":
            path = device.removeprefix(BY_PATH) if device.startswith(BY_PATH) else _library_of(device)
            import ctypes

            ctypes.CDLL(path)  # the library's own error is an exception in a destructor
            self._delegates.append(module.load_delegate(path, dict(settings.options)))
            alone = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            interpreter = module.Interpreter(
                model_content=data, experimental_delegates=self._delegates, experimental_op_resolver_type=alone
            )
            interpreter.allocate_tensors()
            self.nodes = nodes(interpreter)
            if not self.nodes[1]:
                raise DeviceError(
                    f"engine 'litert' loaded {path}, but it takes none of the graph's {len(self.nodes[0])} nodes: "
                    "all would run on the CPU"
                )
        self._interpreter = module.Interpreter(
            model_content=data, num_threads=settings.threads, experimental_delegates=self._delegates
        )
        self._lock = threading.Lock()
        self._inputs, self._outputs = _named(self._interpreter, inputs, outputs)
        self._interpreter.allocate_tensors()
        self._shapes = {key: tuple(detail["shape"].tolist()) for key, detail in self._inputs.items()}
        self.version, self.device, self.threads = version(), device, settings.threads

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once, resized to the arrays' batch if need be; see `runtime.engines.Engine.run`."""
        interpreter = self._interpreter
        try:
            with self._lock:
                for name, detail in self._inputs.items():
                    if inputs[name].shape != self._shapes[name]:
                        self._shapes[name] = ()  # until the new one has proved possible, or after an interrupt
                        interpreter.resize_tensor_input(detail["index"], inputs[name].shape)
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


def nodes(interpreter: Any) -> tuple[list[str], list[str]]:
    """Return the operators that an interpreter's own kernels run, and those that delegates run.

    A delegate is a node itself; it stands for those from which its outputs follow, as far back as its inputs.
    """
    details = interpreter._get_ops_details()
    makers = {int(output): node for node in details if node["op_name"] != DELEGATE for output in node["outputs"]}
    covered = set()
    for delegate in (node for node in details if node["op_name"] == DELEGATE):
        inputs = {int(index) for index in delegate["inputs"]}
        waiting = [int(index) for index in delegate["outputs"]]
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and node["index"] not in covered:
                covered.add(node["index"])
                waiting += [int(index) for index in node["inputs"] if int(index) not in inputs]
    own = [node["op_name"] for node in makers.values() if node["index"] not in covered]
    return own, [node["op_name"] for node in makers.values() if node["index"] in covered]


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
        takes, gives = in_order(runner.get_input_details()), in_order(runner.get_output_details())
    else:
        takes, gives = interpreter.get_input_details(), interpreter.get_output_details()
        if len(takes) > 1 or len(gives) > 1:
            raise ValueError(f"{len(signatures)} signatures, so nothing says which input is which")
    return dict(zip(inputs, takes, strict=True)), dict(zip(outputs, gives, strict=True))


def in_order(details: dict[str, Any]) -> list[Any]:
    """Return the details of a signature's tensors in the order of the trace."""
    return [detail for _, detail in _ordered(details)]


def _ordered(details: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a signature's tensors in the order of the numbers that end their names."""
    numbers = {name: int(match[0]) if (match := re.search(r"[0-9]+$", name)) else -1 for name in details}
    if len(set(numbers.values())) < len(details):
        raise ValueError(f"the names of its signature have no numbers: {', '.join(details)}")
    return [(name, details[name]) for name in sorted(details, key=numbers.__getitem__)]


def open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> Engine:  # noqa: A001
    """Open a TFLite file; see `runtime.engines.EngineModule.open`."""

    def attempt(device: str) -> Engine:
        try:
            if device in COMPILED:
                from runtime.engines._litert_compiled import Compiled

                return Compiled(data, inputs, outputs, device, settings.threads, _ordered)
            opened = partial(LiteRT, data, inputs, outputs, device, settings)
            return cast("Engine", EnginePool(opened)) if device == "cpu" else opened()
        except (RuntimeError, ValueError, OSError) as problem:
            raise EngineError(f"engine 'litert' can't open the model{_on(device)}: {one_line(problem)}") from None

    if settings.device.startswith(BY_PATH):
        return attempt(settings.device)
    return open_best("litert", devices(), settings.device, attempt)


def _on(device: str) -> str:
    return "" if device == "cpu" else f" on {device}"


def placement(
    data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
) -> tuple[NodePlacement, ...]:
    """Say what runs where; see `runtime.engines.EngineModule.placement`."""
    device = open(data, inputs, outputs, settings).device
    if device in COMPILED:
        return (NodePlacement(COMPILED[device], device, tflite.counts(data)[2], 1.0),)
    opened = LiteRT(data, inputs, outputs, device, settings)
    own, delegated = nodes(opened._interpreter) if device == "cpu" else opened.nodes
    total = len(own) + len(delegated) or 1
    names = ("XNNPACK", "built-in kernels") if device == "cpu" else (device, "XNNPACK, built-in kernels")
    return tuple(
        NodePlacement(provider, device, len(run), len(run) / total)
        for provider, device, run in zip(names, (device, "cpu"), (delegated, own), strict=True)
        if run
    )


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.formats.tflite.metadata`."""
    return tflite.metadata(data, METADATA_KEY)
