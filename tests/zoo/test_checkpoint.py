"""Checkpoints and weights: what goes in comes out, damage is an error, and nothing is unpickled."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from runtime.errors import TrainingError
from zoo.train.checkpoint import DIGEST, STATE, SafeCheckpoints, load_weights, save_weights, sealed

NESTED = {
    "epoch": 3,
    "none": None,
    "state": {0: {"step": torch.tensor(2.0), "mean": torch.arange(6).reshape(2, 3)}, 1: {}},
    "betas": (0.9, 0.999, ("x",)),
    "list": [1, 2.5, True, "text", [torch.tensor([1], dtype=torch.bfloat16)]],
    "keys": {("a", 1): False, 2.5: "float", None: 0},
    "tensor": {"tensor": 1, "tuple": [2], "items": []},
    "best": float("-inf"),
}


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


def same(one, other):
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return type(other) is dict and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_what_goes_in_comes_out(tmp_path):
    SafeCheckpoints().save_checkpoint(NESTED, tmp_path / "a.safetensors")
    assert same(NESTED, SafeCheckpoints().load_checkpoint(tmp_path / "a.safetensors"))


def test_tensors_that_share_memory_are_kept_apart(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    views = {"whole": whole, "turned": whole.T, "row": whole[1], "again": whole}
    SafeCheckpoints().save_checkpoint(views, tmp_path / "a.safetensors")
    assert same(views, SafeCheckpoints().load_checkpoint(tmp_path / "a.safetensors"))


def test_what_a_checkpoint_cannot_hold_is_refused_before_writing(tmp_path):
    with pytest.raises(TypeError, match="can't hold a Bomb"):
        SafeCheckpoints().save_checkpoint({"a": Bomb(tmp_path)}, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def nested_lists(tmp_path):
    return sealed(save({}, {STATE: "[" * 100_000 + "]" * 100_000}))


def pickled(tmp_path):
    torch.save({"state": Bomb(tmp_path / "made by unpickling")}, tmp_path / "pickle")
    return (tmp_path / "pickle").read_bytes()


def cut(share):
    def make(tmp_path):
        SafeCheckpoints().save_checkpoint(NESTED, tmp_path / "whole")
        data = (tmp_path / "whole").read_bytes()
        return data[: int(len(data) * share)]

    return make


@pytest.mark.parametrize(
    "content",
    [
        lambda tmp_path: b"",
        lambda tmp_path: b"not a checkpoint at all",
        lambda tmp_path: b"\xff" * 64,
        cut(0.1),
        cut(0.7),
        cut(0.99),
        pickled,
        lambda tmp_path: sealed(save({"a": torch.zeros(1)})),
        lambda tmp_path: sealed(save({}, {STATE: "no json"})),
        lambda tmp_path: sealed(save({}, {STATE: json.dumps({"tensor": "0"})})),
        lambda tmp_path: sealed(save({}, {STATE: json.dumps({"a": 1, "b": 2})})),
        lambda tmp_path: sealed(save({}, {STATE: json.dumps({"items": 3})})),
        lambda tmp_path: sealed(save({}, {STATE: "[]"})),
        lambda tmp_path: sealed(b"\xff" * 64),
        lambda tmp_path: save({}, {STATE: json.dumps({"items": []})}),
        nested_lists,
    ],
    ids=[
        "empty", "text", "huge header", "a tenth", "most", "nearly all", "pickle", "no state", "no json", "no tensor",
        "two kinds", "no items", "a list", "sealed huge header", "no checksum", "nested too deep",
    ],
)  # fmt: skip
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path, content):
    file = tmp_path / "a.safetensors"
    file.write_bytes(content(tmp_path))
    with pytest.raises(TrainingError, match=r"a\.safetensors: not a checkpoint of edgezoo, or damaged") as caught:
        SafeCheckpoints().load_checkpoint(file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made by unpickling").exists()


def test_every_flipped_bit_is_found(tmp_path):
    """The tensors too, whose bytes any parser would take."""
    file = tmp_path / "a.safetensors"
    SafeCheckpoints().save_checkpoint(NESTED, file)
    whole = file.read_bytes()
    assert load(whole[:-DIGEST])
    for index in range(len(whole)):
        file.write_bytes(whole[:index] + bytes([whole[index] ^ 1 << index % 8]) + whole[index + 1 :])
        with pytest.raises(TrainingError, match="its checksum is wrong"):
            SafeCheckpoints().load_checkpoint(file)


def link_to_another(file):
    file.symlink_to(file.with_name("other"))


@pytest.mark.parametrize("plant", [link_to_another, os.mkfifo], ids=["link", "pipe"])
def test_a_checkpoint_and_weights_are_regular_files(tmp_path, plant):
    SafeCheckpoints().save_checkpoint(NESTED, tmp_path / "other")
    plant(tmp_path / "a.safetensors")
    with pytest.raises(TrainingError, match=r"a\.safetensors"):
        SafeCheckpoints().load_checkpoint(tmp_path / "a.safetensors")
    with pytest.raises(TrainingError, match=r"a\.safetensors: the weights can't be loaded"):
        load_weights(tmp_path / "a.safetensors", network(4))


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(TrainingError, match=r"gone\.safetensors"):
        SafeCheckpoints().load_checkpoint(tmp_path / "gone.safetensors")


def test_the_bomb_goes_off_where_pickles_are_read(tmp_path):
    pickled(tmp_path)
    torch.load(tmp_path / "pickle", weights_only=False)
    assert (tmp_path / "made by unpickling").exists()


def network(width):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))


def test_weights_come_back(tmp_path):
    one, other = network(4), network(4)
    one(torch.randn(5, 3))
    save_weights(tmp_path / "w.safetensors", one)
    load_weights(tmp_path / "w.safetensors", other)
    assert same(dict(one.state_dict()), dict(other.state_dict()))


@pytest.mark.parametrize("what", ["another network", "missing", "damaged", "pickle"])
def test_weights_that_cannot_be_loaded_are_one_line(tmp_path, what):
    file = tmp_path / "w.safetensors"
    if what == "another network":
        save_weights(file, network(5))
    elif what == "damaged":
        file.write_bytes(b"\x10" * 100)
    elif what == "pickle":
        file.write_bytes(pickled(tmp_path))
    with pytest.raises(TrainingError, match=r"w\.safetensors: the weights can't be loaded") as caught:
        load_weights(file, network(4))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "made by unpickling").exists()
