"""The server that people write by hand: FastAPI around one engine, with the preprocessing in Pillow and numpy.

``python -m benchmarks.handwritten_server FILE LABELS SIZE MODE PORT WORKERS``: a model file of images, how many labels
it has, the side of its square input, Pillow's mode, the port, and the number of processes. One thread a run, as the
server it is compared with has it, unless ``THREADS`` is set.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, File, HTTPException, UploadFile
from PIL import Image, ImageOps, UnidentifiedImageError

THREADS = int(os.environ.get("THREADS", "1"))


def engine(file: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from a batch of pixels to logits."""
    if file.endswith(".onnx"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pixels: session.run(None, {name: pixels})[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter, lock = Interpreter(file, num_threads=THREADS), threading.Lock()
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(pixels: np.ndarray) -> np.ndarray:
        with lock:
            interpreter.set_tensor(source, pixels)
            interpreter.invoke()
            return interpreter.get_tensor(result)

    return run


def app(file: str, labels: list[str], size: int, mode: str) -> FastAPI:
    """Return the application."""
    run, made = engine(file), FastAPI()

    @made.post("/predict")
    def predict(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
        try:
            image = Image.open(file.file)
            image.draft(mode, (size, size))
            image = ImageOps.fit(ImageOps.exif_transpose(image).convert(mode), (size, size), Image.Resampling.BILINEAR)
        except (OSError, UnidentifiedImageError) as problem:
            raise HTTPException(400, str(problem)) from None
        logits = run(np.asarray(image).reshape(1, size, size, -1))[0]
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        top = np.argsort(-scores)[:3]
        ranked = [{"label": labels[index], "score": float(scores[index])} for index in top]
        return {"predictions": [{**ranked[0], "top": ranked}]}

    return made


def serve(file: str, labels: int, size: int, mode: str, port: int) -> None:
    """Serve in this process, on a port that it may share with others."""
    # `uvicorn --workers` opens a socket without its protocol, for which asyncio leaves Nagle's delay of 40 ms on
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    made = app(file, [str(index) for index in range(labels)], size, mode)
    uvicorn.Server(uvicorn.Config(made, log_level="warning", access_log=False)).run([listener])


if __name__ == "__main__":
    path, kind = sys.argv[1], sys.argv[4]
    count, side, number, workers = (int(sys.argv[i]) for i in (2, 3, 5, 6))
    words = (path, count, side, kind, number)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # which uvicorn raises again, and which ends daemons too
    for _ in range(workers - 1):
        multiprocessing.get_context("spawn").Process(target=serve, args=words, daemon=True).start()
    serve(*words)
