"""The Arrow types of answers, which clusters give, against what `zoo predict` writes."""

from __future__ import annotations

import typing

import pytest

import zoo
from runtime import tasks
from tests.outputs import predictions

pa = pytest.importorskip("pyarrow")

from zoo.cluster.answer_types import FIELDS, answer_type, to_answer, to_record  # noqa: E402


def test_every_task_has_its_fields():
    assert set(FIELDS) == {
        typing.get_args(typing.get_type_hints(task)["task"])[0] for task in typing.get_args(tasks.Output)
    }


@pytest.mark.parametrize(("output", "made"), predictions(), ids=lambda each: getattr(each, "task", ""))
def test_the_fields_hold_each_digit_of_a_prediction(output, made):
    values = pa.array(map(to_answer, [*made, zoo.InputError("broken")]), answer_type(output)).to_pylist()
    assert list(map(to_record, values)) == [*(each.to_dict() for each in made), {"error": "broken"}]
