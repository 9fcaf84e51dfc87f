"""Forms of files, against those that another library writes, and forms that are broken."""

from __future__ import annotations

import random

import pytest
import requests

from zoo.serving.errors import RequestError
from zoo.serving.forms import MAX_PARTS, form_files

KIND = "multipart/form-data; boundary=ab"
HEAD = b'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


def test_files_come_out_as_they_went_in():
    chance = random.Random(0)  # noqa: S311
    pieces = [b"", b"\r", b"\n", b"\r\n", b"--", b"\r\n--", b"\0", b"\xff", b"x", b"\r\n\r\n"]
    for _ in range(300):
        contents = [b"".join(chance.choices(pieces, k=chance.randrange(9))) for _ in range(chance.randint(1, 4))]
        files = [("file", (f"{index} \u00e9;=.png", content)) for index, content in enumerate(contents)]
        request = requests.Request("POST", "http://localhost", files=files).prepare()
        boundary = request.headers["Content-Type"]
        assert form_files(boundary, request.body) == [(each[1][0], each[1][1]) for each in files]
        assert form_files(boundary, bytearray(request.body) + b"\r\n") == [each[1] for each in files]


@pytest.mark.parametrize(
    ("body", "files"),
    [
        (b"--ab\r\n" + HEAD + b"\r\n--ab--", [("a.png", b"")]),
        (b"--ab\r\n" + HEAD + b"\r\n--a\r\n--ab--", [("a.png", b"\r\n--a")]),
        (b'--ab\r\ncontent-disposition:form-data;name="field"\r\n\r\nx\r\n--ab--', [("field", b"x")]),
        (b"--ab\r\nContent-Type: image/png\r\n\r\nx\r\n--ab--", [("", b"x")]),
        (b"--ab\r\n\r\nx\r\n--ab--", [("", b"x")]),
        (b"\r\n--ab\r\n\r\nx\r\n--ab--", [("", b"x")]),
    ],
)
def test_parts(body, files):
    assert form_files(KIND, body) == files


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "holds no boundary"),
        (b"--abc", "a part has no end"),
        (b"--ab--", "holds no file"),
        (b"--ab\r\n" + HEAD + b"x", "a part has no end"),
        (b"--ab\r\n" + HEAD + b"x\r\n--ab", "a part has no end"),
        (b"--ab\r\nx\r\n--ab--", "a part has no headers"),
        (b"--ab\r\nno colon\r\n\r\nx\r\n--ab--", "header has no colon"),
        ((b"--ab\r\n\r\nx\r\n" * (MAX_PARTS + 1)) + b"--ab--", f"more than {MAX_PARTS} files"),
    ],
)
def test_what_is_no_form_is_refused(body, message):
    with pytest.raises(RequestError, match=message):
        form_files(KIND, body)
