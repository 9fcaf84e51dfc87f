"""The data that a bundle publishes, in words: the inputs in its golden pack, the pictures of them, and their owner."""

from __future__ import annotations

from collections.abc import Collection

from runtime.bundle import GOLDEN, Card, GoldenSource, Manifest
from runtime.inputs import AudioInput, Input, SequenceInput, TableInput, TensorsInput

OWN = ("audio", "boxes", "csv", "folder", "series")
"""The data sets that are files of the user's own."""

NAMES: dict[type, str] = {TensorsInput: "sample", TableInput: "row", AudioInput: "recording"}
"""What samples are called by the kind of input; others are pictures, which sequences may be the rows of."""

SHOWS_SAMPLES = {
    "worst.png": "the worst mistakes",
    "examples.png": "some samples",
    "forecasts.png": "some forecasts",
    "predictions.png": "the values",
    "scores.png": "the scores",
}
"""The pictures of a run in which single samples can be told, and what of them is there."""


def disclosure(
    input_spec: Input, card: Card, golden: GoldenSource | None, files: Collection[str], *, yours: bool = False
) -> str:
    """Return a sentence that says how many samples of whose data a bundle holds.

    Args:
        input_spec: What the model takes.
        card: The manifest's card.
        golden: The manifest's golden pack; None in bundles of before that was recorded.
        files: The names of the bundle's files.
        yours: Whether it is said to the person who makes the bundle.
    """
    kind, count = ("data", None) if golden is None else (golden.kind, golden.samples)
    samples = _counted(input_spec, count)
    verb = "is" if count == 1 else "are"
    if kind == "none":
        said = "The bundle has no golden pack, so there is nothing to replay"
    elif kind == "made-up":
        said = f"{GOLDEN} holds {samples} that {verb} made up"
    elif kind == "chosen":
        said = f"{samples} that {'you' if yours else 'its maker'} chose for it {verb} in {GOLDEN}"
    else:
        said = f"{_of(samples, card, yours)} {verb} in {GOLDEN}"
    shown = [f"{SHOWS_SAMPLES[name]} in {name}" for name in SHOWS_SAMPLES if name in files]
    if shown:
        said += f", {' and '.join(shown)}"
    elif kind in ("none", "made-up"):
        said += ", and no sample of the data is in the bundle"
    if isinstance(input_spec, TableInput):
        said += "; manifest.json holds the range or the categories of each column"
    if isinstance(input_spec, AudioInput) and kind in ("data", "chosen"):
        said += "; a voice among them tells who spoke"
    return said + "."


def disclosure_of(manifest: Manifest, *, yours: bool = False) -> str:
    """Return the sentence for a bundle's manifest; see `disclosure`."""
    return disclosure(manifest.model.input, manifest.card, manifest.golden, manifest.files, yours=yours)


def _of(what: str, card: Card, yours: bool) -> str:
    own = str(card.training.get("data", "")).partition(":")[0] in OWN
    if card.data is not None and not (own and yours):
        return f"{what} of {' '.join(card.data.name.split())} ({card.data.source}; licence {card.data.licence})"
    if proved := card.training.get("proved on"):
        return f"{what} of {' '.join(str(proved).split())}"
    count, name = what.split(" ", 1)
    return f"{count} of {'your' if yours else 'its maker’s'} own {name.removesuffix('s')}s"


def _counted(input_spec: Input, count: int | None) -> str:
    of_steps = isinstance(input_spec, SequenceInput) and not input_spec.preprocess
    name = "sequence" if of_steps else NAMES.get(type(input_spec), "picture")
    return f"some {name}s" if count is None else f"{count} {name}{'s' * (count != 1)}"
