"""`model.predict(array)` against the bare engine call on the same array, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import runtime
from benchmarks.measure import Row, alternate, excess_row, ratio_row
from runtime.concurrency.threads import usable_cpus

PAUSE = 0.02


def rows(efficientnet: Path, perceptron: Path) -> Iterator[Row]:
    """Measure both models on both engines."""
    rng = np.random.default_rng(0)
    for engine, bare in (("onnxruntime", bare_onnx), ("litert", bare_litert)):
        suffix = "onnx" if engine == "onnxruntime" else "tflite"
        for folder, limit in ((efficientnet, 1.03), (perceptron, 30e-6)):
            model = runtime.load(folder, engine=engine)
            array = rng.integers(0, 256, model.spec.input.shape, np.uint8)
            run, batch = bare(folder / f"model.{suffix}"), array[None]
            baseline = partial(run, batch)
            name = f"predict(array), {folder.name}, {engine}"
            if limit > 1:
                yield ratio_row(name, *alternate(lambda: model.predict(array), baseline, 60, 4, PAUSE), limit)  # noqa: B023
            else:
                yield excess_row(name, *alternate(lambda: model.predict(array), baseline, 60, 500, PAUSE), limit)  # noqa: B023


def bare_onnx(file: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return a call of onnxruntime on a batch and nothing else, with every CPU, as the library's own default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})


def bare_litert(file: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return a call of LiteRT on a batch and nothing else, with every CPU, as the library's own default."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=usable_cpus())
    interpreter.allocate_tensors()
    takes = interpreter.get_input_details()[0]["index"]
    gives = [detail["index"] for detail in interpreter.get_output_details()]

    def call(batch: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(takes, batch)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in gives]

    return call
