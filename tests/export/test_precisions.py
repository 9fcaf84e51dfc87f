"""Every precision in every format: what is stored, what still answers, and what stays exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import export
import runtime
from export.bundle import prepare
from export.files import Variant, verify
from export.formats import formats_in
from export.formats._litert import quantization as tflite_precision
from export.formats.onnx import static as onnx_static
from export.precision import CALIBRATED
from runtime.bundle import GOLDEN
from runtime.bundle.golden import Golden
from runtime.native_output import suppress_output
from tests.export import digits
from tests.export.digits import PRECISIONS

FORMATS = formats_in("fp32")
BITS = {"fp32": 32, "fp16": 16, "int4-weights": 4}
"""Of weights; 8 in the others."""
SIGNAL = {
    "fp32": (110, 200), "fp16": (60, 90), "int8": (30, 55), "int8-dynamic": (30, 60), "int8-weights": (40, 60),
    "int16x8": (40, 60), "int4-weights": (15, 35),
}  # fmt: skip
"""Decibels: a bit is worth 6, so that 24, 11, 8, 7 and 4 bits are good for 144, 66, 48, 42 and 24; layers add up their
noise, and a channel's or a block's own scale gains some back. More than the bits allow means that nothing was rounded.
"""
CASES = [
    pytest.param(kind, name, precision, id=f"{kind}-{name}-{precision}")
    for kind in ("image", "table", "sequence")
    for name in FORMATS
    for precision in digits.precisions(kind)
]


@dataclass(frozen=True)
class Constant:
    """A tensor that a file stores: its type's name, how many values, and in how many bytes."""

    name: str
    kind: str
    values: int
    size: float


def constants(path):
    """Return the tensors that a file stores."""
    data = path.read_bytes()
    if path.suffix == ".onnx":
        kinds = {number: name for name, number in onnx.TensorProto.DataType.items()}
        stored = []
        for tensor in onnx.load_from_string(data).graph.initializer:
            values, kind = int(np.prod(tensor.dims)), kinds[tensor.data_type]
            stored.append(Constant(tensor.name, kind, values, values * width(kind)))
        return stored
    kinds = {number: name for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
    model, stored, seen = schema.ModelT.InitFromPackedBuf(data), [], set()
    for tensor in model.subgraphs[0].tensors:
        content = model.buffers[tensor.buffer].data
        if content is not None and len(content) and tensor.buffer not in seen:
            seen.add(tensor.buffer)
            stored.append(Constant(tensor.name, kinds[tensor.type], int(np.prod(tensor.shape)), len(content)))
    return stored


def width(kind):
    """Return the bytes of a value of an ONNX type."""
    return {"FLOAT16": 2, "INT8": 1, "UINT8": 1, "UINT16": 2, "INT4": 0.5, "INT64": 8}.get(kind, 4)


def file(bundle, name, precision, part=""):
    return bundle.path / f"model{part}{'' if precision == 'fp32' else f'.{precision}'}.{name}"


def opened(path):
    with suppress_output():
        return runtime.load(path, threads=1)


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_each_is_a_file_under_its_name(exports, kind):
    wanted = {file(exports[kind], name, each).name for name in FORMATS for each in digits.precisions(kind)}
    if kind == "sequence":
        wanted |= {name.replace("model.", "model.step.") for name in wanted}
    assert set(exports[kind].manifest.models) == wanted
    assert not any(model.spec.drift for model in exports[kind].manifest.models.values())


@pytest.mark.parametrize(("kind", "name", "precision"), CASES)
def test_the_file_alone_predicts_and_knows_its_precision(exports, cases, kind, name, precision, tmp_path):
    path = tmp_path / "renamed" / f"elsewhere.{name}"
    path.parent.mkdir()
    path.write_bytes(file(exports[kind], name, precision).read_bytes())
    model = opened(path)
    assert (model.file_spec.precision, model.file_spec.format, model.file_spec.drift) == (precision, name, "")
    answers = model.predict(cases[kind].held["samples"][:60])
    right = [answer.label == str(target) for answer, target in zip(answers, digits.TARGETS, strict=False)]
    assert sum(right) >= 50


@pytest.mark.parametrize(("kind", "name", "precision"), CASES)
def test_weights_are_stored_in_fewer_bits(exports, kind, name, precision):
    kept = exports[kind].manifest.models[file(exports[kind], name, precision).name].quantisation
    if kept is not None and kept.kept:
        pytest.skip("some layers stay in fp32")
    plain = [each for each in constants(file(exports[kind], name, "fp32")) if each.kind.startswith("FLOAT")]
    smaller = constants(file(exports[kind], name, precision))
    sizes = Counter()
    for each in smaller:
        sizes[each.kind] += each.values
    wanted = {32: "FLOAT32" if name == "tflite" else "FLOAT", 16: "FLOAT16", 4: "INT4"}.get(
        BITS.get(precision, 8), "INT8"
    )
    weights = [each.values for each in plain if each.values > 128]  # smaller ones are biases
    assert sizes[wanted] >= 0.95 * sum(weights)
    # biases and scales take the rest
    share = sum(each.size for each in smaller) / sum(each.size for each in plain)
    assert share <= BITS.get(precision, 8) / 32 + 0.15
    whole = file(exports[kind], name, precision).stat().st_size / file(exports[kind], name, "fp32").stat().st_size
    assert whole < (0.9 if precision != "fp32" else 1.1)


@pytest.mark.parametrize(("kind", "name", "precision"), CASES)
def test_the_signal_is_as_good_as_the_bits_allow(exports, kind, name, precision):
    parity = exports[kind].manifest.models[file(exports[kind], name, precision).name].parity
    low, high = SIGNAL[precision]
    assert low <= parity.snr <= high
    assert parity.agreement >= 0.97


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_inputs_and_outputs_keep_their_types(exports, kind, name):
    for precision in digits.precisions(kind):
        path = file(exports[kind], name, precision)
        dtype = "uint8" if kind == "image" else "float32"
        assert opened(path).file_spec.input_dtype == dtype
        if name == "onnx":
            graph = onnx.load(path).graph
            dtypes = [onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)
                     for each in (*graph.input, *graph.output)]  # fmt: skip
        else:
            interpreter = Interpreter(model_path=str(path))
            dtypes = [np.dtype(each["dtype"])
                     for each in (*interpreter.get_input_details(), *interpreter.get_output_details())]  # fmt: skip
        assert dtypes == [dtype, "float32"], path.name


