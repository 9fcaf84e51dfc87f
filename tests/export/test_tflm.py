"""TFLM's sources: what TFLM lacks is named, the array is the file, and the example compiles and answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import export
import runtime
from export.formats.tflm.operators import check_operators, operators
from export.formats.tflm.sources import Footprint, footprint, sources
from runtime.engines import tflm
from runtime.errors import BundleError, ExportError
from runtime.verify import verify
from tests.micro import converted, static_int8

pytest.importorskip("tflite_micro", reason="has builds for Linux on x86-64 only")

COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")
STUB = Path(__file__).with_name("tflm_stub.h")
HEADERS = ("micro/micro_interpreter.h", "micro/micro_mutable_op_resolver.h", "schema/schema_generated.h")


class Odd(torch.nn.Module):
    """Has three operators that TFLM lacks, one of them twice, among some that it has."""

    def forward(self, values):
        signs = torch.sign(values) + torch.sin(values)
        return torch.nn.functional.gelu(torch.atan2(signs, torch.sign(values) + 1))


def compile_and_run(folder, *files, flags=()):
    """Compile with all warnings as errors, run, and return what it prints."""
    program = folder / "program"
    command = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Werror", *flags, *files, "-o", program]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return subprocess.run([program], check=True, capture_output=True, timeout=60).stdout


def printed_by_the_example(folder, flags=()):
    """Compile the sources in a folder against the stand-in, and return the lines that the program prints."""
    for header in HEADERS:
        path = folder / "tensorflow" / "lite" / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#include "{STUB}"\n')
    return compile_and_run(folder, "main.cc", "model_data.cc", flags=["-I", folder, *flags]).decode().splitlines()


def write(folder, files):
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_a_file_that_tflm_runs_passes(micro):
    check_operators(micro.data)


def test_every_operator_that_tflm_lacks_is_named():
    data = converted(Odd(), np.ones((2, 4), np.float32))
    with pytest.raises(ExportError) as caught:
        check_operators(data)
    assert str(caught.value) == "format 'tflm': TFLM has no operators SIGN, ATAN2, GELU"


def test_an_lstm_is_refused_with_the_operator_s_name():
    """The recipe's own network, on the rows of images."""
    from zoo.recipes import recipe

    declared = recipe("lstm")
    torch.manual_seed(0)
    network = declared.build(replace(declared.options(), hidden=8), (12, 8), 10)
    data = static_int8(network, np.random.default_rng(0).normal(size=(3, 12, 8)).astype(np.float32))
    with pytest.raises(ExportError, match=r"format 'tflm': TFLM can't run the operator CONCATENATION: .*kMaxInputNum"):
        check_operators(data)


def test_a_float_file_is_refused():
    data = converted(torch.nn.Linear(4, 3), np.ones((1, 4), np.float32))
    with pytest.raises(ExportError, match="the graph's input is float32: quantize it, static int8"):
        check_operators(data)


def test_operators_are_named_as_the_schema_does(micro):
    names = operators(micro.data)
    assert {"CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED"} <= set(names)
    assert len(set(names)) == len(names)


def test_the_footprint_is_the_array_and_the_arena(micro):
    assert footprint(micro.data) == Footprint(len(micro.data), tflm.arena(micro.data))


@needs_compiler
def test_the_array_is_the_file(micro, tmp_path):
    write(tmp_path, sources(micro.data, micro.spec))
    (tmp_path / "dump.cc").write_text("""
#include <cstdint>
#include <cstdio>
#include "model_data.h"
int main() {
  if (reinterpret_cast<std::uintptr_t>(model_micro_net::kModel) % 16 != 0) return 1;
  std::size_t written = std::fwrite(model_micro_net::kModel, 1, model_micro_net::kModelLength, stdout);
  return written != model_micro_net::kModelLength;
}
""")
    assert compile_and_run(tmp_path, "dump.cc", "model_data.cc") == micro.data


@needs_compiler
def test_the_constants_are_the_graph_s(micro, tmp_path):
    labels = ('a "quoted" cat', "Füchse??/", "back\\slash 7")
    spec = replace(micro.spec, output=export.Classification("classification", "logits", labels))
    write(tmp_path, sources(micro.data, spec))
    (tmp_path / "dump.cc").write_text("""
#include <cstdio>
#include "model_data.h"
using namespace model_micro_net;
int main() {
  std::printf("%zu|%d|%a|%d|", kArenaSize, kInputLength, kInputScale, kInputZeroPoint);
  std::printf("%d|%a|%d|%d", kOutputLength, kOutputScale, kOutputZeroPoint, kLabelCount);
  for (const char* const* label = kLabels; *label != nullptr; ++label) std::printf("|%s", *label);
}
""")
    arena, size, scale, zero, outputs, step, origin, count, *printed_labels = (
        compile_and_run(tmp_path, "dump.cc", "model_data.cc").decode().split("|")
    )
    model = tflm.open(micro.data, inputs=("x",), outputs=("y",))
    assert (int(arena), int(size), int(outputs), int(count)) == (tflm.arena(micro.data), 12 * 10 * 3, 3, 3)
    assert (float.fromhex(scale), int(zero)) == (model.takes[0].scale, model.takes[0].zero_point)
    assert (float.fromhex(step), int(origin)) == (model.gives[0].scale, model.gives[0].zero_point)
    assert tuple(printed_labels) == labels


