"""Bundle + engine -> predictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from runtime.bundle import Bundle, read_model_file
from runtime.decode import Prediction, decode
from runtime.engines import default_threads, engine_module, engine_names
from runtime.errors import BundleError, DeviceError, EngineError, InputError, MissingExtraError, OptionError
from runtime.preprocess import preprocess
from runtime.spec import FileSpec, ModelSpec, decode_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runtime.engines import Engine
    from runtime.preprocess import Source

BATCH = 32
MAX_THREADS = 1024


@dataclass(frozen=True)
class Model:
    """A model file opened on an engine. It may be used from several threads at once.

    Args:
        spec: What the model takes and gives.
        file: The model file that runs.
        file_spec: How that file implements `spec`.
        engine_name: The engine that runs it.
        engine: The opened engine.
        skipped: Why each engine and device that ``auto`` passed over is not the one.
    """

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    engine_name: str
    engine: Engine
    skipped: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each score stands for."""
        return self.spec.output.labels

    @overload
    def predict(self, inputs: list[Source] | tuple[Source, ...], *, top: int = 5) -> list[Prediction]: ...
    @overload
    def predict(self, inputs: Source, *, top: int = 5) -> Prediction: ...
    def predict(self, inputs: Any, *, top: int = 5) -> Prediction | list[Prediction]:
        """Predict one image or a list of them.

        Args:
            inputs: A path, the bytes of an encoded image, a binary file object, a Pillow image or a uint8 array
                ``[height, width]`` or ``[height, width, channels]`` of any size; or a list of those.
            top: How many labels `Prediction.top` lists.

        Returns:
            One prediction, or a list of them for a list.

        Raises:
            InputError: If an input can't be used; names it.
            OptionError: If `top` is below 1.
            EngineError: If the engine fails.
        """
        if top < 1:
            raise OptionError(f"top must be at least 1, got {top}")
        if isinstance(inputs, list | tuple):
            return list(self.stream(inputs, top=top))
        pixels = preprocess(inputs, self.spec.input.preprocess)[None]
        return decode(self.spec.output, self.logits(pixels), pixels, top)[0]

    def stream(self, inputs: Iterable[Source], *, top: int = 5) -> Iterator[Prediction]:
        """Predict many images in batches, in order; memory stays that of one batch.

        Raises:
            InputError: At the first input that can't be used.
            EngineError: If the engine fails.
        """
        batch: list[NDArray[np.uint8]] = []
        for source in inputs:
            batch.append(preprocess(source, self.spec.input.preprocess))
            if len(batch) == BATCH:
                yield from self._decode_batch(batch, top)
                batch = []
        if batch:
            yield from self._decode_batch(batch, top)

    def _decode_batch(self, batch: list[NDArray[np.uint8]], top: int) -> list[Prediction]:
        pixels = np.stack(batch)
        return decode(self.spec.output, self.logits(pixels), pixels, top)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run preprocessed images through the engine.

        Args:
            pixels: ``uint8 [batch, height, width, channels]`` of the manifest's shape.

        Returns:
            ``float32 [batch, labels]``.

        Raises:
            InputError: If the array has another dtype or shape.
            EngineError: If the engine fails.
        """
        shape = self.spec.input.shape
        if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
            raise InputError(
                f"expected uint8 [batch, {', '.join(map(str, shape))}], got {pixels.dtype} {list(pixels.shape)}"
            )
        if self.file_spec.input_dtype == "float32":
            return self._run(pixels.astype(np.float32))
        return self._run(pixels)

    def _run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        size = self.file_spec.batch
        if not len(values):
            return np.zeros((0, len(self.labels)), np.float32)
        if size is None or len(values) == size:
            result: NDArray[np.float32] = self.engine.run({self.spec.input.name: values})[self.spec.output.name]
            return result
        # a graph of one fixed size: whole batches, the last filled up with repetitions
        rows = [values[np.arange(at, at + size) % len(values)] for at in range(0, len(values), size)]
        return np.concatenate([self._run(row) for row in rows])[: len(values)]

    def __repr__(self) -> str:
        """Return the model's name, file and engine in one line."""
        where = f"{self.file.name} on {self.engine.version}, {self.engine.device}"
        return f"Model({self.spec.name!r}, {where}, {len(self.labels)} labels)"


