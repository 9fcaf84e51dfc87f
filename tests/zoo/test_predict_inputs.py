"""`zoo predict` on rows of tables, sequences and images, with the answers of every task as lines and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import export
from export import NormalizeFeatures
from runtime.inputs import CategoricalColumn, NumericColumn, SequenceInput, TableInput
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression

ROW = TableInput(
    "table",
    "features",
    (
        NumericColumn("numeric", "size", 1.0, 2.0, -3.0, 5.0, missing=1.0),
        CategoricalColumn("categorical", "colour", ("blue", "red")),
    ),
)
STEPS = SequenceInput("sequence", "steps", 4, ("x", "y"), (0.0, 0.0), (1.0, 1.0))

TABLES = {
    "classification": (Classification("classification", "logits", ("a", "b", "c")), {"label", "score", "top"}),
    "binary": (Binary("binary", "logit", ("no", "yes")), {"label", "score", "top"}),
    "multilabel": (MultiLabel("multilabel", "logits", ("hot", "wet")), {"labels", "threshold", "top"}),
    "regression": (Regression("regression", "value", "weight", "kg", 0.0, 1.0), {"target", "value", "unit"}),
    "anomaly": (Anomaly("anomaly", "residuals", 3, 0.5), {"score", "threshold", "is_anomaly"}),
}
SEQUENCES = {
    "forecasting": (Forecasting("forecasting", "values", "load", "kW", 3, 0.0, 1.0), {"target", "value", "unit"}),
    "ctc": (CTC("ctc", "logits", "01"), {"text", "score"}),
}


class Last(nn.Module):
    """Of a sequence, a linear map of the last step."""

    def __init__(self, outputs):
        super().__init__()
        self.linear = nn.Linear(2, outputs)

    def forward(self, steps):
        return self.linear(steps[:, -1])


def bundle(folder, network, input_spec, output, samples):
    torch.manual_seed(0)
    for tensor in network.parameters():
        nn.init.normal_(tensor)
    mean, std = (values.tolist() for values in input_spec.scaling())
    spec = export.ModelSpec("tiny", input_spec, output)
    return export.export(NormalizeFeatures(network, mean, std), spec, samples, ["onnx"], out=folder / "bundle").path


ROWS = [(1.5, "red"), (-2.0, "blue"), (None, "red"), (4.25, "blue")]


@pytest.fixture(scope="module", params=TABLES)
def of_table(request, tmp_path_factory):
    """A bundle of a table's task, the module behind it as a function of rows, and the keys of its JSON."""
    output, keys = TABLES[request.param]
    network = nn.Linear(3, output.shape[-1])
    folder = bundle(tmp_path_factory.mktemp(request.param), network, ROW, output, ROWS)

    def answer(rows):
        mean, std = ROW.scaling()
        features = (np.stack([ROW.read(row) for row in rows]) - mean) / std
        return network(torch.from_numpy(features).float()).detach().numpy()

    return folder, answer, output, keys


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("note,colour,size\nfirst,red,1.5\n,blue,-2\n,red,\n,blue,4.25\n")
    return path


def test_each_row_of_a_table_is_answered(cli, of_table, table):
    folder, answer, output, keys = of_table
    result = cli("predict", folder, table, "--json")
    assert result.status == 0, result.err
    predictions = json.loads(result.out)["predictions"]
    assert [each["input"] for each in predictions] == [f"{table}:{line}" for line in (2, 3, 4, 5)]
    raw = answer(ROWS)
    wanted = [each.to_dict() for each in output.decode(raw, raw, 3)]
    for each, right in zip(predictions, wanted, strict=True):
        del each["input"]
        assert set(each) == set(right) == keys
        for key, value in right.items():
            if isinstance(value, float):
                assert each[key] == pytest.approx(value, rel=1e-4)
            elif key != "top":
                assert each[key] == value


def test_each_row_of_a_table_has_a_line(cli, of_table, table):
    folder, answer, output, _ = of_table
    result = cli("predict", folder, table, table)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert len(lines) == 8
    raw = answer(ROWS)
    for line, number, right in zip(lines, [2, 3, 4, 5] * 2, [*output.decode(raw, raw, 3)] * 2, strict=True):
        name, _, text = line.partition("   ")
        assert name == f"{table}:{number}"
        assert text.split()[0] == right.summary.split()[0]
    assert "ran model.onnx on onnxruntime" in result.err


@pytest.fixture(scope="module", params=SEQUENCES)
def of_sequence(request, tmp_path_factory):
    output, keys = SEQUENCES[request.param]
    network = nn.Linear(2, 3) if request.param == "ctc" else Last(3)
    samples = [*np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)]
    return bundle(tmp_path_factory.mktemp(request.param), network, STEPS, output, samples), output, keys, network


