"""A loss that is not finite stops training at once, and what was good is kept."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from runtime.errors import TrainingError
from tests.zoo.arrays import linear, prepared, train_on
from zoo.train.checkpoint import SafeCheckpoints

pytestmark = pytest.mark.filterwarnings("error::UserWarning:zoo")


@pytest.fixture(autouse=True)
def no_warning_is_left_out():
    """torch gives some warnings once a process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


class Breaks(nn.Module):
    """A network whose output, or whose weights, become NaN at the given step of training."""

    def __init__(self, step: int, weights: bool = False) -> None:
        super().__init__()
        self.network, self.step, self.weights, self.done = linear(), step, weights, 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        output = self.network(pixels)
        if self.training:
            breaks, self.done = self.done == self.step, self.done + 1
            if breaks and self.weights:
                with torch.no_grad():
                    self.network.network[1].bias.fill_(float("nan"))
            elif breaks:
                return output * float("nan")
        return output


def finite_checkpoint(folder):
    state = SafeCheckpoints().load_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert all(torch.isfinite(tensor).all() for tensor in state["state_dict"].values())
    return state


def test_it_stops_at_the_step_and_keeps_the_last_checkpoint(tmp_path):
    network = Breaks(step=25)
    with pytest.raises(TrainingError) as caught:
        train_on(prepared([40, 40], [10, 10]), tmp_path, network, epochs=9)
    assert "the loss is nan at step 25 (epoch 3)" in str(caught.value)
    assert str(tmp_path / "checkpoints" / "last.ckpt") in str(caught.value)
    assert "--set lr=0.001" in str(caught.value)
    assert network.done == 26
    assert finite_checkpoint(tmp_path)["epoch"] == 1


def test_weights_broken_by_the_last_step_of_an_epoch_are_not_kept(tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is nan at the validation after epoch 2; the last finite"):
        train_on(prepared([40, 40], [10, 10]), tmp_path, Breaks(step=19, weights=True), epochs=9)
    assert finite_checkpoint(tmp_path)["epoch"] == 0


def test_the_kept_checkpoint_can_be_continued(tmp_path):
    data = prepared([40, 40], [10, 10])
    with pytest.raises(TrainingError):
        train_on(data, tmp_path / "broken", Breaks(step=25), epochs=4)
    resumed = train_on(data, tmp_path / "broken", Breaks(step=-1), resume=True, epochs=4)
    assert resumed == train_on(data, tmp_path / "whole", Breaks(step=-1), epochs=4)


def test_it_says_so_where_there_is_no_checkpoint_yet(tmp_path):
    with pytest.raises(TrainingError, match=r"the loss is nan at step 4 \(epoch 1\); there is no checkpoint yet"):
        train_on(prepared([40, 40], [10, 10]), tmp_path, Breaks(step=4))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_batches_too_small_to_normalize_are_one_line(tmp_path):
    network = nn.Sequential(linear(), nn.BatchNorm1d(2))
    with pytest.raises(TrainingError, match=r"batches of 1 are too small .*batch normalization.*--set batch_size=2"):
        train_on(prepared([8, 8], [4, 4]), tmp_path, network, epochs=1, batch_size=1)
