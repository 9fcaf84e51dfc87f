"""The readers and writers of a model file's own metadata, on real files and on damaged ones."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from export.formats import format_module, formats_in
from export.formats.tflite import embed
from runtime import BundleError
from runtime.engines import engine_module
from runtime.formats.tflite import metadata as tflite_metadata
from runtime.spec import METADATA_KEY, decode_metadata

ENGINES = {"onnx": "onnxruntime", "tflite": "litert"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def read(file_format, data):
    return engine_module(ENGINES[file_format]).metadata(data)


def run(file_format, data, pixels):
    module = engine_module(ENGINES[file_format])
    engine = module.open(data, inputs=("image",), outputs=("logits",))
    return engine.run({"image": pixels})["logits"]


@pytest.fixture(scope="session", params=formats_in("fp32"))
def real(request, tiny_bundle):
    """A format and the content of the tiny bundle's file in it."""
    return request.param, (tiny_bundle / f"model.{request.param}").read_bytes()


@pytest.fixture(scope="session")
def tflite(tiny_bundle):
    return (tiny_bundle / "model.tflite").read_bytes()


def test_a_real_files_metadata_is_the_manifests_model_part(real):
    file_format, data = real
    metadata = decode_metadata(read(file_format, data), "metadata")
    assert (metadata.format, metadata.model.name, metadata.file.format) == (2, "tiny", file_format)


def test_another_formats_file_is_refused_or_carries_nothing(tiny_bundle):
    with pytest.raises(BundleError, match="not a TFLite file"):
        read("tflite", (tiny_bundle / "model.onnx").read_bytes())
    with pytest.raises(BundleError, match="not an ONNX file"):
        read("onnx", (tiny_bundle / "model.tflite").read_bytes())


def test_an_onnx_file_cut_within_its_metadata_is_refused(tiny_bundle):
    with pytest.raises(BundleError, match="longer than the file"):
        read("onnx", (tiny_bundle / "model.onnx").read_bytes()[:-10])


def test_a_tflite_file_whose_metadata_runs_over_its_end_is_refused(tflite):
    damaged = bytearray(tflite)
    struct.pack_into("<I", damaged, tflite.index(b'{"format"') - 4, len(tflite))
    with pytest.raises(BundleError, match="longer than the file"):
        read("tflite", bytes(damaged))


@pytest.mark.parametrize(
    ("file_format", "data", "reason"),
    [
        ("onnx", b"\x80" * 100, "an endless number"),
        ("onnx", b"\x0b", "wire type 3"),
        ("onnx", b"\x0a\x05abcd", "longer than the file"),
        ("tflite", struct.pack("<I4si", 8, b"TFL3", 100) + bytes(100), "points before the file"),
        ("tflite", b"\0\0\0\0TFL2" + bytes(100), "its identifier is missing"),
    ],
    ids=["varint", "group", "length", "vtable", "identifier"],
)
def test_a_file_that_points_outside_itself_is_refused(file_format, data, reason):
    with pytest.raises(BundleError, match=reason):
        read(file_format, data)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0, 1),
    st.booleans(),
)
def test_damage_raises_nothing_else(real, changes, share, cut):
    file_format, data = real
    damaged = bytearray(data[: int(share * len(data))] if cut else data)
    for at, value in changes if damaged else ():
        damaged[at % len(damaged)] = value
    try:
        text = read(file_format, bytes(damaged))
    except BundleError as problem:
        assert len(str(problem).splitlines()) == 1
    else:
        assert text is None or isinstance(text, str)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 127), st.sampled_from([0, 1, 4, 8, 127, 128, 255])), min_size=1))
def test_a_damaged_head_raises_nothing_else(real, changes):
    file_format, data = real
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at] = value
    try:
        read(file_format, bytes(damaged))
    except BundleError as problem:
        assert len(str(problem).splitlines()) == 1


@given(st.binary(max_size=200), st.booleans())
def test_noise_raises_nothing_else(noise, marked):
    for file_format in ENGINES:
        try:
            read(file_format, noise[:4] + b"TFL3" + noise[4:] if marked else noise)
        except BundleError as problem:
            assert len(str(problem).splitlines()) == 1


