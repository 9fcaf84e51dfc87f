"""The model card: README.md of a bundle, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from export.card.description import describe_input, describe_listening, describe_output
from export.card.front_matter import front_matter
from export.card.loading import loading
from export.card.markdown import escaped, single_line, table
from export.card.purpose import limits
from runtime.bundle import Card, DataOrigin, ModelFile
from runtime.frozen_dataclass import frozen_dataclass
from runtime.humanize import difference, figure, kilobytes, measured, milliseconds, percent
from runtime.spec import ModelSpec

MOST_LABELS = 40
"""The table of labels has this many rows at most."""

CAPTIONS = {
    "confusion.png": "Confusion matrix",
    "examples.png": "Answers to some samples",
    "worst.png": "The worst mistakes: label → answer",
    "curves.png": "Loss and metric over the epochs of training",
}


@frozen_dataclass
class Speed:
    """Latencies of a bundle's model files; the bundle's ``speed.json``.

    Args:
        machine: What it was measured on.
        latency: The median time of one sample, in seconds, of each file that runs there.
    """

    machine: str
    latency: dict[str, float]


def model_card(
    spec: ModelSpec,
    models: Mapping[str, ModelFile],
    files: Mapping[str, bytes],
    card: Card,
    pictures: Sequence[str],
    shown: str,
    speed: Speed | None = None,
) -> str:
    """Return the card as Markdown, with the front matter that the model hub reads.

    It says what the model is for and not for, how to load it where, what each file is worth, what was measured, what
    data it saw, and whose licences stand on it. Everything follows from the manifest.

    Args:
        spec: What the model takes and gives.
        models: The manifest's model files.
        files: The contents of all files but the card and the manifest, by name.
        card: The manifest's card.
        pictures: The names of the PNG files among them.
        shown: Whose samples the bundle holds; see `export.disclosure`.
        speed: What was measured of the files' speed, if anything was.
    """
    sections = [
        front_matter(spec, models, card),
        f"# {spec.name}",
        card.summary or "An exported model.",
        "  \n".join(_facts(spec)),
        "## What it is for, and what not\n\n" + "\n".join(f"- {line}" for line in limits(spec, models, card)),
        "## How to load it\n\n" + loading(spec, models, files),
        "## Files\n\n" + _files(spec, models, files, speed),
        _proof(models)
        + (f" They were proved on {single_line(str(proved))}." if (proved := card.training.get("proved on")) else "")
        + (f" Latencies are medians of one sample at a time on {speed.machine}." if speed else ""),
    ]
    drifted = [f"- `{name}`: {model.spec.drift}" for name, model in models.items() if model.spec.drift]
    if drifted:
        sections.append(
            "**These files lose the answer** and were written because they were asked for:\n\n" + "\n".join(drifted)
        )
    if card.metrics:
        sections.append(
            "## Metrics\n\n"
            + table(
                ["metric", "value"],
                [[k, measured(k, v, getattr(spec.output, "unit", ""))] for k, v in card.metrics.items()],
            )
        )
    if pictures:
        sections.append(
            "\n\n".join(f"![{CAPTIONS.get(name) or name.rsplit('.', 1)[0]}]({name})" for name in _ordered(pictures))
        )
    sections.append("## Data\n\n" + "\n\n".join([escaped(shown), *([_data(card.data)] if card.data else [])]))
    if card.data or card.weights:
        sections.append("## Origins\n\n" + _origins(card))
    return "\n\n".join(sections) + "\n"


def _facts(spec: ModelSpec) -> list[str]:
    facts = [f"**Input** {describe_input(spec)}", f"**Output** {describe_output(spec)}"]
    return [*facts, *([f"**In streams** {streams}"] if (streams := describe_listening(spec)) else [])]


def _ordered(pictures: Sequence[str]) -> list[str]:
    """Put the pictures with a caption first."""
    return sorted(pictures, key=lambda name: [*CAPTIONS, name].index(name))


def _data(data: DataOrigin) -> str:
    """Return sizes, fingerprint and the balance of labels."""
    counted = ", ".join(f"{count:,} {split}" for split, count in data.samples.items())
    text = (
        f"{single_line(data.name)}: {counted} samples. Fingerprint `{data.fingerprint}`; `zoo data` shows that of data "
        "at hand."
    )
    labels = list(dict.fromkeys(label for counts in data.balance.values() for label in counts))
    if not labels:
        return text
    shown = labels if len(labels) <= MOST_LABELS else labels[: MOST_LABELS - 1]
    rows = [[single_line(label), *(str(counts.get(label, 0)) for counts in data.balance.values())] for label in shown]
    if len(shown) < len(labels):
        rest = labels[len(shown) :]
        totals = (sum(counts.get(label, 0) for label in rest) for counts in data.balance.values())
        rows.append([f"{len(rest)} more", *map(str, totals)])
    return f"{text}\n\n{table(['label', *data.balance], rows)}"


def _proof(models: Mapping[str, ModelFile]) -> str:
    if all(model.parity for model in models.values()):
        return (
            "Differences are the largest of any output on any sample, relative to the scale of PyTorch's outputs. "
            "Replay them on your machine with `zoo verify`."
        )
    return (
        "**Imported, not proved:** there was no original to compare with. The golden pack holds what the file itself "
        "answered when it was imported; `zoo verify` shows whether your machine gives the same answers, not whether "
        "they are right."
    )


def _files(spec: ModelSpec, models: Mapping[str, ModelFile], files: Mapping[str, bytes], speed: Speed | None) -> str:
    rows = []
    for name, model in models.items():
        facts, parity = [f"`{name}`", f"{kilobytes(len(files[name]))} kB", model.spec.precision], model.parity
        if parity is None:
            rows.append([*facts, *["–"] * 5, *_latency(name, speed)])
            continue
        metric = "" if parity.exported is None else figure(spec.output.metric, parity.exported)
        rows.append(
            [
                *facts,
                parity.engine,
                difference(parity.max_difference),
                "" if parity.snr is None else f"{parity.snr:.0f} dB",
                f"{percent(parity.agreement)} of {parity.samples:,}",
                metric,
                *_latency(name, speed),
            ]
        )
    header = ["file", "size", "precision", "proved on", "max difference", "signal to noise", "same decision"]
    return table([*header, spec.output.metric.replace("_", " "), *(["latency"] if speed else [])], rows)


def _latency(name: str, speed: Speed | None) -> list[str]:
    if speed is None:
        return []
    return [f"{milliseconds(speed.latency[name])} ms" if name in speed.latency else "–"]


def _origins(card: Card) -> str:
    rows = []
    if card.data:
        counts = ", ".join(f"{count} {split}" for split, count in card.data.samples.items())
        rows.append(["data", f"{card.data.name} ({counts})", card.data.source, card.data.licence])
    if card.weights:
        rows.append(["pretrained weights", card.weights.name, card.weights.source, card.weights.licence])
    return table(["what", "name", "source", "licence"], rows)
