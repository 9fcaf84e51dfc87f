"""The engines that most tests run on."""

from __future__ import annotations

from runtime.engines import engine_module, engine_names

FLOAT_ENGINES = tuple(name for name in engine_names() if engine_module(name).FORMAT != "tflm")
"""Those that run files in float32. TFLM's are int8 only; `tests/runtime/test_tflm.py` has tests of its engine."""
