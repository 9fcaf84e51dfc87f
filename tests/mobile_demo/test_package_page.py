"""The npm package in a page that is served from a static folder."""

from __future__ import annotations

import re
import shutil

import pytest

import export
import zoo
from runtime.errors import ExportNote
from tests.export.small import SAMPLES, SPEC, network
from tests.mobile_demo.host import hosted
from tests.mobile_demo.npm import EXAMPLES, FP32, LITERT, MNIST, SEVEN, page_of, project

__all__ = ["project"]


@pytest.fixture
def served(project, tmp_path):
    """A static folder with the project's packages and the bundles that are copied into it: its path and its address."""
    (tmp_path / "node_modules").symlink_to(project / "node_modules")
    (tmp_path / "favicon.ico").touch()
    with hosted(tmp_path, {}) as address:
        yield tmp_path, address


def test_the_page_of_ten_lines(served, page):
    folder, address = served
    model = zoo.load("mnist-cnn")
    shutil.copytree(MNIST, folder / "mnist-cnn")
    html = (EXAMPLES / "page.html").read_text()
    assert len(html.splitlines()) <= 10 + 1  # with the document's type
    (folder / "index.html").write_text(html)
    page.goto(address)
    page.locator("input").set_input_files(SEVEN)
    wanted = model.predict(SEVEN)
    page.get_by_text(f"{wanted.label} {100 * wanted.score:.1f} %").wait_for()


def test_the_web_component(served, page):
    folder, address = served
    shutil.copytree(MNIST, folder / "mnist-cnn")
    shutil.copy(EXAMPLES / "element.js", folder)
    element = '<script type="module" src="element.js"></script><edgezoo-model src="mnist-cnn/"></edgezoo-model>'
    (folder / "index.html").write_text(page_of(element))
    page.goto(address)
    heard = page.evaluate_handle(
        """() => ({ next: new Promise((resolve) => {
            document.querySelector("edgezoo-model").addEventListener("prediction", ({ detail }) => resolve(detail));
        }) })"""
    )
    picker = page.locator("edgezoo-model input")
    picker.set_input_files(SEVEN)
    page.locator("edgezoo-model output", has_text="7").wait_for()
    assert heard.evaluate("({ next }) => next")["score"] == pytest.approx(zoo.load("mnist-cnn").predict(SEVEN).score)
    picker.set_input_files(EXAMPLES / "element.js")
    page.get_by_text("not an image that this browser can read").wait_for()
    page.evaluate("() => document.querySelector('edgezoo-model').remove()")  # closes the model


VIDEO = """async (litert) => {
    const { load } = await import("edgezoo");
    const told = (problem) => `${problem.name}: ${problem.message}`;
    const said = { file: [], live: [] };
    said.assets = await load("mnist-cnn", { ...litert, assets: "/nowhere" }).then(() => "", told);
    said.library = await load("mnist-cnn", { device: "webgpu" }).then(() => "", told); // which the import map lacks
    said.device = await load("mnist-cnn", { ...litert, device: "webgpu" }).then(() => "", told);
    const model = await load("mnist-cnn");
    const image = document.querySelector("img");
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 112, height: 112 });
    const paint = () => canvas.getContext("2d").drawImage(image, 0, 0, 112, 112);
    paint();
    const stream = canvas.captureStream(30);
    const timer = setInterval(paint, 20);
    const recorder = new MediaRecorder(stream, { mimeType: "video/webm" });
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.start();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await new Promise((resolve) => ((recorder.onstop = resolve), recorder.stop()));
    const shown = async (source) => {
        const video = Object.assign(document.createElement("video"), { muted: true, ...source });
        document.body.append(video);
        await video.play();
        return video;
    };
    const file = await shown({ src: URL.createObjectURL(new Blob(pieces, { type: "video/webm" })) });
    for await (const { label } of model.stream(file)) said.file.push(label);
    const aborter = new AbortController();
    const live = await shown({ srcObject: stream });
    for await (const { label } of model.stream(live, { signal: aborter.signal })) {
        if (said.live.push(label) === 3) aborter.abort();
    }
    said.frame = (await model.predict(new VideoFrame(live))).label;
    const models = [model, await load("mnist-cnn", litert)];
    const frames = ["#000", "#fff"].map((color) => {
        const context = new OffscreenCanvas(640, 480).getContext("2d");
        context.fillStyle = color;
        context.fillRect(0, 0, 640, 480);
        return new VideoFrame(context.canvas, { timestamp: 0 });
    });
    const seen = await Promise.all(models.map((each, i) => each.inspect(frames[i])));
    for (const each of models) await each.predict(image); // leaves what inspect gave
    said.levels = seen.map(({ seen: [{ data }] }) => [Math.min(...data), Math.max(...data)]);
    clearInterval(timer);
    const broken = Object.assign(new Image(), { src: "missing.png" });
    const refused = { empty: document.createElement("video"), broken };
    for (const [name, source] of Object.entries(refused)) said[name] = await model.predict(source).then(() => "", told);
    await model.close();
    return said;
}"""


