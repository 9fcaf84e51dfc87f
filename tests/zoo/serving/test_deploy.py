"""The examples of `deploy/`, as far as they can be checked without Docker, systemd and Kubernetes."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from zoo.cli.app import app

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


def parse(words):
    """Return the options of `zoo serve` that words after it set; fails on what the command doesn't know."""
    command = typer.main.get_command(app).commands["serve"]
    return command.make_context("serve", list(words)).params


def instructions():
    """Return the instructions of the Dockerfile, with continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def test_the_image_runs_the_command_as_a_user_and_gets_its_signals():
    entry = json.loads(dict(instructions())["ENTRYPOINT"])  # a list: no shell that keeps the signal to itself
    assert entry[:2] == ["zoo", "serve"]
    options = parse([*entry[2:], "bundle"])
    assert (options["host"], options["port"], options["grpc_port"]) == ("0.0.0.0", 8000, 8001)  # noqa: S104
    assert dict(instructions())["EXPOSE"].split() == ["8000", "8001"]
    assert dict(instructions())["USER"] == "edgezoo"


def test_the_image_is_built_from_the_wheel_and_what_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = next(text for name, text in instructions() if name == "ARG").partition("=")[2].split(",")
    assert set(extras) <= set(project["optional-dependencies"])
    sources = [text.split()[0] for name, text in instructions() if name == "COPY"]
    assert sources == ["dist/*.whl", "constraints.txt"]
    assert (ROOT / sources[1]).is_file()
    run = next(text for name, text in instructions() if name == "RUN")
    assert f"/tmp/dist/{project['name']}-*.whl" in run  # noqa: S108


def test_the_health_check_asks_for_a_path_that_is_there(server):
    (check,) = (text for name, text in instructions() if name == "HEALTHCHECK")
    (url,) = re.findall(r"http://localhost:8000(/[^']*)", check)
    assert server.get(url).status_code == 200
    compile(json.loads(check.partition("CMD ")[2])[2], "health", "exec")


def test_compose_mounts_what_it_serves():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["edgezoo"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    options = parse(service["command"])
    mounts = [volume.split(":")[1] for volume in service["volumes"]]
    assert [str(path) for path in options["bundles"]] == mounts
    assert {port.rsplit(":", 1)[1] for port in service["ports"]} == {"8000", "8001"}
    assert int(service["stop_grace_period"].rstrip("s")) > 60


def test_the_unit_starts_the_command_with_what_systemd_gives_it():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(DEPLOY / "edgezoo.service")
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[:2] == ["/opt/edgezoo/bin/zoo", "serve"]
    options = parse(words[2:])
    state = Path("/var/lib") / unit["Service"]["StateDirectory"]
    assert all(path.is_relative_to(state) for path in options["bundles"])
    assert str(options["token_file"]) == f"%d/{unit['Service']['LoadCredential'].partition(':')[0]}"
    cache = unit["Service"]["Environment"].partition("EDGEZOO_CACHE=")[2]
    assert cache == f"/var/cache/{unit['Service']['CacheDirectory']}"


def test_the_inference_service_probes_what_is_there(server):
    document = yaml.safe_load((DEPLOY / "kserve.yaml").read_text())
    assert (document["apiVersion"], document["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = document["spec"]["predictor"]
    (container,) = predictor["containers"]
    assert container["command"] == ["zoo", "serve"]
    options = parse(container["args"])
    assert options["port"] == container["ports"][0]["containerPort"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == options["port"]
        assert server.get(asked["path"]).status_code == 200, probe
    (mount,) = container["volumeMounts"]
    assert all(path.is_relative_to(mount["mountPath"]) for path in options["bundles"])
    assert mount["name"] in [volume["name"] for volume in predictor["volumes"]]


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "edgezoo.service", "kserve.yaml"])
def test_the_guide_names_each(name):
    assert f"deploy/{name}" in (ROOT / "docs" / "guides" / "serve.md").read_text()
