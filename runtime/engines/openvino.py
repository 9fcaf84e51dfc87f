"""OpenVINO: ``.onnx`` files on Intel's CPUs, GPUs and NPUs."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from runtime.concurrency.engine_pool import EnginePool
from runtime.concurrency.signal_stack import own_signal_stack
from runtime.engines import AUTO, DeviceInfo, NodePlacement, Settings, imported, open_best
from runtime.errors import EngineError, one_line
from runtime.formats import onnx
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine

FORMAT = "onnx"
EXTRA = "openvino"
LIBRARIES = ("openvino",)
PRIORITY = 2

Shapes = tuple[tuple[int, ...], ...]
WRONG = ("int16x8", "int4-weights")
KEPT = 8
"""For how many shapes a quantized graph stays compiled."""
PLUGINS = {"gpu": "GPU", "npu": "NPU", "cpu": "CPU"}
BY_NAME = {"npu": "it computes in fp16, for which parity was not proved"}
PROPERTIES = {
    "INFERENCE_PRECISION_HINT": "f32",  # else CPUs with AMX compute in bf16, and GPUs in fp16
    "PERFORMANCE_HINT": "LATENCY",
}
ON_CPU = {
    # the threads of every compiled graph would run on the same CPUs
    "ENABLE_CPU_PINNING": "NO",
    # Fused integer kernels round between layers where the file does not: 9 % of the output's scale on residual
    # networks (docs/log.md).
    "LP_TRANSFORMS_MODE": "NO",
}


def missing() -> bool:
    """Tell whether OpenVINO is absent."""
    return find_spec("openvino") is None


def library() -> Any:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    # its import starts a process that reports the use to its makers, and that outlives ours; without this package it
    # goes on by its own stub
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return imported("openvino", "openvino", EXTRA)


def version() -> str:
    """Return the library and its version; see `runtime.engines.EngineModule.version`."""
    return f"openvino {library().__version__.partition('-')[0]}"


def devices() -> tuple[DeviceInfo, ...]:
    """Return the devices whose plugin finds hardware; see `runtime.engines.EngineModule.devices`."""
    try:
        with own_signal_stack():
            plugins = {name.partition(".")[0] for name in library().Core().available_devices}
    except RuntimeError as problem:
        raise EngineError(f"engine 'openvino' can't be loaded: {one_line(problem)}") from None
    return tuple(
        DeviceInfo(
            device,
            f"{plugin} plugin",
            "" if plugin in plugins else f"no {plugin} with a driver was found",
            opt_in_reason=BY_NAME.get(device, ""),
        )
        for device, plugin in PLUGINS.items()
    )


def unsupported_reason(precision: str) -> str:
    """Refuse what it answers wrongly without an error; see `runtime.engines.EngineModule.unsupported_reason`.

    It takes 16-bit integers for something else, and was 14 % of the scale off on tables with 4-bit weights
    (docs/log.md).
    """
    return f"engine 'openvino' gets {precision} wrong: use engine 'onnxruntime'" if precision in WRONG else ""


class Compiled:
    """A graph, compiled, with a request for each caller at a time.

    Idle requests wait in a list and not with their threads: a forked child frees what its parent's threads have, and to
    free a request there may never end.

    On CPUs this library answers quantized graphs of dynamic shapes wrongly, by up to the whole scale (docs/log.md).
    They are compiled for each shape, sample by sample; a few shapes are kept.
    """

    skipped: tuple[str, ...] = ()

    def __init__(self, data: bytes, outputs: tuple[str, ...], device: str, settings: Settings) -> None:
        """Open `data` on exactly `device`; raises what the library raises."""
        with own_signal_stack():
            self._open(data, outputs, device, settings)

    def _open(self, data: bytes, outputs: tuple[str, ...], device: str, settings: Settings) -> None:
        self._core = library().Core()
        own = {**ON_CPU, "INFERENCE_NUM_THREADS": str(settings.threads)} if device == "cpu" else {}
        self._compile = partial(
            self._core.compile_model,
            device_name=PLUGINS[device],
            config={**PROPERTIES, **own, **settings.options},
        )
        self._model = self._core.read_model(io.BytesIO(data))
        self._takes = {port.any_name: _axes(port) for port in self._model.inputs}
        self._outputs, self._lock = outputs, threading.Lock()
        self._shapes: dict[Shapes, tuple[Any, deque[Any]]] = {}
        self._by_sample = device == "cpu" and any(
            operation.get_type_name() == "FakeQuantize" for operation in self._model.get_ops()
        )
        # with another axis of any length there is nothing to compile before the first input has come
        sample = tuple((*(1 if size < 0 else size for size in axes[:1]), *axes[1:]) for _, axes in self._takes.values())
        self.version, self.device, self.threads = version(), device, settings.threads
        if not self._by_sample or all(size > 0 for shape in sample for size in shape):
            self.compiled(sample)

    def compiled(self, shapes: Shapes) -> tuple[Any, deque[Any]]:
        """Return the graph compiled for the shapes of its inputs, or for any where that is right; and idle requests."""
        key = shapes if self._by_sample else ()
        with self._lock:
            if key not in self._shapes:
                if key:
                    self._model.reshape(dict(zip(self._takes, map(list, shapes), strict=True)))
                if len(self._shapes) == KEPT:
                    del self._shapes[next(iter(self._shapes))]
                self._shapes[key] = self._compile(self._model), deque()
            return self._shapes[key]

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        try:
            for name, (dtype, axes) in self._takes.items():  # it would convert and reshape without a word
                array = inputs[name]
                fits = len(array.shape) == len(axes) and all(
                    size in (-1, length) for size, length in zip(axes, array.shape, strict=True)
                )
                if array.dtype != dtype or not fits:
                    raise ValueError(f"{name} must be {dtype} {axes}, got {array.dtype} {list(array.shape)}")
            if not self._by_sample or len({inputs[name].shape[:1] for name in self._takes}) > 1:
                return self._run(inputs)
            size = max(1, next(iter(self._takes.values()))[1][0])
            count = len(next(iter(inputs.values())))
            parts = [
                self._run({name: inputs[name][at : at + size] for name in self._takes}) for at in range(0, count, size)
            ]
            return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}
        except (RuntimeError, ValueError, TypeError, KeyError) as problem:
            raise EngineError(f"engine 'openvino' failed: {one_line(problem)}") from None

    def _run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        compiled, idle = self.compiled(tuple(inputs[name].shape for name in self._takes))
        try:
            request = idle.pop()
        except IndexError:
            request = compiled.create_infer_request()
        results = request.infer(inputs)
        outputs = {name: results[compiled.output(name)].copy() for name in self._outputs}
        idle.append(request)
        return outputs


def _axes(port: Any) -> tuple[Any, list[int]]:
    """Return an input's dtype and axes, -1 for any length."""
    sizes = [size.get_length() if size.is_static else -1 for size in port.partial_shape]
    return port.element_type.to_dtype(), sizes


