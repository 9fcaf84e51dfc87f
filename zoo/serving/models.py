"""Models that are served: opened from a bundle, and proved on the engine that will answer."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime import Model, Prediction
from runtime.bundle import MANIFEST, MAX_MANIFEST, Bundle, identify, read_file
from runtime.concurrency.micro_batcher import MicroBatcher
from runtime.concurrency.semaphore import Semaphore
from runtime.concurrency.threads import usable_cpus
from runtime.errors import BundleError, InputError, IntegrityError, OptionError, unknown, without_frames
from runtime.postprocess import decode
from runtime.runner import BATCH
from runtime.tensors import concatenate, in_order, select, shapes, size, stack
from runtime.verify import Replay, verify_model
from zoo.resolve import load
from zoo.serving.errors import NotFoundError, NotReadyError
from zoo.serving.messages import BYTES, TensorDeclaration
from zoo.serving.metrics import ModelMetrics
from zoo.serving.task_tensors import declare, declare_tensors
from zoo.web.site import address_name

if TYPE_CHECKING:
    from runtime.tensors import Tensors

FILE = "file"
"""The name of the input that takes encoded files, where the manifest has no input of that name."""


@dataclass(frozen=True)
class EngineOptions:
    """How the files of bundles are opened; see `runtime.load`.

    Args:
        engine: The engine's name, ``fastest`` or ``auto``.
        device: The device, or ``auto``.
        options: For the device's provider or delegate.
        threads: CPU threads of a run.
        copies: How many runs of a model go on at a time, by default as many as the CPUs allow. Engines that admit one
            caller are opened so often, as far as the CPUs go.
        trusted: Skip the trial of a new file in a child process.
    """

    engine: str = "fastest"
    device: str = "auto"
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    copies: int | None = None
    trusted: bool = False


class Runs(NamedTuple):
    """How a model's engine is run: so many inputs of several callers at a time, in so many threads."""

    batch: int
    copies: int

    @property
    def callers(self) -> int:
        """How many requests to work on at a time: enough for a batch, or else to read some while others run.

        More threads would keep the event loop from the interpreter's lock.
        """
        return BATCH if self.batch > 1 else 2 * self.copies


class ServedModel:
    """A model that has proved itself. Several threads may use it at once.

    Attributes:
        name: What clients call it.
        version: The first twelve digits of its manifest's SHA-256, so that each answer says which bundle gave it.
        model: The opened model.
        replay: How it did on its golden pack.
        metrics: Its figures.
        callers: How many threads to answer its requests in.
    """

    def __init__(
        self, name: str, version: str, model: Model, replay: Replay, runs: Runs, metrics: ModelMetrics
    ) -> None:
        self.name, self.version, self.model, self.replay, self.metrics = name, version, model, replay, metrics
        self.callers = runs.callers
        self._limit = model.file_spec.batch or BATCH
        self._copies = Semaphore(runs.copies)
        merged = MicroBatcher(self._run, runs.batch, runs.copies) if runs.batch > 1 else None
        self._batches: MicroBatcher[Tensors, Tensors] | None = merged

    @property
    def inputs(self) -> tuple[TensorDeclaration, ...]:
        """The manifest's inputs, and `FILE` for encoded files."""
        tensors = declare_tensors(self.model.spec.input.tensors)
        return tensors if self.has_own_file else (*tensors, TensorDeclaration(FILE, BYTES, (-1,)))

    @property
    def outputs(self) -> tuple[TensorDeclaration, ...]:
        """The manifest's outputs, and those of the task for encoded files."""
        raw = declare_tensors(self.model.spec.output.tensors)
        names = [tensor.name for tensor in raw]
        return (*raw, *(tensor for tensor in declare(self.model.spec.output) if tensor.name not in names))

    @property
    def has_own_file(self) -> bool:
        """Whether the manifest has an input of the name `FILE`, which then takes tensors."""
        return any(tensor.name == FILE for tensor in self.model.spec.input.tensors)

    def forward(self, inputs: Tensors) -> Tensors:
        """Run a batch; a batch of one sample may run together with those of other callers.

        Raises:
            InputError: See `runtime.Model.forward`.
            EngineError: See `runtime.Model.forward`.
        """
        with self.metrics.stages["run"].time():
            return self._forward(inputs)

    def _forward(self, inputs: Tensors) -> Tensors:
        count = size(inputs)
        if count == 1 and self._batches is not None:
            return self._batches(inputs, tuple((array.shape, array.dtype) for array in in_order(inputs)))
        outputs = []
        for at in range(0, max(1, count), self._limit):
            with self._copies:
                outputs += self._run([select(inputs, slice(at, at + self._limit))], None)
        try:
            return concatenate(outputs)
        except ValueError:  # numpy joins no outputs of different lengths
            raise InputError(
                f"the outputs of {count} samples have different shapes: send at most {self._limit} at a time"
            ) from None

    def predict(self, samples: Sequence[Tensors], model: Model, top: int) -> list[Prediction]:
        """Predict samples that were read, neighbours of one shape together.

        Args:
            samples: What ``model.spec.read`` returns.
            model: The model, perhaps with other thresholds.
            top: How many labels each prediction lists.
        """
        predictions: list[Prediction] = []
        for _, group in groupby(samples, shapes):
            alike = list(group)
            inputs = stack(alike) if len(alike) > 1 else select(alike[0], None)
            predictions += decode(model.spec.output, self.forward(inputs), inputs, top)
        return predictions

    def _run(self, batches: list[Tensors], kind: Hashable) -> list[Tensors]:
        """Run the batches of several callers as one."""
        self.metrics.batch_size.observe(sum(map(size, batches)))
        if len(batches) == 1:
            return [self.model.forward(batches[0])]
        outputs: Tensors = self.model.forward(concatenate(batches))
        return [select(outputs, slice(at, at + 1)) for at in range(len(batches))]


