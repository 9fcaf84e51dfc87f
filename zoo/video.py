"""Clips and cameras, through OpenCV: frames in, frames with answers out."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from runtime import InputError, Model, OptionError, OutputError
from runtime.atomic import staged_file
from runtime.errors import MissingExtraError
from runtime.inputs import ImageInput
from runtime.quiet import quiet
from zoo.annotate import annotate, drawn, lines
from zoo.files import Found
from zoo.progress import watched
from zoo.results import target_of, there_already
from zoo.sources import answers, is_clip, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v", ".webm": "VP80"}
RATE = 25.0
"""Frames a second of what is written, where the source doesn't say."""
WHOLE = 0.9
"""The share of the frames it says it has that a clip must give; players' counts are estimates."""


def frames(source: str | int) -> Iterator[Frame]:
    """Read a clip, or a camera, frame by frame.

    Args:
        source: A file, a stream's address, or a camera's number.

    Yields:
        ``uint8 [height, width, 3]``, RGB, upright.

    Raises:
        InputError: If it can't be opened, or a clip breaks off.
    """
    cv2 = _cv2()
    with _capture(source) as capture:
        said, count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0
        while (read := capture.read())[0]:
            count += 1
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
    if count < WHOLE * said or not count:
        raise InputError(f"{source}: the clip breaks off: {count} of {max(said, 0)} frames can be decoded")


def size(source: str) -> tuple[float, int]:
    """Return the frames a second of a clip, and about how many it has; 0 where it doesn't say."""
    cv2 = _cv2()
    with _capture(source) as capture:
        return float(capture.get(cv2.CAP_PROP_FPS)), max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))


def newest(source: Iterator[Frame]) -> Iterator[tuple[Frame, int]]:
    """Read in a thread of its own, and keep the newest frame only, so that answers are never late.

    Yields:
        The newest frame that wasn't given yet, and how many were dropped since the one before.
    """
    ready, ended = threading.Condition(), threading.Event()
    fresh: list[Frame] = []
    problems: list[BaseException] = []
    dropped = 0

    def read() -> None:
        nonlocal dropped
        try:
            for frame in source:
                with ready:
                    dropped += len(fresh)
                    fresh[:] = [frame]
                    ready.notify()
                if ended.is_set():
                    return
        except InputError as problem:
            problems.append(problem)
        finally:
            with ready:
                ended.set()
                ready.notify()

    thread = threading.Thread(target=read, name="edgezoo-camera", daemon=True)
    thread.start()
    try:
        while True:
            with ready:
                ready.wait_for(lambda: fresh or ended.is_set())
                if not fresh:
                    break
                frame, lost, dropped = fresh.pop(), dropped, 0
            yield frame, lost
        if problems:
            raise problems[0]
    finally:
        ended.set()
        thread.join()


@contextmanager
def writing(out: Path, rate: float) -> Iterator[Callable[[Frame], None]]:
    """Give a function that adds a frame to a clip, which appears when the block ends well; its sound is none.

    Raises:
        OptionError: If `out` doesn't end in one of `CODECS`.
        OutputError: If the clip can't be written.
    """
    cv2 = _cv2()
    check(out)
    clip: list[Any] = []

    def add(frame: Frame) -> None:
        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]  # codecs halve the colours' resolution
        if not clip:
            code = cv2.VideoWriter_fourcc(*CODECS[out.suffix.lower()])
            with quiet():
                clip.append(cv2.VideoWriter(str(stage), code, rate or RATE, (frame.shape[1], frame.shape[0])))
            if not clip[0].isOpened():
                raise OutputError(f"{out}: OpenCV can't write such a clip here")
        clip[0].write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    with staged_file(out) as stage:
        try:
            yield add
        finally:
            for each in clip:
                each.release()
        if not stage.stat().st_size:
            raise OutputError(f"{out}: no frame was written")


def check(out: Path) -> None:
    """Check that a clip can have such a name.

    Raises:
        OptionError: If it ends in none of `CODECS`.
    """
    if out.suffix.lower() not in CODECS:
        raise OptionError(f"--annotate of a clip must end in {', '.join(CODECS)}, got {out.name!r}")


def run(
    model: Model, out: Path | None, *, names: Sequence[str] = (), camera: str = "", top: int, overwrite: bool
) -> int:
    """Annotate an image or a clip, or answer a camera's frames.

    Args:
        model: A model of images.
        out: Where the picture or clip goes; None for a camera whose answers are printed.
        names: The image or clip, of which there can be one.
        camera: Instead of it a camera's number or a stream's address.
        top: How many labels each answer lists.
        overwrite: Replace `out`.

    Returns:
        The exit status: 0, or 1 if a clip breaks off.

    Raises:
        OptionError: If the model takes no images, or there are several inputs.
        InputError: If the input can't be read.
        OutputError: If `out` is there or can't be written.
    """
    if not isinstance(model.spec.input, ImageInput):
        raise OptionError(f"--annotate and --camera are for models of images; {model.spec.name} takes {unit(model)}")
    if out and target_of(out, [*names, camera]).exists() and not overwrite:
        raise there_already(out)
    if not names:
        return _camera(model, camera, out, top)
    if len(names) != 1:
        raise OptionError(f"--annotate takes one image or clip, got {len(names)} inputs")
    (name,), out = names, cast(Path, out)
    if is_clip(name):
        return _clip(model, name, out, top)
    answer = model.predict(name, top=top)
    annotate(name, answer, out)
    sys.stdout.write(f"{name}   {answer.summary}\n")
    return 0


def _clip(model: Model, name: str, out: Path, top: int) -> int:
    """Answer every frame of a clip."""
    check(out)
    rate, said = size(name)
    start, count, status = time.monotonic(), 0, 0
    with writing(out, rate) as add:
        for _, frame, answer in watched(answers(model, Found([name]), top=top), said or None, "frames"):
            if isinstance(answer, InputError):
                sys.stderr.write(f"zoo: {answer}\n")
                status = 1
            else:
                add(drawn(frame, lines(answer)))
                count += 1
    _tell(count, start)
    return status


def _camera(model: Model, source: str, out: Path | None, top: int) -> int:
    """Answer the newest frame, again and again, until the camera ends or Ctrl-C."""
    stream = newest(frames(int(source) if source.isdecimal() else source))
    start, count, lost = time.monotonic(), 0, 0
    with writing(out, RATE) if out else nullcontext() as add, suppress(KeyboardInterrupt), closing(stream):
        for frame, dropped in watched(stream, None, "frames"):
            answer = model.predict(frame, top=top)
            count, lost = count + 1, lost + dropped
            if add:
                add(drawn(frame, lines(answer)))
            else:
                sys.stdout.write(f"{answer.summary}\n")
                sys.stdout.flush()
    _tell(count, start, f", {lost} dropped")
    return 0


def _tell(count: int, start: float, more: str = "") -> None:
    took = time.monotonic() - start
    sys.stderr.write(f"{count} frames in {took:.1f} s, {count / took:.1f} a second{more}\n")


@contextmanager
def _capture(source: str | int) -> Iterator[Any]:
    cv2 = _cv2()
    with quiet():
        capture = cv2.VideoCapture(source)
    try:
        if not capture.isOpened():
            what = "no such camera" if isinstance(source, int) else "not a clip that can be read"
            raise InputError(
                f"{source}: {what if isinstance(source, int) or Path(source).exists() else 'no such file'}"
            )
        yield capture
    finally:
        capture.release()


def _cv2() -> Any:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("OpenCV, which reads and writes clips,", "video") from None
    return cv2
