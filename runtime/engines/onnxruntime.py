"""ONNX Runtime: ``.onnx`` files on CPUs, GPUs and NPUs, through its execution providers."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from runtime.cache import cache_folder
from runtime.concurrency.forks import PerProcess
from runtime.engines import AUTO, DeviceInfo, NodePlacement, Settings, imported, open_best
from runtime.engines._onnx_cache import Kept
from runtime.errors import DeviceError, EngineError, one_line
from runtime.formats import onnx
from runtime.frozen_dataclass import frozen_dataclass
from runtime.platforms import SYSTEMS, platform
from runtime.scratch import scratch_folder
from runtime.spec import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "onnx"
EXTRA = "onnx"
LIBRARIES = ("onnxruntime",)
PRIORITY = 0


@frozen_dataclass
class Provider:
    """An execution provider.

    Args:
        name: As the library calls it.
        extra: The pip extra of edgezoo whose build of ONNX Runtime has it; empty if none on PyPI has.
        options: What we ask of it unless the user says otherwise: the answer of fp32, not a faster one near it.
            ``{cache}`` stands for the user's cache folder.
        own_memory: Whether its tensors live outside the CPU's memory.
        computes_on: Where it computes; empty for a device of its own.
    """

    name: str
    extra: str = ""
    options: dict[str, str] = field(default_factory=dict)
    own_memory: bool = False
    computes_on: str = ""

    def options_in_cache(self) -> dict[str, str]:
        """Return the options with the cache folder's place in them; without one, those that need none."""
        folder = cache_folder() if any("{cache}" in value for value in self.options.values()) else None
        return {
            key: value.replace("{cache}", str(folder))
            for key, value in self.options.items()
            if folder or "{cache}" not in value
        }


PROVIDERS = {
    "cuda": Provider("CUDAExecutionProvider", "onnx-gpu", {"use_tf32": "0"}, own_memory=True),
    "tensorrt": Provider(
        "TensorrtExecutionProvider",
        "onnx-gpu",
        {"trt_engine_cache_enable": "1", "trt_engine_cache_path": "{cache}/tensorrt"},
        own_memory=True,
    ),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnx-migraphx", own_memory=True),
    "rocm": Provider("ROCMExecutionProvider", "onnx-rocm", own_memory=True),
    "openvino": Provider(
        "OpenVINOExecutionProvider",
        "onnx-openvino",
        {"device_type": "CPU", "precision": "FP32"},
        computes_on="{device_type}",
    ),
    "directml": Provider("DmlExecutionProvider", "onnx-directml", own_memory=True),
    "coreml": Provider("CoreMLExecutionProvider", "onnx", {"ModelFormat": "MLProgram"}),
    "qnn": Provider("QNNExecutionProvider", "onnx-qnn", {"backend_type": "htp"}),
    "nnapi": Provider("NnapiExecutionProvider"),
    "xnnpack": Provider("XnnpackExecutionProvider", computes_on="cpu"),
    "cpu": Provider("CPUExecutionProvider", "onnx"),
}
ORDERS = {
    # TensorRT builds an engine for minutes before it is faster than CUDA. OpenVINO on the CPU rounds int8 files
    # otherwise than they were proved (docs/log.md). XNNPACK gains on phones only. So these come first only by name.
    "linux": ("cuda", "tensorrt", "migraphx", "rocm", "qnn", "cpu", "openvino", "xnnpack"),
    "win32": ("cuda", "tensorrt", "migraphx", "directml", "qnn", "cpu", "openvino"),
    "darwin": ("coreml", "cpu", "xnnpack"),
    "android": ("qnn", "nnapi", "xnnpack", "cpu"),
}


def missing() -> bool:
    """Tell whether ONNX Runtime is absent."""
    return find_spec("onnxruntime") is None


def library() -> Any:
    """Import the library; see `runtime.engines.EngineModule.library`."""
    # Its thread for telemetry has no copy in a forked child, which then hangs at its exit; nor is it ours to report.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return imported("onnxruntime", "onnxruntime", EXTRA)


