"""Recordings that are longer than a model's clips, and a microphone: labels with the times at which they are heard."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime import InputError, Model, OptionError
from runtime.audio.decoding import open_recording
from runtime.errors import MissingExtraError, ZooError, one_line
from runtime.inputs import AudioInput
from runtime.tasks.heard import HeardPrediction
from zoo.terminal import complain, note, say

if TYPE_CHECKING:
    import queue

    from numpy.typing import NDArray

LONG = 2.0
"""A recording is listened to as a stream where it is longer than so many clips."""
CHUNK = 0.05
"""Seconds that a microphone gives at a time."""
BACKLOG = 200
"""Chunks that wait to be heard at most."""
WAIT = 5.0
"""Seconds after which a microphone that gives nothing is taken for unplugged."""


def is_long(model: Model, source: Any) -> bool:
    """Tell by its header whether a source is a recording to listen to; False where it can't be read."""
    input_spec = model.spec.input
    if not isinstance(input_spec, AudioInput) or model.spec.listening is None or isinstance(source, InputError):
        return False
    try:
        with open_recording(source) as recording:
            seconds = recording.seconds
    except ZooError:
        return False  # whoever predicts it says why
    return seconds is None or seconds > LONG * input_spec.samples / input_spec.rate


def listen(model: Model, source: Any, check: Callable[[], None] = lambda: None) -> HeardPrediction | InputError:
    """Return what is heard in a recording, or why it can't be used.

    Args:
        model: A model that listens.
        source: The recording; see `runtime.audio.decoding.open_recording`.
        check: Called before each block of samples; what it raises ends the listening.
    """

    def checked(blocks: Iterator[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
        for block in blocks:
            check()
            yield block

    try:
        with open_recording(source) as recording:
            heard = tuple(model.listen(checked(recording.blocks), rate=recording.rate))
    except InputError as problem:
        return problem
    return HeardPrediction(np.zeros(0, np.float32), heard)


def run_microphone(model: Model, as_json: bool) -> int:
    """Print labels as they are heard, until Ctrl-C or the microphone ends.

    Args:
        model: A model that listens.
        as_json: Print a JSON object a line.

    Returns:
        The exit status: 0, or 1 if the microphone ends by itself.

    Raises:
        OptionError: If the model does not listen.
        InputError: If there is no microphone.
        MissingExtraError: If sounddevice is not installed.
    """
    input_spec = model.spec.input
    if not isinstance(input_spec, AudioInput):
        raise OptionError(f"--microphone is for models that listen; {model.spec.name} takes {input_spec.kind}s")
    status = 0
    with suppress(KeyboardInterrupt):
        chunks = microphone(input_spec.rate)
        heard = model.listen(chunks)
        note(f"listening with {model.file.name} on {model.engine.version}; Ctrl-C ends it")
        try:
            for each in heard:
                if as_json:
                    say(json.dumps(each.to_dict(), ensure_ascii=False))
                else:
                    say(f"{each.time:8.1f} s   {each.label}   {each.score:.1%}")
                sys.stdout.flush()
        except InputError as problem:
            complain(str(problem))
            status = 1
    return status


def microphone(rate: int) -> Iterator[NDArray[np.float32]]:
    """Open the system's microphone; return an iterator of its samples ``float32 [n]`` at a rate in Hz.

    Raises:
        InputError: If there is none, or PortAudio is missing; while it is read, if it gives no more samples.
        MissingExtraError: If sounddevice is not installed.
    """
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("sounddevice, which reads microphones,", "audio") from None
    except OSError:  # the library that sounddevice loads; only wheels for macOS and Windows bring it
        raise InputError("the microphone needs PortAudio, which is not installed: apt install libportaudio2") from None
    import queue

    received: queue.Queue[NDArray[np.float32]] = queue.Queue(BACKLOG)

    def keep(data: NDArray[np.float32], frames: int, time: Any, state: Any) -> None:
        with suppress(queue.Full):  # the oldest are answered first; who can't keep up loses the newest
            received.put_nowait(data[:, 0].copy())

    try:
        stream = sounddevice.InputStream(
            samplerate=rate, channels=1, dtype="float32", blocksize=round(CHUNK * rate), callback=keep
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as problem:
        raise InputError(f"the microphone can't be opened ({one_line(problem)})") from None
    return _chunks(stream, received)


def _chunks(stream: Any, received: queue.Queue[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    import queue

    with stream:
        while True:
            try:
                yield received.get(timeout=WAIT)
            except queue.Empty:
                raise InputError(f"the microphone has given nothing for {WAIT:g} s: is it plugged in?") from None
