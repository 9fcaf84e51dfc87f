"""Interrupt predictions at any moment, then see whether the model still answers; prints ``done``.

Arguments: the engine, a model file, whether callers are batched (0 or 1), and how many interrupts.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

import runtime

ROUNDING = 1e-6


class Interrupted(BaseException):
    """Raised by the alarm, as KeyboardInterrupt is by Ctrl-C."""


class Interrupts:
    """Runs an action in the main thread again and again, under signals that raise at any moment, two in a row."""

    def __init__(self) -> None:
        self.random, self.left, self.count = np.random.default_rng(0), 0, 0

    def __call__(self, *_: object) -> None:
        """Handle the alarm."""
        self.count += 1
        self.left -= 1
        if self.left:
            self.arm(5e-5)
        raise Interrupted

    def arm(self, most: float) -> None:
        """Have the alarm go off within some seconds."""
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, self.random.uniform(0, most)))

    def during(self, action: Callable[[], object], count: int, most: float = 5e-4) -> None:
        """Interrupt an action so many times."""
        signal.signal(signal.SIGALRM, self)
        while self.count < count:
            self.left = 2
            with suppress(Interrupted):
                with suppress(Interrupted):
                    self.arm(most)
                    while self.left:
                        action()
                while self.left:
                    action()


def main(engine: str, path: str, batching: str, count: str) -> None:
    """Interrupt a model's predictions, then ask it from eight threads."""
    model = runtime.load(path, engine=engine, trusted=True, batching=bool(int(batching)))
    samples = list(np.random.default_rng(0).integers(0, 256, (5, *model.spec.input.shape), np.uint8))
    wanted = [model.predict(sample).scores for sample in samples]

    def act() -> None:
        model.predict(samples[0])
        model.predict(samples[1:])  # another batch size, for which an interpreter is resized

    Interrupts().during(act, int(count))
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(model.predict, samples[i % 5]) for i in range(40)]
        for i, call in enumerate(calls):
            assert np.allclose(call.result(timeout=20).scores, wanted[i % 5], atol=ROUNDING)
    assert not runtime.concurrency.forks._calls, "a fork would wait for calls that have ended"
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