@settings(max_examples=30)
@given(TEXTS)
def test_any_text_can_be_embedded(real, text):
    file_format, data = real
    model = format_module(file_format)
    stripped = data.replace(METADATA_KEY.encode(), b"another")
    assert read(file_format, stripped) is None
    assert (read(file_format, model.embed(stripped, METADATA_KEY, text)) or "") == text


def test_embedding_again_under_the_same_key_replaces(real):
    file_format, data = real
    assert read(file_format, format_module(file_format).embed(data, METADATA_KEY, "new")) == "new"


def test_embedding_under_other_keys_keeps_the_metadata_and_the_answers(real):
    file_format, data = real
    pixels = np.random.default_rng(0).integers(0, 256, (1, 12, 10, 3), np.uint8)
    writer = format_module(file_format)
    changed = writer.embed(writer.embed(data, "one", "1" * 5000), "two", "zwei")
    assert read(file_format, changed) == read(file_format, data)
    assert np.array_equal(run(file_format, changed, pixels), run(file_format, data, pixels))


def entries(data):
    """Return the metadata as TFLite's own schema reads it."""
    model = schema.Model.GetRootAs(data)
    tables = [model.Metadata(i) for i in range(model.MetadataLength())]
    return {entry.Name(): model.Buffers(entry.Buffer()).DataAsNumpy().tobytes() for entry in tables}


def test_tflites_own_schema_reads_what_was_embedded(tflite):
    changed = embed(embed(tflite, "one", "eins"), "two", "größer")
    assert entries(changed) == {**entries(tflite), b"one": b"eins", b"two": "größer".encode()}
    before, after = schema.Model.GetRootAs(tflite), schema.Model.GetRootAs(changed)
    assert after.Version() == before.Version() == 3
    assert after.Description() == before.Description()
    assert after.BuffersLength() == before.BuffersLength() + 2
    assert after.SubgraphsLength() == before.SubgraphsLength() == 1
    assert after.OperatorCodesLength() == before.OperatorCodesLength()


@settings(max_examples=30)
@given(st.text(max_size=40), TEXTS)
def test_constants_begin_at_multiples_of_16_bytes(tflite, key, text):
    changed = embed(tflite, key, text)
    assert entries(changed)[key.encode()] == text.encode()
    model = schema.Model.GetRootAs(changed)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    starts = [each._tab.Vector(each._tab.Offset(4)) for each in buffers if each.DataLength()]
    assert len(starts) > 4
    assert {start % 16 for start in starts} == {0}


def of_shared_parts(entries, fields, text):
    """Return a TFLite file of so many entries of metadata, which share a description of fields and a long name."""
    model_fields = struct.pack("<9H", 18, 12, 0, 0, 0, 0, 8, 0, 4)  # its buffers, and its metadata
    model = 8 + len(model_fields)
    listed = model + 16
    described = listed + 4 + 4 * entries
    first = described + 4 + 2 * fields
    name = first + 8 * entries
    data = struct.pack("<I4s", model, b"TFL3") + model_fields
    data += struct.pack("<iIII", len(model_fields), listed - model - 4, 4, 0) + struct.pack("<I", entries)
    data += b"".join(struct.pack("<I", first + 8 * i - (listed + 4 + 4 * i)) for i in range(entries))
    data += struct.pack("<HHH", 4 + 2 * fields, 8, 4) + bytes(2 * fields - 2)
    data += b"".join(struct.pack("<iI", at - described, name - at - 4) for at in range(first, name, 8))
    return data + struct.pack("<I", len(text)) + text


def test_metadata_is_looked_for_in_one_go(monkeypatch):
    """Entries that share one description of 20,000 fields, and a long name, cost no more than others."""
    data = of_shared_parts(2_000, 20_000, b"a" * 60_000)
    read = []
    unpack = struct.unpack_from
    monkeypatch.setattr(
        "runtime.formats.flatbuffer.struct.unpack_from",
        lambda code, *where: read.append(struct.calcsize(code)) or unpack(code, *where),
    )
    assert tflite_metadata(data, "absent") is None
    assert 2_000 * 8 < sum(read) < 4 * len(data)
