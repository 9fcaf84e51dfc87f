"""Views of the catalogue and of the cache folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from runtime.humanize import figure
from zoo.terminal import say_json
from zoo.terminal.console import console
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from zoo.catalogue.pull import Cached


def models(json_wanted: bool) -> None:
    """Show the models of the catalogue, and which of them are on this machine."""
    from zoo.catalogue import entries
    from zoo.resolve import SHIPPED, pulled

    known = entries()
    here = {
        name: "comes with edgezoo" if (SHIPPED / name).is_dir() else "pulled" if pulled(name) else "" for name in known
    }
    if json_wanted:
        say_json({name: {**asdict(each), "here": here[name]} for name, each in known.items()})
        return
    rows = [
        (
            name, each.task, each.trained_on, f"{each.size:,}", each.latency,
            ", ".join(f"{metric} {figure(metric, value)}" for metric, value in each.metrics.items()),
            here[name] or "zoo pull",
        )
        for name, each in known.items()
    ]  # fmt: skip
    columns = ("model", "task", "trained on", "kB", "latency", "expected", "here")
    console.print(table("Models that are ready to use", *columns, rows=rows, right=[3]))
    origins = [(name, each.licence, each.source, each.measured) for name, each in known.items()]
    console.print(table("Where they come from", "model", "licence", "weights", "measured by", rows=origins))
    console.print("any image model of timm: zoo pull timm:NAME", soft_wrap=True)


def cached(bundles: Sequence[Cached], json_wanted: bool) -> None:
    """Show the bundles in the cache folder."""
    if json_wanted:
        say_json([_plain(each) for each in bundles])
        return
    rows = [
        (each.name, f"{each.size / 1e6:.1f}", ", ".join(each.files) or "damaged", _day(each.pulled), str(each.path))
        for each in bundles
    ]
    if rows:
        console.print(table("Pulled models", "model", "MB", "files", "pulled", "folder", rows=rows, right=[1]))
    else:
        console.print("nothing was pulled yet; see zoo list --models")


def cleaned(bundles: Sequence[Cached], json_wanted: bool) -> None:
    """Show what was removed from the cache folder."""
    if json_wanted:
        say_json([_plain(each) for each in bundles])
        return
    size = sum(each.size for each in bundles) / 1e6
    console.print(f"removed {len(bundles)} bundle{'s' * (len(bundles) != 1)}, {size:.1f} MB")


def _plain(each: Cached) -> dict[str, object]:
    return {**asdict(each), "path": str(each.path), "pulled": _day(each.pulled)}


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
