"""Push and pull through a real server and the hub's own client: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

import export
import zoo
from runtime import Bundle, load
from runtime.bundle import CARD, GOLDEN, MANIFEST, SIGNATURE
from runtime.errors import BundleError, HubError, IntegrityError, ManifestError, OptionError, OutputError
from tests.networks import perceptron
from tests.nightly import NIGHTLY
from tests.runtime.edits import edit_manifest, replace_file
from tests.zoo import hub_server, killed_pulls
from zoo.catalogue import hub as zoo_hub
from zoo.catalogue.hub import push
from zoo.catalogue.pull import pull as pull_named

NAME = "hf:me/photos"
REPOSITORY = "me/photos"


def pull(name, folder):
    return pull_named(name, out=folder, overwrite=True)


def aim(monkeypatch, url):
    """Send the client of this process somewhere else."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine, to which the client of this process and of children goes with a token."""
    with hub_server.running() as running:
        for name, value in {"HF_ENDPOINT": running.url, "HF_TOKEN": running.token, "HF_HUB_DISABLE_XET": "1"}.items():
            monkeypatch.setenv(name, value)
        # the client reads its environment when it is imported
        aim(monkeypatch, running.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield running


@pytest.fixture
def put(hub):
    """Put a folder's files onto the hub without looking at them, as anybody may."""

    def put(folder, name=REPOSITORY):
        repository = hub.repositories.setdefault(name, hub_server.Repository(False))
        return repository.commit({file.name: file.read_bytes() for file in folder.iterdir()})

    return put


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory):
    """Another bundle, of one file, that shares no file with the tiny one but the names."""
    import torch

    torch.manual_seed(1)
    columns = tuple(export.NumericColumn("numeric", name, 0.0, 1.0, -3.0, 3.0) for name in "ab")
    spec = export.ModelSpec("other", export.TableInput("table", "features", columns),
                            export.Binary("binary", "logit", ("no", "yes")))  # fmt: skip
    rows = [{"a": i / 10, "b": -i / 7} for i in range(10)]
    out = tmp_path_factory.mktemp("other") / "bundle"
    return export.export(perceptron(2, 1), spec, rows, ["onnx"], out=out, golden="none").path


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_bundle_comes_back_as_it_went(hub, tiny_bundle, photo, tmp_path):
    address = push(tiny_bundle, NAME)
    assert address.startswith(f"{hub.url}/me/photos/commit/")
    pulled = pull(NAME, tmp_path / "there" / "photos")
    assert contents(pulled.path) == contents(tiny_bundle)
    assert load(pulled.path).predict(photo).top == load(tiny_bundle).predict(photo).top
    assert [each.name for each in pulled.path.parent.iterdir() if each.suffix != ".lock"] == ["photos"]


def test_on_the_command_line(hub, tiny_bundle, zoo_process, tmp_path):
    pushed = zoo_process("push", tiny_bundle, NAME, "--json")
    assert pushed.returncode == 0, pushed.stderr
    report = json.loads(pushed.stdout)
    assert report["commit"].startswith(hub.url)
    assert (report["public"], report["samples"]) == (False, "8 of your own pictures are in golden.npz.")
    assert hub.repositories[REPOSITORY].private
    cache = {"EDGEZOO_CACHE": str(tmp_path / "cache")}
    for words in ((NAME, "--out", tmp_path / "out"), (NAME, "--json")):
        pulled = zoo_process("pull", *words, **cache)
        assert pulled.returncode == 0, pulled.stderr
    assert contents(tmp_path / "out") == contents(tiny_bundle)
    assert zoo_process("verify", NAME, **cache).returncode == 0
    assert hub.token not in pushed.stdout + pushed.stderr + pulled.stdout + pulled.stderr


def test_everybody_sees_what_is_pushed_for_them(hub, zoo_process, other_bundle):
    pushed = zoo_process("push", other_bundle, NAME, "--public")
    assert pushed.returncode == 0, pushed.stderr
    assert "(everybody sees it)" in pushed.stdout
    assert "no golden pack" in pushed.stdout
    assert not hub.repositories[REPOSITORY].private


def test_a_private_one_needs_the_token(hub, put, tiny_bundle, tmp_path, monkeypatch):
    put(tiny_bundle)
    hub.repositories[REPOSITORY].private = True
    pull(NAME, tmp_path / "a")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match="no such repository, or it is private") as caught:
        pull(NAME, tmp_path / "b")
    assert "hf_wrong" not in str(caught.value)


