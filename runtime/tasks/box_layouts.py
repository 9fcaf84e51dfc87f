"""Layouts of a detector's output tensors: what its numbers mean, and the candidate boxes that they give.

A layout is a dataclass of the manifest, and all of them have the same members:

``layout``
    The tag in the manifest.
``LOGITS``
    Whether the scores are logits; they are probabilities otherwise.
``check(tensors, labels, height, width)``
    Raises ValueError if tensors of these shapes can't be read so.
``candidates(arrays, height, width, labels)``
    The arrays of one sample by name, without the batch axis, to corners ``float32 [candidates, 4]`` in pixels of the
    network's input, and scores ``float32 [candidates, labels]``.
``tolerances(slack, height, width)``
    How far corners (in pixels) and scores may be apart where each tensor may be by its `slack`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from runtime.boxes import cell_centers, distances_to_corners
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import check_types
from runtime.tasks.foreign_layouts import Centers, PostProcessed, Queries, Ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtime.tensor_spec import TensorSpec

    Candidates = tuple[NDArray[np.float32], NDArray[np.float32]]

MAX_STRIDE = 1024


@frozen_dataclass
class Distances:
    """Two tensors of an anchor-free network: distances to the edges ``[cells, 4]``, and logits ``[cells, labels]``.

    See `runtime.boxes.cell_centers` for the order of the cells, and `runtime.boxes.distances_to_corners` for the
    distances, which are in units of the cell's stride.

    Args:
        layout: Always ``distances``.
        strides: Pixels from one cell to the next, for each level of the pyramid.
    """

    layout: Literal["distances"]
    strides: tuple[int, ...]

    LOGITS: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the types and the strides."""
        check_types(self)
        if not self.strides or len(self.strides) > 16 or not all(1 <= stride <= MAX_STRIDE for stride in self.strides):
            raise ValueError(f"strides must be 1 to 16 numbers from 1 to {MAX_STRIDE}, got {list(self.strides)[:17]}")

    def check(self, tensors: tuple[TensorSpec, ...], labels: int, height: int, width: int) -> None:
        """Check the shapes against the cells that the strides and the input's size give."""
        cells = sum(-(-height // stride) * -(-width // stride) for stride in self.strides)
        shapes = [tensor.shape for tensor in tensors]
        if shapes != [(cells, 4), (cells, labels)]:
            raise ValueError(
                f"strides {list(self.strides)} on {width}x{height} pixels with {labels} labels give tensors "
                f"[{cells}, 4] and [{cells}, {labels}], got {' and '.join(str(list(shape)) for shape in shapes)}"
            )

    def candidates(self, arrays: Mapping[str, NDArray[Any]], height: int, width: int, labels: int) -> Candidates:
        """Return the corners and logits of all cells."""
        distances, scores = arrays.values()
        return distances_to_corners(distances, *cell_centers(height, width, self.strides)), scores

    def tolerances(self, slack: Mapping[str, float], height: int, width: int) -> tuple[float, float]:
        """Return the tolerances of corners and scores; a distance counts as often as its stride has pixels."""
        distances, scores = slack.values()
        return distances * max(self.strides), scores


Layout = Distances | Centers | Ranked | PostProcessed | Queries
