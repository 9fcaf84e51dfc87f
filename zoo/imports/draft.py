"""The first half of `zoo import`: inputs of a file before an engine has run it, and its outputs afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from runtime.inputs import Input
from runtime.spec import FileSpec, ModelSpec
from zoo.imports.facts import MergedFacts

if TYPE_CHECKING:
    from runtime.model import Model
    from runtime.tensors import Tensors

Start = Callable[[ModelSpec, FileSpec], "Model"]
"""Opens the file as it is described."""


class Draft(Protocol):
    """A description of a file that lacks what only its answers tell."""

    @property
    def input(self) -> Input:
        """What the model takes."""
        ...

    def finish(self, start: Start, samples: Tensors) -> tuple[ModelSpec, FileSpec, MergedFacts]:
        """Return the whole description, and all that is known of the file.

        Args:
            start: What opens the file.
            samples: A batch of samples, as `input` reads them.

        Returns:
            The model, its file, whose batch is None where the graph may run any, and the facts.

        Raises:
            ValueError: If the answers don't fit the facts, or facts are missing.
            EngineError: If the file can't be run.
        """
        ...