def test_a_revision_stays_what_it_was(hub, put, tiny_bundle, other_bundle, tmp_path):
    old = put(tiny_bundle)
    put(other_bundle)
    assert pull(f"{NAME}@{old}", tmp_path / "old").manifest.model.name == "tiny"
    assert pull(NAME, tmp_path / "new").manifest.model.name == "other"
    with pytest.raises(HubError, match="no such revision"):
        pull(f"{NAME}@v9", tmp_path / "none")


@pytest.mark.parametrize("name", ["hf:photos", "me/photos", "hf:me/..", "hf:me/photos@", "hf:../../etc", "hf:a/b/c"])
def test_a_name_that_makes_no_sense(name, tmp_path):
    with pytest.raises(OptionError, match=r"write hf:user/name|unknown model"):
        pull(name, tmp_path / "there")


def test_only_what_the_manifest_lists_is_fetched(hub, put, bundle_copy, tmp_path):
    listed = contents(bundle_copy)
    for evil in ("modeling.py", "pickle.bin", ".gitattributes"):
        (bundle_copy / evil).write_text("import os; os.abort()")
    put(bundle_copy)
    assert contents(pull(NAME, tmp_path / "there").path) == listed
    assert not hub.sent("GET", "modeling|pickle|gitattributes")


def test_a_repository_without_a_bundle(hub, tiny_bundle, tmp_path):
    hub.repositories[REPOSITORY] = hub_server.Repository(False)
    hub.repositories[REPOSITORY].commit({"pytorch_model.bin": b"pickled"})
    with pytest.raises(BundleError, match="not a bundle"):
        pull(NAME, tmp_path / "there")
    with pytest.raises(OutputError, match=r"'pytorch_model.bin' but no bundle"):
        push(tiny_bundle, NAME)
    assert hub.files(REPOSITORY) == {"pytorch_model.bin": b"pickled"}


def test_a_changed_file_is_refused_by_name(hub, put, bundle_copy, tmp_path):
    for name in (GOLDEN, "model.onnx", CARD):
        good = (bundle_copy / name).read_bytes()
        for bad in (good[:-1] + bytes([good[-1] ^ 1]), good + b"more"):
            (bundle_copy / name).write_bytes(bad)
            put(bundle_copy)
            with pytest.raises(IntegrityError, match=name):
                pull(NAME, tmp_path / name / "there")
        (bundle_copy / name).write_bytes(good)
    put(bundle_copy)
    assert pull(NAME, tmp_path / "there").manifest.model.name == "tiny"


