"""Every recipe's and every task's golden pack, replayed by the npm package in a page.

On both engines, in the precisions that people take to a page. The cases are found from disk; see `tests.quick`.
"""

from __future__ import annotations

import pytest

from runtime.bundle import Bundle
from tests.mobile_demo.host import hosted
from tests.mobile_demo.npm import FP32, LITERT, page_of, project
from tests.quick import CASES

__all__ = ["project"]

pytestmark = pytest.mark.slow
ENGINES = {"onnx": ({}, "onnxruntime-web "), "tflite": (LITERT, "LiteRT.js ")}
"""For each format the options of `load`, and how the engine calls itself."""
PRECISIONS = {"fp32", "int8", "int8-dynamic"}
VERIFY = """async ([bundle, options]) => {
    const { load } = await import("edgezoo");
    const model = await load(bundle, options);
    const report = await model.verify();
    await model.close();
    return report;
}"""


@pytest.fixture(scope="module")
def package(project, browser, tmp_path_factory):
    """A page with the package for all cases, and the folder that its server has."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "node_modules").symlink_to(project / "node_modules")
    (folder / "index.html").write_text(page_of(""))
    with hosted(folder, {}) as address:
        page = browser.new_page()
        page.goto(address)
        yield page, folder
        page.close()


@pytest.mark.parametrize("case", sorted(CASES, reverse=True))  # the parity tests make the bundles from the other end
def test_the_package_answers_like_pytorch(package, quick_bundle, case):
    page, folder = package
    bundle = Bundle.read(quick_bundle(case))
    (folder / case).symlink_to(bundle.path)
    specs = {name: model.spec for name, model in bundle.manifest.models.items() if not model.spec.state}
    files = [name for name, spec in specs.items() if spec.format in ENGINES and spec.precision in PRECISIONS]
    assert {specs[file].format for file in files} == set(ENGINES)
    for file in files:
        options, engine = ENGINES[specs[file].format]
        report = page.evaluate(VERIFY, [case, {**options, "file": file}])
        assert report["file"] == file
        assert report["engine"].startswith(engine)
        assert report["decisions"]["agreement"] == 1, report
        assert report["passed"], report
        if specs[file].precision == "fp32":
            assert report["outputs"]["maxDifference"] <= FP32, report
