"""The npm package, installed from its tarball into an empty project: in Node, and under `tsc --strict`."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import runtime
import zoo
from mobile_demo import build_app
from runtime.bundle import Bundle
from runtime.bundle.golden import Golden
from tests.mobile_demo.ears import encoded, sounds, tone
from tests.mobile_demo.npm import EXAMPLES, FP32, MNIST, ROOT, SEVEN, WINE, project
from tests.nightly import NIGHTLY
from tests.quick import CASES, WHOLE

__all__ = ["project"]

ENGINES = {"onnx": "onnxruntime-node ", "tflite": "LiteRT.js "}
PRECISIONS = {"fp32", "int8", "int8-dynamic"}
"""Of the TFLite files, as in `test_golden`; in `make test` only `WHOLE` has them."""
VERIFY = """
import { load } from "edgezoo";
const reports = [];
for (const file of process.argv.slice(3)) {
  const model = await load(process.argv[2], { file });
  reports.push({ engine: model.engine, device: model.device, ...(await model.verify()) });
  await model.close();
}
console.log(JSON.stringify(reports));
"""


@pytest.fixture
def node(project, tmp_path):
    """Run a script of the project: `node(text, *words)` is what it prints."""

    def run(script: str, *words: object) -> str:
        path = tmp_path / "script.mjs"
        path.write_text(script)
        if not (tmp_path / "node_modules").exists():
            (tmp_path / "node_modules").symlink_to(project / "node_modules")
        node_js = build_app.find_node()
        assert node_js is not None
        command = [str(node_js.folder / "node"), str(path), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted(CASES, reverse=True))
def test_golden_packs_in_node(node, quick_bundle, case):
    bundle = Bundle.read(quick_bundle(case))
    models = bundle.manifest.models
    tflite = PRECISIONS if NIGHTLY or case in WHOLE else set()
    specs = {name: model.spec for name, model in models.items() if not model.spec.state}
    files = [
        name
        for name, spec in specs.items()
        if spec.format == "onnx" or (spec.format == "tflite" and spec.precision in tflite)
    ]
    reports = json.loads(node(VERIFY, bundle.path, *files))
    assert [report["file"] for report in reports] == files
    for report in reports:
        assert report["engine"].startswith(ENGINES[specs[report["file"]].format])
        assert report["device"] == "cpu"
        assert report["decisions"]["agreement"] == 1, report
        assert report["passed"], report
        if specs[report["file"]].precision == "fp32":
            assert report["outputs"]["maxDifference"] <= FP32, report


def test_the_guide_prints_the_examples():
    guide = (ROOT / "docs" / "guides" / "javascript.md").read_text()
    for name in ("page.html", "predict.mjs"):
        assert (EXAMPLES / name).read_text() in guide


def test_the_script_of_ten_lines(node):
    script = (EXAMPLES / "predict.mjs").read_text()
    assert len(script.splitlines()) <= 10
    model = zoo.load("mnist-cnn")
    wanted = model.predict(SEVEN)
    said = node(script, MNIST, SEVEN)
    assert said == f"{SEVEN}: {wanted.label} {100 * wanted.score:.1f} %\n"


def test_every_kind_of_input_in_node(node, ears, tmp_path):
    recording = sounds(("silence", 0.5), ("low", 0.4), ("silence", 0.8), ("high", 0.6), ("silence", 0.5))
    (tmp_path / "a.wav").write_bytes(encoded(recording))
    (tmp_path / "b.wav").write_bytes(encoded(tone("high", 0.4)))
    script = """
        import { load } from "edgezoo";
        const [ears, wine] = await Promise.all(process.argv.slice(2, 4).map((bundle) => load(bundle)));
        const [a, b] = process.argv.slice(4);
        const row = [13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000];
        const listed = async (stream) => {
          const all = [];
          for await (const each of stream) all.push(each);
          return all;
        };
        const silence = { rate: 8000, channels: [new Float32Array(4000)] };
        console.log(JSON.stringify({
          wine: await wine.predict(row),
          both: (await listed(wine.stream([row, row]))).length,
          seen: (await wine.inspect(row)).seen[0].shape,
          examples: await listed(wine.stream(await wine.examples())),
          passages: (await listed(ears.passages(a))).map(({ heard, seconds }) => [heard.length, seconds]),
          high: await ears.predict(b),
          silence: await ears.predict(silence),
          heard: await listed(ears.listen(a)),
          pieces: await listed(ears.listen((async function* () { yield silence; })())),
        }));"""
    wine = zoo.load("wine-mlp")
    said = json.loads(node(script, ears, WINE, tmp_path / "a.wav", tmp_path / "b.wav"))
    wanted = wine.predict([13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000])
    assert said["wine"]["label"] == wanted.label
    assert said["wine"]["score"] == pytest.approx(wanted.score, abs=1e-6)
    assert said["both"] == 2
    assert said["seen"] == [13]
    golden = Golden.decode((WINE / "golden.npz").read_bytes(), "golden.npz")
    assert [each["label"] for each in said["examples"]] == [wine.predict(json.loads(row)).label for row in golden.raw]
    assert sum(count for count, _ in said["passages"]) == 2
    assert said["passages"][-1][1] == pytest.approx(2.8)
    model = runtime.load(ears)
    high = model.predict(tmp_path / "b.wav")
    assert (said["high"]["label"], said["silence"]["label"]) == ("high", "silence")
    assert said["high"]["score"] == pytest.approx(high.score, abs=1e-6)
    heard = list(model.listen(tmp_path / "a.wav"))
    assert [each["label"] for each in said["heard"]] == [each.label for each in heard] == ["low", "high"]
    assert [each["time"] for each in said["heard"]] == pytest.approx([each.time for each in heard], abs=1e-6)
    assert said["pieces"] == []


def test_pictures_in_node_are_read_as_in_python(node, tmp_path):
    """Gray, color, palette, and gray with alpha; a JPEG that lies on its side."""
    generator = np.random.default_rng(0)
    photo = Image.fromarray(generator.integers(0, 256, (60, 90, 3), np.uint8)).resize((300, 200))
    files = {
        "rgb.png": photo,
        "gray.png": photo.convert("L"),
        "palette.png": photo.quantize(16),
        "la.png": photo.convert("LA"),
    }
    for name, image in files.items():
        image.save(tmp_path / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    names = [*files, "turned.jpg"]
    script = """
        import { load } from "edgezoo";
        const model = await load(process.argv[2]);
        const answers = [];
        for (const file of process.argv.slice(3)) answers.push((await model.predict(file)).top);
        console.log(JSON.stringify(answers));"""
    model = zoo.load("mnist-cnn")
    said = json.loads(node(script, MNIST, *(tmp_path / name for name in names)))
    for name, top in zip(names, said, strict=True):
        tolerance = 1e-6 if name.endswith(".png") else 0.01
        wanted = dict(model.predict(tmp_path / name, top=10).top)
        assert {each["label"]: each["score"] for each in top} == pytest.approx(
            {each["label"]: wanted[each["label"]] for each in top}, abs=tolerance
        ), name


def test_faults_are_one_sentence(node, tmp_path):
    bundle = shutil.copytree(MNIST, tmp_path / "damaged")
    (bundle / "model.onnx").write_bytes(b"x" + (bundle / "model.onnx").read_bytes()[1:])
    (tmp_path / "text.png").write_text("Once upon a time")
    (tmp_path / "empty.zip").write_bytes(b"PK")
    script = """
        import { load, ZooError } from "edgezoo";
        const [damaged, whole, text, zip] = process.argv.slice(2);
        const model = await load(whole);
        const closed = await load(whole);
        await closed.close();
        const aborted = AbortSignal.abort(new Error("aborted"));
        const tries = {
          damaged: () => load(damaged),
          missing: () => load(damaged + "-no"),
          zip: () => load(zip),
          engine: () => load(whole, { engine: "other" }),
          device: () => load(whole, { device: "webgpu" }),
          file: () => load(whole, { file: "other.onnx" }),
          text: () => model.predict(text),
          row: () => model.predict({ a: 1 }),
          listen: () => model.listen(text).next(),
          closed: () => closed.predict(text),
        };
        const said = {};
        for (const [name, run] of Object.entries(tries)) {
          const described = (problem) => problem instanceof ZooError ? problem.message : String(problem.stack);
          said[name] = await run().then(() => "", described);
        }
        said.aborted = await model.predict(text, { signal: aborted }).then(() => "", (problem) => problem.message);
        console.log(JSON.stringify(said));"""
    said = json.loads(node(script, bundle, MNIST, tmp_path / "text.png", tmp_path / "empty.zip"))
    for name, words in {
        "damaged": "model.onnx: the file is not the one that the manifest lists",
        "missing": "manifest.json: there is no such file",
        "zip": "the bundle: not a .zip file",
        "engine": 'the engine "other" is not here; there are: onnxruntime, litert',
        "device": 'the device "webgpu" is not here; there are: cpu',
        "file": "the bundle has no other.onnx that onnxruntime or litert runs; it has: ",
        "text": "not an image that can be read, or damaged",
        "row": "this model takes images",
        "listen": "this model has no rules for streams of audio",
        "closed": "the model is closed",
        "aborted": "aborted",
    }.items():
        assert words in said[name], (name, said[name])
        assert "\n" not in said[name].strip(), said[name]


def test_packages_that_are_not_installed_are_named(node, project, tmp_path):
    shutil.copytree(project / "node_modules" / "edgezoo", tmp_path / "node_modules" / "edgezoo")
    script = """
        import { load, ZooError } from "edgezoo";
        const told = (problem) => console.log(problem instanceof ZooError, problem.message);
        for (const engine of ["onnxruntime", "litert"]) await load(process.argv[2], { engine }).catch(told);"""
    said = node(script, MNIST).splitlines()
    assert len(said) == 2
    for line, name in zip(said, ("onnxruntime-node", "@litertjs/core"), strict=True):
        assert line.startswith(f"true this needs the package {name}: npm install {name}")


def test_types_are_strict(project, tmp_path):
    (tmp_path / "node_modules").symlink_to(project / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "page.ts").write_text(
        """
        import type { BoxesPrediction, ClassPrediction, Heard, LoadOptions } from "edgezoo";
        import { load, ZooError } from "edgezoo";
        const options: LoadOptions = { engine: "litert", device: "webgpu", assets: "/wasm/" };
        const model = await load<ClassPrediction>("/bundles/photos/", options);
        const { label, score, top }: ClassPrediction = await model.predict(new Blob([]));
        label.length + score.toFixed().length + top[0]!.label.length;
        const detector = await load<BoxesPrediction>(new URL("x.zip", "file:///"));
        const { boxes } = await detector.predict(new Uint8Array());
        for await (const each of model.stream([])) each.label satisfies string;
        for await (const heard of model.listen("a.wav")) (heard satisfies Heard).time.toFixed();
        const passed: boolean = (await model.verify((share) => share.toFixed())).passed;
        // @ts-expect-error: there is no such engine
        await load("x", { engine: "other" });
        // @ts-expect-error: a date is no input
        await model.predict(new Date());
        export { boxes, label, passed, score, top, ZooError };
        """
    )
    (tmp_path / "sources.ts").write_text(
        """
        import { type EdgeModel, type Input } from "edgezoo";
        declare const model: EdgeModel, video: HTMLVideoElement;
        declare const tensors: { x: { shape: [49, 10]; data: Float32Array } };
        declare const pixels: { width: 1; height: 1; channels: 1; data: Uint8Array };
        declare const page: [HTMLImageElement, HTMLVideoElement, HTMLCanvasElement, OffscreenCanvas];
        declare const objects: [ImageData, ImageBitmap, VideoFrame, AudioBuffer, File, URL];
        const plain: Input[] = [pixels, tensors, { rate: 1, channels: [] }];
        const numbers: Input[] = [{ age: 3, city: "Oslo", year: null }, [1, "Oslo", null], [[1, 2], [3, 4]]];
        for (const input of [...page, ...objects, ...plain, ...numbers]) await model.predict(input);
        for await (const _ of model.stream(video)) break;
        // @ts-expect-error: an element that shows no picture is no input
        await model.predict(document.createElement("p"));
        """
    )
    tsc = project / "node_modules" / "typescript" / "bin" / "tsc"
    node_js = build_app.find_node()
    assert node_js is not None
    in_node = ["--module", "nodenext", "--lib", "es2023", "--types", "node"]
    in_page = ["--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable"]
    for conditions, names in ((in_node, ["page.ts"]), (in_page, ["page.ts", "sources.ts"])):
        options = ["--noEmit", "--strict", "--target", "es2022", *conditions]
        command = [str(node_js.folder / "node"), str(tsc), *options, *names]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_tarball_is_small(project):
    folder = project / "node_modules" / "edgezoo"
    assert {path.name for path in folder.iterdir()} == {"README.md", "dist", "examples", "package.json"}
    scripts = [path.read_bytes() for path in (folder / "dist").glob("*.js")]
    assert sum(len(gzip.compress(script)) for script in scripts) <= 60_000
