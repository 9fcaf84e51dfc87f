"""The model card: README.md of a bundle, for people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.bundle import Card, DataOrigin, ModelFile
from runtime.frozen_dataclass import frozen_dataclass
from runtime.humanize import difference, figure, kilobytes, measured, milliseconds, number, percent
from runtime.inputs import CategoricalColumn, ImageInput, NumericColumn, TableInput
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression

FEW = 200
"""A figure measured on fewer samples is coarse."""
UNBALANCED = 3
"""So many times the samples of the rarest class are many."""
MOST_LABELS = 40

CAPTIONS = {
    "confusion.png": "Confusion matrix",
    "worst.png": "The worst mistakes: label → answer",
    "curves.png": "Loss and metric over the epochs of training",
}
LICENCES = {
    "Apache-2.0": "apache-2.0",
    "apache-2.0": "apache-2.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 3.0": "cc-by-sa-3.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC0": "cc0-1.0",
    "MIT": "mit",
    "mit": "mit",
    "BSD-3-Clause": "bsd-3-clause",
}
"""What the model hub calls a licence."""
PIPELINES = {
    **{("image", task): "image-classification" for task in ("classification", "binary", "multilabel")},
    **{("table", task): "tabular-classification" for task in ("classification", "binary", "multilabel")},
    ("table", "regression"): "tabular-regression",
    ("sequence", "forecasting"): "time-series-forecasting",
    ("image", "ctc"): "image-to-text",
}
"""What the model hub calls a task."""


@frozen_dataclass
class Speed:
    """How long the model files of a bundle take; the bundle's ``speed.json``.

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
        shown: Whose samples the bundle holds; see `export.published`.
        speed: What was measured of the files' speed, if anything was.
    """
    sections = [
        _front(spec, models, card),
        f"# {spec.name}",
        card.summary or "An exported model.",
        f"**Input** {_input(spec)}  \n**Output** {_output(spec)}",
        "## What it is for, and what not\n\n" + "\n".join(f"- {line}" for line in _limits(spec, models, card)),
        "## How to load it\n\n" + _loading(spec, models, files),
        "## Files\n\n" + _files(spec, models, files, speed),
        _proof(models)
        + (f" They were proved on {_plain(str(proved))}." if (proved := card.training.get("proved on")) else "")
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
            + _table(
                ["metric", "value"],
                [[k, measured(k, v, getattr(spec.output, "unit", ""))] for k, v in card.metrics.items()],
            )
        )
    if pictures:
        sections.append(
            "\n\n".join(f"![{CAPTIONS.get(name) or name.rsplit('.', 1)[0]}]({name})" for name in _ordered(pictures))
        )
    sections.append("## Data\n\n" + "\n\n".join([_escaped(shown), *([_data(card.data)] if card.data else [])]))
    if card.data or card.weights:
        sections.append("## Origins\n\n" + _origins(card))
    return "\n\n".join(sections) + "\n"


def _front(spec: ModelSpec, models: Mapping[str, ModelFile], card: Card) -> str:
    """Return YAML front matter; its values are written as JSON, which YAML includes."""
    origins = [each for each in (card.data, card.weights) if each]
    licences = {LICENCES.get(each.licence, "other") for each in origins}
    formats = sorted({model.spec.format for model in models.values()})
    precisions = sorted({model.spec.precision for model in models.values()} - {"fp32"})
    facts: dict[str, Any] = {
        "library_name": "edgezoo",
        "license": licences.pop() if len(licences) == 1 else "other" if licences else "unknown",
        "tags": ["edgezoo", "edge", *formats, *precisions, spec.output.task],
    }
    if tag := PIPELINES.get((spec.input.kind, spec.output.task)):
        facts["pipeline_tag"] = tag
    split = next((name for name in ("test", "validation") if any(key.startswith(name) for key in card.metrics)), None)
    if card.data and split:
        data = {"type": "".join(c if c.isalnum() else "-" for c in card.data.name), "name": card.data.name}
        metrics = [
            {"type": name, "value": value, "name": f"{split} {name}"}
            for key, value in card.metrics.items()
            if key.startswith(split) and (name := key.removeprefix(split).strip())
        ]
        task = {"type": tag or spec.output.task}
        results = [{"task": task, "dataset": {**data, "split": split}, "metrics": metrics}]
        facts["model-index"] = [{"name": spec.name, "results": results}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return "\n".join(["---", *lines, "---"])


def _limits(spec: ModelSpec, models: Mapping[str, ModelFile], card: Card) -> list[str]:
    """Return what the model is for, and what nobody should expect of it."""
    task, data = spec.output, card.data
    lines = [f"For {_purpose(spec)}."]
    if data:
        lines.append(
            f"It has seen {data.name} alone ({data.samples.get('train', 0):,} training samples). How it answers what "
            "is unlike them was not measured."
        )
    match task:
        case Classification() | Binary():
            lines.append(f"It always names one of its {len(task.labels)} labels: what is none of them gets one too.")
        case MultiLabel():
            lines.append("It finds no label but those in its list.")
        case CTC():
            lines.append("It reads one line at a time, and no other characters.")
        case Anomaly():
            lines.append("It tells what is unlike its training data from what is like it, not bad from good.")
        case Regression() | Forecasting():
            lines.append("Its values come without a range: it doesn't say how sure it is.")
    if isinstance(task, Classification | Binary | MultiLabel):
        lines.append(
            "Its scores are not calibrated: of answers with a score of 90 %, more or less than 9 in 10 are right."
        )
    measured = next((data.samples[name] for name in ("test", "validation") if data and data.samples.get(name)), 0)
    if 0 < measured < FEW:
        lines.append(f"It was measured on {measured} samples: a single one is {1 / measured:.1%} of them.")
    counts = data.balance.get("train", {}) if data else {}
    if counts and max(counts.values()) > UNBALANCED * max(1, min(counts.values())):
        rare, common = (pick(counts, key=lambda label: counts[label]) for pick in (min, max))
        lines.append(
            f"Its classes are unbalanced: {counts[rare]} training samples of {_plain(rare)}, {counts[common]:,} of "
            f"{_plain(common)}."
        )
    if any(model.parity is None for model in models.values()):
        lines.append("It was imported, and nothing here shows that its answers are right.")
    return [
        *lines,
        "Nothing was tested that would justify decisions about people's health, safety or rights by it alone.",
    ]


def _purpose(spec: ModelSpec) -> str:
    what = {"image": "images", "table": "rows of tables", "sequence": "sequences"}[spec.input.kind]
    match spec.output:
        case Classification() | Binary() as task:
            return f"telling {what} of {len(task.labels)} classes apart"
        case MultiLabel() as task:
            return f"finding which of {len(task.labels)} labels hold for {what}"
        case CTC():
            return f"reading text from {what}"
        case Anomaly():
            return f"finding {what} that are unlike the training data"
        case Forecasting() as task:
            return f"foretelling {task.target} from {what}"
        case Regression() as task:
            return f"estimating {task.target} from {what}"


def _loading(spec: ModelSpec, models: Mapping[str, ModelFile], files: Mapping[str, bytes]) -> str:
    """Return how to load the model in Python, in the browser, on a Raspberry Pi and on a microcontroller."""
    formats = {model.spec.format for model in models.values()}
    extra = "litert" if "tflite" in formats else "onnx" if "onnx" in formats else "tflm"
    parts = [
        f"**Python**: `pip install 'edgezoo[{extra}]'`\n\n"
        f'```python\nimport zoo\n\nmodel = zoo.load("path/to/this/folder")\n{_usage(spec, models)}\n```'
    ]
    if formats & {"onnx", "tflite"}:
        parts.append(
            "**Browser or phone**: `pip install 'edgezoo[demo]'`, then `zoo demo path/to/this/folder` serves a page "
            "that answers on the device."
        )
    small = _smallest(models, files, "tflite") or _smallest(models, files, "onnx")
    if small:
        engine = "litert" if models[small].spec.format == "tflite" else "onnx"
        argument = {"image": "photo.jpg", "table": "rows.csv", "sequence": "sequence.csv"}[spec.input.kind]
        parts.append(
            f"**Raspberry Pi**, with a 64-bit system: `pip install 'edgezoo[{engine}]'`, then "
            f"`zoo predict path/to/this/folder/{small} {argument}`, which is the smallest file for it."
        )
    micro = _smallest(models, files, "tflm")
    if micro:
        needs = ", ".join(f"{size / 1000:,.1f} kB of {name}" for name, size in models[micro].footprint.items())
        parts.append(
            f"**Microcontroller**: `{micro}` runs in TensorFlow Lite for Microcontrollers"
            f"{f' and takes {needs}' if needs else ''}; the C++ sources in this folder hold it."
        )
    else:
        parts.append(
            "**Microcontroller**: no file here is for one; `zoo export RUN --format tflm` makes one of a convolutional "
            "network's training run."
        )
    return "\n\n".join(parts)


def _smallest(models: Mapping[str, ModelFile], files: Mapping[str, bytes], format_name: str) -> str | None:
    """Return the smallest file of a format that takes whole inputs and keeps the answer."""
    fit = [
        name
        for name, model in models.items()
        if model.spec.format == format_name and not model.spec.state and not model.spec.drift
    ]
    return min(fit, key=lambda name: len(files[name]), default=None)


def _ordered(pictures: Sequence[str]) -> list[str]:
    """Put the pictures with a caption first."""
    return sorted(pictures, key=lambda name: [*CAPTIONS, name].index(name))


def _data(data: DataOrigin) -> str:
    """Return sizes, fingerprint and the balance of labels."""
    text = (
        f"{_plain(data.name)}: {', '.join(f'{count:,} {split}' for split, count in data.samples.items())} samples. "
        f"Fingerprint `{data.fingerprint}`; `zoo data` shows that of data at hand."
    )
    labels = list(dict.fromkeys(label for counts in data.balance.values() for label in counts))
    if not labels:
        return text
    shown = labels if len(labels) <= MOST_LABELS else labels[: MOST_LABELS - 1]
    rows = [[_plain(label), *(str(counts.get(label, 0)) for counts in data.balance.values())] for label in shown]
    if len(shown) < len(labels):
        rest = labels[len(shown) :]
        totals = (sum(counts.get(label, 0) for label in rest) for counts in data.balance.values())
        rows.append([f"{len(rest)} more", *map(str, totals)])
    return f"{text}\n\n{_table(['label', *data.balance], rows)}"


def _escaped(text: str) -> str:
    """Return text in which Markdown sees no links or markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", text)


