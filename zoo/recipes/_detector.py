"""An anchor-free detector: a backbone of timm, a feature pyramid, and heads that all levels of the pyramid share.

Its two outputs are raw: `zoo.tasks` has the loss and `runtime.boxes` makes boxes of them. Each is a tensor of its own,
because an int8 tensor has a single scale: pixels and logits together would leave two distinct logits.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runtime.bundle import Origin
from runtime.errors import DataError, OptionError, one_line
from zoo.recipes import Group
from zoo.recipes._backbones import config, weights, weights_origin

STRIDES = (8, 16, 32)
"""Pixels from one cell to the next on each level of the pyramid, finest first; each is twice the one before."""
PRIOR = 0.01
"""The probability that a new network gives each label of each cell. Nearly all cells are background, and their loss
would drown that of the others in the first steps (Lin et al. 2017, "Focal Loss", section 4.1)."""
FIRST_DISTANCE = 2.0
"""The distances, in strides, that a new network gives. A box of four strides is the size of RetinaNet's anchors (Lin
et al. 2017), so each level starts with the best overlap for objects of its own size."""


class Detector(nn.Module):
    """Raw distances and class scores of every cell for scaled images.

    The pyramid is top-down (Lin et al. 2017, "Feature Pyramid Networks") and its convolutions are separable by depth.
    The heads share their convolutions between levels and have batch normalization for each level, as in NAS-FPN
    (Ghiasi et al. 2019) and RTMDet (Lyu et al. 2022): the statistics of levels differ, and this normalization costs
    nothing in a file, for exporters fold it into the convolutions. Group normalization can't be folded.

    Distances pass through a ReLU: its range starts at 0 and ends where distances end, so an int8 tensor spends its
    256 values evenly on pixels. An exponential would spend most of them on boxes that don't occur, and neither it nor
    softplus is one int8 operator on every engine. Activations are ReLU6, whose range is the same for every image.

    Args:
        backbone: Its name in timm; it must have feature maps at the strides 8, 16 and 32.
        labels: The number of labels.
        channels: Channels of the pyramid and the heads.
        depth: Separable convolutions in each head.

    Raises:
        OptionError: If timm can't build the backbone, or it lacks such feature maps.
    """

    def __init__(self, backbone: str, labels: int, *, channels: int = 96, depth: int = 2) -> None:
        super().__init__()
        self.backbone = _features(backbone)
        reductions = self.backbone.feature_info.reduction()
        if not set(STRIDES) <= set(reductions):
            raise OptionError(
                f"backbone {backbone!r} has feature maps at the strides {', '.join(map(str, reductions))}; a detector "
                f"needs {', '.join(map(str, STRIDES))}: choose another, such as tf_efficientnet_lite0"
            )
        self.maps = [len(reductions) - 1 - reductions[::-1].index(stride) for stride in STRIDES]  # the last of each
        inputs = self.backbone.feature_info.channels()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inputs[index], channels, 1, bias=False), nn.BatchNorm2d(channels))
            for index in self.maps
        )
        self.mergers = nn.ModuleList(
            nn.Sequential(*_separable(channels), nn.BatchNorm2d(channels), nn.ReLU6()) for _ in STRIDES
        )
        self.distances = _Head(channels, depth, 4, FIRST_DISTANCE)
        self.scores = _Head(channels, depth, labels, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances and scores of cells, which are ordered by stride, then row by row.

        A stride's grid is that of `runtime.boxes.cell_centers`: ``ceil(height / stride)`` rows and
        ``ceil(width / stride)`` columns. Images whose sides the largest stride doesn't divide are padded at the right
        and the bottom, so that the maps of every backbone have an exact ratio of 2, and the cells that lie wholly in
        the padding are cut off again.

        Args:
            x: Scaled color images ``float32 [batch, 3, height, width]``.

        Returns:
            Distances ``float32 [batch, cells, 4]`` from each cell's center to the left, top, right and bottom edge of
            its box, in strides and at least 0; and logits ``float32 [batch, cells, labels]``.
        """
        if self.training:  # a third of the backward pass less on CPUs; exported graphs keep dense strides
            x = x.contiguous(memory_format=torch.channels_last)
        height, width = x.shape[2:]
        right, bottom = -width % STRIDES[-1], -height % STRIDES[-1]
        if right or bottom:
            x = F.pad(x, (0, right, 0, bottom))
        distances, scores = [], []
        for level, features in enumerate(self._pyramid(x)):
            if right or bottom:
                features = features[:, :, : -(-height // STRIDES[level]), : -(-width // STRIDES[level])]
            distances.append(_cells(F.relu(self.distances(features, level))))
            scores.append(_cells(self.scores(features, level)))
        return torch.cat(distances, 1), torch.cat(scores, 1)

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        """Return the pyramid's features ``[batch, channels, height / stride, width / stride]``, finest first."""
        maps = self.backbone(x)
        merged: list[Tensor] = []
        for index, lateral in zip(reversed(self.maps), reversed(self.laterals), strict=True):
            features = lateral(maps[index])
            if merged:
                features = features + F.interpolate(merged[-1], scale_factor=2.0, mode="nearest")
            merged.append(features)
        return [merger(features) for merger, features in zip(self.mergers, reversed(merged), strict=True)]


class _Head(nn.Module):
    """Separable convolutions that all levels share, with each level's own batch normalization.

    Args:
        channels: Channels of the features.
        depth: Separable convolutions before the last layer.
        outputs: Values for each cell.
        first: What a new network gives for all of them, nearly.
    """

    def __init__(self, channels: int, depth: int, outputs: int, first: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Sequential(*_separable(channels)) for _ in range(depth))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(depth)) for _ in STRIDES)
        self.last = nn.Conv2d(channels, outputs, 1)
        nn.init.normal_(self.last.weight, std=0.01)
        self.last.bias = nn.Parameter(torch.full((outputs,), first))

    def forward(self, x: Tensor, level: int) -> Tensor:
        """Return ``[batch, outputs, height, width]`` for the features of one level."""
        norms: Any = self.norms[level]
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            x = F.relu6(norm(convolution(x)))
        outputs: Tensor = self.last(x)
        return outputs


