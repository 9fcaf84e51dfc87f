"""The page of `zoo serve` in the real browser: a picture, a table, JSON and a mistake, on a phone's screen."""

from __future__ import annotations

import pytest

from tests.zoo.serving.conftest import serve
from zoo.resolve import SHIPPED

ROW = [13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]
DIGIT = SHIPPED.parents[1] / "docs" / "seven.png"


@pytest.fixture(scope="module")
def address():
    with serve(SHIPPED / "mnist-cnn", SHIPPED / "wine-mlp") as server:
        yield server.address


def predict(page, status):
    """Press the button and return the answer, once the server has given it that status."""
    page.get_by_role("button", name="Predict").click()
    page.locator("#status", has_text=status).wait_for()
    return page.locator("#answer").inner_text()


def test_files_and_json_are_answered(page, address, errors, tmp_path):
    import zoo

    page.goto(f"{address}/")
    page.get_by_label("Model").select_option("mnist-cnn")
    page.get_by_label("Files").set_input_files(DIGIT)
    answer = predict(page, "200")
    assert '"label": "7"' in answer
    assert '"input": "seven.png"' in answer
    assert page.locator("#operations dt", has_text="POST /v2/models/{name}/infer").count() == 1
    right = "element => element.getBoundingClientRect().right"
    assert max(page.locator("form *").evaluate_all(f"all => all.map({right})")) <= page.locator("main").evaluate(right)

    columns = [column.name for column in zoo.load("wine-mlp").spec.input.columns]
    table = tmp_path / "rows.csv"
    table.write_text(f"{','.join(columns)}\n{','.join(map(str, ROW))}\n")
    page.get_by_label("Model").select_option("wine-mlp")
    page.get_by_label("Files").set_input_files(table)
    assert '"input": "rows.csv:2"' in predict(page, "200")

    page.get_by_label("Files").set_input_files([])
    page.get_by_label("or JSON").fill(str([ROW]))
    assert '"input": "body:1"' in predict(page, "200")
    page.get_by_label("or JSON").fill("[[")
    assert "not JSON" in predict(page, "400")
    errors.clear()  # the browser's own line about status 400
