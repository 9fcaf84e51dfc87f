"""The members that predictions of all tasks have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from runtime.tensors import Tensors

Better = Literal["max", "min"]
"""Whether a higher or a lower value of a metric is better."""


@frozen_dataclass
class Prediction:
    """One answer.

    Args:
        input: What the model saw, as the manifest's input describes it; an image is ``uint8 [height, width,
            channels]``. Of a model with several inputs a dict of arrays by name.
    """

    input: Tensors

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Let type checkers pass what the predictions of single tasks have, such as a class's `label`."""

    @property
    def summary(self) -> str:
        """The answer in one line."""
        raise NotImplementedError

    @property
    def bars(self) -> list[tuple[str, float]]:
        """Names with shares of 0 to 1, to draw as bars; empty where the answer has none."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON values."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object: arrays are not equal or different as a whole."""
        return self is other

    def __hash__(self) -> int:
        """Hash the object, not its arrays."""
        return id(self)

    def __repr__(self) -> str:
        """Return the answer in one line."""
        return f"{type(self).__name__}({self.summary})"

    def _repr_html_(self) -> str:
        """Return a picture for notebooks: an image as the model saw it, and the scores as bars."""
        from runtime.notebook import prediction_html

        return prediction_html(self.input, self.bars, self.summary)
