"""A few architectures of docs/coverage.md: fused branches, decomposed operators, attention; and the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import product

import pytest

from benchmarks import coverage, coverage_case, coverage_page
from benchmarks.coverage_case import Case, File

SUBSET = ("mobileone_s1", "ghostnetv3_050", "mobilevitv2_050")


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize(("name", "format_name"), [*product(SUBSET, coverage.FORMATS)])
def test_it_is_exported_as_published(name, format_name):
    """What was decomposed for them has tests of its own in test_decompositions."""
    case = coverage_case.run(name, format_name)
    assert {precision: file.problem for precision, file in case.files.items()} == {"fp32": "", "int8": ""}
    published = coverage.kept(any_version=True)[name, format_name]
    assert case.parameters == published.parameters
    assert case.files["fp32"].size == pytest.approx(published.files["fp32"].size, rel=0.02)


@pytest.mark.slow
@pytest.mark.nightly
def test_attention_has_one_layout_when_it_is_traced_and_decomposed():
    """MaxViT's windows of any number of images; test_decompositions has one of its layers."""
    case = coverage_case.run("test_maxvit", "onnx")
    assert {precision: file.problem for precision, file in case.files.items()} == {"fp32": "", "int8": ""}


def test_the_page_is_of_what_was_measured():
    cases = coverage.ordered(coverage.kept(any_version=True))
    versions = json.loads(coverage.RESULTS.read_text().splitlines()[0])["versions"]
    assert coverage.PAGE.read_text() == coverage_page.page(cases, versions)
    assert len({case.name for case in cases}) >= 100


def test_a_process_that_dies_is_a_failure_with_its_reason(monkeypatch):
    monkeypatch.setattr(coverage, "_send", _die)
    case = coverage.measure("resnet18", "onnx")
    assert case.files["fp32"].problem == "its process ended with 3"


def _die(sender, name, format_name):
    import os

    os._exit(3)


def test_a_run_goes_on_where_it_was(tmp_path, monkeypatch):
    tried = []

    def measure(name, format_name):
        tried.append((name, format_name))
        return Case(name, format_name, 1, 224, 1.0, files={"fp32": File(size=5, milliseconds=1, torch_milliseconds=2)})

    monkeypatch.setattr(coverage, "RESULTS", tmp_path / "coverage.jsonl")
    monkeypatch.setattr(coverage, "measure", measure)
    tasks = [("resnet18", "onnx"), ("resnet18", "tflite"), ("vgg11", "onnx")]
    next(iter(coverage.run(tasks, 1)))
    assert len(coverage.kept()) >= 1
    with coverage.RESULTS.open("a") as file:
        file.write('{"name": "half')
    known = coverage.kept()
    assert all(asdict(case)["files"]["fp32"]["size"] == 5 for case in known.values())
    tried.clear()
    list(coverage.run([task for task in tasks if task not in known], 1))
    assert not set(tried) & set(known)
