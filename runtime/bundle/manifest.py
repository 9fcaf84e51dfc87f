"""manifest.json: what a bundle holds, how its files compared with PyTorch, and the identity of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from typing import Any, Literal

from runtime.errors import ManifestError, shown
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import NEW, build, parse_json, to_json
from runtime.spec import MAX_METADATA, FileSpec, ModelSpec, check_feed, check_version

MANIFEST = "manifest.json"
GOLDEN = "golden.npz"
CARD = "README.md"
SIGNATURE = "model.sig"
MAX_MANIFEST = MAX_METADATA
MAX_FILE = 4 * 2**30
MAX_SIGNATURE = 2**20
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@frozen_dataclass
class FileEntry:
    """The identity of one file: SHA-256 in hexadecimal, size in bytes."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits, got {self.sha256[:80]!r}")
        if not 0 <= self.size <= MAX_FILE:
            raise ValueError(f"size must be 0 to {MAX_FILE} bytes, got {self.size}")


@frozen_dataclass
class Parity:
    """How one model file compared with PyTorch when it was exported.

    Differences are relative to the scale of the output; see `runtime.compare`.

    Args:
        engine: The engine that ran the file, with its version.
        samples: How many real samples were compared.
        max_difference: The largest difference on them.
        mean_difference: The mean difference on them.
        cosine: The smallest cosine between the two outputs of one sample.
        agreement: The share of samples with the same decision, 0 to 1.
        metric: The name of the task's metric, such as ``accuracy``; None without targets.
        reference: That metric of PyTorch on the samples.
        exported: That metric of the file on the samples.
        hard_samples: How many made-up inputs at the edges of the range were compared.
        hard_max_difference: The largest difference on those.
        tolerance: The largest difference that a replay of the golden pack may show, from PyTorch's answers for a file
            in fp32, and for others from the file's own answers in the pack.
        snr: The signal-to-noise ratio of the outputs in decibels; None in bundles of before it was measured.
        tensors: The largest difference of each output on real samples, of a model with several; the other figures are
            those of the output that has the worst.
        metrics: Further metrics of the task by name, PyTorch's value and the file's: mAP of a detector.
        labels: The metric of each label, PyTorch's value and the file's, where the task measures labels one by one.
    """

    engine: str
    samples: int
    max_difference: float
    mean_difference: float
    cosine: float
    agreement: float
    metric: str | None
    reference: float | None
    exported: float | None
    hard_samples: int
    hard_max_difference: float
    tolerance: float
    snr: float | None = None
    tensors: dict[str, float] = field(default_factory=dict, metadata=NEW)
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict, metadata=NEW)
    labels: dict[str, tuple[float, float]] = field(default_factory=dict, metadata=NEW)


@frozen_dataclass
class Quantization:
    """How a file got its precision.

    Args:
        kept: The layers that stayed in fp32, with the share of noise in the output that each alone would have caused.
        samples: How many calibration samples told the ranges of activations; 0 where none were needed.
        method: How ranges were taken from them.
        balance: How many calibration samples bore each label; empty where there are no labels.
    """

    kept: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    method: str = ""
    balance: dict[str, int] = field(default_factory=dict)


@frozen_dataclass
class ModelFile:
    """One model file.

    Args:
        spec: How it implements the model.
        parity: Its proof; None where there was no original to compare with: the golden pack holds its own answers.
        quantisation: How it got a precision other than fp32.
        footprint: What it takes of a microcontroller, in bytes: ``flash`` and ``arena`` (of RAM); empty elsewhere.
    """

    spec: FileSpec
    parity: Parity | None
    quantisation: Quantization | None = None
    footprint: dict[str, int] = field(default_factory=dict)


@frozen_dataclass
class Origin:
    """Where data or pretrained weights come from and under which licence they stand."""

    name: str
    source: str
    licence: str


@frozen_dataclass
class DataOrigin(Origin):
    """A data set.

    Args:
        samples: The number of samples of each split.
        fingerprint: A hash over all samples and targets.
        balance: How many samples of each split bear each label; empty where there are no labels.
    """

    samples: dict[str, int]
    fingerprint: str
    balance: dict[str, dict[str, int]] = field(default_factory=dict)


@frozen_dataclass
class Card:
    """What a person needs to trust a model: all of it is optional, and lands in the manifest and the model card.

    Args:
        summary: What the model is for, in a sentence.
        data: What it was trained on.
        weights: Where pretrained weights came from.
        metrics: Measured values by name, such as ``validation accuracy``.
        training: The configuration that trained it, as JSON values.
    """

    summary: str = ""
    data: DataOrigin | None = None
    weights: Origin | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


@frozen_dataclass
class GoldenSource:
    """Whose inputs the golden pack publishes.

    Args:
        kind: ``data``: some of those that the model's files were proved on; ``chosen``: others that were named for it;
            ``made-up``: generated ones, which are no person's data; ``none``: the bundle has no golden pack.
        samples: How many there are.
    """

    kind: Literal["data", "chosen", "made-up", "none"]
    samples: int = 0


@frozen_dataclass
class Manifest:
    """manifest.json.

    Args:
        format: The version of this contract.
        generator: The program that wrote the bundle, with its version.
        created: When, in UTC, as ``2026-01-31T12:00:00Z``.
        model: What the model takes and gives.
        models: The model files by name, in order of preference.
        files: Every file of the bundle but the manifest itself and its signature.
        card: What a person needs to trust it.
        golden: Whose inputs the golden pack publishes; None in bundles of before that was recorded, which have one.
    """

    format: int
    generator: str
    created: str
    model: ModelSpec
    models: dict[str, ModelFile]
    files: dict[str, FileEntry]
    card: Card
    golden: GoldenSource | None = None

    def __post_init__(self) -> None:
        """Check the names and that they refer to each other."""
        for name in (*self.files, *self.models):
            if not is_file_name(name) or name in (MANIFEST, SIGNATURE):
                raise ValueError(
                    f"{shown(name)} can't be a file of a bundle: use letters, digits, '.', '_' and '-' only"
                )
        without = self.golden is not None and self.golden.kind == "none"
        if without and GOLDEN in self.files:
            raise ValueError(f"{GOLDEN!r} is listed, but 'golden' says that there is none")
        for name in (*self.models, *(() if without else (GOLDEN,))):
            if name not in self.files:
                raise ValueError(f"{name!r} has no entry under 'files'")
        for file in self.models.values():
            check_feed(self.model, file.spec)
        if not self.models:
            raise ValueError("a bundle needs at least one model file under 'models'")


def is_file_name(name: str) -> bool:
    """Tell whether a name is that of a file directly in a folder of ours: it can't lead out of the folder."""
    return _FILE_NAME.fullmatch(name) is not None


def check_pictures(names: Iterable[str]) -> None:
    """Check the names of pictures, which become files of a bundle beside its other files.

    Raises:
        ValueError: If a name leads out of the folder, or is not that of a PNG file.
    """
    for name in names:
        if not is_file_name(name) or not name.endswith(".png"):
            raise ValueError(
                f"{shown(name)} can't be a picture: use letters, digits, '.', '_' and '-' only, and end it in '.png'"
            )


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Decode manifest.json and check every field.

    Raises:
        ManifestError: If it breaks the contract; names the field.
    """
    value = parse_json(text, where, ManifestError)
    check_version(value, where)
    return build(Manifest, value, where, ManifestError)


def write_manifest(manifest: Manifest) -> bytes:
    """Encode a manifest."""
    return (to_json(manifest, indent=2) + "\n").encode()