def test_a_missing_file(hub, put, bundle_copy, tmp_path):
    (bundle_copy / "model.tflite").unlink()
    put(bundle_copy)
    with pytest.raises(HubError, match="404"):
        pull(NAME, tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("file", [MANIFEST, SIGNATURE])
def test_a_file_without_end(hub, put, bundle_copy, tmp_path, file):
    (bundle_copy / file).write_bytes(b" " * 2**25)
    put(bundle_copy)
    with pytest.raises(IntegrityError, match=f"{file} is larger than it may be"):
        pull(NAME, tmp_path / "there")


def test_a_manifest_that_climbs_out_of_its_folder(hub, put, bundle_copy, tmp_path):
    edit_manifest(bundle_copy, lambda manifest: manifest["files"].update({"../evil": manifest["files"][CARD]}))
    put(bundle_copy)
    with pytest.raises(ManifestError, match="can't be a file of a bundle"):
        pull(NAME, tmp_path / "there")


@pytest.mark.parametrize("ignore_ranges", [False, True])
def test_a_connection_that_breaks_off(hub, put, bundle_copy, tmp_path, ignore_ranges):
    replace_file(bundle_copy, "notes.png", np.random.default_rng(0).bytes(200_000))
    put(bundle_copy)
    hub.break_off_after, hub.ignore_ranges = 10_000, ignore_ranges
    with pytest.raises(HubError, match=r"what came of notes\.png is kept: pull again"):
        pull(NAME, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    part = max((tmp_path / ".there.partial" / "parts").iterdir(), key=lambda each: each.stat().st_size)
    assert 8_000 <= part.stat().st_size < 60_000
    hub.break_off_after = None
    assert contents(pull(NAME, tmp_path / "there").path) == contents(bundle_copy)


def test_what_was_fetched_is_not_fetched_again(hub, put, bundle_copy, tmp_path):
    replace_file(bundle_copy, "notes.png", np.random.default_rng(0).bytes(200_000))
    put(bundle_copy)
    hub.break_off_after = 20_000
    with pytest.raises(HubError):
        pull(NAME, tmp_path / "there")
    hub.break_off_after, before = None, len(hub.requests)
    pull(NAME, tmp_path / "there")
    again = [path for verb, path, _ in hub.requests[before:] if "/lfs/" in path]
    assert len(again) == 1, "only the file that broke off"


def test_a_part_that_a_crash_has_spoilt(hub, put, tiny_bundle, tmp_path):
    put(tiny_bundle)
    entry = Bundle.read(tiny_bundle).manifest.files["model.onnx"]
    part = tmp_path / ".there.partial" / "parts" / entry.sha256
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(entry.size // 2))
    assert contents(pull(NAME, tmp_path / "there").path) == contents(tiny_bundle)


@pytest.mark.parametrize("planted", ["", "parts", "parts/{sha}", "hard parts/{sha}", "bundle"])
def test_a_pull_writes_through_no_link(hub, put, tiny_bundle, tmp_path, planted):
    put(tiny_bundle)
    kind, _, where = planted.rpartition(" ")
    entry = Bundle.read(tiny_bundle).manifest.files["model.onnx"]
    link = tmp_path / ".there.partial" / where.format(sha=entry.sha256)
    link.parent.mkdir(parents=True, exist_ok=True)
    victim = tmp_path / "victim"
    if "{sha}" in where:
        victim.write_bytes(b"precious")
    else:
        victim.mkdir()
        (victim / entry.sha256).write_bytes(b"precious")
    (link.hardlink_to if kind else link.symlink_to)(victim)
    with pytest.raises(OutputError, match=r"a link or no regular file, .*: remove .*\.there\.partial"):
        pull(NAME, tmp_path / "there")
    assert (victim if victim.is_file() else victim / entry.sha256).read_bytes() == b"precious"


def test_by_its_name_it_is_the_latest_one(hub, put, bundle_copy, other_bundle, tmp_path, monkeypatch):
    """In the cache folder: what is there already isn't fetched again, nor what an interrupted pull has fetched."""
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    put(other_bundle)
    pull_named(NAME)
    assert zoo.load(NAME).spec.name == "other"
    replace_file(bundle_copy, "notes.png", np.random.default_rng(0).bytes(200_000))
    put(bundle_copy)
    hub.break_off_after = 20_000
    with pytest.raises(HubError, match="pull again"):
        pull_named(NAME)
    assert zoo.load(NAME).spec.name == "other"
    hub.break_off_after, before = None, len(hub.requests)
    pull_named(NAME)
    assert zoo.load(NAME).spec.name == "tiny"
    assert len([path for _, path, _ in hub.requests[before:] if "/lfs/" in path]) == 1
    before = len(hub.requests)
    pull_named(NAME)
    assert not [path for _, path, _ in hub.requests[before:] if "/lfs/" in path]
    with pytest.raises(OptionError, match="comes as it is"):
        pull_named(NAME, ["onnx"])


def test_a_place_that_is_taken(hub, put, tiny_bundle, other_bundle, tmp_path):
    put(tiny_bundle)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").touch()
    with pytest.raises(OutputError, match="not a bundle"):
        pull(NAME, tmp_path / "thesis")
    shutil.copytree(other_bundle, tmp_path / "old")
    assert pull(NAME, tmp_path / "old").manifest.model.name == "tiny"
    assert contents(tmp_path / "old") == contents(tiny_bundle)


@pytest.mark.parametrize("before", [None, "other"])
def test_pulls_killed_at_twenty_moments(hub, put, bundle_copy, other_bundle, tmp_path, before):
    """Nothing half-written is ever loadable, and the pulls go on where the killed ones stopped."""
    replace_file(bundle_copy, "notes.png", np.random.default_rng(0).bytes(300_000))
    put(bundle_copy)
    if before:
        shutil.copytree(other_bundle, tmp_path / "there")
    hub.pause = 0.01
    script = Path(killed_pulls.__file__)
    done = subprocess.run(
        [sys.executable, script, NAME, tmp_path / "there", "20", "0.35"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *killed, (status, last) = json.loads(done.stdout)
    assert (status, last) == (0, "tiny")
    assert sum(status == -signal.SIGKILL for status, _ in killed) >= 5, killed
    assert {status for status, _ in killed} <= {0, -signal.SIGKILL}
    assert {name for _, name in killed} <= {before, "tiny"}
    assert contents(tmp_path / "there") == contents(bundle_copy)
    assert {each.name for each in tmp_path.iterdir()} == {"bundle", "there", ".there.lock"}


def test_pulls_at_one_time_wait_for_each_other(hub, put, tiny_bundle, tmp_path):
    put(tiny_bundle)
    bundles = []
    threads = [threading.Thread(target=lambda: bundles.append(pull(NAME, tmp_path / "there"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.manifest.model.name for each in bundles] == ["tiny"] * 4
    assert contents(tmp_path / "there") == contents(tiny_bundle)


def answer(content, head="200 OK"):
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


COMMIT = "0" * 40


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff{",
        b"[" * 100_000,
        b'{"sha": null, "siblings": []}',
        b'{"sha": "../../main", "siblings": []}',
        json.dumps({"sha": COMMIT, "siblings": None}).encode(),
        json.dumps({"sha": COMMIT, "siblings": [3]}).encode(),
        json.dumps({"sha": COMMIT, "siblings": [{"rfilename": {}}]}).encode(),
        json.dumps({"sha": COMMIT, "siblings": [{"rfilename": 7}]}).encode(),
    ],
)
def test_a_list_of_files_that_makes_no_sense(hub, tmp_path, content):
    hub.raw["/api/models/"] = answer(content)
    with pytest.raises(HubError, match="the hub's list of files makes no sense"):
        pull(NAME, tmp_path / "there")
    assert not list(tmp_path.glob("there*"))


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /lfs/again\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 \xff\r\nX-Error-Message: \x1b[31m\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["no HTTP", "length", "chunks", "short", "address", "file", "circle", "error", "nothing"],
)
@pytest.mark.parametrize("path", ["/api/models/", "/lfs/"])
def test_an_answer_that_is_no_http(hub, put, tiny_bundle, tmp_path, path, content):
    put(tiny_bundle)
    hub.raw[path] = content
    with pytest.raises(HubError) as caught:
        pull(NAME, tmp_path / "there")
    assert str(caught.value).isprintable()
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("path", ["/api/models/", "/resolve/.*/manifest", "/lfs/"])
@pytest.mark.parametrize("content", [answer(b"[" + b" " * 1000), b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000])
def test_a_hub_that_drips(hub, put, tiny_bundle, tmp_path, monkeypatch, path, content):
    monkeypatch.setattr("zoo.catalogue.timeouts.TIMEOUT", 0.3)
    monkeypatch.setattr(zoo_hub, "TRIES", 1)
    put(tiny_bundle)
    hub.raw[path], hub.drip = content, 0.05
    start = time.monotonic()
    with pytest.raises(HubError, match=r"the hub sent \d+ bytes in 0\.3 s"):
        pull(NAME, tmp_path / "there")
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("path", ["/api/repos/create", "/api/models/.*/preupload/", "/api/models/.*/commit/"])
def test_a_hub_that_takes_a_push_slowly(hub, tiny_bundle, monkeypatch, path):
    monkeypatch.setattr("zoo.catalogue.timeouts.TIMEOUT", 0.3)
    hub.raw[path], hub.drip = answer(b"{" + b" " * 1000), 0.05
    start = time.monotonic()
    with pytest.raises(HubError, match=r"the hub sent 0 bytes in \d"):
        push(tiny_bundle, NAME)
    assert time.monotonic() - start < 10


def test_a_list_of_files_that_never_ends(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo_hub, "MAX_LIST", 1000)
    hub.raw["/api/models/"] = answer(b"[" + b" " * 10_000)
    with pytest.raises(IntegrityError, match="its list of files is larger than it may be"):
        pull(NAME, tmp_path / "there")


def test_a_push_whose_answers_make_no_sense(hub, tiny_bundle):
    hub.raw["/api/repos/create"] = answer(b"{}")
    with pytest.raises(HubError, match="the hub's answer makes no sense"):
        push(tiny_bundle, NAME)


def test_a_bundle_that_fails_verify_is_not_pushed(hub, bundle_copy):
    (bundle_copy / "model.onnx").write_bytes(b"not it")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        push(bundle_copy, NAME)
    assert not hub.repositories


def test_a_bundle_that_answers_wrongly_is_not_pushed(hub, bundle_copy):
    edit_manifest(bundle_copy, lambda m: m["models"]["model.onnx"]["parity"].update(tolerance=-1.0))
    with pytest.raises(BundleError, match=r"fails zoo verify, so it is not pushed: model\.onnx: difference"):
        push(bundle_copy, NAME)
    assert not hub.repositories


def test_a_push_replaces_the_bundle_that_was_there(hub, put, bundle_copy, other_bundle):
    (bundle_copy / SIGNATURE).write_text("of the old one")
    (bundle_copy / "LICENSE").write_text("mine")
    put(bundle_copy)
    push(other_bundle, NAME)
    assert hub.files(REPOSITORY) == contents(other_bundle) | {"LICENSE": b"mine"}


def test_two_who_push_at_one_time(hub, put, tiny_bundle, other_bundle, monkeypatch):
    """The second one's files would mix with the first one's: its commit names the commit that it saw."""
    put(tiny_bundle)
    replaced = zoo_hub._replaced

    def overtaken(remote):
        push_done = replaced(remote)
        put(other_bundle)
        return push_done

    monkeypatch.setattr(zoo_hub, "_replaced", overtaken)
    with pytest.raises(HubError, match="412"):
        push(tiny_bundle, NAME)
    assert hub.files(REPOSITORY) == contents(other_bundle)


@pytest.mark.slow
def test_pushes_killed_at_any_moment(hub, put, bundle_copy, other_bundle, tmp_path):
    """Who pulls gets the old bundle or the new one; files that were sent are not sent again."""
    put(other_bundle)
    replace_file(bundle_copy, "notes.png", np.random.default_rng(0).bytes(100_000))
    hub.pause = 0.005
    code = "import sys, pathlib; from zoo.catalogue.hub import push; push(pathlib.Path(sys.argv[1]), sys.argv[2])"
    kills, moments, survivors = 20 if NIGHTLY else 5, np.random.default_rng(3), 0
    for i in range(kills + 1):
        child = subprocess.Popen([sys.executable, "-c", code, bundle_copy, NAME], stderr=subprocess.DEVNULL)
        # the first second goes by with imports and verify; it counts from the first request on
        seen, ends = len(hub.requests), time.monotonic() + 60
        while child.poll() is None and len(hub.requests) == seen and time.monotonic() < ends:
            time.sleep(0.005)
        if i < kills:
            time.sleep(moments.uniform(0, 0.4))
            child.kill()
        survivors += child.wait() == 0
        shutil.rmtree(tmp_path / "there", ignore_errors=True)
        hub.pause, pulled = 0, pull(NAME, tmp_path / "there")
        hub.pause = 0.005
        pulled.check()
        assert pulled.manifest.model.name in ("other", "tiny")
    assert survivors <= 0.8 * kills
    assert pulled.manifest.model.name == "tiny"
    assert contents(pulled.path) == contents(bundle_copy)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_no_message_holds_the_token(hub, put, tiny_bundle, tmp_path, status, caplog, capfd, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    put(tiny_bundle)
    hub.refuse = status, f"who is Bearer {hub.token}? see https://hub/?X-Amz-Signature=secret"
    for attempt in (lambda: pull(NAME, tmp_path / "there"), lambda: push(tiny_bundle, NAME)):
        with pytest.raises(HubError, match=f"answers {status}") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        for said in (str(caught.value), caplog.text, *capfd.readouterr()):
            assert hub.token not in said
            assert "X-Amz" not in said


def test_the_token_goes_to_the_hub_only(hub, put, tiny_bundle, tmp_path):
    put(tiny_bundle)
    pull(NAME, tmp_path / "there")
    assert hub.sent("GET", "/lfs/"), "large files are served from another host"
    assert {token for _, path, token in hub.requests if path.startswith("/lfs/")} == {""}
    assert f"Bearer {hub.token}" in {token for _, path, token in hub.requests}


def test_no_hub_at_all(hub, tmp_path, monkeypatch):
    aim(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(HubError, match="can't be reached"):
        pull(NAME, tmp_path / "there")
    assert [each.name for each in tmp_path.iterdir()] == [".there.lock"]
