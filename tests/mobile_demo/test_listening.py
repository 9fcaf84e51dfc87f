"""Models that listen: recordings picked and made, the microphone live, and what is said where there is none."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

import runtime
from runtime.bundle import MANIFEST, identify
from runtime.bundle.golden import Golden
from tests.mobile_demo.app import choose_file, open_model, self_test
from tests.mobile_demo.conftest import phone_page
from tests.mobile_demo.ears import LENGTH, RATE, encoded, export_streaming_ears, sounds, tone
from tests.mobile_demo.test_accessible import axe, check
from tests.mobile_demo.test_installed import keep_offline
from tests.mobile_demo.test_page import said
from tests.zoo.speech_detector import STREAM, bursts, detector
from zoo.imports.facts import ModelFacts
from zoo.imports.run import import_file

__all__ = ["axe"]
HEARD = sounds(("low", 1.0), ("silence", 0.7), ("high", 0.5), ("silence", 0.8), ("low", 0.5), ("silence", 9.0))
WATCH = """() => {
    Object.assign(globalThis, { loudest: -100, colors: 0 });
    setInterval(() => {
        const meter = document.querySelector("meter"), canvas = document.querySelector("canvas.sound-canvas");
        if (meter) loudest = Math.max(loudest, meter.value);
        if (canvas) colors = Math.max(colors, (DRAWN)(canvas));
    }, 50);
}"""
"""Keeps the highest level of the microphone, and the most colors of the spectrogram: silence may follow a word before
it is looked at."""
DRAWN = """canvas => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size"""


@pytest.fixture(scope="module")
def browser_that_hears(chromium, tmp_path_factory):
    """A browser whose microphone hears a file, each time from its start."""
    path = tmp_path_factory.mktemp("sounds") / "heard.wav"
    path.write_bytes(encoded(HEARD))
    opened = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}%noloop",
    )
    yield opened
    opened.close()


@pytest.fixture
def hearing(browser_that_hears, errors):
    """A page on a phone whose microphone hears a file."""
    with phone_page(browser_that_hears, errors) as page:
        yield page


def pick(page, content, name="a.wav", mime="audio/wav"):
    page.get_by_label("Pick a recording").set_input_files({"name": name, "mimeType": mime, "buffer": content})


def answered(page):
    """Return the labels with their shares, once there is another answer among the last ones."""
    page.locator(".answer:not([aria-busy]) .headline").wait_for()
    return page.locator(".bars li").all_inner_texts()


def test_recordings_are_answered_as_in_python(site, ears, page):
    model = runtime.load(ears / "model.tflite")
    open_model(page, site(ears), "ears", "recording")
    quiet = 0.2 * tone("low", 1.0, 44_100)  # no score is near 0 or 1
    for count, content in enumerate(
        [encoded(0.2 * tone("high", 0.3)), encoded(quiet, 44_100, subtype="FLOAT"), encoded(quiet, 44_100)], 1
    ):
        pick(page, content)
        page.locator(".past").nth(count - 1).wait_for()
        assert answered(page) == said(model.predict(content))
    canvas = page.locator("canvas.sound-canvas")
    assert canvas.get_attribute("aria-label").endswith("of 0.5 s of audio, up to 4 kHz")
    assert canvas.evaluate(DRAWN) > 50
    assert page.get_by_text("decoded by this browser").count() == 0
    for count, file_format in enumerate(("FLAC", "OGG", "MP3"), 4):  # what Debian's Chromium decodes
        content = encoded(quiet, 44_100, file_format, None)
        pick(page, content, f"a.{file_format.lower()}", "")
        page.locator(".past").nth(count - 1).wait_for()
        label, share = answered(page)[0].split("\n")
        wanted = model.predict(content)
        assert label == wanted.label
        assert float(share.removesuffix(" %")) == pytest.approx(100 * wanted.score, abs=1)
        page.get_by_text("decoded by this browser").wait_for()


@pytest.fixture(scope="module")
def streaming_ears(once):
    return once("streaming-ears/streaming-ears", export_streaming_ears)


@pytest.mark.parametrize(("file", "engine"), [("model.tflite", "litert"), ("model.onnx", "onnxruntime")])
def test_a_streaming_network_listens_hop_by_hop(site, streaming_ears, page, file, engine):
    content = encoded(sounds(("silence", 0.5), *[("low", 0.4), ("silence", 0.8), ("high", 0.6)] * 3))
    wanted = list(runtime.load(streaming_ears, engine=engine).listen(content))
    open_model(page, site(streaming_ears), "streaming-ears", "recording", file)
    for _ in range(2):  # each recording begins anew
        pick(page, content)
        page.locator(".heard li").nth(len(wanted) - 1).wait_for()
        times = [float(each.get_attribute("datetime")[2:-1]) for each in page.locator(".heard time").all()]
        assert times == pytest.approx([heard.time for heard in wanted], abs=1e-3)
        assert page.locator(".heard .bar-label").all_inner_texts() == ["low", "high"] * 3


def test_an_imported_stream_is_heard_as_in_python(site, page, tmp_path):
    path = detector(tmp_path / "vad.onnx")
    bundle = import_file(path, ModelFacts(**STREAM), out=tmp_path / "vad").bundle.path
    content = encoded(np.tile(bursts(), 2), STREAM["rate"])
    wanted = list(runtime.load(bundle).listen(content))
    open_model(page, site(bundle), "vad", "recording")
    pick(page, content)
    page.locator(".heard li").nth(len(wanted) - 1).wait_for()
    times = [float(each.get_attribute("datetime")[2:-1]) for each in page.locator(".heard time").all()]
    assert times == pytest.approx([heard.time for heard in wanted], abs=1e-3)
    assert page.locator(".heard .bar-label").all_inner_texts() == ["speech"] * 2
    page.get_by_role("tab", name="Proof").click()
    assert self_test(page)["passed"]


@pytest.mark.service_worker
def test_it_listens_after_the_server_has_gone(app, streaming_ears, page, errors):
    keep_offline(page, streaming_ears, "streaming-ears")
    page.get_by_role("tab", name="Recording").click()
    pick(page, encoded(sounds(("silence", 0.5), ("low", 0.4), ("silence", 0.8))))
    page.locator(".heard li").get_by_text("low").wait_for()
    errors.clear()  # that the server is not reached


def test_long_recordings_are_listened_to_as_in_python(site, ears, page):
    model = runtime.load(ears / "model.tflite")
    content = encoded(
        sounds(("silence", 61.0), *[("low", 0.4), ("silence", 0.8), ("high", 0.6)] * 3, rate=16_000), 16_000
    )
    open_model(page, site(ears), "ears", "recording")
    pick(page, content)
    wanted = list(model.listen(content))
    assert [heard.label for heard in wanted] == ["low", "high"] * 3
    page.locator(".heard li").nth(len(wanted) - 1).wait_for()
    times = [float(each.get_attribute("datetime")[2:-1]) for each in page.locator(".heard time").all()]
    assert times == pytest.approx([heard.time for heard in wanted], abs=1e-3)
    assert page.locator(".heard time").first.inner_text() == "1:01.2"
    page.get_by_text("The answer is that to the middle 0.5 s.").wait_for()
    assert page.locator(".heard .bar-label").all_inner_texts() == [heard.label for heard in wanted]
    pick(page, encoded(tone("low", 0.9)))
    page.locator(".heard").wait_for(state="hidden")  # what is no longer than two clips has one answer


def test_what_is_no_recording_is_a_sentence(site, ears, page):
    open_model(page, site(ears), "ears", "recording")
    whole = encoded(tone("low", 0.5))
    for content, sentence in (
        (b"", "the recording: is empty"),
        (whole[:-100], "the recording: truncated: 100 bytes of its audio are missing"),
        (b"Once upon a time", "the recording: is no recording that can be read: wanted WAV, FLAC, Ogg or MP3"),
        (b"fLaC" + bytes(100), "the recording: can't be decoded"),
        (encoded(tone("low", 0.5) * float("nan"), subtype="FLOAT"), "the recording: holds samples that are not finite"),
    ):
        pick(page, content)
        page.get_by_role("alert").get_by_text(sentence).wait_for()
    pick(page, encoded(sounds(*[("high", 0.2)] * 8), 192_000))  # it goes on
    assert len(answered(page)) == 3


@pytest.fixture(scope="module")
def flac_ears(ears, tmp_path_factory):
    """The same bundle, whose golden pack holds a FLAC file."""
    folder = shutil.copytree(ears, tmp_path_factory.mktemp("flac") / "flac-ears")
    golden = Golden.decode((folder / "golden.npz").read_bytes(), "golden.npz")
    raw = (encoded(tone("low", 0.4), file_format="FLAC"), *golden.raw[1:])
    (folder / "golden.npz").write_bytes(dataclasses.replace(golden, raw=raw).encode())
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["golden.npz"] = dataclasses.asdict(identify((folder / "golden.npz").read_bytes()))
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_self_tests_replay_recordings(site, ears, flac_ears, page):
    address = site(ears, flac_ears)
    open_model(page, address, "ears", "proof")
    for file in ("model.tflite", "model.onnx"):
        choose_file(page, file)
        report = self_test(page)
        assert report["file"] == file
        assert report["passed"]
        assert report["inputs"]["passed"]
        assert report["inputs"]["maxDifference"] <= 1e-6
        assert report["decisions"] == {"agreement": 1, "agreementFromFiles": 1}
    open_model(page, address, "flac-ears", "proof")
    report = self_test(page)
    assert report["passed"]
    assert not report["inputs"]["passed"]  # the browser's decoder is another
    assert report["inputs"]["maxDifference"] < 1e-4


def test_the_microphone_is_heard_live(site, ears, axe, hearing):
    page = hearing
    open_model(page, site(ears), "ears", "microphone")
    page.get_by_text("Nothing yet.").wait_for()
    page.evaluate(WATCH.replace("DRAWN", DRAWN))
    page.get_by_role("button", name="Start listening").click()
    page.locator(".headline").get_by_text("low", exact=True).wait_for()
    page.locator(".heard li").nth(2).wait_for(timeout=10_000)
    assert page.get_by_label("Level of the microphone").count() == 1
    assert page.evaluate("loudest") > -20
    assert page.evaluate("colors") > 50
    wanted = [1.0 + 0.7 + 0.25 - 0.5, 0.25 + 0.8 + 0.25]
    for _ in range(100):  # a busy machine loses samples of a microphone now and then; the recording begins again
        if any(gaps == pytest.approx(wanted, abs=0.1) for gaps in gaps_of_low_high_low(page)):
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail(f"{gaps_of_low_high_low(page)} seconds, wanted {wanted}")
    check(page, axe, "a microphone that is on")
    before = heard(page)
    page.get_by_role("button", name="한국어").click()
    page.get_by_role("button", name="듣기 정지").click()
    page.get_by_role("button", name="듣기 시작").wait_for()
    assert heard(page)[: len(before)] == before


def heard(page):
    """Return what the list shows, the first first: label and time in seconds."""
    shown = page.locator(".heard li").evaluate_all(
        """(rows) => rows.map((row) => [
            row.querySelector(".bar-label").innerText, Date.parse(row.querySelector("time").dateTime) / 1000])"""
    )
    return shown[::-1]


def gaps_of_low_high_low(page):
    """Return the seconds between the words wherever a low tone, a high one and a low one follow each other."""
    words = heard(page)
    return [
        [middle - first, last - middle]
        for (one, first), (other, middle), (again, last) in zip(words, words[1:], words[2:], strict=False)
        if (one, other, again) == ("low", "high", "low")
    ]


def test_a_recording_is_made(site, ears, hearing):
    page = hearing
    open_model(page, site(ears), "ears", "recording")
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text(re.compile(r"Recording: 0\.[5-9] s")).wait_for()
    page.get_by_role("button", name="Stop recording").click()
    page.locator(".headline").get_by_text("low", exact=True).wait_for()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("Recording: ").wait_for()
    page.get_by_role("tab", name="Microphone").click()
    page.get_by_role("tab", name="Recording").click()
    page.get_by_role("button", name="Record", exact=True).wait_for()  # it was switched off


def test_an_unplugged_microphone_and_another_engine(site, ears, hearing):
    page = hearing
    page.add_init_script(
        """const { mediaDevices } = navigator;
        const open = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (wanted) => (globalThis.stream = await open(wanted));"""
    )
    open_model(page, site(ears), "ears", "microphone", "model.tflite")
    page.get_by_role("button", name="Start listening").click()
    page.locator(".headline").wait_for()
    choose_file(page, "model.onnx")
    page.locator(".headline").wait_for()  # it goes on
    page.evaluate("() => stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator(".listening [role=status]").get_by_text("unplugged").wait_for()
    page.get_by_role("button", name="Start listening").wait_for()


def test_a_microphone_that_cannot_be_opened_is_a_sentence(site, ears, page):
    open_model(page, site(ears), "ears", "microphone")
    for fault, sentence in (
        ("NotAllowedError", "The microphone was not allowed."),
        ("NotFoundError", "No microphone was found on this device."),
        ("NotReadableError", "Another app is using the microphone."),
        ("TypeError", "The microphone can't be started: odd"),
    ):
        page.evaluate(
            """(name) => (navigator.mediaDevices.getUserMedia = async () => {
                throw new DOMException("odd", name);
            })""",
            fault,
        )
        page.get_by_role("button", name="Start listening").click()
        page.locator(".listening [role=status]").get_by_text(sentence).wait_for()


def test_a_page_without_a_microphone_says_so(site, ears, tiny_bundle, page):
    open_model(page, site(ears), "ears", "microphone")
    page.get_by_role("button", name="Start listening").click()
    page.locator(".listening [role=status]").get_by_text("microphone was").wait_for()
    page.get_by_role("tab", name="Recording").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.locator(".listening [role=status]").get_by_text("microphone was").wait_for()
    page.goto(site(tiny_bundle))  # a site without a model that listens
    assert not page.evaluate("() => document.featurePolicy.allowsFeature('microphone')")


def test_a_clip_is_as_long_as_the_model_takes(site, ears, page):
    open_model(page, site(ears), "ears", "recording")
    for _ in range(3):
        page.get_by_role("button", name="example").click()
    answered(page)
    page.locator(".sound .between").get_by_text(f"{LENGTH / RATE:g} s").wait_for()