def _plain(text: str) -> str:
    """Return a text as one line; blanks that a script needs, such as no-break and ideographic ones, stay."""
    return re.sub(r"[ \t\r\n\f\v]+", " ", text).strip()


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


def _usage(spec: ModelSpec, models: Mapping[str, ModelFile]) -> str:
    """Return lines that predict."""
    taken = spec.input
    if isinstance(taken, ImageInput):
        return 'print(model.predict("photo.jpg"))'
    if isinstance(taken, TableInput):
        row = {column.name: _example(column) for column in taken.columns}
        return f'print(model.predict({row!r}))\nprint(model.predict("rows.csv"))'
    lines = ['print(model.predict("sequence.csv"))']
    if any(model.spec.state for model in models.values()):
        lines += ["for answer in model.stream(steps):  # one step of the sequence after the other", "    print(answer)"]
    return "\n".join(lines)


def _example(column: NumericColumn | CategoricalColumn) -> float | str:
    return column.categories[0] if isinstance(column, CategoricalColumn) else float(f"{column.mean:.4g}")


def _input(spec: ModelSpec) -> str:
    taken = spec.input
    if isinstance(taken, ImageInput):
        height, width, channels = taken.shape
        mode = "grey" if channels == 1 else "RGB"
        return f"{width}×{height} pixels, {mode}; any image is brought to that by the steps in `manifest.json`."
    if isinstance(taken, TableInput):
        return f"a row of a table with the columns {_listed([_column(column) for column in taken.columns])}."
    features = f"{len(taken.features)} feature{'s' if len(taken.features) > 1 else ''} ({_listed(taken.features)})"
    rows = "; the rows of a grey image, from top to bottom, which any image is brought to" if taken.preprocess else ""
    return f"a sequence of {features} a step, {taken.length} steps in training{rows}."


