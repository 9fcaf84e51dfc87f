"""An array in another byte order or with gaps gives its plain copy's answer, on every engine; others are refused."""

from __future__ import annotations

import numpy as np
import pytest

import runtime
from runtime import InputError
from tests.engines import FLOAT_ENGINES


def other_order(array):
    return array.astype(array.dtype.newbyteorder())


def gaps(array):
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def columns_first(array):
    return np.asfortranarray(array)


def backwards(array):
    return array[::-1].copy()[::-1]


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    odd = raw[1:].view(array.dtype).reshape(array.shape)
    odd[...] = array
    return odd


FORMS = [other_order, gaps, columns_first, backwards, read_only, unaligned]


@pytest.fixture(scope="module", params=["tiny_bundle", "table_bundle", "sequence_bundle"])
def bundle(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=FLOAT_ENGINES)
def model(request, bundle):
    return runtime.load(bundle, engine=request.param, threads=1)


def inputs(model):
    random = np.random.default_rng(0)
    shape = (3, *(12 if size is None else size for size in model.spec.input.shape))
    if model.spec.input.dtype == np.uint8:
        return random.integers(0, 256, shape, np.uint8)
    return random.normal(20, 5, shape).astype(np.float32)


def raw(prediction):
    """Return what a prediction says as one array."""
    fields = prediction.to_dict()
    return np.array(fields.get("value", [score for _, score in getattr(prediction, "top", [])]), float)


@pytest.mark.parametrize("form", FORMS)
def test_raw_outputs_are_those_of_the_plain_copy(model, form):
    plain = inputs(model)
    changed = form(plain)
    assert np.array_equal(changed, plain)
    assert np.array_equal(model.forward(changed), model.forward(plain))


@pytest.mark.parametrize("form", FORMS)
def test_predictions_are_those_of_the_plain_copy(tiny_bundle, sequence_bundle, form):
    for folder in (tiny_bundle, sequence_bundle):
        for engine in FLOAT_ENGINES:
            model = runtime.load(folder, engine=engine, threads=1)
            plain = inputs(model)[0]
            for one, other in ((form(plain), plain), ([form(plain)] * 2, [plain] * 2)):
                answer, wanted = model.predict(one), model.predict(other)
                pairs = zip(answer, wanted, strict=True) if isinstance(answer, list) else [(answer, wanted)]
                assert all(np.array_equal(raw(left), raw(right)) for left, right in pairs)


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i2", "<f2"])
def test_a_row_of_a_table_in_any_type(table_bundle, kind):
    from runtime.inputs import NumericColumn, TableInput

    input_spec = TableInput("table", "features", tuple(NumericColumn("numeric", n, 0.0, 1.0, -1.0, 1.0) for n in "ab"))
    assert np.array_equal(input_spec.read(np.array([3, -2], kind)), np.float32([3, -2]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused(model, value):
    plain = inputs(model)
    if plain.dtype == np.uint8:
        pytest.skip("bytes are finite")
    plain[1].flat[0] = value
    with pytest.raises(InputError, match="not finite"):
        model.forward(plain)


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain[0],
        lambda plain: plain[None],
        lambda plain: plain[..., :-1],
        lambda plain: np.array(0.0),
        lambda plain: plain.astype(object),
        lambda plain: plain.astype(complex),
        lambda plain: plain.astype(bool),
        lambda plain: plain.astype(str),
        lambda plain: plain.astype(np.float64),
        lambda plain: np.zeros(len(plain), [("a", "f4")]),
    ],
    ids=["rank - 1", "rank + 1", "size", "scalar", "object", "complex", "bool", "text", "double", "record"],
)
def test_another_rank_shape_or_type_is_refused(model, change):
    with pytest.raises(InputError, match="expected "):
        model.forward(change(inputs(model)))


@pytest.mark.parametrize("kind", [object, complex, bool, str, "datetime64[s]"])
def test_sequences_and_rows_of_another_type_are_refused(sequence_bundle, table_bundle, kind):
    with pytest.raises(InputError):
        runtime.load(sequence_bundle).predict(np.zeros((12, 2), int).astype(kind))
    with pytest.raises(InputError):
        runtime.load(table_bundle).predict(np.full(3, np.inf).astype(object))
