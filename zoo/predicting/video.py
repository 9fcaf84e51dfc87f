"""Answers drawn on images and clips, and the answers of a camera, through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from runtime import InputError, Model, OptionError
from runtime.errors import MissingExtraError
from runtime.humanize import counted
from runtime.inputs import ImageInput
from runtime.native_output import suppress_output
from zoo.files import FoundFiles
from zoo.predicting.annotate import annotate, with_answer
from zoo.predicting.clips import RATE, check, frames, size, writing
from zoo.predicting.inputs import answers, is_clip, unit
from zoo.predicting.progress import with_progress
from zoo.predicting.writers import target_of, there_already
from zoo.terminal import complain, note, say

if TYPE_CHECKING:
    from zoo.predicting.clips import Frame

Item = TypeVar("Item")

GRACE = 5.0
"""Seconds that a camera's thread has to end."""


def camera_frames(source: str) -> Iterator[tuple[Frame, float]]:
    """Read a camera by its number, or a stream or clip by its address.

    Yields:
        Each frame as ``uint8 [height, width, 3]``, RGB, and its time in seconds from the first.

    Raises:
        InputError: If it can't be opened, or gives no more frames.
    """
    if not source.isdecimal():
        yield from frames(source)
        return
    cv2 = _cv2()
    with suppress_output():
        capture = cv2.VideoCapture(int(source))
    try:
        if not capture.isOpened():
            raise InputError(f"{source}: no such camera")
        count, start = 0, time.monotonic()
        while (read := capture.read())[0]:
            count += 1
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), time.monotonic() - start
        raise InputError(f"{source}: the camera gives no more frames, after {count}")
    finally:
        capture.release()


def newest(source: Iterator[Item]) -> Generator[tuple[Item, int], None, None]:
    """Read in a thread of its own, and keep the newest item only, so that answers are never late.

    Yields:
        The newest item that wasn't given yet, and how many were dropped since the one before.

    Raises:
        BaseException: What the source raised, after its last item.
    """
    ready, ended = threading.Condition(), threading.Event()
    fresh: list[Item] = []
    problems: list[BaseException] = []
    dropped = 0

    def read() -> None:
        nonlocal dropped
        try:
            for item in source:
                with ready:
                    dropped += len(fresh)
                    fresh[:] = [item]
                    ready.notify()
                if ended.is_set():
                    return
        except BaseException as problem:  # it is raised where the items are read
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
                item, lost, dropped = fresh.pop(), dropped, 0
            yield item, lost
        if problems:
            raise problems[0]
    finally:
        ended.set()
        thread.join(GRACE)  # a camera that hangs doesn't keep the command from ending


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
        The exit status: 0, or 1 if a clip breaks off or a camera ends.

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
    say(f"{name}   {answer.summary}")
    return 0


def _clip(model: Model, name: str, out: Path, top: int) -> int:
    """Answer every frame of a clip."""
    check(out)
    rate, said = size(name)
    start, count, status = time.monotonic(), 0, 0
    with writing(out, rate) as add:
        for each in with_progress(answers(model, FoundFiles([name]), top=top), said or None, "frames"):
            if isinstance(each.outcome, InputError):
                if not count:
                    raise each.outcome
                complain(str(each.outcome))
                status = 1
            else:
                add(with_answer(each.source, each.outcome), each.seconds or 0.0)
                count += 1
    _tell(count, start)
    return status


def _camera(model: Model, source: str, out: Path | None, top: int) -> int:
    """Answer the newest frame, again and again, until the camera ends or Ctrl-C."""
    stream = newest(camera_frames(source))
    start, count, lost, status = time.monotonic(), 0, 0, 0
    with writing(out, RATE) if out else nullcontext() as add, suppress(KeyboardInterrupt), closing(stream):
        try:
            for (frame, seconds), dropped in with_progress(stream, None, "frames"):
                answer = model.predict(frame, top=top)
                count, lost = count + 1, lost + dropped
                if add:
                    add(with_answer(frame, answer), seconds)
                else:
                    say(answer.summary)
                    sys.stdout.flush()
        except InputError as problem:
            if not count:
                raise
            complain(str(problem))
            status = 1
    _tell(count, start, f", {lost} dropped")
    return status


def _tell(count: int, start: float, more: str = "") -> None:
    took = time.monotonic() - start
    note(f"{counted(count, 'frame')} in {took:.1f} s, {count / took:.1f} a second{more}")


def _cv2() -> Any:
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("OpenCV, which reads cameras,", "video") from None
    return cv2