@pytest.mark.parametrize("kind", ["image", "table"])
def test_onnx_int8_can_t_saturate_on_x86(exports, kind):
    """Unsigned activations times signed weights overflow 16 bits without VNNI unless weights have 7."""
    graph = onnx.load(file(exports[kind], "onnx", "int8")).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = [values for values in stored.values() if values.dtype == np.int8 and values.ndim > 1]
    assert len(weights) == (4 if kind == "image" else 2)
    assert max(np.abs(values.astype(int)).max() for values in weights) == 64
    zeros = [stored[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert {values.dtype for values in zeros} == {np.dtype(np.uint8)}


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_onnx_files_keep_to_the_standard(exports, kind):
    for path in exports[kind].path.glob("*.onnx"):
        onnx.checker.check_model(onnx.load(path))


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_tflite_weights_lie_inside_the_flatbuffer(exports, kind):
    for path in exports[kind].path.glob("*.tflite"):
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
        assert not any(buffer.offset for buffer in model.buffers), path.name


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_answers_do_not_depend_on_batch_mates(exports, cases, kind):
    """Least of all where ranges are measured at every run."""
    case = cases[kind]
    mates = np.stack([case.spec.input.read(item) for item in case.held["samples"][:4]])
    others = mates.copy()
    others[1:] = 255 if kind == "image" else 30 * others[1:] + 100
    for path in exports[kind].path.glob("model.*onnx"):
        model = opened(path)
        alone, among = model.forward(mates[:1]), model.forward(others)[:1]
        assert np.allclose(alone, among, rtol=0, atol=1e-5 * np.abs(alone).max()), path.name
    batch = {p: exports[kind].manifest.models[file(exports[kind], "onnx", p).name].spec.batch for p in ("fp32", "fp16")}
    assert batch == {"fp32": None, "fp16": None}


@pytest.mark.parametrize("name", FORMATS)
def test_steps_give_what_the_whole_gives(exports, cases, name):
    items = cases["sequence"].items[:3]
    for precision in digits.precisions("sequence"):
        whole = opened(file(exports["sequence"], name, precision)).forward(items)
        steps = opened(file(exports["sequence"], name, precision, ".step")).forward(items)
        slack = 1e-5 if precision in ("fp32", "fp16") else 0.05  # ranges and rounding differ from step to step
        assert np.abs(whole - steps).max() <= slack * np.abs(whole).max(), precision


def test_static_precisions_have_no_step_graph(cases, tmp_path):
    bundle = cases["sequence"].export(tmp_path / "bundle", ["onnx"], ["int8", "int8-weights"])
    assert set(bundle.manifest.models) == {"model.int8.onnx", "model.int8-weights.onnx", "model.step.int8-weights.onnx"}


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_the_golden_pack_holds_each_file_s_own_answers(exports, kind):
    pack = Golden.decode(exports[kind].bytes(GOLDEN), GOLDEN)
    models = exports[kind].manifest.models
    assert set(pack.answers) == {name for name, model in models.items() if model.spec.precision != "fp32"}
    for name, answers in pack.answers.items():
        if name.startswith("model.int8"):
            assert not np.array_equal(answers, pack.outputs)


def test_the_manifest_tells_how(exports):
    for kind in ("image", "table"):
        for model in exports[kind].manifest.models.values():
            how = model.quantisation
            assert (how is None) == (model.spec.precision == "fp32")
            if model.spec.precision in CALIBRATED:
                assert (how.samples, how.method, how.balance) == (100, "min-max", dict.fromkeys(digits.LABELS, 10))
            elif how is not None:
                assert (how.samples, how.method, how.balance) == (0, "", {})


@pytest.mark.parametrize("name", FORMATS)
def test_the_scaling_of_the_input_stays_exact(name, tmp_path):
    """Features of 10,000 ± 1: rounded to a 255th of their value, all would be the same."""
    torch.manual_seed(0)
    mean, std = [1e4] * 6, [1.0] * 6
    module = export.NormalizeFeatures(nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3)), mean, std)
    columns = tuple(export.NumericColumn("numeric", f"f{i}", 1e4, 1.0, 9990.0, 10010.0) for i in range(6))
    spec = export.ModelSpec(
        "far", export.TableInput("table", "features", columns),
        export.Classification("classification", "logits", ("cat", "dog", "fox")),
    )  # fmt: skip
    random = np.random.default_rng(0)
    rows = [{f"f{i}": float(value) for i, value in enumerate(row)} for row in random.normal(1e4, 1, (260, 6))]
    bundle = export.export(
        module, spec, rows[:60], [name], out=tmp_path / "bundle", precisions=["int8", "int8-dynamic", "int16x8"],
        calibration=export.Calibration(rows[60:]), allow_drift=True,
    )  # fmt: skip
    for model in bundle.manifest.models.values():  # rarer values than the calibrated ones are cut off: some noise
        assert model.parity.snr > 20, model.spec.precision


