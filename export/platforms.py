"""Platforms: the files of a bundle that a kind of device can use."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.bundle import ModelFile
from runtime.errors import ExportError, ExportNote, OptionError, unknown
from runtime.inputs import AudioInput
from runtime.spec import ModelSpec

if TYPE_CHECKING:
    from export.files import VerifiedFile


@dataclass(frozen=True)
class Platform:
    """A kind of device.

    Args:
        name: What messages call it.
        formats: The formats that its engines run; empty for all.
        dtypes: The types of tensors that the engine of a format takes and gives, by the format; others exchange all.
        streams: Whether it runs the step graphs of a model.
        largest: The largest model file in bytes.
        shows_pictures: Whether the pictures of the model card belong there.
    """

    name: str = "this platform"
    formats: tuple[str, ...] = ()
    dtypes: dict[str, frozenset[str]] = field(default_factory=dict)
    streams: Callable[[ModelSpec], bool] = lambda _: True
    largest: float = math.inf
    shows_pictures: bool = True

    def runs(self, formats: Sequence[str]) -> tuple[str, ...]:
        """Return those of some formats that the platform's engines run.

        Raises:
            OptionError: If none is left.
        """
        chosen = tuple(name for name in formats if not self.formats or name in self.formats)
        if formats and not chosen:
            raise OptionError(f"format {', '.join(formats)}: {self.name} run {' and '.join(self.formats)} only")
        return chosen

    def choose(self, formats: Sequence[str]) -> tuple[str, ...]:
        """Return those of some formats that the platform's engines run; an `ExportNote` names the others.

        Raises:
            OptionError: If none is left.
        """
        chosen = self.runs(formats)
        others = [name for name in formats if name not in chosen]
        if others:
            self._leave_out(f"{', '.join(others)}: {self.name} run {' and '.join(self.formats)} only")
        return chosen

    def problem(self, spec: ModelSpec, model: ModelFile, size: int) -> str:
        """Return why a model file of `size` bytes is of no use on the platform; empty where it is of use."""
        file = model.spec
        if file.state and not self.streams(spec):
            return f"{self.name} take whole inputs of this model, not steps"
        types = {file.input_dtype or file.dtypes.get(tensor.name, tensor.dtype) for tensor in spec.input.tensors}
        types |= {file.dtypes.get(tensor.name, tensor.dtype) for tensor in spec.output.tensors}
        odd = sorted(types - self.dtypes.get(file.format, types))
        if odd:
            return f"{self.name} exchange no tensors of {', '.join(odd)} with files in {file.format}"
        if size > self.largest:
            return f"its {size / 1e6:,.1f} MB are more than the {self.largest / 1e6:,.0f} MB for {self.name}"
        return ""

    def keep(self, spec: ModelSpec, files: Sequence[VerifiedFile]) -> list[VerifiedFile]:
        """Return the model files that are of use on the platform; `ExportNote` say why the others are not.

        Raises:
            ExportError: If none is left.
        """
        problems = {file.name: self.problem(spec, file.model, len(file.data)) for file in files}
        odd = [f"{name}: {problem}" for name, problem in problems.items() if problem]
        if files and len(odd) == len(files):
            raise ExportError(f"no file for {self.name}: {'; '.join(odd)}")
        for each in odd:
            self._leave_out(each)
        return [file for file in files if not problems[file.name]]

    def shown(self, pictures: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Return the pictures of the model card that belong there; an `ExportNote` names the others."""
        if self.shows_pictures or not pictures:
            return pictures
        self._leave_out(f"{', '.join(pictures)}: {self.name} show no pictures of the model card")
        return {}

    def _leave_out(self, what: str) -> None:
        warnings.warn(f"left out: {what}", ExportNote, stacklevel=4)


ANY = Platform()

PLATFORMS = {
    "web": Platform(
        name="browsers",
        formats=("onnx", "tflite"),
        dtypes={"tflite": frozenset({"float32", "int32", "uint8"})},  # LiteRT.js 2.5
        streams=lambda spec: isinstance(spec.input, AudioInput),  # pages listen; they take sequences as a whole
        largest=100e6,  # the page's cache, the page and the engine's memory hold a copy each
        shows_pictures=False,
    ),
}
"""By the name that `--for` takes."""


def find_platform(name: str | None) -> Platform:
    """Return a platform by its name; without one, that which takes every file.

    Raises:
        OptionError: If there is none of that name.
    """
    if name is None:
        return ANY
    if name not in PLATFORMS:
        raise OptionError(unknown("platform", name, PLATFORMS))
    return PLATFORMS[name]
