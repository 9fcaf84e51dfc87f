"""The npm package in a page: a photo's file to its answer, against a page written by hand and the engine's call alone.

`python -m benchmarks.photo_page` measures an int8 model on both engines, on one thread, in one page of Chromium. The
page written by hand decodes with `createImageBitmap`, resizes on a canvas, and calls the library; the call alone
gets pixels that are ready. The three take turns, and a ratio is the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import chromium
from benchmarks.browser import FILES
from benchmarks.measure import Row, seconds, show

SCRIPT = Path(__file__).with_suffix(".js")
ENGINES = {"LiteRT.js": "litert", "onnxruntime-web": "onnxruntime"}
BY_HAND, ALONE = ("a page written by hand", 1), ("the engine's call alone", 2)
"""The baselines, with their places in the times of a turn."""
SIZES = {"640×480": ((640, 480), (BY_HAND, ALONE)), "4000×3000": ((4000, 3000), (BY_HAND,))}
"""Photos and their baselines: large ones take longer to decode than the engine takes."""
BAR = 1.15


def rows(bundle: Path, work_folder: Path, rounds: int) -> Iterator[Row]:
    """Measure a bundle of an image network in int8; `work_folder` is an empty folder."""
    from benchmarks.pipeline import photos
    from tests.mobile_demo.host import hosted

    files = {name: photos(work_folder / name, size, 8) for name, (size, _) in SIZES.items()}
    install(work_folder)
    (work_folder / "bundle").symlink_to(bundle.resolve())
    with hosted(work_folder, {}) as address, chromium.started() as browser:
        for size, (_, baselines) in SIZES.items():
            for library, engine in ENGINES.items():
                page = browser.new_page()
                page.goto(address)
                times = page.evaluate(
                    "async (task) => (await import('/photo_page.js')).measure(task)",
                    {
                        "bundle": "bundle",
                        "file": f"model.int8.{FILES[library]}",
                        "engine": engine,
                        "photos": [f"/{size}/{file.name}" for file in files[size]],
                        "rounds": rounds,
                    },
                )
                page.close()
                yield from compared(f"JPEG of {size} to answer, int8, {library}", times, baselines)


def install(work_folder: Path) -> None:
    """Write the page into a folder, with the package as npm packs it and the engines of the app."""
    from mobile_demo.build_app import SOURCES
    from mobile_demo.build_package import build
    from tests.mobile_demo.npm import page_of

    modules = work_folder / "node_modules"
    with tempfile.TemporaryDirectory() as folder, tarfile.open(build(Path(folder))) as tarball:
        tarball.extractall(modules, filter="data")
    (modules / "package").rename(modules / "edgezoo")
    for name in ("onnxruntime-web", "@litertjs"):
        (modules / name).symlink_to(SOURCES / "node_modules" / name)
    (work_folder / "index.html").write_text(page_of(""))
    shutil.copy(SCRIPT, work_folder)


def compared(name: str, times: Sequence[Sequence[float]], baselines: Sequence[tuple[str, int]]) -> Iterator[Row]:
    """Return the rows of `times`: for each turn the milliseconds of the package, and of each baseline in its place."""
    for against, baseline in baselines:
        ratio = statistics.median(each[0] / each[baseline] for each in times)
        ours, theirs = (seconds(statistics.median(each[way] for each in times) / 1e3) for way in (0, baseline))
        yield Row(f"{name}, against {against}", ours, theirs, f"{ratio:.3f}×", f"≤ {BAR}×", ratio <= BAR)


def main() -> None:
    """Print the table."""
    from benchmarks import models

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="measure this bundle, instead of EfficientNet-Lite0")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work_folder = Path(folder)
        bundle = arguments.bundle or models.efficientnet(work_folder)
        show("the npm package in Chromium", rows(bundle, work_folder / "page", arguments.rounds), arguments.json)


if __name__ == "__main__":
    main()
