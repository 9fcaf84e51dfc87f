"""Optimizers by timm's names, their parameter groups, and the schedule of the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from runtime.errors import OptionError, one_line, unknown

if TYPE_CHECKING:
    from zoo.recipes import Group, Training


def schedule(training: Training, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    """Return the scheduler of the learning rate over all steps, as the options name it."""
    if training.schedule == "one-cycle":
        peaks, steps = [part["lr"] for part in optimizer.param_groups], max(2, steps)
        rising = max(0.25, training.warmup, 1.01 / steps)  # PyTorch divides by the rise less its first step
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, peaks, total_steps=steps, pct_start=rising, cycle_momentum=False
        )
    rise = training.warmup * steps

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1.0, steps - rise)
        return {"constant": 1.0, "step": 0.1 ** int(3 * done), "cosine": (1 + math.cos(math.pi * done)) / 2}[
            training.schedule
        ]

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def rescaled(state: dict[str, Any], ratio: float) -> dict[str, Any]:
    """Return a scheduler's state at the same share of a training that has `ratio` times as many steps."""
    kept = {key: value for key, value in state.items() if key not in ("total_steps", "_schedule_phases")}
    return kept | {"last_epoch": round(state["last_epoch"] * ratio)}


def parameter_groups(groups: list[Group], options: Training) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups: each part by itself, and in it those without weight decay apart."""
    seen: set[int] = set()
    parts = []
    for group in groups:
        own = [p for module in group.modules for p in module.parameters() if id(p) not in seen]
        own = list({id(p): p for p in own}.values())
        seen |= {id(p) for p in own}
        for decayed in (True, False):
            chosen = [p for p in own if (p.ndim > 1) == decayed]
            if chosen and group.start < 1:
                decay = options.weight_decay if decayed else 0.0
                parts.append({"params": chosen, "lr": options.lr * group.lr_scale, "weight_decay": decay})
    return parts


def set_active(groups: list[Group], progress: float) -> None:
    """Freeze the groups that start after `progress` (0 to 1) and set the others to train."""
    for group in reversed(groups):  # the first group is applied last: it keeps modules that several groups name
        active = progress >= group.start
        for module in group.modules:
            module.train(active).requires_grad_(active)
            for part in module.modules() if group.keep_statistics else ():
                if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
                    part.eval()


def make_optimizer(parameters: list[dict[str, Any]], options: Training) -> torch.optim.Optimizer:
    """Return timm's optimizer over parameter groups.

    Raises:
        OptionError: If timm has none of that name, or it refuses its settings.
    """
    from timm.optim import create_optimizer_v2, list_optimizers

    name = options.optimizer.lower()
    if name not in list_optimizers():
        raise OptionError(unknown("optimizer", options.optimizer, list_optimizers()))
    if name == "sgd" and not options.momentum:
        name = "momentum"  # Nesterov's needs some
    try:
        optimizer: torch.optim.Optimizer = create_optimizer_v2(
            parameters, name, lr=options.lr, weight_decay=options.weight_decay, momentum=options.momentum
        )
        return optimizer
    except (ValueError, TypeError, AssertionError) as problem:
        raise OptionError(f"optimizer {options.optimizer!r} can't be used so: {one_line(problem)}") from None


def check_optimizer(options: Training) -> None:
    """Make the optimizer for a weight of no network, and take a step.

    Raises:
        OptionError: If it can't be made or can't step.
    """
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = make_optimizer([{"params": [weight]}], options)
    weight.grad = torch.ones(2, 2)
    try:
        optimizer.step()
    except (RuntimeError, TypeError) as problem:  # Hessians and closures are not ours to give
        raise OptionError(f"optimizer {options.optimizer!r} can't be used here: {one_line(problem)}") from None
