"""Warnings of converters and quantizers: all are logged, none is printed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.errors import ExportError
from runtime.native_output import suppress_output

LOGGER = logging.getLogger("export")


@contextmanager
def collect_warnings() -> Iterator[None]:
    """Keep the terminal quiet, and log warnings of Python code with the logger ``export`` at level INFO.

    Raises:
        ExportError: If a value or a size was taken for a constant, which is a warning of PyTorch's tracer.
    """
    records: list[str] = []
    try:
        with suppress_output(), _logged(records), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        records += [f"{each.category.__name__}: {' '.join(str(each.message).split())}" for each in caught]
        for text in records:
            LOGGER.info(text)
    for each in caught:
        if each.category.__name__ == "TracerWarning":
            raise ExportError(f"{each.filename}:{each.lineno}: {' '.join(str(each.message).split())}")


@contextmanager
def _logged(records: list[str]) -> Iterator[None]:
    """Collect what is logged as a warning or worse."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.name}: {' '.join(record.getMessage().split())}")

    root, collector = logging.root, Collector(logging.WARNING)
    disabled, handlers = root.manager.disable, root.handlers
    root.handlers = [collector]
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        root.handlers = handlers
        logging.disable(disabled)
