"""`zoo demo`: what is served and written, to whom, and what is refused. The app here is a small stand-in."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runtime.errors import ZooError
from zoo import resolve as names
from zoo.web import app as web_app
from zoo.web import network
from zoo.web.certificate import certificate
from zoo.web.server import headers
from zoo.web.site import make_site, write_site

INDEX = b"<!doctype html><title>app</title>"


def make_app(folder: Path) -> Path:
    """Write what the build of the app writes."""
    contents = {
        "index.html": INDEX,
        "assets/index-1.js": b"// script\n" * 100,
        "engines/litert/litert.wasm": b"\0asm" * 500,
        "engines/onnxruntime/ort.mjs": b"export {};\n",
        "manifest.webmanifest": b"{}",
        "icons/192.png": b"\x89PNG",
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    entries = {n: {"sha256": hashlib.sha256(c).hexdigest(), "size": len(c)} for n, c in contents.items()}
    (folder / "app.json").write_text(json.dumps({"version": "1", "files": entries}))
    (folder / "sw.js").write_text("// worker\n")
    (folder / "private.txt").write_text("not of the app\n")
    return folder


@pytest.fixture
def app(tmp_path):
    """The package edgezoo-demo, as it would be installed; gives its folder `app`."""
    package = tmp_path / "packages" / "edgezoo_demo"
    folder = make_app(package / "app")
    (package / "__init__.py").touch()
    return folder


@contextmanager
def demo(app, *words, **environment):
    """Run `zoo demo`; gives its process and what `--json` says."""
    path = os.pathsep.join((str(app.parents[1]), str(Path(__file__).parents[2])))
    command = [sys.executable, "-m", "zoo", "demo", *map(str, words), "--json"]
    environment = os.environ | {"PYTHONPATH": path} | environment
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def get(address, path, method="GET", context=None, **headers):
    """Ask for a path exactly as it is written: no client that tidies it up."""
    where = urlsplit(address)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.hostname, where.port, timeout=30, **({"context": context} if context else {}))
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_what_is_served_is_the_app_and_the_bundles(app, tiny_bundle):
    site = make_site(app, [tiny_bundle])
    with demo(app, tiny_bundle, "--port", 0) as (_, said):
        for path, content in site.items():
            answer, served = get(said["address"], f"/{path}")
            assert (answer.status, served) == (200, content), path
        assert get(said["address"], "/")[1] == INDEX
    files = {f"bundles/bundle/{each.name}" for each in tiny_bundle.iterdir()}
    listed = json.loads((app / "app.json").read_text())["files"]
    assert set(site) == {*listed, "app.json", "sw.js", "bundles/index.json"} | files
    (entry,) = json.loads(site["bundles/index.json"])["bundles"]
    manifest = (tiny_bundle / "manifest.json").read_bytes()
    wanted = {"sha256": hashlib.sha256(manifest).hexdigest(), "size": len(manifest)}
    assert entry == {"name": "bundle", "path": "bundles/bundle/", "manifest": wanted}


def test_no_path_leads_out(app, bundle_copy):
    (bundle_copy / "link.txt").symlink_to("/etc/passwd")
    (bundle_copy / "more.txt").write_text("not listed")
    (app / "assets" / "link.js").symlink_to("/etc/passwd")
    with demo(app, bundle_copy, "--port", 0) as (_, said):
        for path in (
            "/../sw.js", "/assets/../index.html", "/assets/..%2findex.html", "/%2e%2e/%2e%2e/etc/passwd",
            "/..%5c..%5cetc/passwd", "//etc/passwd", "/%2fetc/passwd", "/etc/passwd", "/file:///etc/passwd", "/./sw.js",
            "/assets//index-1.js", "/sw.js%00", "/bundles/", "/bundles/bundle", "/bundles/bundle/link.txt",
            "/bundles/bundle/more.txt", "/assets/link.js", "/private.txt", "/bundles/../sw.js",
        ):  # fmt: skip
            answer, content = get(said["address"], path)
            assert (answer.status, content) == (404, b"no such file\n"), path
        assert get(said["address"], "/", "POST")[0].status == 405
        assert get(said["address"], "http://elsewhere.example/etc/passwd")[0].status in (400, 404)


def test_every_answer_has_the_headers(app, tiny_bundle):
    with demo(app, tiny_bundle, "--port", 0) as (_, said):
        for path in ("/", "/assets/index-1.js", "/bundles/bundle/model.onnx", "/nothing"):
            headers = get(said["address"], path)[0].headers
            assert "script-src 'self' 'wasm-unsafe-eval';" in headers["Content-Security-Policy"]
            assert "unsafe-inline" not in headers["Content-Security-Policy"]
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Permissions-Policy"] == "camera=(self), microphone=(), geolocation=()"
            assert headers["Server"] is None
        kinds = {
            "/": "text/html; charset=utf-8",
            "/sw.js": "text/javascript; charset=utf-8",
            "/engines/onnxruntime/ort.mjs": "text/javascript; charset=utf-8",
            "/engines/litert/litert.wasm": "application/wasm",
            "/manifest.webmanifest": "application/manifest+json",
            "/bundles/bundle/manifest.json": "application/json",
            "/bundles/bundle/model.tflite": "application/octet-stream",
            "/icons/192.png": "image/png",
        }
        assert {path: get(said["address"], path)[0].headers["Content-Type"] for path in kinds} == kinds


def test_the_microphone_is_allowed_where_a_bundle_listens(tiny_bundle):
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    image = json.dumps(manifest).encode()
    manifest["model"]["input"] = {"kind": "audio", "name": "audio", "rate": 8000, "samples": 8000}
    audio = json.dumps(manifest | {"format": 3}).encode()
    for manifests, policy in (([image], "microphone=()"), ([image, audio], "microphone=(self)")):
        site = {f"bundles/{number}/manifest.json": content for number, content in enumerate(manifests)}
        assert policy in headers(site)["Permissions-Policy"]


def test_what_a_browser_has_is_not_sent_again(app, tiny_bundle):
    import gzip

    with demo(app, tiny_bundle, "--port", 0) as (_, said):
        path = "/assets/index-1.js"
        whole, content = get(said["address"], path)
        packed, small = get(said["address"], path, Accept_Encoding="gzip, br")
        assert gzip.decompress(small) == content
        assert len(small) < len(content)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["ETag"] != whole.headers["ETag"]
        for tag in (whole.headers["ETag"], f'"other", W/{whole.headers["ETag"]}', "*"):
            answer, nothing = get(said["address"], path, If_None_Match=tag)
            assert (answer.status, nothing, answer.headers["ETag"]) == (304, b"", whole.headers["ETag"])
        assert get(said["address"], path, If_None_Match='"other"')[0].status == 200
        head, nothing = get(said["address"], path, "HEAD")
        assert (head.status, nothing, head.headers["Content-Length"]) == (200, b"", str(len(content)))


def test_files_changed_later_are_not_served(app, bundle_copy):
    before = (bundle_copy / "model.onnx").read_bytes()
    with demo(app, bundle_copy, "--port", 0) as (_, said):
        (bundle_copy / "model.onnx").write_bytes(b"another model")
        assert get(said["address"], "/bundles/bundle/model.onnx")[1] == before


def test_only_this_machine_reaches_it_by_default(app, tiny_bundle):
    with demo(app, tiny_bundle, "--port", 0) as (_, said):
        assert said["address"].startswith("http://localhost:")
        assert said["phone"] is None
        port = urlsplit(said["address"]).port
        assert get(f"http://127.0.0.1:{port}", "/")[0].status == 200
        assert get(said["address"], "/", Host="elsewhere.example")[0].status == 400
        own = network.lan_address()
        if own is not None:
            with pytest.raises(OSError, match="refused"):
                get(f"http://{own}:{port}", "/")


@pytest.mark.skipif(network.lan_address() is None, reason="this machine is in no network")
def test_an_ipv6_address_is_answered(app, tiny_bundle):
    with demo(app, tiny_bundle, "--host", "::1") as (_, said):
        assert said["address"].startswith("http://[::1]:")
        assert get(said["address"], "/")[1] == INDEX
        assert get(said["address"], "/", Host="evil.example:80")[0].status == 400


def test_every_network_if_told(app, tiny_bundle):
    with demo(app, tiny_bundle, "--port", 0, "--host", "0.0.0.0") as (_, said):  # noqa: S104
        assert urlsplit(said["phone"]).hostname == network.lan_address()
        assert get(said["phone"], "/")[0].status == get(said["address"], "/")[0].status == 200


def test_a_port_in_use_is_one_line_or_the_next(app, tiny_bundle, cli, monkeypatch):
    monkeypatch.syspath_prepend(app.parents[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = cli("demo", tiny_bundle, "--port", port)
        assert (result.status, result.err.splitlines()[-1]) == (
            2,
            f"zoo: port {port} of localhost is in use: name another with --port",
        )
        monkeypatch.setattr(network, "FIRST_PORT", port)
        sockets = network.listen("127.0.0.1", None)
        assert sockets[0].getsockname()[1] > port
        sockets[0].close()
    result = cli("demo", tiny_bundle, "--host", "192.0.2.77")
    assert result.status == 2
    assert "192.0.2.77" in result.err.splitlines()[-1]


def test_https_with_a_certificate_that_holds(app, tiny_bundle, tmp_path):
    cache = {"EDGEZOO_CACHE": str(tmp_path / "cache")}
    with demo(app, tiny_bundle, "--port", 0, "--https", **cache) as (_, said):
        first = Path(said["certificate"])
        trusting = ssl.create_default_context(cafile=str(first))
        answer, content = get(said["address"], "/", context=trusting)
        assert (answer.status, content) == (200, INDEX)
        port = urlsplit(said["address"]).port
        assert get(f"https://127.0.0.1:{port}", "/", context=trusting)[0].status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            get(said["address"], "/", context=ssl.create_default_context())
        answer, content = get(said["address"], "/certificate.crt", context=trusting)
        assert (answer.headers["Content-Type"], content) == ("application/x-x509-ca-cert", first.read_bytes())
        assert b"PRIVATE" not in content
        for file in first.parent.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
    with demo(app, tiny_bundle, "--port", 0, "--https", **cache) as (_, said):
        assert Path(said["certificate"]).read_bytes() == content  # the phone that trusts it need not be asked again


def test_a_certificate_is_made_again_when_it_is_old_or_others_could_have_written_it(tmp_path, monkeypatch):
    from datetime import timedelta

    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path))
    monkeypatch.setattr("zoo.web.certificate.VALID", timedelta(days=6))
    old = certificate(["localhost"], tmp_path).server.read_bytes()
    monkeypatch.undo()
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path))
    made = certificate(["localhost"], tmp_path)
    assert made.server.read_bytes() != old
    kept = made.server.read_bytes()
    assert certificate(["localhost"], tmp_path).server.read_bytes() == kept
    made.server.chmod(0o622)
    assert certificate(["localhost"], tmp_path).server.read_bytes() != kept
    assert certificate(["localhost", "10.0.0.1"], tmp_path).server != made.server


def test_the_terminal_shows_addresses_and_a_qr_code(app, tiny_bundle, tmp_path):
    path = os.pathsep.join((str(app.parents[1]), str(Path(__file__).parents[2])))
    environment = os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "EDGEZOO_CACHE": str(tmp_path / "c")}

    def shown(*words):
        command = [sys.executable, "-m", "zoo", "demo", tiny_bundle, "--port", "0", *words]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.communicate()[1]
        address = next(line.split()[-1] for line in lines if "://" in line)
        get(address, "/", context=ssl._create_unverified_context() if "https" in address else None)  # noqa: S323
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err
        return lines

    lines = shown()
    assert "can't reach localhost: add --host 0.0.0.0 --https" in "".join(lines)
    assert not any("█" in line for line in lines)
    if network.lan_address() is not None:
        lines = shown("--host", "0.0.0.0")  # noqa: S104
        assert f"http://{network.lan_address()}:" in "".join(lines)
        assert sum("█" in line for line in lines) > 10
        assert "Without --https" in "".join(lines)
        assert "The browser warns" in "".join(shown("--host", "0.0.0.0", "--https"))  # noqa: S104


def test_out_is_what_is_served(app, tiny_bundle, tmp_path, cli, monkeypatch):
    monkeypatch.syspath_prepend(app.parents[1])
    out = tmp_path / "site"
    result = cli("demo", tiny_bundle, tiny_bundle, "--out", out, "--json")
    assert result.status == 0, result.err
    files = {each.relative_to(out).as_posix(): each.read_bytes() for each in out.rglob("*") if each.is_file()}
    assert files == dict(make_site(app, [tiny_bundle, tiny_bundle]))
    assert json.loads(result.out) == {"out": str(out), "files": len(files), "size": sum(map(len, files.values()))}
    paths = [entry["path"] for entry in json.loads(files["bundles/index.json"])["bundles"]]
    assert paths == ["bundles/bundle/", "bundles/bundle-2/"]

    assert "--overwrite" in cli("demo", tiny_bundle, "--out", out).err
    assert cli("demo", tiny_bundle, "--out", out, "--overwrite").status == 0
    assert not (out / "bundles/bundle-2").exists()
    (out / "CNAME").write_text("my own file")
    result = cli("demo", tiny_bundle, "--out", out, "--overwrite")
    assert result.status == 2
    assert "not a site of zoo demo alone" in result.err
    assert (out / "CNAME").exists()


def test_a_killed_writing_leaves_nothing_half(app, tiny_bundle, tmp_path):
    out = tmp_path / "site"
    write_site(make_site(app, [tiny_bundle]), out)
    before = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    code = (
        "import sys, os, signal, pathlib\nfrom zoo.web.site import write_site\n"
        "class Site(dict):\n"
        "    def items(self):\n"
        "        for i in range(3):\n"
        "            yield f'{i}.bin', b'x' * 1000\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_site(Site(), pathlib.Path(sys.argv[1]), overwrite=True)"
    )
    for folder in (out, tmp_path / "fresh"):
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True)
        assert done.returncode == -signal.SIGKILL
    assert {each: each.read_bytes() for each in out.rglob("*") if each.is_file()} == before
    assert not (tmp_path / "fresh").exists()


def test_a_bundle_that_differs_from_its_manifest_is_refused(app, bundle_copy, cli, monkeypatch):
    monkeypatch.syspath_prepend(app.parents[1])
    with (bundle_copy / "model.tflite").open("r+b") as file:
        file.write(b"damaged")
    result = cli("demo", bundle_copy)
    assert result.status == 2
    assert "model.tflite: the file is not the one that the manifest lists" in result.err.splitlines()[-1]


def test_a_bundle_for_microcontrollers_alone_is_refused(app, bundle_copy):
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    entry = manifest["models"]["model.tflite"]
    entry["spec"]["format"] = "tflm"
    manifest["models"] = {"model.tflite": entry}
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ZooError, match=r"no file that a browser can run \(model.tflite\): export it as onnx or tflite"):
        make_site(app, [bundle_copy])


def test_names_of_bundles_become_addresses(app, tiny_bundle, tmp_path):
    names = ["my nét #1", "a", "A", "index.json", "..."]
    bundles = [Path(shutil.copytree(tiny_bundle, tmp_path / str(i) / name)) for i, name in enumerate(names)]
    site = make_site(app, bundles)
    addresses = [entry["name"] for entry in json.loads(site["bundles/index.json"])["bundles"]]
    assert addresses == ["my-n-t-1", "a", "A-2", "index.json-2", "bundle"]


def test_models_are_served_by_their_names(app, tiny_bundle, tmp_path, cli, monkeypatch):
    monkeypatch.syspath_prepend(app.parents[1])
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path / "cache"))
    shutil.copytree(tiny_bundle, names.bundles_folder("timm:resnet18") / "onnx-fp32")
    shutil.copytree(tiny_bundle, names.bundles_folder("hf:someone/pets") / "anything")
    result = cli("demo", "mnist-cnn", "timm:resnet18", "hf:someone/pets", "--out", tmp_path / "site")
    assert result.status == 0, result.err
    listed = json.loads((tmp_path / "site/bundles/index.json").read_text())["bundles"]
    assert [entry["name"] for entry in listed] == ["mnist-cnn", "timm-resnet18", "hf-someone-pets"]
    result = cli("demo", "timm:resnet50", "--out", tmp_path / "other")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "zoo pull timm:resnet50" in result.err


def test_a_damaged_app_is_refused(app, tiny_bundle):
    (app / "assets/index-1.js").write_text("tampered")
    with pytest.raises(ZooError, match=r"index-1.js: the file is not the one that app.json lists"):
        make_site(app, [tiny_bundle])
    (app / "assets/index-1.js").unlink()
    with pytest.raises(ZooError, match="not the built web app"):
        make_site(app, [tiny_bundle])
    (app / "app.json").write_text('{"files": {"../private.txt": {}}}')
    with pytest.raises(ZooError, match="names a file outside"):
        make_site(app, [tiny_bundle])


def test_without_app_or_library_it_says_what_to_install(tiny_bundle, app, cli, monkeypatch, tmp_path):
    monkeypatch.setattr(web_app, "SOURCES", tmp_path / "no-checkout")
    result = cli("demo", tiny_bundle)
    assert result.status == 2
    assert result.err.splitlines()[-1] == (
        "zoo: the web app (edgezoo-demo) is not installed: pip install 'edgezoo[demo]'"
    )
    monkeypatch.syspath_prepend(app.parents[1])
    for library in ("uvicorn", "starlette", "trustme"):
        with monkeypatch.context() as patch:
            for module in [name for name in sys.modules if name.partition(".")[0] == library]:
                patch.delitem(sys.modules, module)
            patch.setitem(sys.modules, library, None)
            result = cli("demo", tiny_bundle, "--port", 0, "--https")
        assert result.status == 2
        assert "pip install 'edgezoo[demo]'" in result.err.splitlines()[-1], library


def test_a_checkout_whose_app_is_not_built_says_how(tiny_bundle, cli, monkeypatch, tmp_path):
    (tmp_path / "mobile_demo" / "dist").mkdir(parents=True)
    (tmp_path / "mobile_demo" / "package.json").touch()
    monkeypatch.setattr(web_app, "SOURCES", tmp_path / "mobile_demo")
    monkeypatch.setattr(web_app, "BUILT", tmp_path / "mobile_demo" / "dist")
    result = cli("demo", tiny_bundle)
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "make demo-app builds it" in result.err
    (tmp_path / "mobile_demo" / "dist" / web_app.STAMP).touch()
    assert web_app.find_app() == tmp_path / "mobile_demo" / "dist"
