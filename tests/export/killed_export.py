"""A script: exports over a bundle in child processes, each killed at another moment; prints what is left as JSON.

Called with the bundle's folder. The children are forked, so that torch is imported and the network converted once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import export
import runtime.atomic
from export.formats import Graph, onnx
from runtime import Bundle

SPEC = export.ModelSpec(
    "new",
    export.ImageInput("image", "image", (6, 5, 3), export.image_steps((6, 5), "RGB")),
    export.Classification("classification", "logits", ("cat", "dog", "fox")),
)
NETWORK = export.NormalizePixels(nn.Sequential(nn.Flatten(), nn.Linear(90, 3)), [0.5] * 3, [0.5] * 3).eval()
SAMPLES = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), np.uint8)


def kill(*arguments: Any, **options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, call: int = 1) -> Callable[[], None]:
    """Return what arms a trap before the given call of a function."""
    real, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return kill() if calls == call else real(*arguments, **options)

    return lambda: setattr(owner, name, counted)


def after(owner: Any, name: str) -> Callable[[], None]:
    """Return what arms a trap after the first call of a function."""
    real = getattr(owner, name)
    return lambda: setattr(owner, name, lambda *arguments: kill(real(*arguments)))


def moments() -> dict[str, Callable[[], None]]:
    return {
        "the file is converted": after(onnx, "convert"),
        "nothing is synced": before(os, "fsync"),
        "one file is synced": before(os, "fsync", 2),
        "the stage is complete": before(runtime.atomic, "_take_place"),
        "the exchange comes": before(runtime.atomic, "_exchange"),
        "the exchange is done": after(runtime.atomic, "_exchange"),
        "the old one is half removed": before(os, "unlink", 2),
    }


def main(bundle: Path) -> None:
    torch.set_num_threads(1)  # a pool of threads doesn't survive the fork
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    data = onnx.convert(Graph(NETWORK, {"image": SAMPLES}, ("logits",), axes))
    onnx.convert = lambda graph: data
    outcomes = {}
    for moment, arm in moments().items():
        path = Path(shutil.copytree(bundle, bundle.parent / moment.replace(" ", "-") / "bundle"))
        child = os.fork()
        if not child:
            arm()
            export.export(NETWORK, SPEC, list(SAMPLES), ["onnx"], out=path, overwrite=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        left = Bundle.read(path)
        left.check()
        outcomes[moment] = [os.WTERMSIG(status), left.manifest.model.name]
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
