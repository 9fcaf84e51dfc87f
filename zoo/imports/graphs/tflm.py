"""TFLite files that are to run on microcontrollers: the same content, under the suffix ``.tflm``."""

from __future__ import annotations

from dataclasses import replace

from runtime.spec import FileSpec
from zoo.imports.graphs._tflite import read

__all__ = ["as_run", "read"]


def as_run(file: FileSpec) -> FileSpec:
    """Return a file's description with real values in place of integers that stand for them: the engine converts them.

    Unlike TFLite's, TFLM's engine takes and gives real values.
    """
    dtypes = {name: dtype for name, dtype in file.dtypes.items() if name not in file.quantization}
    feed = file.feed and replace(file.feed, dtype="float32", input_scale=None, output_scale=None)
    return replace(file, dtypes=dtypes, feed=feed)
