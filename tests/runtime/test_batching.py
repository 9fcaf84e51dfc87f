"""Micro-batches where they measure faster, and nowhere else."""

from __future__ import annotations

import pytest

import runtime
from runtime import OptionError, batching
from runtime.batching import BatchingSpeed
from tests.runtime.edits import edit_manifest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EDGEZOO_CACHE", str(folder))
    monkeypatch.setattr(batching, "SECONDS", 0.01)


def load(bundle, **options):
    return runtime.load(bundle, batching="auto", trusted=True, **options)


@pytest.mark.parametrize(("single", "batched", "merges"), [(100.0, 104.0, False), (100.0, 106.0, True)])
def test_callers_are_merged_where_that_answers_more(tiny_bundle, monkeypatch, photo, single, batched, merges):
    calls = []
    monkeypatch.setattr(batching, "_measure", lambda *models: calls.append(models) or BatchingSpeed(single, batched))
    first, again = load(tiny_bundle), load(tiny_bundle)
    assert (first.batching, again.batching) == (merges, merges)
    assert len(calls) == 1
    plain, merging = calls[0]
    assert (plain.batching, merging.batching) == (False, True)
    assert first.predict(photo).label == runtime.load(tiny_bundle, trusted=True).predict(photo).label


@pytest.mark.parametrize("name", ["tiny_bundle", "table_bundle", "squares"])
def test_what_is_measured_is_what_is_called(request, name):
    """Eight callers at once, with and without: pixels, rows, and pictures whose boxes need their placement."""
    bundle = request.getfixturevalue(name)
    speeds, measure = [], batching._measure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "_measure", lambda *models: speeds.append(measure(*models)) or speeds[0])
        model = load(bundle, engine="onnxruntime")
    (speed,) = speeds
    assert min(speed.single, speed.batched) > 10
    assert model.batching == (speed.batched > batching.GAIN * speed.single)


def test_files_of_one_batch_size_and_sequences_are_never_merged(bundle_copy, sequence_bundle, monkeypatch):
    def fix(manifest):
        for model in manifest["models"].values():
            model["spec"]["batch"] = 1

    monkeypatch.setattr(batching, "_measure", lambda *_: pytest.fail("measured"))
    edit_manifest(bundle_copy, fix)
    assert not load(bundle_copy).batching
    assert not load(sequence_bundle).batching


def test_other_words_are_refused(tiny_bundle):
    with pytest.raises(OptionError, match=r"^batching must be True, False or 'auto', got 'yes'$"):
        runtime.load(tiny_bundle, batching="yes")
