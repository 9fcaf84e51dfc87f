"""Clips through PyAV: frames with their times in, frames with their times out. No rate and no count is trusted."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from runtime import InputError, OptionError, OutputError
from runtime.atomic import staged_file
from runtime.errors import MissingExtraError, one_line
from runtime.images.decoding import check_pixels, max_pixels
from runtime.regular_files import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

CODECS = {".mp4": "libx264", ".mov": "libx264", ".avi": "mjpeg", ".mkv": "libx264", ".webm": "libvpx"}
OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "libvpx": {"deadline": "realtime", "cpu-used": "4"},
    "mjpeg": {},
}
"""Of each encoder, so that it keeps up with models and text stays legible."""
DEMUXERS = "mov,avi,matroska,webm,mpeg,mpegts,mpegvideo,h264,ogg,flv,asf"
"""FFmpeg's names of the formats that files may have, since playlists name other files and addresses to open."""
RATE = 25.0
"""Frames a second where a clip doesn't say."""
MOST_RATE = 240.0
"""A higher rate is a header's mistake, or the tick of its clock."""
TICKS = 60_000
"""Of the clock of what is written, a second: all common rates divide it, and no encoder refuses it."""
WHOLE = 0.9
"""The share of the time that a clip says that it lasts that must be there; headers are estimates."""


def frames(source: str, content: bytes | None = None) -> Iterator[tuple[Frame, float]]:
    """Read a clip, or a stream by its address.

    Args:
        source: The clip's path, or an address; the clip's name alone where there is `content`.
        content: What the clip's file holds, where it is not on the disk.

    Yields:
        Each frame as ``uint8 [height, width, 3]``, RGB, upright; and its time in seconds from the first.

    Raises:
        InputError: If it can't be opened or holds no pictures; after its last frame, if it is damaged or breaks off.
    """
    av = _av()
    with _opened(source, content) as (container, stream):
        stream.thread_type = "AUTO"
        if stream.width and stream.height:
            check_pixels(stream.width, stream.height, source)
        # a later frame may be larger than the first; FFmpeg counts the blocks at the edges too
        stream.codec_context.options = {"max_pixels": str(2 * max_pixels() + 10**6)}
        count, damaged, start, end, gap = 0, 0, None, 0.0, 0.0
        step = 1 / _rate(stream)
        try:
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    damaged += 1
                    continue
                for frame in decoded:
                    at = float(frame.time) if frame.time is not None else (start or 0.0) + end
                    start = at if start is None else start
                    at = max(0.0, at - start)
                    gap = max(gap, at - end)
                    end = at + (float(frame.duration * frame.time_base) if frame.duration else step)
                    count += 1
                    yield _upright(frame), at
        except (av.FFmpegError, OSError) as problem:
            raise InputError(f"{source}: the clip breaks off after {count} frames ({one_line(problem)})") from None
        if not count:
            raise InputError(f"{source}: the clip holds no frames that can be decoded")
        length = _length(container, stream)
        if end + max(gap, (1 - WHOLE) * length) < length:
            raise InputError(f"{source}: the clip breaks off: {end:.1f} of {length:.1f} seconds can be decoded")
        if damaged:
            raise InputError(
                f"{source}: the clip is damaged: {damaged} of its parts can't be decoded; {count} frames are"
            )


def size(source: str) -> tuple[float, int]:
    """Return about how many frames a second a clip has, and how many in all; 0 where it doesn't say.

    Raises:
        InputError: If it can't be opened or holds no pictures.
    """
    with _opened(source) as (_, stream):
        return _rate(stream), stream.frames


@contextmanager
def writing(out: Path, rate: float) -> Iterator[Callable[[Frame, float], None]]:
    """Give a function that adds a frame at a time to a clip, which appears when the block ends well; without sound.

    Args:
        out: The clip.
        rate: About how many frames a second there will be. An ``.avi`` file keeps it, with empty frames in the gaps;
            the other files keep the times of the frames.

    Raises:
        OptionError: If `out` doesn't end in one of `CODECS`.
        OutputError: If the clip can't be written.
    """
    av = _av()
    check(out)
    with staged_file(out) as stage, ExitStack() as stack:
        try:
            writer = _Writer(stack.enter_context(av.open(str(stage), "w")), out.suffix.lower(), rate)
            yield writer.add
            if writer.stream is None:
                raise OutputError(f"{out}: no frame was written")
            writer.finish()
            stack.close()
        except (av.FFmpegError, av.codec.codec.UnknownCodecError) as problem:
            raise OutputError(f"{out}: can't be written ({one_line(problem)})") from None


