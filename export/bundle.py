"""A trained module and real samples -> a proven bundle."""

from __future__ import annotations

import copy
import io
import os
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from export.atomic import staged_folder
from export.card import model_card
from export.formats import format_module, format_names
from export.parity import Progress, Reference, answers, check, hard_inputs, reference, silent
from runtime.bundle import CARD, GOLDEN, MANIFEST, Bundle, Card, Manifest, ModelFile, identify, write_manifest
from runtime.compare import FP32_TOLERANCE, PIXEL_TOLERANCE, difference
from runtime.engines import engine_module, engine_names
from runtime.errors import (
    BundleError,
    EngineError,
    ExportError,
    ManifestError,
    MissingExtraError,
    OptionError,
    OutputError,
    ParityError,
)  # fmt: skip
from runtime.golden import Golden
from runtime.model import Candidate, Model, load, open_candidate
from runtime.preprocess import preprocess
from runtime.quiet import quiet
from runtime.spec import FORMAT_VERSION, METADATA_KEY, FileSpec, ModelSpec, encode_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.preprocess import Source

GOLDEN_SAMPLES = 8


def export(
    module: torch.nn.Module,
    spec: ModelSpec,
    samples: Sequence[Source],
    formats: Sequence[str] = ("onnx", "tflite"),
    *,
    out: str | os.PathLike[str],
    targets: Sequence[int] | NDArray[np.int64] | None = None,
    card: Card | None = None,
    pictures: Mapping[str, bytes] | None = None,
    on_progress: Progress = silent,
) -> Bundle:
    """Export a module, prove every file against it, and write a bundle.

    Every file is run in its real engine on all `samples` and on hard inputs. One that differs from PyTorch is
    not in the bundle. If any file fails, the others are still written where `out` is free, but never take the
    place of a bundle that is there.

    Args:
        module: Takes ``uint8 [batch, height, width, channels]`` with values 0-255 and gives logits ``float32
            [batch, labels]``; wrap other networks in `export.FromPixels`. It is copied, not changed.
        spec: What the model takes and gives.
        samples: Real inputs that it was not trained on: paths, encoded bytes, Pillow images or uint8 arrays.
        formats: Names of `export.formats`.
        out: The bundle's folder. An earlier bundle there is replaced in one step, once all is proved.
        targets: The right label's number for each sample, to compare the accuracy too.
        card: What a person needs to trust the model.
        pictures: PNG files for the model card, by file name.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        ParityError: If a file differs from PyTorch.
        ExportError: If a format can't be written.
        OptionError: If a format's name is unknown or none is given.
        OutputError: If `out` holds something that is no bundle, or can't be written.
        InputError: If a sample can't be read.
    """
    path = Path(out) if Path(out).is_symlink() and not Path(out).exists() else Path(out).resolve()
    writers = {name: format_module(name) for name in dict.fromkeys(formats)}
    if not writers:
        raise OptionError(f"name at least one format: {', '.join(format_names())}")
    engines = {name: _engine(name) for name in writers}
    _check_place(path)
    if not len(samples):
        raise ExportError("no samples to prove the files with: give real inputs that the model was not trained on")
    if targets is not None and len(targets) != len(samples):
        raise ExportError(f"{len(samples)} samples have {len(targets)} targets")
    original = copy.deepcopy(module).cpu().float().eval()
    wanted = None if targets is None else np.asarray(targets, np.int64)
    real = reference(original, spec, samples, wanted, on_progress)
    golden = _golden(original, spec, samples)
    hard = Reference(golden.pixels[golden.real :], golden.logits[golden.real :], None)

    files: dict[str, bytes] = {}
    models: dict[str, ModelFile] = {}
    failures: dict[str, ExportError] = {}
    with staged_folder(path) as stage:
        for name, writer in writers.items():
            file = stage / f"model.{name}"
            try:
                on_progress(f"convert to {name}", 0, 1)
                data = writer.convert(
                    original, spec, torch.from_numpy(np.array(real.pixels[np.arange(2) % len(samples)]))
                )
                file_spec = FileSpec(
                    name, "fp32", "uint8", _batch(name, engines[name], data, spec, real, writer.DYNAMIC_BATCH)
                )
                files[file.name] = writer.embed(data, METADATA_KEY, encode_metadata(spec, file_spec))
                file.write_bytes(files[file.name])
                with quiet():
                    model = load(file, engine=engines[name], device="cpu")
                models[file.name] = ModelFile(file_spec, check(model, real, hard, on_progress=on_progress))
            except ExportError as problem:
                failures[name] = problem
                files.pop(file.name, None)
                file.unlink(missing_ok=True)
        if failures and (not models or (path / MANIFEST).exists()):
            _raise(
                failures, "nothing was written" + (f"; {path} stays as it was" if (path / MANIFEST).exists() else "")
            )
        files |= {GOLDEN: golden.encode(), **(pictures or {})}
        files[CARD] = model_card(spec, models, files, card or Card(), list(pictures or {})).encode()
        for file_name, content in files.items():
            (stage / file_name).write_bytes(content)
        entries = {file_name: identify(content) for file_name, content in files.items()}
        manifest = Manifest(
            FORMAT_VERSION, f"edgezoo {version('edgezoo')}", _now(), spec, models, entries, card or Card()
        )
        (stage / MANIFEST).write_bytes(write_manifest(manifest))
        Bundle.read(stage).check()
    if failures:
        _raise(failures, f"{path} holds {', '.join(models)} only")
    return Bundle.read(path)


