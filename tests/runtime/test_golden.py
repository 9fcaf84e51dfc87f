"""golden.npz is read as it was written, or refused in one line."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from runtime import Bundle, BundleError
from runtime.bundle import GOLDEN, golden
from runtime.bundle.golden import Golden


def read_golden(bundle):
    return Golden.decode((bundle / GOLDEN).read_bytes(), GOLDEN)


def test_a_golden_pack_survives_encoding(tiny_bundle):
    pack = read_golden(tiny_bundle)
    again = Golden.decode(pack.encode(), GOLDEN)
    assert again.raw == pack.raw
    assert np.array_equal(again.inputs, pack.inputs)
    assert np.array_equal(again.outputs, pack.outputs)
    assert (again.real, again.tolerance, again.input_tolerance) == (8, 1e-5, 3)
    assert pack.encode() == (tiny_bundle / GOLDEN).read_bytes()


def test_a_golden_pack_holds_hard_inputs(tiny_bundle):
    pack = read_golden(tiny_bundle)
    assert len(pack.raw) == pack.real == 8
    assert len(pack.inputs) == 11
    assert (pack.inputs[pack.real] == 0).all()
    assert (pack.inputs[pack.real + 1] == 255).all()


ARRAYS = {
    "raw_000": np.zeros(5, np.uint8),
    "inputs": np.zeros((1, 12, 10, 3), np.uint8),
    "outputs": np.zeros((1, 3), np.float32),
    "limits": np.array([1, 1e-5, 3]),
}


def pack_of(**changes):
    """Return a pack of one sample, some of whose arrays are others, raw bytes, or left out (None)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (ARRAYS | changes).items():
            member = io.BytesIO()
            if isinstance(array, bytes):
                member.write(array)
            elif array is not None:
                np.save(member, array, allow_pickle=True)
            if array is not None:
                archive.writestr(f"{name}.npy", member.getvalue())
    return file.getvalue()


def huge_header():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 1, 1, 1)})
    return header.getvalue()


def refusal(data):
    with pytest.raises(BundleError) as caught:
        Golden.decode(data, GOLDEN)
    text = str(caught.value)
    assert text.startswith(f"{GOLDEN}: ")
    assert len(text.splitlines()) == 1
    return text


def test_the_smallest_pack_is_read():
    assert Golden.decode(pack_of(), GOLDEN).real == 1


@pytest.mark.parametrize("shape", [(2, 4), (2, 7, 3), (2, 8, 8, 1)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_inputs_and_outputs_of_every_kind(shape, kind):
    inputs = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    for outputs in (np.zeros((2, 1), np.float32), np.zeros((2, 5, 4), np.float32)):
        pack = Golden((b"one",), inputs, outputs, 1, 1e-5, 0.0)
        again = Golden.decode(pack.encode(), GOLDEN)
        assert again.inputs.dtype == kind
        assert np.array_equal(again.inputs, inputs)
        assert again.outputs.shape == outputs.shape
        assert (again.raw, again.real, again.input_tolerance) == ((b"one",), 1, 0)


def test_the_names_of_format_1_are_read():
    old = {"pixels": ARRAYS["inputs"], "logits": ARRAYS["outputs"]}
    assert Golden.decode(pack_of(inputs=None, outputs=None, **old), GOLDEN).inputs.shape == (1, 12, 10, 3)


@pytest.mark.parametrize("data", [b"", b"junk", pack_of()[:-30], pack_of()[30:]], ids=["empty", "junk", "cut", "tail"])
def test_what_is_no_zip_is_no_pack(data):
    assert "not a golden pack" in refusal(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": np.array([{"a": "pickle"}])},
        {"raw_000": np.array([None])},
        {"inputs": b"no array"},
        {"raw_000": b""},
        {"inputs": huge_header()},
        {"outputs": None},
        {"limits": None},
        {"raw_000": None},
        {"raw_001": np.zeros(5, np.uint8)},
        {"inputs": np.zeros((12, 10, 3), np.uint8)},
        {"inputs": np.zeros((2, 12, 10, 3), np.uint8)},
        {"inputs": np.zeros((1, 12, 10, 3))},
        {"inputs": np.full((1, 4), np.nan, np.float32)},
        {"inputs": np.zeros((1, 4), ">f4")},
        {"inputs": np.zeros(1, np.float32)},
        {"outputs": np.zeros((2, 3), np.float32)},
        {"outputs": np.array([["a", "b", "c"]])},
        {"limits": np.array([0, 1e-5, 3])},
        {"limits": np.array([0.5, 1e-5, 3])},
        {"limits": np.array([2, 1e-5, 3])},
        {"limits": np.array([1, np.nan, 3])},
        {"limits": np.array([1, 1e-5, np.nan])},
        {"limits": np.array([1, 1e-5, np.inf])},
        {"limits": np.array(["1", "2", "3"])},
    ],
    ids=lambda changes: " ".join(f"{name} {str(value)[:20]!r}" for name, value in changes.items()),
)
def test_arrays_that_make_no_pack(changes):
    assert "not a golden pack" in refusal(pack_of(**changes))


@pytest.mark.parametrize("seed", range(5))
def test_damage_raises_nothing_else(tiny_bundle, seed):
    data = (tiny_bundle / GOLDEN).read_bytes()
    random = np.random.default_rng(seed)
    for _ in range(100):
        damaged = bytearray(data)
        for at in random.integers(0, len(data), 3):
            damaged[at] = random.integers(256)
        try:
            Golden.decode(bytes(damaged), GOLDEN)
        except BundleError as problem:
            assert len(str(problem).splitlines()) == 1


def test_a_pack_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(golden, "MAX_UNPACKED", 1000)
    assert "unpacks to" in refusal(pack_of(raw_000=np.zeros(10_000, np.uint8)))


def test_the_golden_pack_is_listed_and_checked(bundle_copy):
    (bundle_copy / GOLDEN).write_bytes(pack_of())
    with pytest.raises(BundleError, match=GOLDEN):
        Bundle.read(bundle_copy).bytes(GOLDEN)
