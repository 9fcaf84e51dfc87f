"""What is done with a mutated run folder and a mutated checkpoint; both need PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save

from runtime.bundle import Bundle, DataOrigin
from runtime.schema import to_json
from tests.fuzz import mutate
from zoo.recipes import Training
from zoo.train.checkpoint import STATE, SafeCheckpoints, sealed
from zoo.train.pipeline import read_metrics
from zoo.train.run import METRICS, RUN, RUN_FORMAT, Run, versions


class Runs:
    """run.json and metrics.json of a run folder, one of them mutated."""

    engines = ()

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.folder = folder / "run"
        self.folder.mkdir()
        origin = DataOrigin("digits", "a test", "none", {"train": 3, "validation": 3}, "0" * 64)
        model = Bundle.read(bundles[0]).manifest.model
        run = Run(
            RUN_FORMAT, "mlp", "digits", None, 0, False, None, {"hidden": [4]}, Training(), model, origin, None,
            versions(),
        )  # fmt: skip
        split = {"samples": 3, "baseline": 0.5, "metrics": {"accuracy": 1.0}, "classes": {}, "confusion": [[3]]}
        metrics = {
            "validation": split, "history": [{"epoch": 1, "val_loss": 0.5}], "skipped": [], "over_fitting": None,
            "pictures": ["curves.png", "confusion.png"],
        }  # fmt: skip
        self.seeds = {RUN: to_json(run).encode(), METRICS: json.dumps(metrics).encode()}

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated file, and its name."""
        name = random.choice((RUN, METRICS))
        return mutate.text(random, self.seeds[name], list(self.seeds.values())), name

    def run(self, data: bytes, name: str) -> str:
        """Read the run; the names that it gives stay in its folder."""
        for other, content in {**self.seeds, name: data}.items():
            (self.folder / other).write_bytes(content)
        assert Run.read(self.folder).resolve()
        for picture in read_metrics(self.folder)["pictures"]:
            assert (self.folder / picture).resolve().parent == self.folder.resolve()
        return "answered"


class Checkpoints:
    """Checkpoints: damaged ones, which their checksum tells, and forged ones, whose checksum is right."""

    engines = ()

    def __init__(self, folder: Path, bundles: list[Path]) -> None:
        self.path = folder / "last.ckpt"
        state = {
            "epoch": 3,
            "state_dict": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)},
            "rate": (0.1, None),
        }
        SafeCheckpoints().save_checkpoint(state, self.path)
        self.seed = self.path.read_bytes()
        self.tensors = {"0": torch.arange(6.0), "1": torch.ones(2)}
        self.state = json.dumps({"items": [["epoch", 3], ["a", {"tensor": "0"}], ["b", {"tuple": [{"tensor": "1"}]}]]})

    def mutate(self, random: Random) -> tuple[bytes, Any]:
        """Return a mutated file, and whether its checksum was forged."""
        if random.random() < 0.4:
            return mutate.damaged(random, self.seed, [self.seed]), False
        if random.random() < 0.3:
            return sealed(mutate.damaged(random, save(self.tensors, {STATE: self.state}), [self.seed])), True
        state = mutate.text(random, self.state.encode(), [self.state.encode()])
        return sealed(save(self.tensors, {STATE: state.decode(errors="replace")})), True

    def run(self, data: bytes, forged: bool) -> str:
        """Load it; no damage passes."""
        self.path.write_bytes(data)
        checkpoint = SafeCheckpoints().load_checkpoint(self.path)
        assert isinstance(checkpoint, dict)
        assert forged or data == self.seed, "a damaged checkpoint was believed"
        return "answered"
