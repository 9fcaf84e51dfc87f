"""Repeated exports in one process without what torch and onnxscript compute anew each time.

The suite exports hundreds of small networks. Two thirds of such an export to ONNX are the parsing of the same operator
library, and a tenth of one to TFLite is the collection of the same operators. The functions below return the values
that they returned before, as long as their inputs are the same. `make nightly` and every command that a test starts in
a process of its own run without them.
"""

from __future__ import annotations

import copy
import functools
import sys
from types import ModuleType
from typing import Any


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


CACHES = {
    "torch._export.utils": keep_operators,
    "torch.onnx._internal.exporter._registration": keep_library,
}


def install() -> None:
    """Install the caches of those modules that are imported by now, each once."""
    for name in CACHES.keys() & sys.modules.keys():
        CACHES.pop(name)(sys.modules[name])
