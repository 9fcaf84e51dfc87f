"""A data set: sizes, balance, how columns were read."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING

from zoo.terminal import say_json
from zoo.terminal.console import console, say
from zoo.terminal.tables import table

if TYPE_CHECKING:
    from zoo.data import Dataset

MOST_COLUMNS = 40


def dataset(data: Dataset, json_wanted: bool) -> None:
    """Show a data set: sizes, balance of the classes, fingerprint."""
    from zoo.data._groups import shared_groups
    from zoo.recipes._inputs import NAMES

    origin, balance = data.origin(), data.balance()
    if json_wanted:
        columns = [asdict(column) for column in data.columns]
        say_json(asdict(origin) | ({"columns": columns} if columns else {}))
        return
    splits = list(origin.samples)
    rows = [(label, *(f"{balance[split][label]:,}" for split in splits)) for label in balance.get("train", {})]
    rows.append(("all", *(f"{origin.samples[split]:,}" for split in splits)))
    what = "label" if balance else "items"
    kind = NAMES[type(data.content)]
    console.print(table(f"{data.name}: {kind}", what, *splits, rows=rows, right=range(1, 1 + len(splits))))
    table_columns(data)
    if data.group:
        count, shared = len({*data.splits["train"].groups}), len(shared_groups(data))
        advice = f"; --set group={data.group} keeps them apart" if shared else ""
        say(f"{data.group + 's':12} {count:,} in train, {shared:,} of them in validation, too{advice}")
    say(f"source       {data.source}; licence {data.licence}")
    console.print(f"fingerprint  {origin.fingerprint}", soft_wrap=True)


def table_columns(dataset: Dataset) -> None:
    """Show how the columns of a user's table were read; of very many, those with a remark and the first."""
    if not dataset.columns:
        return
    remarked = [column for column in dataset.columns if column.remark]
    shown = (
        dataset.columns if len(dataset.columns) <= MOST_COLUMNS else tuple(remarked or dataset.columns)[:MOST_COLUMNS]
    )
    rows = [
        (column.name, column.kind, column.holds, f"{column.missing:.0%}" if column.missing else "", column.remark)
        for column in shown
    ]
    console.print(table("Columns as read", "column", "read as", "holds", "empty", "remark", rows=rows, right=[3]))
    if len(shown) < len(dataset.columns):
        console.print(f"{len(dataset.columns) - len(shown)} more columns")
    if remarked:
        names = ",".join(column.name for column in remarked[:MOST_COLUMNS])
        say(f"to leave these out: --drop {shlex.quote(names)}", "yellow")
