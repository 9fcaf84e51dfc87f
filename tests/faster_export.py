"""Repeated exports in one process without what torch and onnxscript compute anew each time.

The suite exports hundreds of small networks. Two thirds of such an export to ONNX are the parsing of the same operator
library, a tenth of one to TFLite is the collection of the same operators, and a third of it lowers operators by JAX,
most of them with shapes that an earlier export had. Most functions below return the values that they returned before,
as long as their inputs are the same; the others leave out work whose result nobody reads. `make nightly` and every
command that a test starts in a process of its own run without them.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any


def keep_operators(utils: ModuleType) -> None:
    """Look up composite operators again only if their registrations changed, which takes an import or a library."""
    import torch

    materialize = utils._materialize_cpp_cia_ops
    known: list[Any] = []

    def materialize_new() -> None:
        library, modules = torch.library, len(sys.modules)
        seen = [modules, len(library._defs), len(library._impls), len(torch.ops.loaded_libraries)]
        if known[1:] == seen:
            return
        registered = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if known[:1] != [registered]:
            materialize()
        known[:] = registered, *seen

    utils._materialize_cpp_cia_ops = materialize_new


def keep_devices(fake: ModuleType) -> None:
    """Ask once whether there is a GPU: without one, each of thousands of questions opens NVIDIA's library in vain."""
    avoids_device = functools.cache(fake.FakeTensorMode.avoid_device_init.fget)
    fake.FakeTensorMode.avoid_device_init = property(lambda mode: avoids_device(None))


class LateForward:
    """Stands for the function of a graph's code, which is compiled when somebody asks for it."""

    def __init__(self, compiled: Callable[[], Any]) -> None:
        self.compiled = functools.cache(compiled)

    def __get__(self, module: Any, kind: type) -> Any:
        return self.compiled().__get__(module, kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.compiled(), name)


def compile_late(graph_module: ModuleType) -> None:
    """Compile a graph's code when it runs: most graphs are changed again before anybody runs them."""
    compiled = graph_module._forward_from_src
    graph_module._forward_from_src = lambda *code: LateForward(functools.partial(compiled, *code))


def keep_library(registration: ModuleType) -> None:
    """Parse onnxscript's operator library once, and give each exporter a registry of its own."""
    registry = registration.ONNXRegistry
    read = functools.cache(registry.from_torchlib)

    def from_torchlib(cls: type, **options: Any) -> Any:
        own = copy.copy(read(**options))
        own.functions = {name: list(functions) for name, functions in own.functions.items()}
        return own

    registry.from_torchlib = classmethod(from_torchlib)


def keep_lowerings(bridge: ModuleType) -> None:
    """Lower an operator by JAX once, under the key by which the bridge itself keeps it during one export."""
    lower, texts = bridge._lower_to_ir_text, {}
    bridge._stablehlo_to_vhlo = functools.cache(bridge._stablehlo_to_vhlo)

    def lower_new(function: Any, *args: Any, **options: Any) -> tuple[Callable[[], str], list[Any]]:
        text, inputs = lower(function, *args, **options)
        key = bridge.get_cache_fingerprint(function, *args, **options)
        if key is None:
            return text, inputs
        key = key, repr(key)  # 1 equals 1.0 and True

        def text_once() -> str:
            if key not in texts:
                texts[key] = text()
            return texts[key]

        return text_once, inputs

    bridge._lower_to_ir_text = lower_new


def leave_annotations(ops: ModuleType) -> None:
    """Register kernels without annotations of the inner function, which each of some ten thousand calls evaluates."""
    register = ops.OperatorBase.py_impl
    source, names = textwrap.dedent(inspect.getsource(register)), {}
    code = compile(source, register.__code__.co_filename, "exec", annotations.compiler_flag)  # they stay text
    exec(code, register.__globals__, names)  # noqa: S102
    ops.OperatorBase.py_impl = names["py_impl"]


def share_sources(traceback: ModuleType) -> None:
    """Let the nodes of a graph share the history of the node that they come from, in place of a deep copy of it each.

    Nothing changes a history: a node that gets another one gets a new list.
    """
    traceback.copy = SimpleNamespace(copy=copy.copy, deepcopy=list)


def keep_context(mlir: ModuleType) -> None:
    """Load JAX's dialects once, and not for each operator that it lowers."""
    mlir.make_ir_context = functools.cache(mlir.make_ir_context)


CACHES = {
    "jax._src.interpreters.mlir": keep_context,
    "litert_torch.backend.jax_bridge._wrap": keep_lowerings,
    "torch._export.utils": keep_operators,
    "torch._ops": leave_annotations,
    "torch._subclasses.fake_tensor": keep_devices,
    "torch.fx.graph_module": compile_late,
    "torch.fx.traceback": share_sources,
    "torch.onnx._internal.exporter._registration": keep_library,
}


def install() -> None:
    """Install the caches of those modules that are imported by now, each once."""
    for name in CACHES.keys() & sys.modules.keys():
        CACHES.pop(name)(sys.modules[name])