def load(
    path: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Model:
    """Open a bundle, or one model file that edgezoo exported, ready to predict.

    Args:
        path: A bundle's folder, or a ``.onnx`` or ``.tflite`` file that carries its own metadata.
        engine: An engine's name, or ``auto`` for the best that is installed.
        device: ``auto``, or strictly ``cpu``, ``cuda`` and so on: there is no silent fall back.
        threads: CPU threads for the engine; by default one for a small model, else as many as the process may use.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
        EngineError: If no engine can run it; says why for each.
        DeviceError: If the engine can't give the device.
        OptionError: If the engine's name is unknown or `threads` is out of range.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= MAX_THREADS):
        raise OptionError(f"threads must be 1 to {MAX_THREADS}, got {threads!r}")
    names = engine_names() if engine == "auto" else (engine,)
    choices = candidates(path)
    skipped: list[str] = []
    failures: list[EngineError] = []
    for place, name in enumerate(names):
        module = engine_module(name)
        runs = [choice for choice in choices if choice.file_spec.format == module.FORMAT]
        if not runs:
            present = ", ".join(choice.file.name for choice in choices)
            failures.append(EngineError(f"engine {name!r} runs .{module.FORMAT} files; {path} has only {present}"))
        elif engine == "auto" and module.missing():
            failures.append(MissingExtraError(f"engine {name!r}", module.EXTRA))
        else:
            try:
                opened = open_candidate(runs[0], name, device=device, threads=threads)
            except EngineError as problem:
                failures.append(problem)
            else:
                skipped += [str(failure) for failure in failures] + list(opened.engine.skipped)
                skipped += [f"engine {other!r} was not needed: {name!r} comes first" for other in names[place + 1 :]]
                return replace(opened, skipped=tuple(skipped))
    if len(failures) == 1:
        raise failures[0]
    kind = DeviceError if any(isinstance(failure, DeviceError) for failure in failures) else EngineError
    raise kind(f"{path}: no engine here can run it: {'; '.join(map(str, failures))}")


@dataclass(frozen=True)
class Candidate:
    """A model file that an engine could open."""

    spec: ModelSpec
    file: Path
    file_spec: FileSpec
    read: Callable[[], bytes]


def candidates(path: str | os.PathLike[str]) -> tuple[Candidate, ...]:
    """Return the model files of a bundle, or the one file that `path` names.

    Raises:
        BundleError: If the bundle or file can't be trusted or read.
    """
    place = Path(path)
    formats = {engine_module(name).FORMAT: engine_module(name) for name in engine_names()}
    if place.suffix[1:] not in formats or place.is_dir():
        if place.is_file():
            raise BundleError(f"{place}: not a bundle's folder, nor a file that ends in .{' or .'.join(formats)}")
        bundle = Bundle.read(place)
        return tuple(
            Candidate(bundle.manifest.model, place / name, model.spec, partial(bundle.bytes, name))
            for name, model in bundle.manifest.models.items()
        )
    data = read_model_file(place)
    try:
        text = formats[place.suffix[1:]].metadata(data)
    except BundleError as problem:
        raise BundleError(f"{place}: {problem}") from None
    if not text:
        raise BundleError(f"{place}: the file carries no edgezoo metadata, so its labels and preprocessing are unknown")
    found = decode_metadata(text, f"{place}'s metadata")
    return (Candidate(found.model, place, found.file, lambda: data),)


def open_candidate(choice: Candidate, engine: str, *, device: str = "auto", threads: int | None = None) -> Model:
    """Open one model file on one engine.

    Raises:
        BundleError: If the file differs from its manifest.
        EngineError: If the engine is not installed or refuses the file.
    """
    data = choice.read()
    opened = engine_module(engine).open(
        data,
        inputs=(choice.spec.input.name,),
        outputs=(choice.spec.output.name,),
        device=device,
        threads=threads or default_threads(len(data)),
    )
    return Model(choice.spec, choice.file, choice.file_spec, engine, opened, opened.skipped)
