"""Means and standard deviations that inputs are scaled by: which are plausible, and what the others likely are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from runtime.errors import shown

SMALLEST, LARGEST = 1e-30, 1e30
"""Of means and deviations: quotients of larger ones overflow in float32."""
SLACK = 1e-3
"""Constants are often given with three digits."""


def check_scaling(mean: Iterable[float], std: Iterable[float], of: str) -> tuple[list[float], list[float]]:
    """Check means and deviations, and return them as numbers.

    Args:
        mean: Of each value.
        std: Of each value.
        of: What they are of, such as ``feature``.

    Raises:
        ValueError: If they can't be such; says what is likely wrong.
    """
    means, stds = _numbers(mean), _numbers(std)
    if not len(means) == len(stds) > 0 or not np.isfinite([*means, *stds]).all() or not min(stds) > 0:
        raise ValueError(f"mean and std need one value a {of}, finite and std above 0; got {means} and {stds}")
    if max(map(abs, means)) > LARGEST or min(stds) < SMALLEST or max(stds) > LARGEST:
        raise ValueError(f"mean and std of a {of} overflow in float32: got {means} and {stds}")
    for average, spread in zip(means, stds, strict=True):
        if spread < np.finfo(np.float32).eps * abs(average):
            raise ValueError(
                f"float32 can't tell the values of a {of} with mean {average:g} and std {spread:g} apart: subtract a "
                "constant from the data first, as from times in seconds since 1970"
            )
    return means, stds


def check_pixels(mean: Iterable[float], std: Iterable[float], white: int = 1) -> tuple[list[float], list[float]]:
    """Check means and deviations of pixels, and return them as numbers.

    Args:
        mean: Of each channel.
        std: Of each channel.
        white: The value of white on their scale, 1 or 255.

    Raises:
        ValueError: If they can't be on that scale; says what is likely wrong.
    """
    means, stds = check_scaling(mean, std, "channel")
    scale, got = f"mean and std of pixels are on the scale of 0 to {white}", f"got {means} and {stds}"
    if max(map(abs, means)) > white * (1 + SLACK) or max(stds) > white * (1 + SLACK):
        cause = "were they measured on 0 to 255? Divide them by 255" if white == 1 else "were they multiplied twice?"
        raise ValueError(f"{scale}, {got}: {cause}")
    if min(stds) < white / 255 * (1 - SLACK):
        cause = "was it divided by 255 twice?" if white == 1 else "was it measured on 0 to 1? Multiply it by 255"
        raise ValueError(f"{scale}, {got}: a std is less than one level of pixels, {white / 255:.4g}: {cause}")
    return means, stds


def _numbers(values: Iterable[float]) -> list[float]:
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise ValueError(f"mean and std are lists of numbers, got {shown(values)}") from None