def open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> Engine:  # noqa: A001
    """Open an ONNX file; see `runtime.engines.EngineModule.open`."""

    def attempt(device: str) -> Engine:
        opened = partial(Compiled, data, outputs, device, settings)
        try:
            # a CPU compiles for one call at a time; with several streams it gave wrong answers (docs/log.md)
            return cast("Engine", EnginePool(opened)) if device == "cpu" else opened()
        except (RuntimeError, ValueError, TypeError) as problem:
            reason = f"engine 'openvino' can't open the model on {device}: {one_line(problem)}"
            raise EngineError(reason) from None

    onnx.check_self_contained(data, "openvino")  # it would look for other files from wherever the process happens to be
    return open_best("openvino", devices(), settings.device, attempt)


def placement(
    data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
) -> tuple[NodePlacement, ...]:
    """Say what runs where: a plugin takes all of a graph or none; see `runtime.engines.EngineModule.placement`."""
    opened: Any = open(data, inputs, outputs, settings)
    ones = tuple(tuple(max(1, size) for size in axes) for _, axes in opened._takes.values())
    compiled, _ = opened.compiled(ones)
    where = [name.partition(".")[0] for name in compiled.get_property("EXECUTION_DEVICES")]
    names = {plugin: device for device, plugin in PLUGINS.items()}
    nodes = len(compiled.get_runtime_model().get_ops())
    return tuple(
        NodePlacement(f"{name} plugin", names.get(name, name.lower()), nodes, 1 / len(where)) for name in where
    )


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.formats.onnx.metadata`."""
    return onnx.metadata(data, METADATA_KEY)
