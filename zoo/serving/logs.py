"""The server's log: a JSON object a line on stderr, with the id of the request that it is about."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from runtime.printable import escape_json

log = logging.getLogger("edgezoo.serve")
"""Records may have the attribute `fields`, a dict of what else the line says."""
_requests = log.getChild("requests")
"""Logs a line for each request; where that is not wanted its level says so before a record is made."""


class JSONLines(logging.Formatter):
    """Formats a record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return escape_json(json.dumps(line))


@contextmanager
def logging_to_stderr(requests: bool) -> Iterator[None]:
    """Write the log to stderr; without a line for each request if that is not wanted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines())
    level, propagate = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    _requests.setLevel(logging.NOTSET if requests else logging.WARNING)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate
        _requests.setLevel(logging.NOTSET)


def log_request(request_id: str, protocol: str, call: str, model: str, status: str, seconds: float) -> None:
    """Write the line of a request.

    Args:
        request_id: Its id.
        protocol: ``http`` or ``grpc``.
        call: HTTP's method and path, or gRPC's method.
        model: The model that it names; empty if it names none that is served.
        status: HTTP's status, or the name of gRPC's.
        seconds: From its head to its answer.
    """
    if not _requests.isEnabledFor(logging.INFO):
        return
    fields = {
        "request_id": request_id, "protocol": protocol, "call": call, "model": model, "status": status,
        "seconds": round(seconds, 6),
    }  # fmt: skip
    _requests.info("request", extra={"fields": fields})
