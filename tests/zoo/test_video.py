"""Clips, cameras and pictures with answers drawn, through real files; a clip stands in for a camera."""

from __future__ import annotations

import json
import sys
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from runtime import InputError, OutputError, load
from zoo.files import FoundFiles
from zoo.predicting import clips, video
from zoo.predicting.annotate import drawn
from zoo.predicting.inputs import answers

av = pytest.importorskip("av")
cv2 = pytest.importorskip("cv2")

COUNT = 37


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames of 160x120 at 10 a second, of one grey each that grows."""
    return write(
        tmp_path_factory.mktemp("clip") / "clip.mp4", [np.full((120, 160, 3), 6 * i, np.uint8) for i in range(COUNT)]
    )


def write(path, frames):
    code = cv2.VideoWriter_fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    file = cv2.VideoWriter(str(path), code, 10.0, (frames[0].shape[1], frames[0].shape[0]))
    for frame in frames:
        file.write(frame)
    file.release()
    return path


def write_timed(path, times, codec, rotation=0, rate=25):
    """Write frames of one grey each that grows, with a red corner at the upper left, at the times of a list."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for i, seconds in enumerate(times):
            pixels = np.full((120, 160, 3), 10 * i % 250, np.uint8)
            pixels[:40, :40] = (250, 0, 0)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        stream.layout = "mono"
        for i in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path):
    return [frame for frame, _ in clips.frames(str(path))]


def times(path):
    return [round(seconds, 3) for _, seconds in clips.frames(str(path))]


def test_every_frame_of_a_clip_is_answered_in_order(cli, tiny_bundle, clip):
    result = cli("predict", tiny_bundle, clip)
    assert result.status == 0, result.err
    assert [line.partition("   ")[0] for line in result.out.splitlines()] == [
        f"{clip}:{i}" for i in range(1, COUNT + 1)
    ]
    model = load(tiny_bundle)
    wanted = [model.predict(frame, top=3).summary.split()[0] for frame in read(clip)]
    assert [line.split()[-6] for line in result.out.splitlines()] == wanted


def test_frames_are_in_the_order_of_the_clip_and_in_rgb(tmp_path, clip):
    grays = [frame.mean() for frame in read(clip)]
    assert grays == sorted(grays)
    red = np.zeros((120, 160, 3), np.uint8)
    red[..., 2] = 200  # OpenCV's order is blue, green, red
    (frame,) = read(write(tmp_path / "red.avi", [red]))
    assert frame[..., 0].mean() > 150 > 60 > frame[..., 2].mean()


