"""The limits of a budget, such as ``drop<=0.5% size<=1.5MB``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from runtime.errors import OptionError, unknown

_SIZES = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "KiB": 2**10, "MiB": 2**20}
_TIMES = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_LIMIT = re.compile(r"([A-Za-z_-]+)\s*(<=|>=|<|>|=)\s*(-?[0-9.]+)(?:\s*(?!and\s|[A-Za-z_-]+\s*[<>=])(%|[A-Za-zµ]+))?")
"""A key, a sense, a number and a unit, unless what stands in the unit's place begins the next limit."""


@dataclass(frozen=True)
class Key:
    """A quantity that a budget can limit.

    Args:
        sense: ``<=`` or ``>=``.
        units: What a number may be followed by, with its worth in the measure's own unit.
        shown: Writes a value for people.
    """

    sense: str
    units: dict[str, float]
    shown: Callable[[float], str]


KEYS = {
    "drop": Key("<=", {"%": 1.0}, lambda value: f"{value:.2f} %"),
    "agreement": Key(">=", {"%": 0.01}, lambda value: f"{value:.2%}"),
    "size": Key("<=", _SIZES, lambda value: f"{value / 1000:,.1f} kB"),
    "latency": Key("<=", _TIMES, lambda value: f"{value * 1000:.3g} ms"),
}
"""Points of the metric, share of the same decisions, bytes, and seconds for one sample on this machine."""


def parse(text: str) -> dict[str, float]:
    """Read a budget.

    Returns:
        The limit of each key in the measure's own unit.

    Raises:
        OptionError: If a key is unknown, a unit is missing or a limit can't be meant or contradicts another.
    """
    limits: dict[str, float] = {}
    rest = _LIMIT.sub(" ", text).replace(",", " ").replace(" and ", " ").strip()
    if rest or not text.strip():
        raise OptionError(f"budget {text!r}: can't read {rest!r}; write it like 'drop<=0.5% size<=1.5MB'")
    for name, sense, number, unit in _LIMIT.findall(text):
        if name not in KEYS:
            raise OptionError(f"budget: {unknown('key', name, KEYS)}")
        key = KEYS[name]
        if sense != key.sense:
            raise OptionError(f"budget: {name} takes {key.sense}, not {sense}")
        if unit not in key.units:
            raise OptionError(f"budget: {name}{sense}{number} needs a unit: {', '.join(key.units)}; got {unit!r}")
        try:
            value = float(number) * key.units[unit]
        except ValueError:
            raise OptionError(f"budget: {name}: {number!r} is not a number") from None
        if value < 0 or (name in ("size", "latency") and value == 0) or (name == "agreement" and value > 1):
            raise OptionError(f"budget: {name}{sense}{number}{unit} can't be kept by any file")
        if name in limits and limits[name] != value:
            raise OptionError(f"budget: {name} is limited twice, to {key.shown(limits[name])} and {key.shown(value)}")
        limits[name] = value
    return limits