class Flat(nn.Module):
    """The mean of each channel of one grouped convolution, whose inputs are all positive."""

    def __init__(self, groups):
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Conv2d(12, 12, 3, groups=groups)
        with torch.no_grad():
            self.layer.weight[:, 0, 0, 0] = 3  # a coarse step for the others, so that rounding matters

    def forward(self, values):
        lifted = torch.cat([values * (i + 1) for i in range(12)], 1)
        return torch.relu(self.layer(lifted)).mean((2, 3))


@pytest.mark.parametrize(("name", "module", "correction"), [
    ("onnx", onnx_static, "_correct_biases"), ("tflite", tflite_precision, "_corrected"),
])  # fmt: skip
@pytest.mark.parametrize("groups", [1, 3, 12])
def test_correcting_biases_takes_off_most_of_the_mean_error(name, module, correction, groups, tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(128, 256, (80, 8, 8, 1), np.uint8)
    spec = export.ModelSpec(
        "flat", export.ImageInput("image", "image", (8, 8, 1), export.image_steps((8, 8), "L")),
        export.Classification("classification", "logits", tuple("abcdefghijkl")),
    )  # fmt: skip
    known = export.Calibration(list(images[:40]))
    (source,), _ = prepare(
        export.NormalizePixels(Flat(groups), (0.0,), (1.0,)), spec, list(images[40:]), [name], calibration=known
    )

    def shift():
        proof = verify(source, Variant("int8"), source.quantize(Variant("int8")), tmp_path)
        with suppress_output():
            outputs = runtime.load(tmp_path / proof.name, threads=1).forward(source.part.real.inputs)
        return np.abs((outputs - source.part.real.outputs).mean(axis=0)).mean()

    corrected = shift()
    monkeypatch.setattr(module, correction, lambda first, *others: first)
    assert corrected < 0.5 * shift()


def test_no_precision_is_forgotten():
    assert set(SIGNAL) == set(PRECISIONS)
