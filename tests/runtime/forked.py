"""Load a model, fork, and use it in children that end as programs do; prints what didn't go well.

Arguments: the engine, and a bundle or model file. Another thread uses the model all the while.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import runtime

PATIENCE = 30

_model: runtime.Model


def made_up(model: runtime.Model) -> NDArray[Any]:
    """Return noise as an input of a model of images or sequences."""
    kind = model.spec.input
    shape = [size or kind.length for size in kind.shape]
    noise = np.random.default_rng(0).integers(0, 255, shape).astype(kind.dtype)
    return noise[..., 0] if shape[-1] == 1 else noise


def take(model: runtime.Model) -> None:
    """Begin a process of a pool."""
    global _model
    _model = model


def label(sample: NDArray[np.uint8]) -> str:
    return _model.predict(sample).label


def main(engine: str, path: str) -> None:
    model = runtime.load(path, engine=engine, threads=2, trusted=True)
    together = runtime.load(path, engine=engine, batching=model.file_spec.batch is None, trusted=True)
    sample = made_up(model)
    whole = isinstance(model.spec.input, runtime.inputs.SequenceInput)
    expected = model.predict(sample).scores

    def right(prediction: runtime.ClassPrediction) -> None:
        assert np.allclose(prediction.scores, expected, atol=1e-6)

    def everything(batch: int) -> None:
        for each in (model, together):
            right(each.predict(sample))
            right(asyncio.run(each.predict_async(sample)))
            for prediction in each.predict([sample] * batch):
                right(prediction)
        if whole:
            right(list(model.stream(sample))[-1])
        model.report()

    def idle() -> None: ...

    def use() -> None:
        everything(9)

    def go_on() -> None:
        for prediction in begun:
            right(prediction)

    def again() -> None:
        assert wait(fork(lambda: right(model.predict(sample)))) == 0
        right(model.predict(sample))

    def unpickled() -> None:
        right(pickle.loads(pickle.dumps(together)).predict(sample))

    everything(9)
    begun = iter(() if whole else model.stream([sample] * 20))
    next(begun, None)
    threading.Thread(target=lambda: [everything(3) for _ in range(10**6)], daemon=True).start()
    for action in (lambda: None, use, go_on, again, unpickled):
        status = wait(fork(action))
        if status != 0:
            sys.stdout.write(f"{action.__name__}: {status}\n")
    go_on()
    everything(9)
    sys.stdout.write("done\n")
    sys.stdout.flush()
    os._exit(0)  # threads that are busy would hold it up


def fork(action: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        action()
        sys.exit(0)  # destroys what the child has copies of
    return child


def wait(child: int) -> int | str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


if __name__ == "__main__":
    main(*sys.argv[1:])