def _check_place(path: Path) -> None:
    """Refuse to replace anything but a bundle or an empty folder."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() or path.is_symlink():
        try:
            Bundle.read(path)
        except ManifestError:
            pass  # a bundle of another version, or a damaged one
        except BundleError:
            raise OutputError(f"{path}: exists and is not a bundle; name another folder or remove it") from None


def _engine(format_name: str) -> str:
    """Return the installed engine that proves a format."""
    runs = [name for name in engine_names() if format_name == engine_module(name).FORMAT]
    for name in runs:
        if not engine_module(name).missing():
            return name
    raise MissingExtraError(f"an engine for format {format_name!r}", engine_module(runs[0]).EXTRA)


def _batch(name: str, engine: str, data: bytes, spec: ModelSpec, real: Reference, dynamic: bool) -> int | None:
    """Return None if the graph answers three samples at once as it does one by one, else 1.

    Raises:
        ExportError: If it doesn't although its format promises a dynamic batch.
    """
    pixels = np.array(real.pixels[np.arange(3) % len(real.pixels)])
    choice = Candidate(spec, Path(f"model.{name}"), FileSpec(name, "fp32", "uint8", None), lambda: data)
    with quiet():
        try:
            model: Model = open_candidate(choice, engine, device="cpu")
        except EngineError as problem:
            raise ExportError(f"format {name!r}: {problem}") from None
    try:
        with quiet():
            singles = np.concatenate([model.logits(pixels[i : i + 1]) for i in range(len(pixels))])
            together = model.logits(pixels)
            if not np.isfinite(singles).all() or difference(singles, together).maximum <= FP32_TOLERANCE:
                return None
        reason = "answers change with the batch size"
    except (EngineError, ValueError) as problem:
        reason = str(problem)
    if dynamic:
        raise ExportError(f"format {name!r}: the batch axis is frozen: two samples at once fail ({reason})")
    return 1


def _golden(module: torch.nn.Module, spec: ModelSpec, samples: Sequence[Source]) -> Golden:
    chosen = sorted({round(i) for i in np.linspace(0, len(samples) - 1, GOLDEN_SAMPLES)})
    raw = [_encoded(samples[i]) for i in chosen]
    raw += [_encoded(pixels) for pixels in hard_inputs(spec.input.shape)]
    pixels = np.stack([preprocess(data, spec.input.preprocess) for data in raw])
    return Golden(tuple(raw), pixels, answers(module, spec, pixels), len(chosen), FP32_TOLERANCE, PIXEL_TOLERANCE)


def _encoded(sample: Source) -> bytes:
    """Return a sample as the bytes of an image file: its own, or a PNG that holds the same pixels."""
    if isinstance(sample, bytes):
        return sample
    if isinstance(sample, str | os.PathLike):
        return Path(sample).read_bytes()
    from PIL import Image

    if isinstance(sample, np.ndarray):
        sample = Image.fromarray(sample[:, :, 0] if sample.ndim == 3 and sample.shape[2] == 1 else sample)
    if not isinstance(sample, Image.Image):
        raise ExportError(
            f"a sample must be a path, bytes, a Pillow image or a uint8 array, got {type(sample).__name__}"
        )
    file = io.BytesIO()
    try:
        sample.save(file, "PNG")
    except OSError:  # PNG has no such mode, for example CMYK
        sample.save(file := io.BytesIO(), "TIFF")
    return file.getvalue()


def _raise(failures: Mapping[str, ExportError], outcome: str) -> None:
    kind = ParityError if any(isinstance(problem, ParityError) for problem in failures.values()) else ExportError
    raise kind(f"{'; '.join(map(str, failures.values()))}; {outcome}")


def _now() -> str:
    """Return the time in UTC; SOURCE_DATE_EPOCH (reproducible-builds.org) sets it."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
