"""What `import zoo` gives: all of the API for programs, lazily; and files of the user's that hide our packages."""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

import export
import runtime
import zoo
from runtime import errors
from zoo.exporting.config import ExportConfig, ExportOptions
from zoo.measure.evaluate import EvaluateConfig, EvaluateOptions
from zoo.train.config import TrainConfig, TrainOptions

ROOT = Path(__file__).parents[2]


def python(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, **options)


def test_every_name_of_both_packages_is_there():
    assert set(zoo.__all__) == {*runtime.__all__, *export.__all__}
    assert set(zoo.__all__) <= set(dir(zoo))
    for name in zoo.__all__:
        package = runtime if name in runtime.__all__ else export
        assert getattr(zoo, name) is getattr(package, name) or name == "load"
    assert callable(zoo.export)


@pytest.mark.parametrize(
    ("config", "options", "own"),
    [
        (TrainConfig, TrainOptions, ["recipe"]),
        (ExportConfig, ExportOptions, ["run", "formats"]),
        (EvaluateConfig, EvaluateOptions, []),
    ],
)
def test_every_field_of_a_configuration_is_a_keyword_argument(config, options, own):
    assert [field.name for field in dataclasses.fields(config)] == [*own, *options.__annotations__]


def test_every_error_and_note_is_public():
    classes = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    assert {name for name in classes if not name.startswith("_")} <= set(zoo.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(zoo.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert {alias.name for node in block.body for alias in node.names} == set(zoo.__all__)


def test_nothing_is_imported_before_it_is_used():
    script = "import sys, zoo; assert not {'numpy', 'runtime', 'export'} & set(sys.modules); "
    script += "zoo.load, zoo.ModelSpec, zoo.Classification; assert 'torch' not in sys.modules"
    result = python("-c", script)
    assert result.returncode == 0, result.stderr


def test_the_cluster_is_there_without_an_import_of_its_own():
    done = python("-c", "import zoo; print(zoo.cluster.predict.__module__)")
    assert (done.stdout, done.stderr) == ("zoo.cluster.datasets\n", "")


def test_without_spark_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(zoo.MissingExtraError, match=r"pip install 'edgezoo\[spark\]'"):
        zoo.spark.predictor("mnist-cnn")


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'lod'"):
        zoo.lod  # noqa: B018


@pytest.mark.parametrize("name", ["runtime.py", "export.py", "runtime/__init__.py", "export/__init__.py"])
def test_a_file_that_hides_a_package_is_named(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("from zoo import load" if name == "export.py" else "")
    (tmp_path / "script.py").write_text("import zoo\nzoo.load('mnist-cnn')\nzoo.image_steps\n")
    package = name.partition("/")[0].removesuffix(".py")
    reason = f"{file} is in the way of edgezoo's package {package!r}: rename it, or its folder"
    assert python(tmp_path / "script.py").stderr.splitlines()[-1] == f"ImportError: {reason}"
    for words in (["list"], *([["predict", "mnist-cnn", "a.png"]] if package == "runtime" else [])):
        result = python("-m", "zoo", *words, cwd=tmp_path)
        assert (result.stderr, result.returncode) == (f"zoo: {reason}\n", 2)


def test_a_script_of_ones_own_may_be_called_export(tmp_path):
    """As long as it takes nothing from that package, which it hides."""
    (tmp_path / "export.py").write_text("import zoo\nprint(zoo.load('mnist-cnn', engine='onnxruntime').spec.name)\n")
    result = python(tmp_path / "export.py")
    assert (result.stdout, result.returncode) == ("mnist-cnn\n", 0), result.stderr


def test_a_folder_without_code_is_in_nobodys_way(tmp_path):
    (tmp_path / "runtime").mkdir()
    (tmp_path / "script.py").write_text("import zoo\nzoo.load\nzoo.Card\n")
    assert python(tmp_path / "script.py").returncode == 0
