"""The inputs of a bundle's golden pack: somebody's samples, without their metadata, or made-up ones."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from export.strip import encode_anew, strip
from export.strip_recording import strip_recording
from runtime.audio.decoding import RECORDINGS
from runtime.bundle import GoldenSource
from runtime.bundle.golden import Golden
from runtime.errors import ExportError, InputError, OptionError, one_line
from runtime.images.decoding import SIGNATURES
from runtime.inputs import AudioInput, ImageInput, Input, SequenceInput, TableInput, TensorsInput
from runtime.regular_files import open_regular
from runtime.tensors import concatenate, single, stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.tensors import Tensors

Wanted = str | os.PathLike[str] | Sequence[Any] | None
"""Samples, a folder or file of them, ``made-up`` or ``none``."""

SAMPLES = 8
SUFFIXES = {"table": (".csv",), "sequence": (".csv", ".npy"), "tensors": (".npz",), "audio": RECORDINGS}
"""Of files of inputs that are no images, by the kind of input."""
NONE: Literal["none"] = "none"
MADE_UP: Literal["made-up"] = "made-up"


@dataclass(frozen=True)
class Pack:
    """A golden pack and whose samples are in it; one of no samples is not written."""

    golden: Golden
    source: GoldenSource


def choose(input_spec: Input, samples: Sequence[Any], wanted: Wanted = None) -> tuple[tuple[bytes, ...], GoldenSource]:
    """Return the real inputs of a golden pack as files without metadata, and whose they are.

    Args:
        input_spec: What the model takes.
        samples: The samples that prove the model's files.
        wanted: Other samples, or a folder or file of them; ``made-up`` or ``none``; by default some of `samples`.

    Raises:
        OptionError: If a folder isn't there or holds nothing that the model takes.
        InputError: If a sample can't be read.
        ExportError: If the metadata of a picture can't be left out.
    """
    if isinstance(wanted, str | os.PathLike):
        if wanted == NONE:
            return (), GoldenSource(NONE)
        if wanted == MADE_UP:
            return made_up(input_spec), GoldenSource(MADE_UP, SAMPLES)
        raw = tuple(encode(input_spec, sample) for sample in samples_in(Path(wanted), input_spec))
        return raw, GoldenSource("chosen", len(raw))
    if wanted is not None and not len(wanted):
        raise OptionError(f"golden: no samples; name some, or {MADE_UP!r} or {NONE!r}")
    raw = tuple(encode(input_spec, sample) for sample in spread(samples if wanted is None else wanted))
    return raw, GoldenSource("data" if wanted is None else "chosen", len(raw))


def encode(input_spec: Input, sample: Any) -> bytes:
    """Return a sample as bytes that the model's input reads, without metadata.

    Raises:
        InputError: If it can't be read.
        ExportError: If what is read would change.
    """
    raw = input_spec.encode(sample)
    if isinstance(input_spec, AudioInput):
        return strip_recording(raw, input_spec)
    if not of_images(input_spec) or raw.startswith(b"\x93NUMPY"):
        return raw
    seen = input_spec.read(raw)
    for without in (strip, encode_anew):
        try:
            clean = without(raw)
            if np.array_equal(single(input_spec.read(clean)), single(seen)):
                return clean
        except (ValueError, InputError):
            continue
    name = os.fspath(sample) if isinstance(sample, str | os.PathLike) else "a sample"
    raise ExportError(f"{name}: its metadata can't be left out: choose other samples for the golden pack, or none")


def samples_in(path: Path, input_spec: Input) -> list[Any]:
    """Return samples of a folder and the folders in it, or of one file, spread evenly over their names.

    Raises:
        OptionError: If there is no such folder or file, or it holds nothing that the model takes.
        InputError: If a file can't be read.
    """
    if not path.exists():
        raise OptionError(f"{path}: no such folder of samples; to do without, say {MADE_UP} or {NONE}")
    inside = (file for file in sorted(path.rglob("*")) if not _is_hidden(file.relative_to(path)))
    files = [file for file in ([path] if path.is_file() else inside) if file.is_file() and _fits(file, input_spec)]
    samples: list[Any] = [*files]
    if isinstance(input_spec, TableInput):
        samples = [row for file in files for row in input_spec.rows(file)]
    if not samples:
        what = {
            "image": "images",
            "table": "CSV files of rows",
            "sequence": "sequences",
            "tensors": ".npz files",
            "audio": "recordings",
        }[input_spec.kind]
        raise OptionError(f"{path}: holds no {what}")
    return spread(samples)


def made_up(input_spec: Input) -> tuple[bytes, ...]:
    """Return inputs that show nothing of anybody's data but what the manifest says of the input anyway."""
    if isinstance(input_spec, ImageInput):
        return tuple(blots(seed, *input_spec.shape[:2]) for seed in range(SAMPLES))
    if isinstance(input_spec, SequenceInput):
        if input_spec.preprocess:
            return tuple(blots(seed, input_spec.length, len(input_spec.features)) for seed in range(SAMPLES))
        mean, std = input_spec.scaling()
        noise = np.random.default_rng(1).standard_normal((SAMPLES, input_spec.length, len(mean)))
        return tuple(input_spec.encode((mean + std * values).astype(np.float32)) for values in noise)
    if isinstance(input_spec, TensorsInput):
        return tuple(input_spec.encode(input_spec.noise(seed)) for seed in range(1, SAMPLES + 1))
    if isinstance(input_spec, AudioInput):
        return tuple(input_spec.encode(chord(seed, input_spec)) for seed in range(SAMPLES))
    random = np.random.default_rng(1)
    made_up_rows = [
        [
            random.uniform(column.low, column.high) if column.kind == "numeric" else random.choice(column.categories)
            for column in input_spec.columns
        ]
        for _ in range(SAMPLES)
    ]
    return tuple(input_spec.encode(row) for row in made_up_rows)