def test_sequences_from_files(cli, of_sequence, tmp_path):
    folder, output, keys, network = of_sequence
    steps = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", steps)
    rows = "\n".join(f"{i},{y},{x}" for i, (x, y) in enumerate(steps.tolist()))
    (tmp_path / "a.csv").write_text(f"time,y,x\n{rows}\n")
    names = [tmp_path / "a.npy", tmp_path / "a.csv"]
    result = cli("predict", folder, *names, "--json")
    assert result.status == 0, result.err
    one, other = json.loads(result.out)["predictions"]
    assert [one.pop("input"), other.pop("input")] == [str(name) for name in names]
    raw = network(torch.from_numpy(steps)[None]).detach().numpy()
    (right,) = output.decode(raw, steps[None], 3)
    for prediction in (one, other):
        assert set(prediction) == keys
        for key, value in right.to_dict().items():
            assert prediction[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-4))
    lines = cli("predict", folder, *names).out.splitlines()
    assert [line.partition("   ")[0] for line in lines] == [str(name) for name in names]


BAD_TABLES = {
    "an unseen category": ("size,colour\n1,green\n", "unknown category of column 'colour': 'green'"),
    "no category": ("size,colour\n1,\n", "unknown category of column 'colour': ''"),
    "text for a number": ("size,colour\nbig,red\n", "column 'size' must be a number, got 'big'"),
    "too large a number": ("size,colour\n1e999,red\n", "column 'size' must be a number"),
    "no column": ("size,color\n1,red\n", "lacks the column 'colour'; it has: size, color"),
    "no rows": ("size,colour\n", "needs a line with the columns' names and at least one row"),
    "a short row": ("size,colour\n1\n", "line 2 has 1 cells, the first line 2"),
    "nothing": ("", "needs a line with the columns' names"),
}


@pytest.mark.parametrize("of_table", ["regression"], indirect=True)
@pytest.mark.parametrize("name", BAD_TABLES)
def test_rows_that_cannot_be_read_are_one_line(cli, of_table, tmp_path, name):
    content, message = BAD_TABLES[name]
    (tmp_path / "bad.csv").write_text(content)
    result = cli("predict", of_table[0], tmp_path / "bad.csv")
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("zoo: ")
    assert message in line


@pytest.mark.parametrize("of_table", ["regression"], indirect=True)
def test_the_bad_row_is_named_with_its_file_and_the_others_are_answered(cli, of_table, table, tmp_path):
    (tmp_path / "bad.csv").write_text("size,colour\n1,red\n2,blue\n3,green\n")
    result = cli("predict", of_table[0], tmp_path / "bad.csv", table)
    assert result.status == 1
    assert len(result.out.splitlines()) == 2 + 4
    (line,) = (line for line in result.err.splitlines() if line.startswith("zoo: "))
    assert f"{tmp_path / 'bad.csv'}:4: unknown category of column 'colour': 'green'" in line


@pytest.mark.parametrize("of_table", ["regression"], indirect=True)
def test_the_lines_of_rows_are_those_of_the_file(cli, of_table, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(b'\xef\xbb\xbfnote,size,colour\r\n\r\n"two\r\nlines",1,red\r\n\r\n,2,green\r\n,3,blue\r\n')
    result = cli("predict", of_table[0], file, "--json")
    report = json.loads(result.out)
    assert [each["input"] for each in report["predictions"]] == [f"{file}:3", f"{file}:7"]
    (error,) = report["errors"]
    assert error["input"] == f"{file}:6"
    assert error["error"].startswith(f"{file}:6: unknown category")
    assert cli("predict", of_table[0], file, "--out", tmp_path / "out.csv").status == 1
    with (tmp_path / "out.csv").open() as out:
        assert [line.partition(",")[0] for line in out][1:] == [f"{file}:3", f"{file}:6", f"{file}:7"]


BAD_SEQUENCES = {
    "a.npy": (np.zeros((4, 3)), "expected numbers [time, 2], got float64 [4, 3]"),
    "b.npy": (np.full((4, 2), np.nan), "holds values that are not finite"),
    "c.npy": (np.zeros((0, 2)), "has no steps"),
    "d.npy": (b"not an array", "not a .npy file"),
    "e.csv": (b"x\n1\n", "lacks the column 'y'; it has: x"),
    "f.csv": (b"x,y\n1,two\n", "e 2: could not convert string to float: 'two'"),
    "h.csv": (b'x,y,z\n\n1,2,"a\nb"\n3,four,5\n', "line 5: could not convert string to float: 'four'"),
    "g.png": (b"", "expected an array [time, 2], a .npy or a .csv file"),
}


@pytest.mark.parametrize("of_sequence", ["forecasting"], indirect=True)
@pytest.mark.parametrize("name", BAD_SEQUENCES)
def test_sequences_that_cannot_be_read_are_one_line(cli, of_sequence, tmp_path, name):
    content, message = BAD_SEQUENCES[name]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    result = cli("predict", of_sequence[0], tmp_path / name)
    assert (result.status, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("zoo: ")
    assert message in line
    assert name in line
