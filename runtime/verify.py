"""Replay a bundle's golden pack on the engines of this machine: is the answer here the one PyTorch gave?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.bundle import GOLDEN, Bundle
from runtime.compare import difference
from runtime.decode import fits, shown
from runtime.engines import engine_module, engine_names
from runtime.errors import BundleError, EngineError, InputError, MissingExtraError, UnsupportedError
from runtime.golden import Golden
from runtime.loading import candidates, open_candidate
from runtime.record import record

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from runtime.inputs import Input


@record
class Replay:
    """The outcome of one file on one engine.

    Args:
        file: The model file.
        engine: The engine's name, or its library with version where it ran.
        passed: True, False, or None where the engine is not installed or does not run such files.
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


@record
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


def verify(path: str | os.PathLike[str], *, threads: int | None = None) -> Iterator[InputReplay | Replay]:
    """Check every file of a bundle, then replay its golden pack: the inputs first, then file by engine.

    Raises:
        BundleError: If the bundle can't be read or a file differs from its manifest.
    """
    bundle = Bundle.read(path)
    bundle.check()
    golden = Golden.decode(bundle.bytes(GOLDEN), f"{bundle.path / GOLDEN}")
    spec = bundle.manifest.model
    for what, found, wanted in (
        ("inputs", golden.inputs, spec.input.shape),
        ("outputs", golden.outputs, spec.output.shape),
    ):
        if not fits(found.shape[1:], wanted):
            raise BundleError(
                f"{bundle.path / GOLDEN}: its {what} {list(found.shape)} don't fit the manifest's "
                f"[samples, {shown(wanted)}]"
            )
    return _replay(bundle, golden, threads)


def _replay(bundle: Bundle, golden: Golden, threads: int | None) -> Iterator[InputReplay | Replay]:
    inputs, seen = _read(bundle.manifest.model.input, golden)
    yield inputs
    output, real = bundle.manifest.model.output, slice(golden.real)
    for choice in candidates(bundle.path):
        wanted = golden.answers.get(choice.file.name, golden.outputs)
        parity = bundle.manifest.models[choice.file.name].parity
        tolerance = parity.tolerance if parity else golden.tolerance
        # a decision may turn by as much as the input, whose range is 255 where it may differ at all
        tie = tolerance + min(inputs.max_difference, inputs.tolerance) / 255
        for name in engine_names():
            module = engine_module(name)
            if choice.file_spec.format != module.FORMAT:
                continue
            if module.missing():
                yield Replay(choice.file.name, name, None, 0, None, None, str(MissingExtraError(name, module.EXTRA)))
                continue
            try:
                model = open_candidate(choice, name, threads=threads)
                outputs = difference(wanted, model.forward(golden.inputs), output, tolerance)
                answers = difference(wanted[real], model.forward(seen[real]), output, tie)
            except UnsupportedError as problem:
                yield Replay(choice.file.name, name, None, 0, None, None, str(problem))
                continue
            except (EngineError, InputError) as problem:
                yield Replay(choice.file.name, name, False, len(golden.inputs), None, None, str(problem))
                continue
            wrong = []
            if outputs.maximum > tolerance:
                wrong.append(f"difference {outputs.maximum:.2g} is over the tolerance {tolerance:.2g}")
            if answers.agreement < 1:
                wrong.append(f"only {answers.agreement:.1%} of decisions agree")
            yield Replay(
                choice.file.name, model.engine.version, not wrong, len(golden.inputs), outputs.maximum,
                answers.agreement, "; ".join(wrong), parity is not None,
            )  # fmt: skip


def _read(taken: Input, golden: Golden) -> tuple[InputReplay, NDArray[Any]]:
    """Compare how this machine reads the golden files; return what it read, or else the golden inputs."""
    wanted = golden.inputs[: len(golden.raw)]
    try:
        found = np.stack([taken.read(raw) for raw in golden.raw])
        note = "" if (found.shape, found.dtype) == (wanted.shape, wanted.dtype) else (
            f"the golden files are read as {found.dtype} {list(found.shape)}, not {wanted.dtype} {list(wanted.shape)}"
        )  # fmt: skip
    except (InputError, ValueError) as problem:  # numpy stacks no sequences of different lengths
        note = str(problem)
    if note:  # what can't be compared counts as missed altogether
        missed = float(np.abs(wanted.astype(np.float64)).max())
        return InputReplay(False, len(golden.raw), missed, golden.input_tolerance, note), golden.inputs
    gap = float(np.abs(found.astype(np.float64) - wanted).max())
    passed = gap <= golden.input_tolerance
    note = "" if passed else "this machine reads the golden files differently"
    return InputReplay(passed, len(golden.raw), gap, golden.input_tolerance, note), found
