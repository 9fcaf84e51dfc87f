"""OpenVINO: ``.onnx`` files on Intel's CPUs, GPUs and NPUs."""

from __future__ import annotations

import io
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from runtime import onnx
from runtime.engines import AUTO, Offer, Part, Settings, open_best
from runtime.errors import BundleError, EngineError, MissingExtraError, one_line
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "onnx"
EXTRA = "openvino"
PRIORITY = 2

PLUGINS = {"gpu": "GPU", "npu": "NPU", "cpu": "CPU"}
BY_NAME = {"npu": "it computes in fp16, for which parity was not proved"}
PROPERTIES = {
    "INFERENCE_PRECISION_HINT": "f32",  # else CPUs with AMX compute in bf16, and GPUs in fp16
    "PERFORMANCE_HINT": "LATENCY",
}
ON_CPU = {
    # Fused integer kernels round between layers where the file does not: 9 % of the output's scale on residual
    # networks (docs/log.md).
    "LP_TRANSFORMS_MODE": "NO"
}


def missing() -> bool:
    """Tell whether OpenVINO is absent."""
    return find_spec("openvino") is None


def library() -> Any:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    if missing():
        raise MissingExtraError("engine 'openvino'", EXTRA)
    try:
        import openvino
    except ImportError as problem:
        raise EngineError(f"engine 'openvino' can't be loaded: {one_line(problem)}") from None
    return openvino


def version() -> str:
    """Return the library and its version; see `runtime.engines.EngineModule.version`."""
    return f"openvino {library().__version__.partition('-')[0]}"


def offers() -> tuple[Offer, ...]:
    """Return the devices whose plugin finds hardware; see `runtime.engines.EngineModule.offers`."""
    try:
        found = {name.partition(".")[0] for name in library().Core().available_devices}
    except RuntimeError as problem:
        raise EngineError(f"engine 'openvino' can't be loaded: {one_line(problem)}") from None
    return tuple(
        Offer(
            device,
            f"{plugin} plugin",
            "" if plugin in found else f"no {plugin} with a driver was found",
            by_name=BY_NAME.get(device, ""),
        )
        for device, plugin in PLUGINS.items()
    )


def refuses(precision: str) -> str:
    """Refuse 16-bit integers, which it takes for something else; see `runtime.engines.EngineModule.refuses`."""
    return "engine 'openvino' gets int16x8 wrong: use engine 'onnxruntime'" if precision == "int16x8" else ""


class Compiled:
    """One compiled model with a request for each thread that asks."""

    skipped: tuple[str, ...] = ()

    def __init__(self, data: bytes, outputs: tuple[str, ...], device: str, settings: Settings) -> None:
        """Open `data` on exactly `device`; raises what the library raises."""
        core = library().Core()
        own = {**ON_CPU, "INFERENCE_NUM_THREADS": str(settings.threads)} if device == "cpu" else {}
        model = core.read_model(io.BytesIO(data))
        self.model = core.compile_model(model, PLUGINS[device], {**PROPERTIES, **own, **settings.options})
        self._takes = {
            port.any_name: (
                port.element_type.to_dtype(),
                [size.get_length() if size.is_static else -1 for size in port.partial_shape],
            )
            for port in self.model.inputs
        }
        self._ports = {name: self.model.output(name) for name in outputs}
        self._requests = threading.local()
        self.version, self.device, self.threads = version(), device, settings.threads

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        try:
            for name, (dtype, shape) in self._takes.items():  # it would convert and reshape without a word
                array = inputs[name]
                fits = len(array.shape) == len(shape) and all(
                    size in (-1, given) for size, given in zip(shape, array.shape, strict=True)
                )
                if array.dtype != dtype or not fits:
                    raise ValueError(f"{name} must be {dtype} {shape}, got {array.dtype} {list(array.shape)}")
            request = getattr(self._requests, "own", None)
            if request is None:
                request = self._requests.own = self.model.create_infer_request()
            found = request.infer(inputs)
            return {name: found[port].copy() for name, port in self._ports.items()}
        except (RuntimeError, ValueError, TypeError, KeyError) as problem:
            raise EngineError(f"engine 'openvino' failed: {one_line(problem)}") from None


def open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> Compiled:  # noqa: A001
    """Open an ONNX file; see `runtime.engines.EngineModule.open`."""

    def attempt(device: str) -> Compiled:
        try:
            return Compiled(data, outputs, device, settings)
        except (RuntimeError, ValueError, TypeError) as problem:
            reason = f"engine 'openvino' can't open the model on {device}: {one_line(problem)}"
            raise EngineError(reason) from None

    try:
        onnx.check_self_contained(data)  # it would look for other files from wherever the process happens to be
    except BundleError as problem:
        raise EngineError(f"engine 'openvino' can't open the model: {problem}") from None
    return open_best("openvino", offers(), settings.device, attempt)


def placement(
    data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
) -> tuple[Part, ...]:
    """Say what runs where: a plugin takes all of a graph or none; see `runtime.engines.EngineModule.placement`."""
    opened = open(data, inputs, outputs, settings)
    where = [name.partition(".")[0] for name in opened.model.get_property("EXECUTION_DEVICES")]
    devices = {plugin: device for device, plugin in PLUGINS.items()}
    nodes = len(opened.model.get_runtime_model().get_ops())
    return tuple(Part(f"{name} plugin", devices.get(name, name.lower()), nodes, 1 / len(where)) for name in where)


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.onnx.metadata`."""
    return onnx.metadata(data, METADATA_KEY)
