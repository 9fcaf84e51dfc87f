"""Parts of a network that stay in fp32 in files of every precision, such as the features of audio."""

from __future__ import annotations

import torch


class FullPrecision(torch.nn.Module):
    """A module that stays in fp32, with all that is inside it, in files of every precision.

    It is for values that few bits can't tell apart, such as energies before their logarithm. Derive from it, alone or
    beside another class of modules: ``class Features(FullPrecision, torch.nn.Sequential): ...``.
    """


def full_precision_parts(module: torch.nn.Module) -> dict[str, FullPrecision]:
    """Return the parts of a module that stay in fp32, by their path, such as ``network.0``."""
    return {path: part for path, part in module.named_modules() if isinstance(part, FullPrecision)}
