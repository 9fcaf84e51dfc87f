"""A browser whose camera shows one picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from tests.mobile_demo.conftest import PHONE, watch

FRAMES = 20


@contextmanager
def page_with_camera(chromium, folder, pixels, errors) -> Iterator:
    """Give a page of a phone, before whose camera lies a picture ``uint8 [height, width, 3]`` of even sides."""
    film = folder / "film.y4m"
    write_film(film, pixels)
    browser = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    page = browser.new_context(**PHONE).new_page()
    watch(page, errors)
    yield page
    browser.close()
    assert not errors


def write_film(path, pixels):
    """Write a film of one picture (YUV4MPEG2, 4:2:0)."""
    luma, *chroma = Image.fromarray(pixels).convert("YCbCr").split()
    height, width = pixels.shape[:2]
    planes = [luma.tobytes(), *(each.resize((width // 2, height // 2)).tobytes() for each in chroma)]
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F20:1 Ip A1:1 C420jpeg\n" % (width, height))
        for _ in range(FRAMES):
            file.write(b"FRAME\n" + b"".join(planes))