class _Writer:
    """The one video stream of a clip that is being written."""

    def __init__(self, container: Any, suffix: str, rate: float) -> None:
        self.stream: Any = None
        self._container = container
        self._codec = CODECS[suffix]
        self._rate = Fraction(rate).limit_denominator(1001)
        self._clock = self._rate if suffix == ".avi" else Fraction(TICKS)
        self._last = -1
        self._packet: Any = None

    def add(self, frame: Frame, seconds: float) -> None:
        """Add a frame, later than the one before by a tick of the clock at least."""
        import av

        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]  # codecs halve the colors' resolution
        if self.stream is None:
            self.stream = self._begin(*frame.shape[:2])
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
        self._last = picture.pts = max(self._last + 1, round(seconds * self._clock))
        picture.time_base = 1 / self._clock
        self._mux(self.stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._mux([*self.stream.encode(None), None])

    def _begin(self, height: int, width: int) -> Any:
        stream = self._container.add_stream(self._codec, rate=self._rate, options=OPTIONS[self._codec])
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if self._codec == "mjpeg" else "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._clock
        context.max_b_frames = 0  # so that packets come in the order of their times
        if self._codec == "mjpeg":
            context.qmin, context.qmax = 2, 5
        elif self._codec == "libvpx":
            context.bit_rate = max(500_000, 4 * width * height)
        return stream

    def _mux(self, packets: list[Any]) -> None:
        """Write packets, each when the next one tells how long it is shown; None ends the last."""
        for packet in packets:
            last, self._packet = self._packet, packet
            if last is not None:
                step = round(1 / (self._rate * last.time_base))
                last.duration = packet.pts - last.pts if packet is not None else step
                self._container.mux(last)


def check(out: Path) -> None:
    """Check that a clip can have such a name.

    Raises:
        OptionError: If it ends in none of `CODECS`.
    """
    if out.suffix.lower() not in CODECS:
        raise OptionError(f"--annotate of a clip must end in {', '.join(CODECS)}, got {out.name!r}")


def _upright(frame: Any) -> Frame:
    """Return a frame's pixels, turned as the clip says that players should."""
    pixels: Frame = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _rate(stream: Any) -> float:
    """Return how many frames a second a clip has where they come fastest: an estimate."""
    known = (float(rate) for rate in (stream.base_rate, stream.average_rate, stream.guessed_rate) if rate)
    return next((rate for rate in known if 0 < rate <= MOST_RATE), RATE)


def _length(container: Any, stream: Any) -> float:
    """Return how many seconds of pictures a clip says that it holds; 0 where it doesn't say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        alone = len(container.streams) == 1  # sound may be longer than the pictures
        return container.duration / 1e6 if alone and container.duration else 0.0


@contextmanager
def _opened(source: str, content: bytes | None = None) -> Iterator[tuple[Any, Any]]:
    """Open a clip; give it and its stream of pictures, which a picture of a sleeve is not."""
    av = _av()
    with ExitStack() as stack:
        file: str | IO[bytes] = source
        options: dict[str, str] = {}
        try:
            if content is not None or "://" not in source:  # an open file and no playlist, so that it names no others
                file = stack.enter_context(open_regular(source) if content is None else io.BytesIO(content))
                options = {"format_whitelist": DEMUXERS}
        except OSError as problem:
            missing = isinstance(problem, FileNotFoundError)
            why = "no such file" if missing else f"can't be read ({one_line(problem)})"
            raise InputError(f"{source}: {why}") from None
        try:
            container = stack.enter_context(av.open(file, options=options))
        except (av.FFmpegError, OSError, ValueError) as problem:
            why = f" ({one_line(problem)})" if file is source else ""  # of a file, the reasons tell nothing
            raise InputError(f"{source}: not a clip that can be read{why}") from None
        sleeve = av.stream.Disposition.attached_pic
        stream = next((each for each in container.streams.video if not each.disposition & sleeve), None)
        if stream is None:
            raise InputError(f"{source}: holds no moving pictures")
        yield container, stream


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingExtraError("PyAV, which reads and writes clips,", "video") from None
    return av