def test_what_a_video_shows(served, page, errors):
    """A recording to its end, a live stream until it is aborted, frames of two models at a time, and no picture."""
    folder, address = served
    shutil.copytree(MNIST, folder / "mnist-cnn")
    shutil.copy(SEVEN, folder / "seven.png")
    (folder / "index.html").write_text(page_of('<img src="seven.png">'))
    page.goto(address)
    said = page.evaluate(VIDEO, LITERT)
    assert len(said["file"]) > 1
    assert len(said["live"]) == 3
    assert {*said["file"], *said["live"], said["frame"]} == {"7"}
    assert said["levels"] == [[0, 0], [255, 255]]
    assert re.match(r"ZooError: .*/nowhere/litert_wasm_.*: can't be loaded", said["assets"])
    assert re.match("ZooError: the engine can't open the model: .*onnxruntime-web/webgpu", said["library"])
    assert said["device"].startswith("ZooError: "), said["device"]
    for name in ("empty", "broken"):
        assert said[name].startswith("ZooError: its picture can't be read"), said[name]
    errors.clear()  # the browser logs the missing image


def test_both_engines_and_every_source_in_a_page(served, page):
    folder, address = served
    model = zoo.load("mnist-cnn")
    shutil.copytree(MNIST, folder / "mnist-cnn")
    shutil.make_archive(str(folder / "packed"), "zip", folder, "mnist-cnn")
    shutil.copy(SEVEN, folder / "seven.png")
    (folder / "index.html").write_text(page_of('<img src="seven.png">'))
    page.goto(address)
    result = page.evaluate(
        """async (litert) => {
            const { load } = await import("edgezoo");
            const image = document.querySelector("img");
            const file = await (await fetch("seven.png")).blob();
            const bytes = new Uint8Array(await file.arrayBuffer());
            const [answers, overlapping] = [{}, []];
            const engines = { onnxruntime: {}, litert };
            for (const [engine, options] of Object.entries(engines)) {
                const model = await load("mnist-cnn", { engine, ...options });
                await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const data = context.getImageData(0, 0, canvas.width, canvas.height);
                const { width, height } = canvas;
                const sources = { file, bytes, url: "seven.png", image, canvas, data };
                sources.address = new URL("seven.png", location);
                sources.named = new File([file], "seven.png");
                sources.pixels = { width, height, channels: 4, data: new Uint8Array(data.data) };
                sources.offscreen = new OffscreenCanvas(width, height);
                sources.offscreen.getContext("2d").drawImage(image, 0, 0);
                sources.bitmap = await createImageBitmap(file);
                sources.frame = new VideoFrame(canvas, { timestamp: 0 });
                for (const [name, source] of Object.entries(sources)) {
                    answers[`${engine} ${name}`] = await model.predict(source);
                }
                const dark = { ...sources.pixels, data: new Uint8Array(width * height * 4) };
                const pictures = [dark, sources.pixels, dark, file];
                const alone = [];
                for (const picture of pictures) alone.push((await model.predict(picture)).score);
                const atOnce = await Promise.all(pictures.map((picture) => model.predict(picture)));
                overlapping.push({ alone, atOnce: atOnce.map(({ score }) => score) });
                answers[`${engine} report`] = await model.verify();
                await model.close();
            }
            const zipped = await load("packed.zip");
            answers.zipped = await zipped.predict(file);
            return { answers, overlapping };
        }""",
        LITERT,
    )
    said, overlapping = result["answers"], result["overlapping"]
    for scores in overlapping:
        assert scores["atOnce"] == scores["alone"]
        assert len(set(scores["alone"][:2])) == 2
    wanted = model.predict(SEVEN)
    for name, answer in said.items():
        if name.endswith(" report"):
            assert answer["passed"], answer
            assert answer["outputs"]["maxDifference"] <= FP32
        else:
            assert answer["label"] == wanted.label, name
            assert answer["score"] == pytest.approx(wanted.score, abs=1e-4), name
    engines = [said[f"{engine} report"]["engine"] for engine in ("onnxruntime", "litert")]
    assert re.match("onnxruntime-web .*LiteRT.js ", " ".join(engines))


def test_both_engines_replay_a_bundle_for_browsers(served, page):
    folder, address = served
    calibration = export.Calibration(SAMPLES)
    with pytest.warns(ExportNote, match="left out: tflm: browsers run onnx and tflite only"):
        bundle = export.export(
            network(), SPEC, SAMPLES, ("onnx", "tflite", "tflm"), precisions=("fp32", "int8"), calibration=calibration,
            allow_drift=True, out=folder / "small", platform="web",
        )  # fmt: skip
    files = sorted(file.name for file in bundle.path.iterdir())
    assert files == sorted(["manifest.json", "README.md", "golden.npz", *bundle.manifest.models])
    (folder / "index.html").write_text(page_of(""))
    page.goto(address)
    reports = page.evaluate(
        """async ({ files, litert }) => {
            const { load } = await import("edgezoo");
            const reports = [];
            for (const file of files) {
                const model = await load("small", { file, ...(file.endsWith(".onnx") ? {} : litert) });
                reports.push(await model.verify());
                await model.close();
            }
            return reports;
        }""",
        {"files": list(bundle.manifest.models), "litert": LITERT},
    )
    assert [report["file"] for report in reports] == [
        "model.onnx",
        "model.int8.onnx",
        "model.tflite",
        "model.int8.tflite",
    ]
    assert all(report["passed"] for report in reports), reports
