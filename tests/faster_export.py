"""Repeated exports in one process without what torch, onnxscript and typing compute anew each time.

The suite exports hundreds of small networks. Two thirds of such an export to ONNX are the parsing of the same operator
library, and a third of one to TFLite the collection of the same operators. The functions below return the values that
they returned before, as long as their inputs are the same. `make nightly` and every command that a test starts in a
process of its own run without them.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class CachedCallable(Callable):  # type: ignore[type-arg]
    """``Callable`` whose subscripts are kept: torch evaluates some in annotations of inner functions, at each call."""

    __class_getitem__ = functools.cache(Callable.__class_getitem__)  # type: ignore[attr-defined]

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return callable(getattr(other, "__call__", None))  # noqa: B004  # asks the class, not the object


def keep_operators(utils: ModuleType) -> None:
    """Look up composite operators again only if their registrations changed."""
    import torch

    materialize = utils._materialize_cpp_cia_ops
    known: list[str] = []

    def materialize_new() -> None:
        registered = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if registered != known:
            materialize()
            known[:] = registered

    utils._materialize_cpp_cia_ops = materialize_new


def keep_library(registration: ModuleType) -> None:
    """Parse onnxscript's operator library once, and give each exporter a registry of its own."""
    registry = registration.ONNXRegistry
    read = functools.cache(registry.from_torchlib)

    def from_torchlib(cls: type, **options: Any) -> Any:
        own = copy.copy(read(**options))
        own.functions = {name: list(functions) for name, functions in own.functions.items()}
        return own

    registry.from_torchlib = classmethod(from_torchlib)


def keep_aliases(ops: ModuleType) -> None:
    """Keep the aliases of types in annotations."""
    ops.Callable = CachedCallable  # type: ignore[attr-defined]


CACHES = {
    "torch._ops": keep_aliases,
    "torch._export.utils": keep_operators,
    "torch.onnx._internal.exporter._registration": keep_library,
}


def install() -> None:
    """Install the caches of those modules that are imported by now, each once."""
    for name in CACHES.keys() & sys.modules.keys():
        CACHES.pop(name)(sys.modules[name])