@pytest.mark.parametrize("suffix", sorted(clips.CODECS))
def test_an_annotated_clip_has_every_frame(cli, tiny_bundle, clip, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    result = cli("predict", tiny_bundle, clip, "--annotate", out)
    assert (result.status, result.out) == (0, ""), result.err
    assert f"{COUNT} frames in " in result.err
    assert " a second" in result.err
    assert list(tmp_path.iterdir()) == [out]
    before, after = read(clip), read(out)
    assert len(after) == COUNT
    assert {frame.shape for frame in after} == {(240, 320, 3)}  # small frames are enlarged, so that text has room
    assert clips.size(str(out))[0] == pytest.approx(10.0)
    for one, other in zip(before, after, strict=True):
        assert abs(one[60:].mean() - other[120:].astype(float).mean()) < 12  # the lower half is as it was
        assert other[:40, :60].max() > 180  # text


def test_an_annotated_clip_that_is_there_is_kept(cli, tiny_bundle, clip, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_text("precious")
    result = cli("predict", tiny_bundle, clip, "--annotate", out)
    assert (result.status, result.err) == (2, f"zoo: {out} is there already: --overwrite replaces it\n")
    assert out.read_text() == "precious"
    assert cli("predict", tiny_bundle, clip, "--annotate", out, "--overwrite").status == 0
    assert len(read(out)) == COUNT


def test_frames_become_lines_of_a_file_too(cli, tiny_bundle, clip, tmp_path):
    assert cli("predict", tiny_bundle, clip, "--out", tmp_path / "a.jsonl").status == 0
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == COUNT


def test_a_clip_that_breaks_off_is_answered_as_far_as_it_goes(cli, tiny_bundle, clip, tmp_path):
    broken = write(
        tmp_path / "broken.avi", [np.random.default_rng(i).integers(0, 256, (120, 160, 3), np.uint8) for i in range(30)]
    )
    data = bytearray(broken.read_bytes())
    half = len(data) // 2
    data[half:] = bytes(len(data) - half)
    broken.write_bytes(data)
    result = cli("predict", tiny_bundle, broken)
    assert result.status == 1
    assert 0 < len(result.out.splitlines()) < 27
    assert f"zoo: {broken}: the clip breaks off: " in result.err


@pytest.mark.parametrize("content", [b"", b"not a clip", b"\0\0\0\x20ftypisom" + bytes(200)])
def test_what_is_no_clip_is_one_line(cli, tiny_bundle, tmp_path, content):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    for more in ([], ["--annotate", tmp_path / "out.mp4"]):
        result = cli("predict", tiny_bundle, path, *more)
        assert (result.status, result.out) == (2, "")
        assert result.err == f"zoo: {path}: not a clip that can be read\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "--annotate", "out.txt"], "of a clip must end in .mp4, .mov, .avi, .mkv, .webm, got 'out.txt'"),
        (["a.png", "--annotate", "out.mp4"], "--annotate of an image must end in .png, "),
        (["a.png", "b.png", "--annotate", "out.png"], "--annotate takes one image or clip, got 2 inputs"),
        (["a.png", "--annotate", "out.png", "--json"], "--json prints, --out and --annotate write files: choose one"),
        (["a.png", "--camera", "0"], "name either INPUTs, a --camera or the --microphone"),
        ([], "name either INPUTs, a --camera or the --microphone"),
        (["--camera", "99"], "99: no such camera"),
        (["--camera", "none.mp4"], "none.mp4: no such file"),
        (["none.mp4"], "none.mp4: no such file"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(cli, tiny_bundle, photo, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("a.png")
    result = cli("predict", tiny_bundle, *words)
    assert result.status == 2
    assert message in result.err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_table_has_no_pictures(cli, table_bundle, tmp_path):
    result = cli("predict", table_bundle, "rows.csv", "--annotate", tmp_path / "out.png")
    assert "are for models of images; people takes rows" in result.err


VARIABLE = [0, 0.1, 0.2, 1.5, 1.6, 4, 4.1, 7, 9, 9.5, 12, 12.4]


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mpeg4"), ("webm", "libvpx"), ("mp4", "libx264")])
def test_clips_of_variable_rate_keep_their_times(cli, tiny_bundle, tmp_path, suffix, codec):
    clip = write_timed(tmp_path / f"clip.{suffix}", VARIABLE, codec)
    result = cli("predict", tiny_bundle, clip, "--json")
    assert (result.status, json.loads(result.out)["errors"]) == (0, []), result.err
    assert [each["seconds"] for each in json.loads(result.out)["predictions"]] == pytest.approx(VARIABLE, abs=1e-3)
    for out in ("out.mp4", "out.mkv", "out.webm", "out.avi"):
        assert cli("predict", tiny_bundle, clip, "--annotate", tmp_path / out).status == 0
        coarse = out == "out.avi"  # which has one rate, with empty frames in the gaps
        assert times(tmp_path / out) == pytest.approx(VARIABLE, abs=0.05 if coarse else 1e-3)
        with av.open(str(tmp_path / out)) as container:
            assert container.duration / 1e6 == pytest.approx(12.45, abs=0.06)


def test_a_long_last_frame_and_odd_rates_in_the_header_break_no_clip(tmp_path):
    assert times(write_timed(tmp_path / "a.mkv", [0, 0.1, 0.2, 6], "mpeg4")) == [0, 0.1, 0.2, 6]
    for rate in (1, 1000, 90_000):
        path = write_timed(tmp_path / "b.mkv", [0, 0.04, 0.08], "libx264", rate=rate)
        assert times(path) == [0, 0.04, 0.08]
        assert 0 < clips.size(str(path))[0] <= clips.MOST_RATE


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_clips_of_phones_are_upright(tmp_path, rotation):
    path = write_timed(tmp_path / "clip.mp4", [0, 0.1], "libx264", rotation)
    other = cv2.VideoCapture(str(path))
    upright = cv2.cvtColor(other.read()[1], cv2.COLOR_BGR2RGB)
    frame = read(path)[0]
    assert frame.shape == upright.shape == ((120, 160, 3) if rotation == 180 else (160, 120, 3))
    assert np.abs(frame.astype(int) - upright).mean() < 4


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mpeg4"), ("webm", "libvpx")])
def test_truncated_clips_are_answered_as_far_as_they_go(tmp_path, suffix, codec):
    path = write_timed(tmp_path / f"clip.{suffix}", [i / 25 for i in range(200)], codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames = []
    with pytest.raises(InputError, match=r"the clip breaks off: \d\.\d of 8\.0 seconds can be decoded"):
        frames.extend(clips.frames(str(path)))
    assert 50 < len(frames) < 180


def test_frames_over_the_limit_are_refused(clip, monkeypatch):
    with clips._opened(str(clip)) as (_, stream):
        width, height = stream.width, stream.height
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", str(width * height / 1e6))
    assert list(clips.frames(str(clip)))
    monkeypatch.setenv("EDGEZOO_MAX_MEGAPIXELS", str((width * height - 1) / 1e6))
    with pytest.raises(InputError, match=f"{width}x{height} pixels is too large"):
        next(clips.frames(str(clip)))


def test_a_file_of_sound_is_no_clip(cli, tiny_bundle, tmp_path):
    path = write_sound(tmp_path / "sound.mp4")
    for more in ([], ["--annotate", tmp_path / "out.mp4"]):
        result = cli("predict", tiny_bundle, path, *more)
        assert (result.status, result.err) == (2, f"zoo: {path}: holds no moving pictures\n")


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("av", ["CLIP"]),
        ("av", ["CLIP", "--annotate", "out.mp4"]),
        ("av", ["--camera", "CLIP"]),
        ("cv2", ["--camera", "0"]),
    ],
)
def test_without_a_library_the_extra_is_named(cli, tiny_bundle, clip, monkeypatch, library, words):
    monkeypatch.setitem(sys.modules, library, None)
    result = cli("predict", tiny_bundle, *(clip if word == "CLIP" else word for word in words))
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "pip install 'edgezoo[video]'" in result.err


def test_without_a_library_the_images_beside_a_clip_are_answered(cli, tiny_bundle, clip, photo, monkeypatch):
    Image.fromarray(photo).save(clip.parent / "a.png")
    monkeypatch.setitem(sys.modules, "av", None)
    result = cli("predict", tiny_bundle, clip.parent)
    (clip.parent / "a.png").unlink()
    assert (result.status, len(result.out.splitlines())) == (1, 1)
    assert f"zoo: {clip}: PyAV, which reads and writes clips, is not installed" in result.err


class Unplugged:
    """A camera of OpenCV that gives some frames and then no more."""

    def __init__(self, number):
        self.left = 3 if number == 0 else 0

    def isOpened(self):  # noqa: N802
        return True

    def read(self):
        time.sleep(0.1)
        self.left -= 1
        return (True, np.zeros((120, 160, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        pass


def test_a_camera_that_is_unplugged_is_an_error_and_its_clip_is_kept(cli, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Unplugged)
    result = cli("predict", tiny_bundle, "--camera", "0", "--annotate", tmp_path / "live.mp4")
    assert result.status == 1
    assert "zoo: 0: the camera gives no more frames, after 3" in result.err
    assert times(tmp_path / "live.mp4") == pytest.approx([0, 0.1, 0.2], abs=0.09)
    assert cli("predict", tiny_bundle, "--camera", "1").status == 2


@pytest.mark.parametrize("problem", [MemoryError("no room"), KeyError("x"), OSError(5, "cable")])
def test_whatever_goes_wrong_in_the_thread_reaches_the_reader(problem):
    def source():
        yield 1
        raise problem

    stream = video.newest(source())
    assert next(stream) == (1, 0)
    with pytest.raises(type(problem)):
        next(stream)


def slowly(monkeypatch, seconds):
    """Let the tiny model take its time."""
    from runtime.model import Model

    predict = Model.predict
    seen = []

    def slow(self, frame, *, top=5):
        seen.append(int(frame.mean()))
        time.sleep(seconds)
        return predict(self, frame, top=top)

    monkeypatch.setattr(Model, "predict", slow)
    return seen


def test_a_camera_drops_what_a_slow_model_cannot_keep_up_with(cli, tiny_bundle, clip, tmp_path, monkeypatch):
    live(monkeypatch, 0.01)
    seen = slowly(monkeypatch, 0.05)
    out = tmp_path / "live.avi"
    result = cli("predict", tiny_bundle, "--camera", clip, "--annotate", out)
    assert result.status == 0, result.err
    last = result.err.splitlines()[-1]
    count, dropped = int(last.split()[0]), int(last.split()[-2])
    assert count + dropped == COUNT
    assert 1 < count < COUNT // 2
    assert seen == sorted(seen)
    assert len(read(out)) == count
    assert seen[-1] > 6 * (COUNT - 3)  # the last frame is the newest


def test_a_camera_that_a_model_keeps_up_with_drops_nothing(cli, tiny_bundle, clip, monkeypatch):
    live(monkeypatch, 0.03)
    result = cli("predict", tiny_bundle, "--camera", clip)
    dropped = int(result.err.splitlines()[-1].split()[-2])
    assert len(result.out.splitlines()) + dropped == COUNT
    assert dropped <= 5


def live(monkeypatch, seconds):
    """Let frames come in at a camera's pace."""
    frames = video.camera_frames

    def paced(source):
        for frame in frames(source):
            time.sleep(seconds)
            yield frame

    monkeypatch.setattr(video, "camera_frames", paced)


def test_ctrl_c_ends_a_camera_and_keeps_its_clip(cli, tiny_bundle, clip, tmp_path, monkeypatch):
    from runtime.model import Model

    predict = Model.predict
    calls = []

    def interrupted(self, frame, *, top=5):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return predict(self, frame, top=top)

    live(monkeypatch, 0.01)
    monkeypatch.setattr(Model, "predict", interrupted)
    out = tmp_path / "live.mp4"
    result = cli("predict", tiny_bundle, "--camera", clip, "--annotate", out)
    assert result.status == 0
    assert result.err.splitlines()[-1].startswith("4 frames in ")
    assert len(read(out)) == 4
    assert not [thread for thread in threading.enumerate() if "camera" in thread.name]


def test_the_newest_frame_wins_and_nothing_queues():
    frames = [np.full((2, 2, 3), i, np.uint8) for i in range(100)]
    at = []

    def source():
        for i, frame in enumerate(frames):
            at.append(i)
            yield frame
            time.sleep(0.001)

    stream = video.newest(source())
    shown, lost = [], 0
    for frame, dropped in stream:
        shown.append(int(frame[0, 0, 0]))
        lost += dropped
        time.sleep(0.01)
    assert shown == sorted(set(shown))
    assert len(shown) + lost == 100
    assert shown[-1] == 99
    assert len(shown) < 60


def test_a_camera_that_fails_says_so_after_its_last_frame():
    def source():
        yield np.zeros((2, 2, 3), np.uint8)
        raise InputError("the cable was pulled")

    stream = video.newest(source())
    assert next(stream)[1] == 0
    with pytest.raises(InputError, match="cable"):
        next(stream)


def test_a_clip_that_cannot_be_written_leaves_nothing(tmp_path):
    out = tmp_path / "out.mp4"
    with pytest.raises(OutputError, match="no frame was written"), clips.writing(out, 10.0):
        pass
    with pytest.raises(ZeroDivisionError), clips.writing(out, 10.0) as add:
        add(np.zeros((64, 64, 3), np.uint8), 0.0)
        1 // 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def test_few_frames_are_in_memory(tiny_bundle, clip, monkeypatch):
    held = []

    def many(source, content=None):
        for i in range(200):
            held.append(i)
            yield np.zeros((300, 400, 3), np.uint8), i / 25

    monkeypatch.setattr(clips, "frames", many)
    model = load(tiny_bundle, threads=2)
    for index, _ in enumerate(answers(model, FoundFiles([str(clip)]), top=1)):
        assert len(held) - index <= 10


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (100, 1200), (1200, 100), (240, 320), (3000, 4000)], ids=str)
@pytest.mark.parametrize(
    "label", ["7 98.2%", "Löwenzahn 5%", "a label that is much too long for any picture " * 4, "狮子"]
)
def test_text_is_legible_at_any_size(size, label):
    before = np.full((*size, 3), 128, np.uint8)
    after = drawn(before, [label, "b 1.0%"])
    factor = after.shape[0] // size[0]
    assert after.shape == (size[0] * factor, size[1] * factor, 3)
    assert min(after.shape[:2]) >= min(240, min(size) * factor)
    white = (after > 230).all(axis=2)
    rows, columns = white.any(axis=1).nonzero()[0], white.any(axis=0).nonzero()[0]
    assert len(rows) >= 8, "letters of at least eight pixels"
    assert columns[-1] < after.shape[1] - 1, "inside the picture"
    assert np.array_equal(after[-1, -1], before[-1, -1])
    assert np.array_equal(before, np.full((*size, 3), 128, np.uint8))


def test_an_annotated_image_is_upright(cli, tiny_bundle, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "a.jpg", exif=exif)
    result = cli("predict", tiny_bundle, tmp_path / "a.jpg", "--annotate", tmp_path / "out.png")
    assert result.status == 0, result.err
    assert result.out.startswith(f"{tmp_path / 'a.jpg'}   ")
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (192 * 2, 160 * 2)
