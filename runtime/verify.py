"""Replay a bundle's golden pack on the engines of this machine: is the answer here the one PyTorch gave?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.bundle import MANIFEST, Bundle
from runtime.candidates import Candidate, candidates, open_candidate
from runtime.compare import allowed_difference, allowed_input_difference, difference
from runtime.engines import engine_module, engine_names
from runtime.errors import BundleError, EngineError, InputError, MissingExtraError, UnsupportedError
from runtime.frozen_dataclass import frozen_dataclass
from runtime.spec import decode_metadata
from runtime.tensors import by_name, select, size, stack

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from runtime.bundle import Parity
    from runtime.bundle.golden import Golden
    from runtime.inputs import Input
    from runtime.model import Model
    from runtime.tensors import Tensors


@frozen_dataclass
class Replay:
    """The outcome of one file on one engine.

    Args:
        file: The model file.
        engine: The engine's name, or its library with version where it ran.
        passed: True, False, or None where the engine is not installed or does not run such files, or where the bundle
            has no golden pack to compare with.
        samples: How many golden samples were replayed.
        max_difference: The largest difference of an output from PyTorch's, relative to the output's scale; of a file
            in another precision than fp32 from what it answered itself when it was exported.
        agreement: The share of real samples with the same decision, from encoded image to decision.
        note: Why it failed or did not run; empty otherwise.
        proved: Whether the golden answers are PyTorch's, or the file's own of when it was imported.
    """

    file: str
    engine: str
    passed: bool | None
    samples: int
    max_difference: float | None
    agreement: float | None
    note: str
    proved: bool = True


@frozen_dataclass
class InputReplay:
    """The outcome of reading the golden files: the largest difference of a value from the golden inputs.

    Args:
        passed: Whether it is within `tolerance`.
        samples: How many files were read.
        max_difference: The largest difference, in the input's own values (0-255 for images); all of the largest
            value where nothing can be compared.
        tolerance: The largest difference that is allowed.
        note: Why it failed; empty otherwise.
    """

    passed: bool
    samples: int
    max_difference: float
    tolerance: float
    note: str


NO_GOLDEN = "there is no golden pack to compare with"
Run = tuple[Candidate, str, Replay | None]


def verify(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    trusted: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Iterator[InputReplay | Replay]:
    """Check every file of a bundle, then replay its golden pack: the inputs first, then file by engine.

    The files of a bundle without a golden pack are run on made-up inputs, which shows that they run, and no more.

    Args:
        path: The bundle's folder.
        threads: CPU threads; by default one for a small model, else all.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the bundle can't be read, a file differs from its manifest, or the manifest from what a file
            says of itself.
    """
    bundle = Bundle.read(path)
    on_progress("check the files", 0, 1)
    bundle.check()
    _check_metadata(bundle)
    golden = bundle.golden()
    runs = _runs(bundle, on_progress)
    opens = partial(open_candidate, threads=threads, trusted=trusted)
    return _try(bundle, runs, opens) if golden is None else _replay(bundle, golden, runs, opens)


def verify_model(bundle: Bundle, model: Model) -> Replay:
    """Check every file of a bundle, then replay its golden pack on one opened model of it, as that model runs.

    Args:
        bundle: The bundle.
        model: A model that was opened from it, on the engine and device whose answers matter.

    Raises:
        BundleError: See `verify`.
        EngineError: If the engine fails.
        InputError: If the model refuses the golden inputs.
    """
    bundle.check()
    _check_metadata(bundle)
    golden = bundle.golden()
    if golden is None:
        inputs = bundle.inputs()
        model.forward(inputs)
        return Replay(model.file.name, model.engine.version, None, size(inputs), None, None, NO_GOLDEN)
    reading = _read(bundle.manifest.model.input, golden)
    outcome = replay(model, golden, bundle.manifest.models[model.file.name].parity, reading)
    return outcome if reading[0].passed else replace(outcome, passed=False, note=reading[0].note)


def _check_metadata(bundle: Bundle) -> None:
    """Refuse a manifest that contradicts the files: labels in another order would pass every replay.

    Raises:
        BundleError: If it does.
    """
    formats = {engine_module(name).FORMAT: engine_module(name) for name in engine_names()}
    for name, model in bundle.manifest.models.items():
        try:
            text = formats[model.spec.format].metadata(bundle.bytes(name))
        except BundleError:  # the engines say what is wrong with the file
            continue
        if not text:
            continue
        metadata = decode_metadata(text, f"{name}'s metadata")
        if metadata.file.quantization != model.spec.quantization:
            raise BundleError(
                f"{bundle.path}: {name} carries other scales of its integers than {MANIFEST} says: export or pull the "
                "bundle again"
            )
        if metadata.model != bundle.manifest.model:
            raise BundleError(
                f"{bundle.path}: {name} carries other labels, preprocessing or scaling than {MANIFEST} says: "
                "export or pull the bundle again"
            )


def _replay(
    bundle: Bundle, golden: Golden, runs: Iterator[Run], opens: Callable[[Candidate, str], Model]
) -> Iterator[InputReplay | Replay]:
    inputs, seen = _read(bundle.manifest.model.input, golden)
    yield inputs
    for choice, name, not_installed in runs:
        if not_installed:
            yield not_installed
            continue
        try:
            yield replay(opens(choice, name), golden, bundle.manifest.models[choice.file.name].parity, (inputs, seen))
        except UnsupportedError as problem:
            yield Replay(choice.file.name, name, None, 0, None, None, str(problem))
        except (EngineError, InputError) as problem:
            yield Replay(choice.file.name, name, False, size(golden.inputs), None, None, str(problem))


def replay(
    model: Model, golden: Golden, parity: Parity | None, reading: tuple[InputReplay, Tensors] | None = None
) -> Replay:
    """Compare the answers of an opened file with the golden pack's.

    Args:
        model: The file on an engine.
        golden: The golden pack of its bundle.
        parity: The file's proof in the manifest; None where it was imported.
        reading: What this machine made of the golden files, and how far that is from the golden inputs; None to
            compare decisions on the golden inputs, too.

    Raises:
        EngineError: If the engine fails.
        InputError: If the file does not run as many steps as the golden inputs have.
    """
    output, real = model.spec.output, slice(golden.real)
    wanted = golden.answers.get(model.file.name, golden.outputs)
    tolerance = allowed_difference(parity.tolerance if parity else golden.tolerance, model.file_spec.precision)
    raw = model.forward(golden.inputs)
    outputs = difference(wanted, raw, output, tolerance)
    decisions, tie = select(raw, real), tolerance
    if reading is not None:
        inputs, seen = reading
        decisions = model.forward(select(seen, real))
        # a decision may turn by as much as the input, whose range is 255 where it may differ at all
        tie += min(inputs.max_difference, inputs.tolerance) / 255
    agreement = difference(select(wanted, real), decisions, output, tie).agreement
    wrong = []
    if not outputs.maximum <= tolerance:
        wrong.append(f"difference {outputs.maximum:.2g} is over the tolerance {tolerance:.2g}")
    if agreement < 1:
        wrong.append(f"only {agreement:.1%} of decisions agree")
    return Replay(
        model.file.name, model.engine.version, not wrong, size(golden.inputs), outputs.maximum,
        agreement, "; ".join(wrong), parity is not None,
    )  # fmt: skip


def _try(bundle: Bundle, runs: Iterator[Run], opens: Callable[[Candidate, str], Model]) -> Iterator[Replay]:
    """Run every file on made-up inputs, where there is nothing to compare its answers with."""
    inputs = bundle.inputs()
    for choice, name, not_installed in runs:
        if not_installed:
            yield not_installed
            continue
        try:
            model = opens(choice, name)
            model.forward(inputs)
        except UnsupportedError as problem:
            yield Replay(choice.file.name, name, None, 0, None, None, str(problem))
        except (EngineError, InputError) as problem:
            yield Replay(choice.file.name, name, False, size(inputs), None, None, str(problem))
        else:
            yield Replay(choice.file.name, model.engine.version, None, size(inputs), None, None, NO_GOLDEN)


def _runs(bundle: Bundle, on_progress: Callable[[str, int, int], None]) -> Iterator[Run]:
    """Yield each file with each engine of its format, and what is said of one that is not installed."""
    pairs = [
        (choice, name)
        for choice in candidates(bundle.path)
        for name in engine_names()
        if choice.file_spec.format == engine_module(name).FORMAT
    ]
    for at, (choice, name) in enumerate(pairs):
        on_progress(f"replay {choice.file.name} on {name}", at, len(pairs))
        module = engine_module(name)
        missing = str(MissingExtraError(name, module.EXTRA)) if module.missing() else ""
        yield choice, name, Replay(choice.file.name, name, None, 0, None, None, missing) if missing else None


def _read(input_spec: Input, golden: Golden) -> tuple[InputReplay, Tensors]:
    """Compare how this machine reads the golden files; return what it read, or else the golden inputs."""
    wanted, tolerance = select(golden.inputs, slice(len(golden.raw))), allowed_input_difference(golden, input_spec)
    names = [tensor.name for tensor in input_spec.tensors]
    expected = by_name(wanted, names)
    try:
        inputs = stack([input_spec.read(raw) for raw in golden.raw])
        actual = by_name(inputs, names)
        note = next(filter(None, (_misread(actual[name], expected[name]) for name in names)), "")
    except (InputError, ValueError) as problem:  # numpy stacks no sequences of different lengths
        note = str(problem)
    if note:  # what can't be compared counts as missed altogether
        missed = max(float(np.abs(array.astype(np.float64)).max()) for array in expected.values())
        return InputReplay(False, len(golden.raw), missed, tolerance, note), golden.inputs
    gap = max(float(np.abs(actual[name].astype(np.float64) - expected[name]).max()) for name in names)
    passed = gap <= tolerance
    note = "" if passed else "this machine reads the golden files differently"
    return InputReplay(passed, len(golden.raw), gap, tolerance, note), inputs


def _misread(actual: NDArray[Any], wanted: NDArray[Any]) -> str:
    """Say how the type or shape of what was read differs; nothing if it doesn't."""
    if (actual.shape, actual.dtype) == (wanted.shape, wanted.dtype):
        return ""
    return f"the golden files are read as {actual.dtype} {list(actual.shape)}, not {wanted.dtype} {list(wanted.shape)}"
