"""Where a bundle's file departs from PyTorch: the file against the run that it was exported from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.bundle import GOLDEN, Bundle, ModelFile, identify, read_model_file
from runtime.bundle.golden import Golden
from runtime.compare import allowed_difference, difference
from runtime.engines import engine_for
from runtime.errors import IntegrityError, OptionError, unknown
from runtime.isolation.probe import Probe
from runtime.progress import Progress, silent
from zoo.resolve import display_name, resolve
from zoo.train.run import RUN, WEIGHTS, Run

if TYPE_CHECKING:
    import torch

    from export.diagnosis import Diagnosis


@dataclass(frozen=True)
class FileDiagnosis:
    """A file's diagnosis.

    Args:
        bundle: The bundle's folder.
        file: The file's name in it.
        run: The run folder that it was compared with.
        diagnosis: What was found.
        notes: What to be wary of.
    """

    bundle: Path
    file: str
    run: Path
    diagnosis: Diagnosis
    notes: tuple[str, ...]


def diagnose(
    bundle: str | os.PathLike[str],
    file: str | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    trusted: bool = False,
    on_progress: Progress = silent,
) -> FileDiagnosis:
    """Compare a bundle's file with its run, layer by layer, on the golden pack's real samples.

    A file that is not the one that the manifest lists is diagnosed all the same, with a note: what happened to it may
    be the question.

    Args:
        bundle: A bundle's folder.
        file: The file's name; the one that differs the most from PyTorch by default.
        run: The run folder; ``runs/`` and the bundle's name by default.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the bundle can't be trusted or read.
        OptionError: If the bundle has no such file, it takes steps, or the run is not the one that it was made of.
        TrainingError: If the run is not finished, or damaged.
        EngineError: If the file can't be run.
        ExportError: If the module can't be converted anew.
    """
    opened = Bundle.read(resolve(bundle))
    models = opened.manifest.models
    name = file or _least_faithful(models)
    if name not in models:
        raise OptionError(f"{opened.path}: {unknown('model file', name, models)}")
    if models[name].parity is None:
        raise OptionError(f"{opened.path}: it was imported, so there is no original to compare with")
    if models[name].spec.state:
        whole = ", ".join(other for other, entry in models.items() if not entry.spec.state)
        raise OptionError(f"{name}: takes step by step, which can't be diagnosed; choose from: {whole}")
    data, notes = _read(opened, name)
    if not trusted:
        spec = models[name].spec
        probe = Probe(opened.manifest.model, spec, engine_for(spec.format), data, identify(data).sha256)
        notes += tuple(filter(None, [probe.check(name)]))
    golden, inputs = opened.golden(), opened.inputs()
    folder = Path(run) if run else Path("runs") / display_name(opened.path)
    module = _module(opened, folder, golden, on_progress)
    from export import diagnosis  # with PyTorch, when all that was asked for is there

    result = diagnosis.diagnose(module, opened.manifest.model, data, models[name].spec, inputs, on_progress)
    return FileDiagnosis(opened.path, name, folder, result, notes)


def _least_faithful(models: dict[str, ModelFile]) -> str:
    whole = [name for name, entry in models.items() if not entry.spec.state]
    gaps = {name: parity.max_difference for name in whole or models if (parity := models[name].parity)}
    return max(gaps or models, key=lambda name: gaps.get(name, 0.0))


def _read(bundle: Bundle, name: str) -> tuple[bytes, tuple[str, ...]]:
    try:
        return bundle.bytes(name), ()
    except IntegrityError as problem:
        if not (bundle.path / name).is_file():
            raise
        return read_model_file(bundle.path / name), (str(problem),)


def _module(bundle: Bundle, folder: Path, golden: Golden | None, on_progress: Progress) -> torch.nn.Module:
    """Return the module that a bundle was exported from.

    Raises:
        OptionError: If the run is not there, or gives other answers than the golden pack has of PyTorch.
    """
    if not (folder / RUN).exists():
        raise OptionError(f"{folder}: no training run there; name the run that {bundle.path} was exported from: --run")
    run, manifest = Run.read(folder), bundle.manifest
    same = manifest.card.data is not None and manifest.card.data.fingerprint == run.origin.fingerprint
    if run.model != manifest.model or not same:
        raise _other_run(folder, bundle, f"it is {run.model.name} on other data or with other options")
    on_progress("load the run", 0, 1)
    from export.reference import answers
    from zoo.train.checkpoint import load_weights

    _, module = run.network()
    load_weights(folder / WEIGHTS, module)
    module.eval()
    if golden is None:
        return module
    gap = difference(golden.outputs, answers(module, run.model, golden.inputs), run.model.output).maximum
    if not gap <= allowed_difference(golden.tolerance, "fp32"):
        raise _other_run(folder, bundle, f"its answers differ by {gap:.1e} from those in {GOLDEN}")
    return module


def _other_run(folder: Path, bundle: Bundle, reason: str) -> OptionError:
    return OptionError(
        f"{folder}: not the run that {bundle.path} was exported from ({reason}); name that one with --run"
    )


def picture(result: FileDiagnosis) -> bytes:
    """Draw the error of each layer, as a PNG."""
    from zoo.report import plots

    return plots.depths(result.diagnosis, f"{display_name(result.bundle)}/{result.file} against PyTorch")
