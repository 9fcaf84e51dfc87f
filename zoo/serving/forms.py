"""The files of a form: the parts of a multipart body (RFC 7578)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from runtime.errors import MissingExtraError
from zoo.serving.errors import RequestError

MAX_PARTS = 1000


def form_files(content_type: str, body: bytes | bytearray) -> list[tuple[str, bytes]]:
    """Return the names and contents of a form's files.

    A parser that is given a body in pieces, as those of web frameworks are, takes five times as long as this search for
    the boundaries of a body that is there.

    Raises:
        RequestError: If the body is no form, or holds no file.
        MissingExtraError: If python-multipart is not installed.
    """
    boundary = _options(content_type).get(b"boundary", b"")
    mark, files = b"\r\n--" + boundary, list[tuple[str, bytes]]()
    first = -2 if body.startswith(mark[2:]) else body.find(mark)
    if not boundary or first == -1:
        raise _problem("it holds no boundary that the header Content-Type names")
    at = first + len(mark)
    while not body.startswith(b"--", at):
        if len(files) == MAX_PARTS:
            raise _problem(f"it has more than {MAX_PARTS} files")
        end = body.find(mark, at)
        start = body.find(b"\r\n\r\n", at, end)
        if not body.startswith(b"\r\n", at) or start < 0 or end < 0:
            raise _problem("a part has no end" if end < 0 else "a part has no headers")
        files.append((_name(body[at + 2 : start].decode("latin-1")), bytes(memoryview(body)[start + 4 : end])))
        at = end + len(mark)
    if not files:
        raise RequestError("the form holds no file")
    return files


def _name(headers: str) -> str:
    """Return the name of a part's file, or that of its field."""
    for line in headers.split("\r\n") if headers else ():
        key, colon, value = line.partition(":")
        if not colon:
            raise _problem("a part's header has no colon")
        if key.strip().lower() == "content-disposition":
            options = _options(value)
            return (options.get(b"filename") or options.get(b"name") or b"").decode("utf-8", "backslashreplace")
    return ""


def _options(header: str) -> dict[bytes, bytes]:
    return _parse_options()(header)[1]


@cache  # an import that is done already costs a request some microseconds
def _parse_options() -> Callable[[str], tuple[bytes, dict[bytes, bytes]]]:
    try:
        from python_multipart.multipart import parse_options_header
    except ImportError:
        raise MissingExtraError("python-multipart, which reads forms,", "serve") from None
    return parse_options_header


def _problem(why: str) -> RequestError:
    return RequestError(f"the body is not multipart/form-data ({why})")
