"""Purposes and limits of a model, in words."""

from __future__ import annotations

from collections.abc import Mapping

from export.card.markdown import listed, single_line
from runtime.bundle import Card, ModelFile
from runtime.inputs import AudioInput
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Detection, Forecasting, MultiLabel, Raw, Regression

FEW = 200
"""A figure measured on fewer samples is coarse."""
UNBALANCED = 3
"""So many times the samples of the rarest class are many."""


def limits(spec: ModelSpec, models: Mapping[str, ModelFile], card: Card) -> list[str]:
    """Return the purposes and the limits of a model, a sentence each."""
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
        case Detection():
            lines.append(
                "It finds no objects but those in its list, and tends to miss those smaller than it has learned."
            )
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
            f"Its classes are unbalanced: {counts[rare]} training samples of {single_line(rare)}, "
            f"{counts[common]:,} of {single_line(common)}."
        )
    if isinstance(spec.input, AudioInput) and (training := card.training.get("training")):
        if training.get("group") == "speaker":
            lines.append("Its validation has no speaker of its training.")
        else:
            lines.append("It may know the speakers and microphones that it was measured on: others were not tested.")
    if any(model.parity is None for model in models.values()):
        lines.append("It was imported, and nothing here shows that its answers are right.")
    return [
        *lines,
        "Nothing was tested that would justify decisions about people's health, safety or rights by it alone.",
    ]


def _purpose(spec: ModelSpec) -> str:
    items = {
        "image": "images",
        "table": "rows of tables",
        "sequence": "sequences",
        "tensors": "arrays of numbers",
        "audio": "recordings",
    }[spec.input.kind]
    match spec.output:
        case Classification() | Binary() as task:
            return f"telling {items} of {len(task.labels)} classes apart"
        case MultiLabel() as task:
            return f"finding which of {len(task.labels)} labels hold for {items}"
        case CTC():
            return f"reading text from {items}"
        case Anomaly():
            return f"finding {items} that are unlike the training data"
        case Forecasting() as task:
            return f"foretelling {task.target} from {items}"
        case Regression() as task:
            return f"estimating {task.target} from {items}"
        case Detection() as task:
            return f"finding objects of {len(task.labels)} classes in {items}"
        case Raw() as task:
            return f"computing {listed(task.names)} from {items}"
