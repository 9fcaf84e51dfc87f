"""A user's module as it is exported: a copy in evaluation mode, without what only training needs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm
from torch.utils._pytree import tree_leaves

from runtime.errors import ExportError, one_line

WRAPPERS: dict[type[torch.nn.Module], str] = {
    torch.nn.DataParallel: "module",
    torch.nn.parallel.DistributedDataParallel: "module",
    torch.optim.swa_utils.AveragedModel: "module",
    torch._dynamo.OptimizedModule: "_orig_mod",
}
"""Modules that run another one in another way: where they keep it."""


def inference_copy(module: object) -> torch.nn.Module:
    """Return a copy on the CPU, in float32 and evaluation mode, whose weights are parameters of their own.

    Args:
        module: It is not changed. Wrappers such as ``DataParallel`` and ``torch.compile`` are left out; weights that
            pruning, weight or spectral normalization compute at each call become constants.

    Raises:
        ExportError: If it is no module, has no weights yet, or can't be copied.
    """
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"expected a torch.nn.Module, got {_kind(module)}")
    network = _unwrapped(module)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor):
            raise ExportError(f"the module's {name} has no shape yet: run one batch through the module, then export it")
        if tensor.is_meta:
            raise ExportError(f"the module's {name} has no values (device 'meta'): load its weights, then export it")
    try:
        copied = _copied(network).cpu().float().eval()
        with torch.no_grad():
            for part in copied.modules():
                _settle(part)
    except Exception as problem:  # of whatever the module keeps
        raise ExportError(
            f"the module can't be copied ({type(problem).__name__}: {one_line(problem)}): keep out of it what isn't "
            "part of the network, such as files, locks and generators"
        ) from problem
    return copied


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    for kind, attribute in WRAPPERS.items():
        if isinstance(module, kind):
            return _unwrapped(cast(torch.nn.Module, getattr(module, attribute)))
    return module


def _copied(module: torch.nn.Module) -> torch.nn.Module:
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in tree_leaves(vars(part)):
            # results of a computation can't be copied with the way back to it
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    for part in reversed(list(module.modules())):  # inner wrappers first
        if (inner := _unwrapped(part)) is not part:
            memo[id(part)] = copy.deepcopy(inner, memo)
    return copy.deepcopy(module, memo)


def _settle(part: torch.nn.Module) -> None:
    """Compute weights that are computed at each call once and for all, and forget what only a way back needs."""
    for hook in list(part._forward_pre_hooks.values()):
        if isinstance(hook, prune.BasePruningMethod):
            prune.remove(part, hook._tensor_name)  # type: ignore[no-untyped-call]
        elif isinstance(hook, WeightNorm):
            remove_weight_norm(part, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(part, hook.name)
    if parametrize.is_parametrized(part):
        for name in list(cast(Mapping[str, Any], part.parametrizations)):
            parametrize.remove_parametrizations(part, name)
    part._backward_hooks.clear()
    part._backward_pre_hooks.clear()


def _kind(value: object) -> str:
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        return f"the class {value.__name__}: make a module of it, {value.__name__}(…), and load its weights"
    if isinstance(value, Mapping):
        return "a mapping: load a state dict into its network first, with load_state_dict"
    if isinstance(value, torch.export.ExportedProgram):
        return "an ExportedProgram: give the module that it was traced from"
    if callable(value):
        return (
            f"the function {getattr(value, '__name__', value)!r}: wrap it in a torch.nn.Module whose forward calls it"
        )
    return f"{type(value).__name__}: build the network and load its weights first"
