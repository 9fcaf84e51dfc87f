"""The model card: README.md of a bundle, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.bundle import Card, ModelFile
from runtime.inputs import CategoricalColumn, ImageInput, NumericColumn, TableInput
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression


def model_card(
    spec: ModelSpec,
    models: Mapping[str, ModelFile],
    files: Mapping[str, bytes],
    card: Card,
    pictures: Sequence[str],
) -> str:
    """Return the card as Markdown: use, input, output, metrics, parity of each file, origins, pictures."""
    sections = [
        f"# {spec.name}",
        card.summary or "An exported model.",
        f'```python\nimport zoo\n\nmodel = zoo.load("path/to/this/folder")\n{_usage(spec, models)}\n```',
        f"**Input** {_input(spec)}  \n**Output** {_output(spec)}",
        "## Files\n\n" + _files(spec, models, files),
        _proof(models),
    ]
    drifted = [f"- `{name}`: {model.spec.drift}" for name, model in models.items() if model.spec.drift]
    if drifted:
        sections.append(
            "**These files lose the answer** and were written because they were asked for:\n\n" + "\n".join(drifted)
        )
    if card.metrics:
        sections.append(
            "## Metrics\n\n" + _table(["metric", "value"], [[k, f"{v:.4g}"] for k, v in card.metrics.items()])
        )
    if card.data or card.weights:
        sections.append("## Origins\n\n" + _origins(card))
    if pictures:
        sections.append("\n\n".join(f"![{name.rsplit('.', 1)[0]}]({name})" for name in pictures))
    return "\n\n".join(sections) + "\n"


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
    return f"{column.name} ({column.low:.4g} to {column.high:.4g}{'' if column.missing is None else ', or empty'})"


def _output(spec: ModelSpec) -> str:
    task = spec.output
    match task:
        case Classification() | Binary():
            return f"one of {len(task.labels)} labels: {_listed(task.labels)}."
        case MultiLabel():
            return (
                f"any of {len(task.labels)} labels, those with a probability of {task.threshold:g} or more: "
                f"{_listed(task.labels)}."
            )
        case CTC():
            return f"a line of text in the characters {_code(task.alphabet)}."
        case Anomaly():
            return f"a score of how unlike the training data the input is; above {task.threshold:.4g} it is an anomaly."
        case Regression():
            return f"{_value(task)}."
        case Forecasting():
            return f"the next {task.horizon} values of {_value(task)}."


def _value(task: Regression | Forecasting) -> str:
    return f"{task.target}{f' in {task.unit}' if task.unit else ''}"


def _code(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    return f"{ticks} {text} {ticks}" if "`" in text or text != text.strip() else f"{ticks}{text}{ticks}"


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(" ".join(name.split()) for name in names[:most]) + (" …" if len(names) > most else "")


def _files(spec: ModelSpec, models: Mapping[str, ModelFile], files: Mapping[str, bytes]) -> str:
    rows = []
    for name, model in models.items():
        facts, parity = [f"`{name}`", f"{len(files[name]) / 1000:,.1f} kB", model.spec.precision], model.parity
        if parity is None:
            rows.append([*facts, *["–"] * 5])
            continue
        metric = "" if parity.exported is None else f"{parity.exported:.4g}"
        rows.append(
            [
                *facts,
                parity.engine,
                f"{parity.max_difference:.1e}",
                "" if parity.snr is None else f"{parity.snr:.0f} dB",
                f"{parity.agreement:.2%} of {parity.samples}",
                metric,
            ]
        )
    header = ["file", "size", "precision", "proved on", "max difference", "signal to noise", "same decision"]
    return _table([*header, spec.output.metric.replace("_", " ")], rows)


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