def version() -> str:
    """Return the library and its version; see `runtime.engines.EngineModule.version`."""
    return f"onnxruntime {library().__version__}"


def devices() -> tuple[DeviceInfo, ...]:
    """Return the execution providers in the order of this platform; see `runtime.engines.EngineModule.devices`."""
    built = library().get_available_providers()
    order = ORDERS[platform()]
    here = [
        DeviceInfo(device, provider.name, "" if provider.name in built else "not in this build", provider.extra)
        for device, provider in sorted(PROVIDERS.items(), key=lambda pair: (*order, pair[0]).index(pair[0]))
        if device in order or provider.name in built
    ]
    names = {info.device for info in here}
    reason = f"not for {SYSTEMS[platform()]}"
    elsewhere = [DeviceInfo(name, provider.name, reason) for name, provider in PROVIDERS.items() if name not in names]
    return (*here, *elsewhere)


def unsupported_reason(precision: str) -> str:
    """Refuse nothing; see `runtime.engines.EngineModule.unsupported_reason`."""
    return ""


_NOWHERE = f"{os.devnull}/edgezoo"
"""A folder that can't be there."""


@contextmanager
def _scratch() -> Iterator[Path | None]:
    """Give a temporary folder, or None where none can be written."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder())
        except OSError:
            folder = None
        yield folder


_spinning: PerProcess[WeakSet[Session]] = PerProcess(WeakSet)
"""At most one session, whose threads go on spinning for milliseconds after a run: its next run is faster by up to a
fifth, and every other model in the process lacks the CPU meanwhile. Those opened beside it stop after a run."""


class Session:
    """One `onnxruntime.InferenceSession`, which is thread-safe by itself.

    Args:
        data: The file.
        outputs: The outputs to give.
        device: The execution provider's device, exactly.
        settings: The rest of what is asked.
        watched: Whether to run once on zeros and keep in `parts` which provider ran what. A device off the CPU is
            always watched: the library hands every node that a provider won't take to the CPU without a word.
    """

    def __init__(self, data: bytes, outputs: tuple[str, ...], device: str, settings: Settings, watched: bool) -> None:
        """Open `data` on exactly `device`; raises what the library raises."""
        module, self._provider = library(), PROVIDERS[device]
        self.version, self.device, self.threads = f"onnxruntime {module.__version__}", device, settings.threads
        self.skipped: tuple[str, ...] = ()
        self._outputs = outputs
        options = module.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.log_severity_level = 4  # failures come as exceptions
        # Without it a hostile model names files under the working directory as its weights, and gets them.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        if _spinning():
            options.add_session_config_entry("session.force_spinning_stop", "1")
        watched = watched or device != "cpu"
        with (
            Kept("" if watched else settings.identity, data, module) as kept,
            _scratch() if watched else nullcontext() as scratch,
        ):
            if scratch:
                options.enable_profiling = True
                options.profile_file_prefix = f"{scratch}/profile"
            provider_options = {**self._provider.options_in_cache(), **settings.options}
            self._session = module.InferenceSession(
                kept.prepare(options), options, providers=[(self._provider.name, provider_options)]
            )
            if settings.threads > 1 and not _spinning():
                _spinning().add(self)
            # kept to change providers, which never happens here: a file's size of memory
            self._session._model_bytes = None
            active = self._session.get_providers()
            if self._provider.name not in active:  # the library falls back to the CPU without an exception
                raise DeviceError(
                    f"engine 'onnxruntime' did not start {self._provider.name}; it fell back to {active[0]}"
                )
            for output in self._session.get_outputs():
                if output.name in outputs and not output.type.startswith("tensor("):
                    raise EngineError(f"its output {output.name!r} is a {output.type}, not a tensor")
            self.parts = () if not watched else self._watch(provider_options) if scratch else self._unwatched(data)
        if device != "cpu" and self._provider.name not in {part.provider for part in self.parts}:
            raise DeviceError(
                f"engine 'onnxruntime' started {self._provider.name}, but it takes none of the graph's "
                f"{sum(part.nodes for part in self.parts)} nodes: all would run on the CPU"
            )

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once; see `runtime.engines.Engine.run`."""
        try:
            values = self._bound(inputs) if self._provider.own_memory else self._session.run(self._outputs, inputs)
        except Exception as problem:  # the library has one exception class for each status, with no common base
            raise EngineError(f"engine 'onnxruntime' failed: {one_line(problem)}") from None
        return dict(zip(self._outputs, values, strict=True))

    def _bound(self, inputs: dict[str, NDArray[Any]]) -> Any:
        """Run with inputs and outputs bound, so that a device copies straight from and to the arrays."""
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        for name in self._outputs:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    def _watch(self, provider_options: dict[str, str]) -> tuple[NodePlacement, ...]:
        """Run once on zeros under the profiler; return what each provider ran, of which one was given options."""
        import json
        from pathlib import Path

        import numpy as np

        graph_inputs = self._session.get_inputs()
        dtypes = {"float": "float32", "double": "float64"}
        zeros = {
            each.name: np.zeros([size if isinstance(size, int) else 1 for size in each.shape], dtypes.get(kind, kind))
            for each in graph_inputs
            if (kind := each.type.removeprefix("tensor(").removesuffix(")"))
        }
        self._session.run(self._outputs, zeros)
        events = json.loads(Path(self._session.end_profiling()).read_text())
        devices = {
            provider.name: provider.computes_on.format_map(provider_options).lower() or device
            for device, provider in PROVIDERS.items()
            if provider is self._provider or "{" not in provider.computes_on
        }
        return parts(events, devices)

    def _unwatched(self, data: bytes) -> tuple[NodePlacement, ...]:
        """Say what runs where without a profile, for which no file can be written: that is known of the CPU alone."""
        if self.device != "cpu":
            raise DeviceError(
                f"engine 'onnxruntime' started {self._provider.name}, but can't see whether it takes the graph: that "
                "needs a temporary folder; set TMPDIR to one that can be written"
            )
        return (NodePlacement(self._provider.name, "cpu", onnx.count_nodes(data), 1.0),)


