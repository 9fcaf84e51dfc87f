"""Replay a bundle's golden pack on the engines of this machine: is the answer here the one PyTorch gave?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runtime.bundle import GOLDEN, Bundle
from runtime.compare import difference
from runtime.engines import engine_module, engine_names
from runtime.errors import BundleError, EngineError, InputError, MissingExtraError
from runtime.golden import Golden
from runtime.model import candidates, open_candidate
from runtime.preprocess import preprocess

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class Replay:
    """The outcome of one file on one engine.

    Args:
        file: The model file.
        engine: The engine's name, or its library with version where it ran.
        passed: True, False, or None where the engine is not installed.
        samples: How many golden samples were replayed.
        max_difference: The largest difference of an output from PyTorch's, relative to the output's scale.
        agreement: The share of real samples with PyTorch's decision, from encoded image to decision.
        note: Why it failed or did not run; empty otherwise.
    """

    file: str
    engine: str
    passed: bool | None
    samples: int
    max_difference: float | None
    agreement: float | None
    note: str


@dataclass(frozen=True)
class PixelReplay:
    """The outcome of preprocessing: the largest difference of a pixel (0-255) from the golden arrays."""

    passed: bool
    samples: int
    max_difference: int
    tolerance: int
    note: str


def verify(path: str | os.PathLike[str], *, threads: int | None = None) -> Iterator[PixelReplay | Replay]:
    """Check every file of a bundle, then replay its golden pack: preprocessing first, then file by engine.

    Raises:
        BundleError: If the bundle can't be read or a file differs from its manifest.
    """
    bundle = Bundle.read(path)
    bundle.check()
    golden = Golden.decode(bundle.bytes(GOLDEN), f"{bundle.path / GOLDEN}")
    if golden.logits.shape[1] != len(bundle.manifest.model.output.labels):
        raise BundleError(f"{bundle.path / GOLDEN}: its outputs don't fit the manifest's labels")
    return _replay(bundle, golden, threads)


def _replay(bundle: Bundle, golden: Golden, threads: int | None) -> Iterator[PixelReplay | Replay]:
    shape = (len(golden.raw), *bundle.manifest.model.input.shape)
    try:
        pixels = np.stack([preprocess(raw, bundle.manifest.model.input.preprocess) for raw in golden.raw])
        gap = int(np.abs(pixels.astype(int) - golden.pixels).max()) if golden.pixels.shape == shape else 255
        note = "" if gap <= golden.pixel_tolerance else "this machine's image decoder differs"
        yield PixelReplay(gap <= golden.pixel_tolerance, len(pixels), gap, golden.pixel_tolerance, note)
    except InputError as problem:
        yield PixelReplay(False, len(golden.raw), 255, golden.pixel_tolerance, str(problem))
        pixels = golden.pixels
    for choice in candidates(bundle.path):
        for name in engine_names():
            module = engine_module(name)
            if choice.file_spec.format != module.FORMAT:
                continue
            if module.missing():
                yield Replay(choice.file.name, name, None, 0, None, None, str(MissingExtraError(name, module.EXTRA)))
                continue
            try:
                model = open_candidate(choice, name, threads=threads)
                outputs = difference(golden.logits, model.logits(golden.pixels), golden.tolerance)
                real = slice(golden.real)
                answers = difference(golden.logits[real], model.logits(pixels[real]), golden.tolerance)
            except (EngineError, InputError) as problem:
                yield Replay(choice.file.name, name, False, len(pixels), None, None, str(problem))
                continue
            wrong = []
            if outputs.maximum > golden.tolerance:
                wrong.append(f"difference {outputs.maximum:.2g} is over the tolerance {golden.tolerance:.2g}")
            if answers.agreement < 1:
                wrong.append(f"only {answers.agreement:.1%} of decisions agree")
            yield Replay(
                choice.file.name, model.engine.version, not wrong, len(pixels), outputs.maximum, answers.agreement,
                "; ".join(wrong),
            )  # fmt: skip