def chord(seed: int, input_spec: AudioInput) -> NDArray[np.float32]:
    """Return three tones that swell and fade, with noise, ``float32 [samples]``."""
    random = np.random.default_rng(seed)
    times = np.arange(input_spec.samples) / input_spec.rate
    tones = sum(
        random.uniform(0.05, 0.25) * np.sin(2 * np.pi * random.uniform(0.01, 0.4) * input_spec.rate * times)
        for _ in range(3)
    )
    swell = np.sin(np.pi * np.linspace(0, 1, input_spec.samples))
    noise = random.uniform(0, 0.02) * random.standard_normal(input_spec.samples)
    return np.asarray(swell * tones + noise, np.float32)


def blots(seed: int, height: int, width: int) -> bytes:
    """Return a PNG of soft colored blots: noise alone looks alike to most networks."""
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 256, (3 + seed, 3 + seed, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def inputs_of(input_spec: Input, raw: Sequence[bytes], hard: Tensors | None = None) -> Tensors:
    """Return the inputs of a golden pack, a batch: those that are read, then edge cases.

    Raises:
        OptionError: If real inputs have different shapes.
    """
    try:
        read = [stack([input_spec.read(data) for data in raw])] if raw else []
        return concatenate([*read, input_spec.edge_cases() if hard is None else hard])
    except ValueError as problem:
        raise OptionError(f"golden: the samples have different shapes ({one_line(problem)})") from None


def of_images(input_spec: Input) -> bool:
    """Tell whether a model takes images, as they are or as sequences of their rows."""
    return isinstance(input_spec, ImageInput) or (isinstance(input_spec, SequenceInput) and bool(input_spec.preprocess))


def _fits(file: Path, input_spec: Input) -> bool:
    if not of_images(input_spec):
        return file.suffix.lower() in SUFFIXES[input_spec.kind]
    try:
        with open_regular(file) as opened:
            start = opened.read(4)
    except OSError as problem:
        raise InputError(f"{file}: can't be read ({one_line(problem)})") from None
    return any(start.startswith(magic) for magics in SIGNATURES.values() for magic in magics)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def spread(samples: Sequence[Any]) -> list[Any]:
    """Return at most `SAMPLES` of some samples, evenly spread."""
    return [samples[i] for i in sorted({round(i) for i in np.linspace(0, len(samples) - 1, SAMPLES)})]
