"""No ONNX file reads another file, wherever in it a tensor hides; our own check and the engine's both hold."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import runtime.formats.onnx
from runtime import EngineError
from runtime.engines import engine_module

SIZE = 1024


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder with secrets in it and around it."""
    folder = tmp_path / "work"
    folder.mkdir()
    for secret in (tmp_path / "secret.bin", folder / "secret.bin"):
        secret.write_bytes(bytes(4 * SIZE))
    (folder / "hard.bin").hardlink_to(folder / "secret.bin")
    (folder / "soft.bin").symlink_to(folder / "secret.bin")
    os.mkfifo(folder / "pipe")  # who opens it waits for ever
    monkeypatch.chdir(folder)
    return folder


LOCATIONS = {
    "beside": lambda work: "secret.bin",
    "dot": lambda work: "./secret.bin",
    "above": lambda work: "../secret.bin",
    "round about": lambda work: "../work/secret.bin",
    "absolute": lambda work: str(work / "secret.bin"),
    "hard link": lambda work: "hard.bin",
    "symbolic link": lambda work: "soft.bin",
    "pipe": lambda work: "pipe",
    "process": lambda work: "/proc/self/environ",
    "memory": lambda work: "*/_ORT_MEM_ADDR_/*",
    "empty": lambda work: "",
}


def external(location, name="w", dtype=TensorProto.FLOAT):
    tensor = TensorProto(name=name, data_type=dtype, dims=[SIZE], data_location=TensorProto.EXTERNAL)
    offset = id(SECRET) if location.startswith("*") else 0
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(4 * SIZE))):
        tensor.external_data.add(key=key, value=value)
    return tensor


SECRET = np.zeros(SIZE, np.float32)


def sparse(values, indices):
    return onnx.SparseTensorProto(dims=[SIZE], values=values, indices=indices)


def branch(nodes, initializer=()):
    return helper.make_graph(nodes, "branch", [], [value("o")], list(initializer))


def value(name, dtype=TensorProto.FLOAT, shape=(SIZE,)):
    return helper.make_tensor_value_info(name, dtype, shape)


def file(nodes, initializer=(), sparse_initializer=(), functions=()):
    graph = helper.make_graph(
        nodes, "hostile", [value("x", TensorProto.BOOL, ())], [value("y")], list(initializer),
        sparse_initializer=list(sparse_initializer),
    )  # fmt: skip
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10, functions=list(functions)).SerializeToString()


def copied(name="w"):
    return [helper.make_node("Identity", [name], ["y"])]


def either(graph):
    return [helper.make_node("If", ["x"], ["y"], then_branch=graph, else_branch=graph)]


COUNT = helper.make_tensor("count", TensorProto.INT64, [SIZE], range(SIZE))
ONES = helper.make_tensor("w", TensorProto.FLOAT, [SIZE], [1.0] * SIZE)
FILES = {
    "initializer": lambda location: file(copied(), [external(location)]),
    "constant": lambda location: file([helper.make_node("Constant", [], ["y"], value=external(location))]),
    "fill value": lambda location: file(
        [helper.make_node("ConstantOfShape", ["s"], ["y"], value=external(location))],
        [helper.make_tensor("s", TensorProto.INT64, [1], [SIZE])],
    ),
    "initializer of a branch": lambda location: file(
        either(branch([helper.make_node("Identity", ["wi"], ["o"])], [external(location, "wi")]))
    ),
    "constant of a branch": lambda location: file(
        either(branch([helper.make_node("Constant", [], ["o"], value=external(location))]))
    ),
    "constant of a branch of a branch": lambda location: file(
        either(branch([
            helper.make_node(
                "If", ["x"], ["o"],
                then_branch=branch([helper.make_node("Constant", [], ["o"], value=external(location))]),
                else_branch=branch([helper.make_node("Constant", [], ["o"], value=external(location))]),
            )
        ]))
    ),
    "constant of a function": lambda location: file(
        [helper.make_node("F", ["x"], ["y"], domain="own")],
        functions=[
            helper.make_function(
                "own", "F", ["a"], ["b"], [helper.make_node("Constant", [], ["b"], value=external(location))],
                [helper.make_opsetid("", 20)],
            )
        ],
    ),
    "values of a sparse initializer": lambda location: file(
        copied(), sparse_initializer=[sparse(external(location), COUNT)]
    ),
    "indices of a sparse initializer": lambda location: file(
        copied(), sparse_initializer=[sparse(ONES, external(location, "i", TensorProto.INT64))]
    ),
    "sparse constant": lambda location: file(
        [helper.make_node("Constant", [], ["y"], sparse_value=sparse(external(location), COUNT))]
    ),
}  # fmt: skip


def complaint(data):
    with pytest.raises(EngineError) as caught:
        engine_module("onnxruntime").open(data, inputs=("x",), outputs=("y",))
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.timeout(20)
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("kind", FILES)
def test_no_tensor_lies_outside_the_file(work, kind, location):
    expected = "engine 'onnxruntime' can't open the model: it keeps values in another file; save it as one file"
    assert complaint(FILES[kind](LOCATIONS[location](work))) == expected


@pytest.mark.timeout(20)
@pytest.mark.parametrize("location", [location for location in LOCATIONS if location != "empty"])
@pytest.mark.parametrize("kind", FILES)
def test_the_engine_would_not_read_it_either(work, monkeypatch, kind, location):
    monkeypatch.setattr(runtime.formats.onnx, "check_self_contained", lambda data, engine: None)
    assert "can't open the model on cpu" in complaint(FILES[kind](LOCATIONS[location](work)))


def test_the_same_files_without_external_data_open():
    for data in (
        file(copied(), [ONES]),
        file([helper.make_node("Constant", [], ["y"], value=ONES)]),
        file(either(branch([helper.make_node("Constant", [], ["o"], value=ONES)]))),
        file(copied(), sparse_initializer=[sparse(ONES, COUNT)]),
    ):
        engine = engine_module("onnxruntime").open(data, inputs=("x",), outputs=("y",))
        assert (engine.run({"x": np.array(True)})["y"] == 1).all()


@pytest.mark.parametrize(
    "data",
    [b"\x0b", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a", b"\xff" * 20, b"ORTM" * 9],
    ids=["group", "too long", "cut", "endless", "another format"],
)
def test_what_is_no_onnx_file_is_told_before_the_engine_sees_it(data):
    assert "not an ONNX file" in complaint(data)
