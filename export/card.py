"""The model card: README.md of a bundle, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.bundle import Card, ModelFile
from runtime.spec import ModelSpec


def model_card(
    spec: ModelSpec,
    models: Mapping[str, ModelFile],
    files: Mapping[str, bytes],
    card: Card,
    pictures: Sequence[str],
) -> str:
    """Return the card as Markdown: use, input, labels, metrics, parity of each file, origins, pictures."""
    height, width, channels = spec.input.shape
    labels = ", ".join(spec.output.labels[:20]) + (" …" if len(spec.output.labels) > 20 else "")
    sections = [
        f"# {spec.name}",
        card.summary or "An exported model.",
        '```python\nimport zoo\n\nmodel = zoo.load("path/to/this/folder")\nprint(model.predict("photo.jpg"))\n```',
        f"**Input** {width}×{height} pixels, {'grey' if channels == 1 else 'RGB'}; any image is brought to that by the "
        "steps in `manifest.json`.  \n"
        f"**Output** one of {len(spec.output.labels)} labels: {labels}.",
        "## Files\n\n" + _files(models, files),
        "Differences are the largest of any output on any sample, relative to the largest absolute output of PyTorch. "
        "Replay them on your machine with `zoo verify`.",
    ]
    if card.metrics:
        sections.append(
            "## Metrics\n\n" + _table(["metric", "value"], [[k, f"{v:.4g}"] for k, v in card.metrics.items()])
        )
    if card.data or card.weights:
        sections.append("## Origins\n\n" + _origins(card))
    if pictures:
        sections.append("\n\n".join(f"![{name.rsplit('.', 1)[0]}]({name})" for name in pictures))
    return "\n\n".join(sections) + "\n"


def _files(models: Mapping[str, ModelFile], files: Mapping[str, bytes]) -> str:
    rows = []
    for name, model in models.items():
        parity = model.parity
        accuracy = "" if parity.exported is None else f"{parity.exported:.2%}"
        rows.append(
            [
                f"`{name}`",
                f"{len(files[name]) / 1000:,.1f} kB",
                model.spec.precision,
                parity.engine,
                f"{parity.max_difference:.1e}",
                f"{parity.agreement:.2%} of {parity.samples}",
                accuracy,
            ]
        )
    return _table(["file", "size", "precision", "proved on", "max difference", "same decision", "accuracy"], rows)


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
