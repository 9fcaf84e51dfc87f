"""Clips, cameras and pictures with answers drawn, through real files; a clip stands in for a camera."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from runtime import InputError, OutputError, load
from zoo import video
from zoo.annotate import drawn
from zoo.files import Found
from zoo.sources import answers

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


def read(path):
    return list(video.frames(str(path)))


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
    greys = [frame.mean() for frame in read(clip)]
    assert greys == sorted(greys)
    red = np.zeros((120, 160, 3), np.uint8)
    red[..., 2] = 200  # OpenCV's order is blue, green, red
    (frame,) = read(write(tmp_path / "red.avi", [red]))
    assert frame[..., 0].mean() > 150 > 60 > frame[..., 2].mean()


@pytest.mark.parametrize("suffix", sorted(video.CODECS))
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
    assert video.size(str(out))[0] == pytest.approx(10.0)
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
        (["a.png", "--camera", "0"], "name either INPUTs or a --camera"),
        ([], "name either INPUTs or a --camera"),
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


def test_without_opencv_the_extra_is_named(cli, tiny_bundle, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    result = cli("predict", tiny_bundle, clip)
    assert result.status == 2
    assert "pip install 'edgezoo[video]'" in result.err


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
    frames = video.frames

    def paced(source):
        for frame in frames(source):
            time.sleep(seconds)
            yield frame

    monkeypatch.setattr(video, "frames", paced)


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
    with pytest.raises(OutputError, match="no frame was written"), video.writing(out, 10.0):
        pass
    with pytest.raises(ZeroDivisionError), video.writing(out, 10.0) as add:
        add(np.zeros((64, 64, 3), np.uint8))
        1 // 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def test_few_frames_are_in_memory(tiny_bundle, clip, monkeypatch):
    held = []

    def many(source):
        for i in range(200):
            held.append(i)
            yield np.zeros((300, 400, 3), np.uint8)

    monkeypatch.setattr(video, "frames", many)
    model = load(tiny_bundle, threads=2)
    for given, _ in enumerate(answers(model, Found([str(clip)]), top=1)):
        assert len(held) - given <= 10


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