def _column(column: NumericColumn | CategoricalColumn) -> str:
    if isinstance(column, CategoricalColumn):
        return f"{column.name} ({_listed([category or 'empty' for category in column.categories], 6)})"
    return (
        f"{column.name} ({number(column.low)} to {number(column.high)}{'' if column.missing is None else ', or empty'})"
    )


def _output(spec: ModelSpec) -> str:
    task = spec.output
    match task:
        case Classification() | Binary():
            return f"one of {len(task.labels)} labels: {_listed(task.labels)}.{_inside(task)}"
        case MultiLabel():
            return (
                f"any of {len(task.labels)} labels, those with a probability of {task.threshold:g} or more: "
                f"{_listed(task.labels)}.{_inside(task)}"
            )
        case CTC():
            return f"a line of text in the characters {_code(task.alphabet)}.{_inside(task)}"
        case Anomaly():
            limit = number(task.threshold)
            return f"a score of how unlike the training data the input is; above {limit} it is an anomaly."
        case Regression():
            return f"{_value(task)}."
        case Forecasting():
            return f"the next {task.horizon} values of {_value(task)}."


def _inside(task: Classification | Binary | MultiLabel | CTC) -> str:
    if task.activation == "none":
        return ""
    return f" The graph contains the {task.activation}: its raw outputs are probabilities."


def _value(task: Regression | Forecasting) -> str:
    return f"{task.target}{f' in {task.unit}' if task.unit else ''}"


def _code(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    return f"{ticks} {text} {ticks}" if "`" in text or text != text.strip() else f"{ticks}{text}{ticks}"


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(map(_plain, names[:most])) + (" …" if len(names) > most else "")


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
    return _table([*header, spec.output.metric.replace("_", " "), *(["latency"] if speed else [])], rows)


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
    return _table(["what", "name", "source", "licence"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
