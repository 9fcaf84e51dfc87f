"""Predictions on each engine: from every source, alone, in lists, in streams, from threads."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from PIL import Image

import runtime
from export.formats import Graph, format_module
from runtime import EngineError, InputError
from runtime.engines import engine_module
from runtime.runner import BATCH
from tests.runtime.edits import edit_manifest, replace_file

ROUNDING = 1e-6


def scores(predictions):
    return np.stack([prediction.scores for prediction in predictions])


def test_every_kind_of_source(model, photo, save_image):
    expected = model.predict(photo)
    path = save_image(photo, "photo.png")
    encoded = path.read_bytes()
    with path.open("rb") as file, Image.open(path) as image:
        for source in [str(path), path, encoded, io.BytesIO(encoded), file, image]:
            assert np.array_equal(model.predict(source).scores, expected.scores), type(source)


def test_a_prediction_shows_what_the_model_saw(model, photo):
    prediction = model.predict(photo)
    assert prediction.labels == model.labels == ("cat", "dog", "fox")
    assert prediction.input.shape == (12, 10, 3)
    logits = model.forward(prediction.input[None])
    assert prediction.label == model.labels[logits.argmax()]


@pytest.mark.parametrize("size", [1, 2, BATCH - 1, BATCH, BATCH + 1, 70])
def test_a_list_gives_what_its_images_give_one_by_one(model, images, size):
    together = model.predict(images[:size])
    alone = [model.predict(image) for image in images[:size]]
    assert np.abs(scores(together) - scores(alone)).max() <= ROUNDING
    assert [prediction.label for prediction in together] == [prediction.label for prediction in alone]
    assert all(np.array_equal(one.input, other.input) for one, other in zip(together, alone, strict=True))


def test_lists_and_tuples_give_lists(model, images):
    assert type(model.predict(images[:1])) is list
    assert type(model.predict(tuple(images[:2]))) is list
    assert model.predict([]) == []


def test_a_list_mixes_sources(model, photo, save_image):
    path = save_image(photo, "photo.png")
    first, second = model.predict([path, photo])
    assert np.abs(first.scores - second.scores).max() <= ROUNDING


def test_a_stream_reads_no_further_than_a_batch(model, photo):
    photos = []

    def endless():
        while True:
            photos.append(photo)
            yield photo

    stream = model.stream(endless())
    for _ in range(BATCH):
        next(stream)
    assert len(photos) == BATCH
    next(stream)
    assert len(photos) == 2 * BATCH


def test_a_stream_stops_at_a_bad_input_after_the_good_batches(model, photo):
    stream = model.stream([photo] * BATCH + [b"junk"])
    assert len([next(stream) for _ in range(BATCH)]) == BATCH
    with pytest.raises(InputError, match="4 bytes: not an image"):
        next(stream)


@pytest.mark.parametrize("top", [1, 2, 3])
def test_top_limits_the_list_everywhere(model, photo, top):
    assert len(model.predict(photo, top=top).top) == top
    assert len(model.predict([photo], top=top)[0].top) == top
    assert len(next(model.stream([photo], top=top)).top) == top


def test_threads_share_a_model(model, images):
    serial = [model.predict(image).scores for image in images]
    order = [np.random.default_rng(thread).integers(0, len(images), 200) for thread in range(8)]

    def work(thread):
        return [model.predict(images[i]).scores for i in order[thread]]

    with ThreadPoolExecutor(8) as pool:
        for picks, thread_scores in zip(order, pool.map(work, range(8)), strict=True):
            assert all(np.array_equal(serial[i], one) for i, one in zip(picks, thread_scores, strict=True))


def test_the_caller_owns_the_outputs(model, images):
    first = model.predict(images[0])
    kept = first.scores.copy()
    model.predict(images[1:5])
    assert np.array_equal(first.scores, kept)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 12, 10, 3), np.float32),
        np.zeros((1, 10, 12, 3), np.uint8),
        np.zeros((12, 10, 3), np.uint8),
        np.zeros((1, 12, 10, 1), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype} {pixels.shape}",
)
def test_logits_of_another_array_are_refused(model, pixels):
    with pytest.raises(InputError) as caught:
        model.forward(pixels)
    assert str(caught.value) == f"expected uint8 [batch, 12, 10, 3], got {pixels.dtype} {list(pixels.shape)}"


def test_logits_of_no_image_are_no_logits(model):
    assert model.forward(np.zeros((0, 12, 10, 3), np.uint8)).shape == (0, 3)


def test_an_engine_refuses_what_the_graph_does_not_take(model):
    with pytest.raises(EngineError):
        model.engine.run({"image": np.zeros((1, 12, 10, 3), np.float64)})
    with pytest.raises(EngineError):
        model.engine.run({"image": np.zeros((1, 12, 10, 4), np.uint8)})
    with pytest.raises(EngineError, match="image"):
        model.engine.run({"picture": np.zeros((1, 12, 10, 3), np.uint8)})
    assert model.forward(np.zeros((1, 12, 10, 3), np.uint8)).shape == (1, 3)


def test_litert_runs_any_batch_that_the_graph_allows():
    import torch

    class Mean(torch.nn.Module):
        def forward(self, pixels):
            return pixels.float().mean((1, 2))

    data = format_module("tflite").convert(Graph(Mean(), {"x": np.zeros((2, 4, 5, 3), np.uint8)}, ("y",), {}))
    engine = engine_module("litert").open(data, inputs=("x",), outputs=("y",))
    for size in (1, 3, 2, 1):
        pixels = np.random.default_rng(size).integers(0, 256, (size, 4, 5, 3), np.uint8)
        assert engine.run({"x": pixels})["y"] == pytest.approx(pixels.mean((1, 2)), rel=1e-6)


def test_repr_names_model_file_and_engine(model):
    text = repr(model)
    assert text.startswith("Model('tiny', model.")
    assert text.endswith(f" on {model.engine.version}, cpu, classification, 3 labels)")
    assert model.engine.version.split()[1][0].isdigit()


def rewrite_onnx(bundle, change, **file_spec):
    graph = onnx.load(bundle / "model.onnx")
    change(graph.graph)
    replace_file(bundle, "model.onnx", graph.SerializeToString())
    edit_manifest(bundle, lambda manifest: manifest["models"]["model.onnx"]["spec"].update(file_spec))
    return runtime.load(bundle, engine="onnxruntime")


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_a_graph_of_a_fixed_batch_takes_any_number_of_images(bundle_copy, tiny_bundle, images, size):
    def fix_batch(graph):
        for value in [*graph.input, *graph.output, *graph.value_info]:
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param:
                    dim.dim_value = 4

    model = rewrite_onnx(bundle_copy, fix_batch, batch=4)
    with pytest.raises(EngineError):
        model.engine.run({"image": np.zeros((3, 12, 10, 3), np.uint8)})
    expected = scores(runtime.load(tiny_bundle).predict(images[:size]))
    assert np.abs(scores(model.predict(images[:size])) - expected).max() <= ROUNDING


def test_a_graph_that_takes_float32_gets_it(bundle_copy, tiny_bundle, images):
    def take_float(graph):
        graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT

    model = rewrite_onnx(bundle_copy, take_float, input_dtype="float32")
    with pytest.raises(EngineError):
        model.engine.run({"image": np.zeros((1, 12, 10, 3), np.uint8)})
    expected = scores(runtime.load(tiny_bundle).predict(images[:3]))
    assert np.abs(scores(model.predict(images[:3])) - expected).max() <= ROUNDING