def parts(events: list[dict[str, Any]], devices: dict[str, str]) -> tuple[NodePlacement, ...]:
    """Return what each execution provider ran, from a profile of one run (Chrome's trace events).

    Args:
        events: The profile.
        devices: Where each provider computes.
    """
    nodes: defaultdict[str, int] = defaultdict(int)
    times: defaultdict[str, float] = defaultdict(float)
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and provider and event["name"].endswith("_kernel_time"):
            nodes[provider] += 1
            times[provider] += event["dur"]
    total = sum(times.values()) or 1.0
    return tuple(
        NodePlacement(name, devices.get(name, name), nodes[name], times[name] / total)
        for name in sorted(nodes, key=lambda name: -times[name])
    )


def open(data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO) -> Session:  # noqa: A001
    """Open an ONNX file; see `runtime.engines.EngineModule.open`."""
    return _open(data, outputs, settings, watched=False)


def placement(
    data: bytes, inputs: tuple[str, ...], outputs: tuple[str, ...], settings: Settings = AUTO
) -> tuple[NodePlacement, ...]:
    """Say what ran where; see `runtime.engines.EngineModule.placement`."""
    return _open(data, outputs, settings, watched=True).parts


def _open(data: bytes, outputs: tuple[str, ...], settings: Settings, watched: bool) -> Session:
    def attempt(device: str) -> Session:
        try:
            return Session(data, outputs, device, settings, watched)
        except EngineError:
            raise
        except Exception as problem:  # see Session.run
            if settings.identity:  # a full or read-only disk under the cache is no fault of the model's
                with suppress(Exception):
                    return Session(data, outputs, device, replace(settings, identity=""), watched)
            reason = f"engine 'onnxruntime' can't open the model on {device}: {one_line(problem)}"
            raise EngineError(reason) from None

    onnx.check_self_contained(data, "onnxruntime")
    return open_best("onnxruntime", devices(), settings.device, attempt)


def metadata(data: bytes) -> str | None:
    """Return the file's own metadata; see `runtime.formats.onnx.metadata`."""
    return onnx.metadata(data, METADATA_KEY)