def load_pretrained(network: Detector, backbone: str) -> Origin:
    """Load ImageNet weights into a detector's backbone, in place; return where they come from.

    Args:
        network: The detector.
        backbone: The name that it was built with.

    Raises:
        MissingExtraError: If the package with the weights is absent.
        DataError: If the weights can't be had from timm's hub, or don't fit the feature maps.
    """
    import timm

    own = network.backbone.state_dict()
    by_name = {_flat(key): value for key, value in weights(backbone, timm.create_model(backbone)).items()}
    state = {key: by_name.get(_flat(key)) for key in own}
    missing = [key for key, value in state.items() if value is None or value.shape != own[key].shape]
    if missing:
        raise DataError(
            f"the weights of {backbone!r} lack {missing[0]!r} of its feature maps: choose another backbone, or "
            "pretrained=false"
        )
    network.backbone.load_state_dict(state)
    return weights_origin(backbone)


def backbone_stages(backbone: nn.Module) -> list[list[nn.Module]]:
    """Return the parts of a backbone in order of execution, as one list for each feature map, which it ends with.

    Raises:
        OptionError: If the backbone's parts are not a row of modules with feature maps between them.
    """
    info: Any = backbone.feature_info
    ends = [each["module"] for each in info.info]
    flat_ends = {_flat(end) for end in ends}
    stages: list[list[nn.Module]] = [[]]
    for name, child in backbone.named_children():
        inside = any(end.startswith(f"{name}.") for end in ends)
        parts = {f"{name}.{key}": part for key, part in child.named_children()} if inside else {name: child}
        for path, part in parts.items():
            stages[-1].append(part)
            if _flat(path) in flat_ends:
                stages.append([])
    if len(stages) != len(ends) + 1:
        raise OptionError("frozen_stages: this backbone has no stages that can be told apart; set frozen_stages=0")
    return stages[:-1]


def freezing_groups(network: Detector, frozen_stages: int, lr_scale: float, *, keep_statistics: bool) -> list[Group]:
    """Return what of a detector trains when, as `zoo.recipes.Recipe.groups` does.

    Args:
        network: The detector.
        frozen_stages: Stages of the backbone that are never trained, from the first on. Each ends with one of its
            feature maps; in EfficientNet these have the strides 2, 4, 8, 16 and 32.
        lr_scale: Times the learning rate, for the rest of the backbone.
        keep_statistics: Leave the means and variances of the backbone's batch normalization as they are.

    Raises:
        OptionError: If the backbone has fewer stages, or none that can be told apart.
    """
    stages = backbone_stages(network.backbone) if frozen_stages else []
    if frozen_stages > len(stages):
        raise OptionError(f"frozen_stages: the backbone has {len(stages)} stages, got {frozen_stages}")
    frozen = [part for stage in stages[:frozen_stages] for part in stage]
    return [
        *([Group(frozen, start=1.0, keep_statistics=True)] if frozen else []),
        Group([network.backbone], lr_scale=lr_scale, keep_statistics=keep_statistics),
        Group([network]),
    ]


def _features(backbone: str) -> Any:
    """Return a backbone with random weights that gives a list of its feature maps."""
    import timm

    config(backbone)
    try:
        return timm.create_model(backbone, features_only=True)
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as problem:
        raise OptionError(
            f"backbone {backbone!r} has no feature maps that timm can build: {one_line(problem)}"
        ) from None


def _flat(name: str) -> str:
    """Return a module's or weight's name as timm's feature networks may spell it, which lift modules to the top."""
    return name.replace(".", "_")


def _separable(channels: int) -> tuple[nn.Module, nn.Module]:
    """Return a convolution of 3x3 pixels by depth and one across channels (Chollet 2017)."""
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return depthwise, nn.Conv2d(channels, channels, 1, bias=False)


def _cells(maps: Tensor) -> Tensor:
    """Return ``[batch, height * width, values]`` for ``[batch, values, height, width]``."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)
