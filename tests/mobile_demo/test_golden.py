"""Golden packs of recipes and tasks, replayed by the page's own self-test, on both engines.

Every case is replayed by `make nightly`; `test_package_golden.py` replays every case in each run by the same code.
The cases are found from disk; see `tests.quick`.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from runtime.bundle import Bundle
from tests.mobile_demo.app import open_model, self_test
from tests.mobile_demo.host import served
from tests.nightly import nightly_but
from tests.quick import CASES
from zoo.web.site import PLAYED, make_site

pytestmark = pytest.mark.slow
PRECISIONS = {"fp32", "int8", "int8-dynamic"}
"""The reference, and what people take to a phone."""
ENGINES = {"onnx": "onnxruntime-web", "tflite": "LiteRT.js"}
QUICK = ("cnn", "detect")
FP32 = 1e-3
"""The largest difference of scores from PyTorch's, relative to their scale."""


@pytest.fixture
def site(app):
    """The address of a bundle's site, which this process serves: other tests have `zoo demo` do it."""
    with ExitStack() as stack:
        yield lambda bundle: stack.enter_context(served(make_site(app, [bundle])))


@pytest.mark.parametrize("case", nightly_but(QUICK.__contains__, sorted(CASES)))
def test_the_page_answers_like_pytorch(case, quick_bundle, site, page):
    bundle = Bundle.read(quick_bundle(case))
    address = site(bundle.path)
    models = bundle.manifest.models
    files = [
        name
        for name, file in models.items()
        if file.spec.format in PLAYED and file.spec.precision in PRECISIONS and not file.spec.state
    ]
    files.sort(key=lambda name: models[name].spec.format, reverse=True)  # the page itself opens the TFLite file
    assert {models[file].spec.format for file in files} == set(ENGINES)
    for file in files:
        spec = models[file].spec
        open_model(page, address, bundle.path.name, "proof", file)
        report = self_test(page)
        assert report["file"] == file
        assert report["engine"].startswith(ENGINES[spec.format])
        assert report["decisions"]["agreement"] == 1, report
        assert report["passed"], report
        if spec.precision == "fp32":
            assert report["outputs"]["maxDifference"] <= FP32, report