def open_served(path: Path, name: str, options: EngineOptions, metrics: ModelMetrics) -> ServedModel:
    """Open a bundle and replay its golden pack on the engine that will answer.

    Raises:
        BundleError: If the bundle can't be trusted or read, or is replaced meanwhile.
        EngineError: If no engine can run it, or the answers are not the golden ones.
    """
    if not path.is_dir():
        raise BundleError(f"{path}: only the folder of a bundle can be served, which has a golden pack to replay")
    content = read_file(path / MANIFEST, MAX_MANIFEST)
    bundle = Bundle.read(path)
    model = load(
        path,
        engine=options.engine,
        device=options.device,
        threads=options.threads,
        options=options.options,
        batching="auto",
        trusted=options.trusted,
    )
    replay = verify_model(bundle, model)
    if read_file(path / MANIFEST, MAX_MANIFEST) != content:
        raise IntegrityError(f"{path / MANIFEST}: changed while the bundle was loaded: try again")
    if replay.passed is False:
        raise IntegrityError(
            f"{path}: {replay.file} on {replay.engine} doesn't give the golden answers here ({replay.note}), so it "
            "isn't served: see zoo verify, or choose another --engine"
        )
    batch = BATCH if model.batching else model.file_spec.batch or 1
    runs = Runs(batch, options.copies or max(1, usable_cpus() // options.threads))
    return ServedModel(name, version_of(content), model, replay, runs, metrics)


def version_of(manifest: bytes) -> str:
    """Return the version of a bundle with a manifest: the manifest lists the hashes of all other files."""
    return identify(manifest).sha256[:12]


class ModelTable:
    """The served models by name. It is read by the event loop and written by one loader at a time."""

    def __init__(self, bundles: Mapping[str, Path]) -> None:
        self.bundles = bundles
        self._models: dict[str, ServedModel] = {}

    @property
    def complete(self) -> bool:
        """Whether each bundle's model has proved itself."""
        return len(self._models) == len(self.bundles)

    def put(self, served: ServedModel) -> None:
        """Serve a model from now on, in the place of another of its name; answers under way stay the other's."""
        self._models[served.name] = served

    def loaded(self) -> list[ServedModel]:
        """Return the models that are served now."""
        return list(self._models.values())

    def get(self, name: str, version: str = "") -> ServedModel:
        """Return the model of a name.

        Raises:
            NotFoundError: If no bundle has the name, or the bundle another version.
            NotReadyError: If it is not loaded yet.
        """
        if name not in self.bundles:
            raise NotFoundError(unknown("model", name, self.bundles))
        served = self._models.get(name)
        if served is None:
            raise NotReadyError(f"the model {name!r} is being loaded")
        if version not in ("", served.version):
            raise NotFoundError(unknown(f"version of the model {name!r}:", version, [served.version]))
        return served


def names_of(bundles: Sequence[Path]) -> dict[str, Path]:
    """Return bundles by the names under which they are served.

    Raises:
        OptionError: If two have the same name.
    """
    named: dict[str, Path] = {}
    for path in bundles:
        name = address_name(path)
        if name in named:
            raise OptionError(f"{named[name]} and {path} are both called {name!r}: rename one of the folders")
        named[name] = path
    return named


def read_all(model: Model, sources: Iterable[Any]) -> list[Tensors | InputError]:
    """Read sources as the model does; give an error for each that can't be used, or is one already."""
    samples: list[Tensors | InputError] = []
    for source in sources:
        try:
            samples.append(source if isinstance(source, InputError) else model.spec.read(source))
        except InputError as problem:
            samples.append(without_frames(problem))
    return samples
