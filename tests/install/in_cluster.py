"""Predictions on a Ray cluster of two nodes in processes; `test_cluster.py` runs this in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import ray
from PIL import Image
from ray.cluster_utils import Cluster

import zoo
from runtime.errors import BundleError, EngineError, InputError, IntegrityError, OptionError, ZooError
from tests.install.images import write_images
from tests.nightly import NIGHTLY, nightly_but
from zoo.cli.predict import run as zoo_predict
from zoo.cluster import predict
from zoo.cluster.addresses import fetched, find_all
from zoo.cluster.bundle_content import BundleContent
from zoo.cluster.job import connect
from zoo.cluster.workers import PredictOptions
from zoo.terminal import complain

ROOT = Path(__file__).parents[2]
DETECTOR = ROOT / "tests" / "fixtures" / "format-3-detector"
COUNT = 150
BROKEN = 7
KILLS, TIMES = (10, 80) if NIGHTLY else (1, 8)
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server():
    """An S3 server, whose address the workers find in their environment."""
    from moto.server import ThreadedMotoServer

    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", **KEYS}
    yield
    started.stop()


@pytest.fixture(scope="module")
def cluster(server, tmp_path_factory):
    os.environ["EDGEZOO_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["PYTHONPATH"] = str(ROOT)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    connect(nodes.address)
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), COUNT, BROKEN)


def run(*words, code=0):
    """Run `zoo predict` in this process, which is connected to the cluster; return what it writes to stderr."""
    with redirect_stderr(StringIO()) as written:
        try:
            status = zoo_predict(list(map(str, words)))
        except ZooError as problem:
            status = 2
            complain(str(problem))
    assert status == code, written.getvalue()
    return written.getvalue()


def process(*words):
    """Start `zoo predict` in a process of its own."""
    command = [sys.executable, "-m", "zoo", "predict", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("suffix", nightly_but("jsonl".__eq__, ["jsonl", "csv", "parquet"]))
def test_the_file_is_the_one_of_a_single_machine(cluster, folder, tmp_path, suffix):
    here, there = tmp_path / f"here.{suffix}", tmp_path / f"there.{suffix}"
    run("mnist-cnn", folder, "--out", here, code=1)
    said = run("mnist-cnn", folder, "--out", there, "--on", "ray", "--address", cluster, code=1)
    assert here.read_bytes() == there.read_bytes()
    assert re.fullmatch(rf"150 images in .* a second: {there}\n", said), said


@pytest.mark.nightly
def test_rows_of_a_table_and_boxes_are_those_of_a_single_machine(cluster, tmp_path):
    table, random = tmp_path / "rows.csv", np.random.default_rng(1)
    columns = [column.name for column in zoo.load("wine-mlp").spec.input.columns]
    rows = [",".join(columns), *(",".join(f"{value:.3f}" for value in random.random(len(columns))) for _ in range(9))]
    table.write_text("\n".join([*rows, ",".join(["x"] * len(columns))]) + "\n")
    Image.fromarray(random.integers(0, 256, (64, 96, 3), np.uint8)).save(tmp_path / "a.png")
    for bundle, name in (("wine-mlp", table), (DETECTOR, tmp_path / "a.png")):
        here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
        code = 1 if name == table else 0
        run(bundle, name, "--out", here, "--overwrite", code=code)
        run(bundle, name, "--out", there, "--overwrite", "--on", "ray", "--address", cluster, code=code)
        assert here.read_bytes() == there.read_bytes()


def test_what_the_search_saw_of_files_is_answered(cluster, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nothing")
    shutil.copy(folder / "0000.png", tmp_path / "a.png")
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    names = [tmp_path / "empty", tmp_path / "*.png", tmp_path / "no-such.png"]
    run("mnist-cnn", *names, "--out", here, code=1)
    run("mnist-cnn", *names, "--out", there, "--on", "ray", "--address", cluster, code=1)
    assert here.read_bytes() == there.read_bytes()
    assert "is a folder without files" in here.read_text()
    assert "is a link that leads nowhere" in here.read_text()


def test_a_dataset_keeps_its_columns_and_bad_rows_are_answered(cluster, folder):
    rows = [{"key": path.stem, "bytes": path.read_bytes()} for path in sorted(folder.iterdir())]
    answered = predict(ray.data.from_items(rows), "mnist-cnn", options=PredictOptions(top=2)).take_all()
    model = zoo.load("mnist-cnn")
    assert [row["key"] for row in answered] == [row["key"] for row in rows]
    for row, answer in zip(rows, answered, strict=True):
        expected = answer["answer"].pop("error")
        if row["key"] == f"{BROKEN:04d}":
            assert "not an image" in expected
        else:
            assert answer["answer"] == model.predict(row["bytes"], top=2).to_dict()
            assert expected is None


@pytest.mark.nightly
def test_parquet_with_bytes_in_and_out(cluster, folder, tmp_path):
    paths = sorted(folder.iterdir())[:20]
    table = pyarrow.table({"name": [path.name for path in paths], "image": [path.read_bytes() for path in paths]})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    data = ray.data.read_parquet(str(tmp_path / "in.parquet"))
    predict(data, "mnist-cnn", column="image", batch_size=5).drop_columns(["image"]).write_parquet(
        str(tmp_path / "out")
    )
    written = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted(row["name"] for row in written) == [path.name for path in paths]
    assert {row["answer"]["label"] for row in written if row["answer"]["label"]} <= set("0123456789")


def workers():
    """Return the process numbers of the workers that hold a model."""
    process_ids = []
    for process in Path("/proc").iterdir():
        try:
            name = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        except OSError:  # it has gone
            continue
        if b"MapWorker" in name:
            process_ids.append(int(process.name))
    return process_ids


def test_a_killed_worker_loses_and_repeats_no_row(cluster, folder):
    rows = [{"key": i, "path": str(path)} for i, path in enumerate(sorted(folder.iterdir()) * TIMES)]
    done, kills, random = threading.Event(), [], np.random.default_rng(3)

    def kill():
        while len(kills) < KILLS and not done.wait(random.uniform(0.2, 0.8)):
            for number in workers()[:1]:
                os.kill(number, signal.SIGKILL)
                kills.append(number)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        answered = predict(ray.data.from_items(rows), "mnist-cnn", column="path", batch_size=16).take_all()
    finally:
        done.set()
        thread.join()
    assert len(kills) == KILLS
    assert [row["key"] for row in answered] == list(range(len(rows)))
    assert sum(row["answer"]["error"] is not None for row in answered) == TIMES


def test_an_interrupted_job_goes_on(cluster, folder, tmp_path):
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    run("mnist-cnn", folder, "--out", here, code=1)
    words = ["mnist-cnn", folder, "--out", there, "--on", "ray", "--address", cluster]
    journal = tmp_path / "there.jsonl.journal"
    started = process(*words)
    while started.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 60):
        time.sleep(0.005)
    started.kill()
    started.communicate()
    if journal.exists():
        lines = journal.read_bytes().split(b"\n")
        journal.write_bytes(b"\n".join(lines[:60]) + b"\n")  # as if it had been killed there
        assert "59 answers are in" in run(*words, code=1)
    assert here.read_bytes() == there.read_bytes()


def test_files_of_an_s3_bucket(cluster, folder, tmp_path):
    import s3fs

    system = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    system.mkdir("bucket")
    for path in sorted(folder.iterdir())[:12]:
        system.put(str(path), f"bucket/photos/{path.name}")
    system.pipe("bucket/photos/readme.txt", b"no image")
    out = tmp_path / "answers.jsonl"
    run("mnist-cnn", "s3://bucket/photos/", "--out", out, "--on", "ray", "--address", cluster, code=1)
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [each["input"] for each in records] == [f"s3://bucket/photos/{i:04d}.png" for i in range(12)]
    model = zoo.load("mnist-cnn")
    for each, path in zip(records, sorted(folder.iterdir()), strict=False):
        if path.stem == f"{BROKEN:04d}":
            assert each["error"].startswith(f"{each['input']}: not an image")
        else:
            assert each == {"input": each["input"], **model.predict(path, top=3).to_dict()}
    said = run("mnist-cnn", "s3://elsewhere/", "--out", out, "--on", "ray", "--address", cluster, "--overwrite", code=2)
    assert said.count("\n") == 1
    assert "s3://elsewhere/: can't be listed" in said


def test_addresses_in_memory(tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("b.jpg", "sub/a.PNG", "notes.txt"):
        system.pipe(f"/photos/{name}", name.encode())
    assert find_all(["memory://photos/"], (".jpg", ".png")).paths == [
        "memory:///photos/b.jpg",
        "memory:///photos/sub/a.PNG",
    ]
    alone = find_all(["memory://photos/notes.txt"], (".jpg",))
    assert alone.paths == list(alone.states) == ["memory:///photos/notes.txt"]
    before = find_all(["memory://photos/"], (".jpg", ".png")).states
    assert before == find_all(["memory://photos/"], (".jpg", ".png")).states
    system.pipe("/photos/b.jpg", b"another")
    after = find_all(["memory://photos/"], (".jpg", ".png")).states
    assert {name for name in before if before[name] != after[name]} == {"memory:///photos/b.jpg"}
    fetched("memory:///photos/b.jpg", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"another"
    with pytest.raises(InputError, match=r"memory:///photos/c.jpg: can't be read"):
        fetched("memory:///photos/c.jpg", tmp_path / "copy")
    with pytest.raises(InputError, match="no file of the kinds that are taken"):
        find_all(["memory://photos/sub"], (".gif",))
    with pytest.raises(InputError, match="Protocol not known: nonsense"):
        find_all(["nonsense://photos"], (".gif",))


def test_the_content_is_checked_where_it_arrives(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path))
    content = BundleContent.read("mnist-cnn")
    folder = content.unpack()
    assert zoo.load(folder).spec.name == "mnist-cnn"
    (folder / "model.onnx").write_bytes(b"another")
    assert zoo.load(content.unpack()).spec.name == "mnist-cnn"
    alone = BundleContent.read(folder / "model.onnx")
    assert zoo.load(alone.unpack()).file.name == "model.onnx"
    changed = replace(content, files={**content.files, "model.onnx": b"changed on the way"})
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "another"))
    with pytest.raises(IntegrityError, match="not those that were sent"):
        changed.unpack()


def test_what_users_can_cause_is_one_line(cluster, folder, tmp_path):
    out = tmp_path / "answers.csv"
    stranger = process("mnist-cnn", folder, "--out", out, "--on", "ray", "--address", "127.0.0.1:1")
    said = stranger.communicate()[1]
    assert stranger.returncode == 2
    assert "--address 127.0.0.1:1: no Ray cluster" in said
    assert said.count("\n") == 1
    for words, message in (
        (["--on", "ray", "--address", cluster, "--engine", "tflm"], "tflm"),
        (["--address", cluster], "--address is of a cluster: add --on ray"),
    ):
        said = run("mnist-cnn", folder, "--out", out, *words, code=2)
        assert message in said
        assert said.count("\n") == 1
    assert "name it with --out" in run("mnist-cnn", folder, "--on", "ray", code=2)
    with pytest.raises(OptionError, match="workers must be at least 1, got 0"):
        predict(str(folder), "mnist-cnn", workers=0)
    with pytest.raises(BundleError, match="nonsense: not a bundle"):
        predict(str(folder), "nonsense")
    with pytest.raises((EngineError, ray.exceptions.RayError), match="no-such-engine"):
        predict(str(folder), "mnist-cnn", options=PredictOptions(engine="no-such-engine")).take_all()
