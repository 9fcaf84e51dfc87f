"""The web app in Chromium: what it adds to the engine, how fast it opens, what it weighs, whether it answers alike.

`python -m benchmarks.browser --bundle B --images FOLDER` compares decisions on held-out files of your own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import chromium
from benchmarks.measure import Row, ratio_row, seconds

if TYPE_CHECKING:
    from playwright.sync_api import Page

FILES = {"LiteRT.js": "tflite", "onnxruntime-web": "onnx"}
CAMERA = ("--use-fake-device-for-media-stream=fps=60", "--use-fake-ui-for-media-stream")
LIBRARIES = re.compile(r"assets/(litert|ort|onnxruntime)\b")
"""Chunks of the build that are an engine's own script."""
ON_DEMAND = re.compile(r"assets/(decode|drawing|ko|listening|numbers|proof|recordings|selftest|worklet)-")
"""Chunks that only some models, tabs and languages need."""
OVERHEAD, OPENING, WEIGHT, AGREEMENT = 1.15, 1.5, 60_000, 0.99
WATCHED = 8
"""Seconds in which the camera's rate settles."""


def rows(photo_bundle: Path, digit_bundle: Path, photos: Sequence[Path]) -> Iterator[Row]:
    """Measure a photo model in int8 and a digit model; `photos` are JPEG files."""
    with opened(photo_bundle, digit_bundle) as (page, address):
        for engine, suffix in FILES.items():
            whole, alone = photo_times(page, address, photo_bundle.name, f"model.int8.{suffix}", photos)
            yield ratio_row(f"photo file to answer, int8, {engine}", whole, alone, OVERHEAD)
            whole, alone = camera_times(page, address, photo_bundle.name, f"model.int8.{suffix}")
            yield ratio_row(f"camera frame to answer, int8, {engine}", whole, alone, OVERHEAD)
        took = first_answer(page, address, digit_bundle.name)
        met = took <= OPENING
        yield Row("first answer after opening, cached, digits", seconds(took), "", "", f"≤ {seconds(OPENING)}", met)
    size = weight()
    bar = f"≤ {WEIGHT / 1e3:.0f} kB"
    yield Row("app without engines, gzip", f"{size / 1e3:.1f} kB", "", "", bar, size <= WEIGHT)


def photo_times(page: Page, address: str, name: str, file: str, photos: Sequence[Path]) -> tuple[float, float]:
    """Return the median seconds from a file to its answer, and of the engine call alone, as the page says them."""
    from tests.mobile_demo.app import open_model

    open_model(page, address, name, "photo", file)
    times = [_times(answered(page, photo)) for photo in [photos[0], photos[0], *photos]][2:]
    return statistics.median(whole for _, whole in times), statistics.median(alone for alone, _ in times)


def camera_times(page: Page, address: str, name: str, file: str) -> tuple[float, float]:
    """Return the seconds of one frame at the camera's rate, and of the engine call alone."""
    from tests.mobile_demo.app import benchmark, open_model

    open_model(page, address, name, "camera", file)
    page.get_by_role("button", name="Start camera").click()
    meter = page.get_by_text("frames a second")
    meter.wait_for()
    time.sleep(WATCHED)
    rate = float(meter.inner_text().partition(" ")[0])
    page.get_by_role("button", name="Stop camera").click()
    page.get_by_role("tab", name="Proof").click()
    alone, _ = benchmark(page)
    return 1 / rate, alone / 1e3


def first_answer(page: Page, address: str, name: str, rounds: int = 5) -> float:
    """Return the median seconds from opening the app, which is cached, to the answer to an example."""
    from tests.mobile_demo.app import open_model

    open_model(page, address, name, "photo")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    times = []
    for _ in range(rounds + 1):
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(f"{address}#{name}/photo", wait_until="commit")
        page.locator("button.example").click()
        page.locator(".answer .headline").wait_for()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def weight() -> int:
    """Return the bytes, packed by gzip, that a page with a model of photos loads, without engines."""
    from zoo.web.app import find_app

    app = find_app()
    names = [name for name in json.loads((app / "app.json").read_text())["files"] if not name.startswith("engines/")]
    texts = [
        name
        for name in names
        if name.endswith((".html", ".js", ".css", ".wasm")) and not (LIBRARIES.match(name) or ON_DEMAND.match(name))
    ]
    return sum(len(gzip.compress((app / name).read_bytes(), 9)) for name in (*texts, "sw.js"))


def agreement(bundle: Path, images: Sequence[Path]) -> Iterator[Row]:
    """Compare the page's decisions on image files with those of `zoo predict`, for every file that it plays."""
    from tests.mobile_demo.app import open_model
    from zoo.web.site import PLAYED

    manifest = json.loads((bundle / "manifest.json").read_text())
    with opened(bundle) as (page, address):
        for file, entry in manifest["models"].items():
            if entry["spec"]["format"] not in PLAYED or entry["spec"].get("state"):
                continue
            command = [sys.executable, "-m", "zoo", "predict", bundle / file, *images, "--json"]
            said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
            open_model(page, address, bundle.name, "photo", file)
            same = 0
            for image, wanted in zip(images, said["predictions"], strict=True):
                answered(page, image)
                same += page.locator(".answer .headline").inner_text() == str(wanted["label"])
            share = same / len(images)
            name = f"same decision as zoo predict, {len(images)} files, {bundle.name} {file}"
            yield Row(name, f"{share:.1%}", "", "", f"≥ {AGREEMENT:.0%}", share >= AGREEMENT)


@contextmanager
def opened(*bundles: Path) -> Iterator[tuple[Page, str]]:
    """Serve bundles with `zoo demo` and open a page in Chromium."""
    from tests.mobile_demo.conftest import PHONE

    command = [sys.executable, "-m", "zoo", "demo", *map(str, bundles), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            address = json.loads(server.stdout.readline())["address"]
            with chromium.started(*CAMERA) as browser:
                yield browser.new_context(**PHONE, permissions=["camera"]).new_page(), address
        finally:
            server.terminate()


def answered(page: Page, file: Path) -> str:
    """Give a file to the page; return what it says of the time it took."""
    page.evaluate("() => document.querySelector('.answer-body').replaceChildren()")
    page.locator("input[type=file]").set_input_files(file)
    took = page.get_by_text("ms in the engine")
    took.wait_for()
    return took.inner_text()


def _times(said: str) -> tuple[float, float]:
    alone, whole = (float(number.replace(",", "")) / 1e3 for number in re.findall(r"([\d.,]+) ms", said)[:2])
    return alone, whole


def main() -> None:
    """Compare decisions on files of your own, or measure with bundles made here; print a table."""
    from rich.console import Console
    from rich.table import Table

    from benchmarks import models, pipeline

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="compare this bundle's decisions")
    parser.add_argument("--images", type=Path, help="on the image files below this folder")
    arguments = parser.parse_args()
    table = Table("what", "ours", "baseline", "ratio", "bar", "met", title="the web app in Chromium")
    with tempfile.TemporaryDirectory() as folder:
        work_folder = Path(folder)
        if arguments.bundle:
            images = sorted(each for each in arguments.images.rglob("*") if each.suffix in (".jpg", ".png"))
            table = agreement(arguments.bundle, images)
        else:
            photos = pipeline.photos(work_folder / "photos", (640, 480), 20)
            table = rows(models.efficientnet(work_folder), models.small_cnn(work_folder), photos)
        for row in table:
            table.add_row(row.name, row.ours, row.baseline, row.result, row.bar, "yes" if row.met else "NO")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
