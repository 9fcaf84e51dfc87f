"""`zoo card`: the same facts, and the speed that was measured here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runtime import Bundle
from runtime.bundle import CARD, SIGNATURE
from runtime.errors import IntegrityError
from zoo.exporting.cards import SPEED, renew


def test_the_speed_of_each_file_is_in_the_card(cli, bundle_copy):
    before = Bundle.read(bundle_copy).manifest
    (bundle_copy / SIGNATURE).write_text("of what was")
    done = cli("card", bundle_copy, "--overwrite", "--json")
    assert done.status == 0, done.err
    bundle = Bundle.read(bundle_copy)
    bundle.check()
    assert not (bundle_copy / SIGNATURE).exists()
    assert replace(bundle.manifest, files=before.files) == before
    assert {name for name, entry in bundle.manifest.files.items() if before.files.get(name) != entry} == {CARD, SPEED}
    speed = json.loads(bundle.bytes(SPEED))
    text = bundle.bytes(CARD).decode()
    assert set(speed["latency"]) == {"model.onnx", "model.tflite"}
    for seconds in speed["latency"].values():
        assert seconds > 0
        assert f"| {seconds * 1000:.3g} ms |" in text
    assert speed["machine"] in text


def test_what_was_measured_stays_and_a_card_alone_is_the_same_again(bundle_copy):
    first = Bundle.read(bundle_copy).bytes(CARD)
    assert renew(bundle_copy, measure=False).bytes(CARD) == first
    timed = renew(bundle_copy).bytes(CARD)
    assert renew(bundle_copy, measure=False).bytes(CARD) == timed


def test_a_damaged_bundle_gets_no_new_card(bundle_copy):
    (bundle_copy / "model.onnx").write_bytes(b"changed")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        renew(bundle_copy)
