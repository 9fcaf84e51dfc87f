"""Names of earlier releases work for one more, with a warning."""

from __future__ import annotations

import numpy as np
import pytest

import runtime
from export import image_steps
from runtime.inputs import ImageInput, NumericColumn, SequenceInput, TableInput

INPUTS = [
    ImageInput("image", "image", (4, 6, 3), image_steps((4, 6), "RGB")),
    TableInput("table", "row", (NumericColumn("numeric", "x", 0.0, 1.0, -1.0, 1.0),)),
    SequenceInput("sequence", "sequence", 5, ("x", "y"), (0.0, 0.0), (1.0, 1.0)),
]


@pytest.mark.parametrize("description", INPUTS, ids=lambda description: description.kind)
def test_edge_cases_were_called_hard(description):
    with pytest.warns(DeprecationWarning, match=r"Input\.hard is called edge_cases now") as caught:
        old = description.hard()
    assert caught[0].filename == __file__
    assert np.array_equal(old, description.edge_cases())
    assert len(old) == 3


def test_the_new_name_warns_of_nothing(recwarn, tiny_bundle):
    runtime.Bundle.read(tiny_bundle).manifest.model.input.edge_cases()
    assert [str(warning.message) for warning in recwarn if warning.category is DeprecationWarning] == []
