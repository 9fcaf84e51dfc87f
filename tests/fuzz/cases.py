"""What is done with one mutated file of each kind. Whatever leaves here is a failure, and so is a wrong answer."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

import runtime
from runtime.bundle import GOLDEN, MANIFEST, Bundle
from runtime.bundle.golden import Golden
from runtime.candidates import Candidate, candidates, open_candidate
from runtime.engines import engine_module, engine_names
from runtime.images.preprocess import image_steps, preprocess
from runtime.printable import is_printable
from runtime.tensors import by_name, select, size
from tests.fuzz import mutate

FIXTURES = Path(__file__).parents[1] / "fixtures"
ENGINES = {engine_module(name).FORMAT: name for name in reversed(engine_names())}
KILLER = "killed its child"
MESSAGE = 20_000
"""No message is longer."""


class Images:
    """Images of every format that is read, in every mode."""

    engines = ()

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.seeds = list(_images())

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated file."""
        data = random.choice(self.seeds)
        return (mutate.png if random.random() < 0.7 else mutate.damaged)(random, data, self.seeds), None

    def run(self, data: bytes, _: Any) -> str:
        """Preprocess it."""
        array = preprocess(data, image_steps((12, 10), "RGB"))
        assert (array.shape, array.dtype) == ((12, 10, 3), np.uint8)
        return "answered"


class Manifests:
    """Manifests of bundles; one that is accepted is predicted with."""

    engines = ("onnxruntime", "litert")

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.folder = folder
        self.bundles = bundles
        self.seeds = [(bundle / MANIFEST).read_bytes() for bundle in bundles]

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated manifest, and the bundle that it goes with."""
        index = random.randrange(len(self.bundles))
        return mutate.text(random, self.seeds[index], self.seeds), self.bundles[index]

    def run(self, data: bytes, bundle: Path) -> str:
        """Read the bundle, open its model and predict."""
        target = self.folder / bundle.name
        if not target.exists():
            shutil.copytree(bundle, target)
        (target / MANIFEST).write_bytes(data)
        Bundle.read(target).check()
        return _predict(runtime.load(target, engine=self.engines[len(data) % 2]))


class Files:
    """Model files: alone, with their own metadata, and as part of a bundle whose manifest vouches for them."""

    def __init__(self, folder: Path, bundles: list[Path], format_name: str) -> None:
        self.folder, self.format = folder, format_name
        self.engines = (ENGINES[format_name],)
        self.choices = [
            choice for bundle in bundles for choice in candidates(bundle) if choice.file_spec.format == format_name
        ]
        self.seeds = [choice.read() for choice in self.choices]

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated file, and what the manifest says of it or None."""
        index = random.randrange(len(self.seeds))
        change = {"onnx": mutate.onnx, "tflite": mutate.tflite}[self.format]
        return change(random, self.seeds[index], self.seeds), random.choice((None, self.choices[index]))

    def run(self, data: bytes, choice: Candidate | None) -> str:
        """Open it and predict."""
        if choice is None:
            path = self.folder / f"model.{self.format}"
            path.write_bytes(data)
            return _predict(runtime.load(path, engine=ENGINES[self.format]))
        candidate = Candidate(choice.spec, choice.file, choice.file_spec, lambda: data)
        return _predict(open_candidate(candidate, ENGINES[self.format]))


class GoldenPacks:
    """Golden packs: damaged archives, and whole ones whose members are damaged."""

    engines = ()

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.opened = [Bundle.read(bundle) for bundle in bundles]
        self.seeds = [bundle.bytes(GOLDEN) for bundle in self.opened]

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated pack, and the bundle that it goes with."""
        index = random.randrange(len(self.seeds))
        change = mutate.archive if random.random() < 0.7 else mutate.damaged
        return change(random, self.seeds[index], self.seeds), self.opened[index]

    def run(self, data: bytes, bundle: Bundle) -> str:
        """Read it, and the samples in it."""
        golden = Golden.decode(data, "golden.npz")
        assert 0 < golden.real <= len(golden.raw) <= size(golden.inputs) == size(golden.outputs)
        for sample in golden.raw[: golden.real]:
            bundle.manifest.model.input.read(sample)
        return "answered"


def _training(name: str) -> Callable[[Path, list[Path]], Any]:
    """Return a kind of `tests.fuzz.training`, which imports PyTorch, when it is needed."""
    return lambda folder, bundles: getattr(import_module("tests.fuzz.training"), name)(folder, bundles)


KINDS: dict[str, Callable[[Path, list[Path]], Any]] = {
    "images": Images,
    "manifests": Manifests,
    "onnx": lambda folder, bundles: Files(folder, bundles, "onnx"),
    "tflite": lambda folder, bundles: Files(folder, bundles, "tflite"),
    "golden-packs": GoldenPacks,
    "runs": _training("Runs"),
    "checkpoints": _training("Checkpoints"),
}


def outcome(kind: Any, data: bytes, extra: Any) -> str:
    """Run one case; return ``answered`` the name of the error that refused it, or `KILLER`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(kind.run(data, extra))
        except runtime.ZooError as problem:
            message = str(problem)
            assert is_printable(message) and 0 < len(message) < MESSAGE, f"a message of {len(message)} characters"
            return KILLER if "when a child process tried" in message else type(problem).__name__


def _predict(model: runtime.Model) -> str:
    input_spec = model.spec.input
    hard = select(input_spec.edge_cases(), np.s_[:, :8]) if model.file_spec.state else input_spec.edge_cases()
    raw = by_name(model.forward(hard), [tensor.name for tensor in model.spec.output.tensors])
    for tensor in model.spec.output.tensors:
        assert (len(raw[tensor.name]), raw[tensor.name].dtype) == (3, tensor.dtype)
    for at in (1, 2):
        sample = select(hard, at)
        answer = model.predict(sample[: len(input_spec.columns)] if input_spec.kind == "table" else sample)
        assert answer.summary and answer.to_dict()
    return "answered"


def _images() -> Iterator[bytes]:
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (5, 4, 3), np.uint8)).resize((24, 30))
    turned = Image.Exif()
    turned[0x0112] = 6
    for suffix, modes in {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "WEBP": ("RGB", "RGBA"),
        "BMP": ("1", "L", "P", "RGB"),
        "GIF": ("L", "P"),
        "TIFF": ("1", "L", "RGB", "RGBA", "CMYK", "I;16"),
        "PPM": ("1", "L", "RGB"),
    }.items():
        for mode in modes:
            image = coarse.convert("I").convert(mode) if mode == "I;16" else coarse.convert(mode)
            extras: list[dict[str, Any]] = [{}]
            if suffix == "PNG":
                extras.append({"exif": turned})
            if suffix == "TIFF" and mode in ("L", "RGB"):
                extras += [{"compression": name} for name in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")]
            if suffix == "JPEG":
                extras += [{"progressive": True, "exif": turned}]
            if suffix in ("PNG", "GIF", "WEBP", "TIFF"):
                extras.append({"save_all": True, "append_images": [image.rotate(90)]})
            for options in extras:
                file = io.BytesIO()
                image.save(file, suffix, **options)
                yield file.getvalue()
