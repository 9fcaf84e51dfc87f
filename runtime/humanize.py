"""How figures are written for people: plain digits with their units. No other module formats figures."""

from __future__ import annotations

import math

SHARES = (
    *("accuracy", "f1", "exact", "found", "false alarms", "line_error_rate", "character_error_rate"),
    *("precision", "recall"),
)
"""The metrics that are shares of a whole."""
ABSENT = "–"
_PLAIN = range(-5, 15)
"""The powers of ten between which digits are written out."""


def number(value: float, digits: int = 4) -> str:
    """Return a number in plain digits: 576,780 and 0.0123; an exponent only where it would be mostly zeros.

    Args:
        value: The number.
        digits: How many significant ones there are at least; those before the point are all written.
    """
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    power = math.floor(math.log10(abs(value)))
    if power not in _PLAIN:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - power)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(count: int, noun: str) -> str:
    """Return a number of things: 1 label, 2,000 labels."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def figure(metric: str, value: float, unit: str = "") -> str:
    """Return a metric's value: shares in per cent, others as numbers with their unit."""
    if metric.removeprefix("mean ") in SHARES:
        return percent(value)
    return f"{number(value)} {unit}".strip()


def measured(name: str, value: float, unit: str = "") -> str:
    """Return what a card calls ``SPLIT METRIC``, or ``SPLIT METRIC, by whom``, as `figure` does.

    Args:
        name: Split and metric.
        value: The metric's value.
        unit: That of the target; errors in its own unit get it.
    """
    metric = (name.partition(" ")[2] or name).partition(",")[0]
    return figure(metric, value, unit if metric in ("mae", "rmse") else "")


def percent(share: float) -> str:
    """Return a share in per cent; what is not all is never written as 100 %, and what is not none not as 0 %."""
    if 0.99995 <= share < 1:
        return ">99.99%"
    return "<0.01%" if 0 < share < 0.00005 else f"{share:.2%}"


def difference(value: float) -> str:
    """Return a difference that is mostly tiny, such as 4.8e-07; 0 where there is none."""
    return "0" if value == 0 else f"{value:.1e}"


def kilobytes(size: float) -> str:
    """Return bytes in kB without the unit."""
    return f"{size / 1000:,.0f}" if size >= 9950 else f"{size / 1000:.1f}"


def milliseconds(seconds: float) -> str:
    """Return seconds in ms without the unit, with three significant digits: from 0.0123 to 12,300."""
    return number(seconds * 1000, 3)