@needs_compiler
@pytest.mark.parametrize("namespace", ["tflite", "tflite::micro"])
def test_the_example_compiles_and_answers(micro, tmp_path, namespace):
    """Against a stand-in for TFLM's headers, which declares what they do and answers the same to everything.

    It proves that the example is valid C++, registers the operators it says, and decodes its outputs; not that it runs
    on a device.
    """
    write(tmp_path, sources(micro.data, micro.spec))
    printed = printed_by_the_example(tmp_path, ["-DNESTED"] if namespace == "tflite::micro" else [])
    output = tflm.open(micro.data, inputs=("x",), outputs=("y",)).gives[0]
    values = [(step - output.zero_point) * output.scale for step in (-5, 90, 17)]  # what the stand-in answers
    names = [line.split()[0] for line in printed]
    assert names == ["cat", "dog", "fox", "answer:"]
    assert [float(line.split()[1]) for line in printed[:3]] == pytest.approx(values, rel=1e-4)
    assert printed[3] == "answer: dog"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A network of two inputs and two outputs, whose order in the graph is not that of the trace."""
    from tests.export.test_tensors import SPEC, sample, two_in_two_out

    samples = [sample(seed) for seed in range(24)]
    calibration = export.Calibration([sample(seed) for seed in range(100, 130)])
    out = tmp_path_factory.mktemp("several") / "two"
    return export.export(two_in_two_out(), SPEC, samples, ("tflm",), out=out, calibration=calibration, allow_drift=True)


def test_several_inputs_and_outputs_are_those_of_their_names(several):
    from tests.export.test_tensors import original, sample

    samples = [sample(seed) for seed in range(40, 44)]
    wanted, predictions = original(samples), runtime.load(several.path).predict(samples)
    for name in ("small", "large"):
        array = wanted[name]
        outputs = np.stack([prediction[name] for prediction in predictions])
        assert np.abs(outputs - array).max() < 0.3 * np.abs(array).max(), name
    assert several.manifest.models["model.int8.tflm"].parity.tensors.keys() == {"small", "large"}


def test_the_manifest_says_the_scale_of_each_tensor(several):
    scales = several.manifest.models["model.int8.tflm"].spec.quantization
    assert scales.keys() == {"numbers", "small", "large"}  # words are whole numbers
    large = tflm.open_numbered(several.bytes("model.int8.tflm")).gives[1]
    assert (scales["large"].scale, scales["large"].zero_point) == (large.scale, large.zero_point)


def test_scales_that_contradict_the_file_are_refused(several, tmp_path):
    shutil.copytree(several.path, tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    manifest["models"]["model.int8.tflm"]["spec"]["quantization"]["large"]["scale"] *= 2
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"model\.int8\.tflm carries other scales of its integers"):
        list(verify(tmp_path / "b"))


@needs_compiler
def test_the_example_of_several_inputs_and_outputs_compiles(several, tmp_path):
    write(tmp_path, {name: several.bytes(name) for name in ("main.cc", "model_data.h", "model_data.cc")})
    printed = printed_by_the_example(tmp_path)
    assert [line.split()[0] for line in printed] == ["small"] * 4 + ["large"] * 3
    small, large = tflm.open_numbered(several.bytes("model.int8.tflm")).gives
    values = [float(line.split()[1]) for line in printed]
    assert values[1] == pytest.approx((90 - small.zero_point) * small.scale, rel=1e-4)
    assert values[5] == pytest.approx((90 - large.zero_point) * large.scale, rel=1e-4)


def test_a_detector_in_tflm_gives_its_boxes(tmp_path):
    from tests.networks import Squares
    from tests.squares import picture, specification

    pictures, boxes = zip(*map(picture, range(40)), strict=True)
    calibration = export.Calibration(pictures[:20])
    export.export(
        Squares(), specification(), pictures, ("tflm",), out=tmp_path / "b", targets=boxes, calibration=calibration
    )
    pixels, wanted = picture(99)
    prediction = runtime.load(tmp_path / "b").predict(pixels)
    assert sorted(box.label for box in prediction.boxes) == sorted(label for label, *_ in wanted)
