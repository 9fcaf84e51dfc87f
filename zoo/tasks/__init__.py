"""The trainer's half of each task: one file each, found by being here; its file's name is the tag in the manifest.

How a task's outputs are decoded and what its metric is stands in `runtime.tasks`; here are targets, loss and report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from runtime.errors import OptionError, unknown
from zoo.registry import descriptions, load_module

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from numpy.typing import NDArray

    from runtime.inputs import Input
    from runtime.tasks import Output
    from runtime.tensors import Tensors
    from zoo.data import Dataset, Target
    from zoo.recipes import Training


class Task(Protocol):
    """The members of a module in this folder.

    Raw outputs are an array where the task has one tensor, and a dict of arrays by name where it has several; in losses
    they are PyTorch's tensors. Two more members are for some tasks alone. ``finish(output, answers)`` returns a
    specification that follows from the trained network; ``answers(split)`` gives raw outputs and targets of a split.
    ``COSTLY_METRIC`` says that the metric isn't measured on training batches, where it would take longer than a step.
    """

    BY_METRIC: bool
    """Whether the metric chooses the best epoch; the validation loss does otherwise."""

    def suits(self, target: Target) -> bool:
        """Tell whether ``task=auto`` takes this task for such a target."""
        ...

    def convert(self, dataset: Dataset, training: Training) -> Dataset:
        """Return the data set with the targets that this task learns.

        Raises:
            OptionError: If its target can't be made into that.
        """
        ...

    def problems(self, dataset: Dataset) -> list[str]:
        """Return why a converted data set can't be learned from, one sentence each."""
        ...

    def output(self, dataset: Dataset, input_spec: Input, training: Training) -> Output:
        """Return the specification of the output for a converted data set."""
        ...

    def loss(
        self, output: Any, training: Training, targets: NDArray[Any]
    ) -> Callable[[Any, torch.Tensor], torch.Tensor]:
        """Return the loss of a batch's raw outputs and targets, given the training targets."""
        ...

    def baseline(self, output: Any, targets: NDArray[Any]) -> Tensors:
        """Return the raw output of one sample that is best without looking at the input."""
        ...

    def report(self, output: Any, raw: Any, targets: NDArray[Any]) -> dict[str, Any]:
        """Return ``metrics`` (name: value), and for tasks with labels ``classes`` and perhaps ``confusion``."""
        ...

    def draw(self, output: Any, raw: Any, targets: NDArray[Any], title: str) -> dict[str, bytes]:
        """Return PNG pictures of the answers by file name."""
        ...

    def severity(self, output: Any, raw: Any, targets: NDArray[Any]) -> NDArray[Any]:
        """Return how wrong each answer is, ``float [samples]``; 0 for those that are right."""
        ...

    def written(self, output: Any, target: Any) -> str:
        """Return one sample's target as a person would write it."""
        ...


def task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    known = descriptions("zoo.tasks")
    if name not in known:
        raise OptionError(unknown("task", name, ["auto", *known]))
    return cast(Task, load_module("zoo.tasks", name))


def selection(
    known: Task, output: Output, training: Training, targets: NDArray[Any]
) -> tuple[str, Callable[[Any, NDArray[Any]], float]]:
    """Return the name and the measure of the metric that chooses the best epoch.

    That is the task's own; where a task weighs its classes, the mean of their recalls, for accuracy alone would be best
    where the rare classes are never answered.

    Args:
        known: The task.
        output: The task's output.
        training: How it is trained.
        targets: The training targets.
    """
    if hasattr(known, "balanced_selection"):
        chosen: tuple[str, Any] | None = known.balanced_selection(output, training, targets)
        if chosen is not None:
            return chosen
    return output.metric, output.measure


def choose(name: str, target: Target) -> str:
    """Return the task's name, which for ``auto`` follows from the target."""
    if name != "auto":
        return name
    return next(known for known in sorted(descriptions("zoo.tasks")) if task(known).suits(target))
