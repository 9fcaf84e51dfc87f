"""Networks that take a sequence step by step, because they are causal: no answer looks at what comes later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch


class Streamable(Protocol):
    """A causal network: its members besides ``forward``.

    `export.NormalizeFeatures` and `export.DenormalizeTargets` pass it on.
    """

    @property
    def state(self) -> Mapping[str, tuple[int, ...]]:
        """The state that it remembers: names with shapes of one sample, ``float32``, zeros before the first step.

        Empty if it is not causal.
        """
        ...

    def step(self, sample: torch.Tensor, *states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Take one step.

        Args:
            sample: ``float32 [batch, features]``, or ``[batch, hop]`` of audio.
            states: ``float32 [batch, *shape]``, in the order of `state`.

        Returns:
            What ``forward`` gives for all steps so far, and the states after it.
        """
        ...


def state_of(module: object) -> dict[str, tuple[int, ...]]:
    """Return what a module remembers from step to step; empty if it is not a `Streamable`."""
    state = getattr(module, "state", None)
    return dict(state) if isinstance(state, Mapping) and callable(getattr(module, "step", None)) else {}
