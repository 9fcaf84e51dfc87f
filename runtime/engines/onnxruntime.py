"""ONNX Runtime: ``.onnx`` files on CPUs and GPUs."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from runtime import protobuf
from runtime.errors import BundleError, DeviceError, EngineError, MissingExtraError, one_line
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from numpy.typing import NDArray

FORMAT = "onnx"
EXTRA = "onnx"
PRIORITY = 0

PROVIDERS = {  # best first
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


def missing() -> bool:
    """Tell whether ONNX Runtime is absent."""
    return find_spec("onnxruntime") is None


def library() -> Any:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    try:
        import onnxruntime
    except ImportError as problem:
        if missing():
            raise MissingExtraError("engine 'onnxruntime'", EXTRA) from None
        raise EngineError(f"engine 'onnxruntime' can't be loaded: {one_line(problem)}") from None
    return onnxruntime


def devices() -> tuple[str, ...]:
    """Return the devices whose execution provider is in the installed build, best first."""
    available = library().get_available_providers()
    return tuple(device for device, provider in PROVIDERS.items() if provider in available)


def refuses(precision: str) -> str:
    """Refuse nothing; see `runtime.engines.EngineModule.refuses`."""
    return ""


@cache
def _empty_folder() -> TemporaryDirectory[str]:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="edgezoo-empty-")


class Session:
    """One `onnxruntime.InferenceSession`, which is thread-safe by itself."""

    def __init__(self, data: bytes, outputs: tuple[str, ...], device: str, threads: int) -> None:
        """Open `data` on exactly `device`; raises what the library raises."""
        module = library()
        options = module.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # failures come as exceptions
        # Without it a hostile model names files under the working directory as its weights, and gets them.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _empty_folder().name)
        provider = PROVIDERS[device]
        self._session = module.InferenceSession(data, options, providers=[provider])
        self._session._model_bytes = None  # kept to change providers, which never happens here: a file's size of memory
        active = self._session.get_providers()
        if provider not in active:  # the library falls back to the CPU without an exception
            raise DeviceError(f"engine 'onnxruntime' did not start {provider}; it fell back to {active[0]}")
        self._outputs = outputs
        self.version = f"onnxruntime {module.__version__}"
        self.device = device
        self.threads = threads
        self.skipped: tuple[str, ...] = ()

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        try:
            values = self._session.run(self._outputs, inputs)
        except Exception as problem:  # the library has one exception class for each status, with no common base
            raise EngineError(f"engine 'onnxruntime' failed: {one_line(problem)}") from None
        return dict(zip(self._outputs, values, strict=True))


def open(data: bytes, *, inputs: tuple[str, ...], outputs: tuple[str, ...], device: str, threads: int) -> Session:  # noqa: A001
    """Open an ONNX file; see `runtime.engines.EngineModule.open`."""
    available = devices()
    if device != "auto" and device not in available:
        raise DeviceError(f"engine 'onnxruntime' has no device {device!r} here; it has: {', '.join(available)}")
    skipped: list[str] = []
    for candidate in available if device == "auto" else (device,):
        try:
            session = Session(data, outputs, candidate, threads)
        except DeviceError as problem:
            skipped.append(str(problem))
        except Exception as problem:  # see Session.run
            reason = f"engine 'onnxruntime' can't open the model on {candidate}: {one_line(problem)}"
            if candidate == available[-1] or device != "auto":
                raise EngineError(reason) from None
            skipped.append(reason)
        else:
            session.skipped = tuple(skipped)
            return session
    raise DeviceError("; ".join(skipped))


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata (ModelProto.metadata_props, field 14 of onnx.proto)."""
    try:
        for entry in protobuf.messages(memoryview(data), 14):
            prop = protobuf.last(entry)
            if protobuf.text(prop.get(1)) == METADATA_KEY:
                return protobuf.text(prop.get(2))
    except (IndexError, ValueError) as problem:
        raise BundleError(f"not an ONNX file ({one_line(problem)})") from None
    return None
