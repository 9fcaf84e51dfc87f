"""Streams in worker threads: order, bounded memory, errors in their place, no thread left behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import runtime
from runtime import EngineError, InputError
from runtime import model as model_module
from runtime.concurrency import async_calls
from runtime.concurrency.stream import AHEAD, batched, in_order, with_items
from runtime.concurrency.threads import usable_cpus
from tests.engines import FLOAT_ENGINES
from tests.runtime.test_model import ROUNDING, scores


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("edgezoo")}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threads()
    yield
    assert not {thread for thread in threads() - before if "async" not in thread.name}


def opened(bundle, engine, workers=4):
    """The tiny model with four workers, whatever CPUs there are here."""
    return replace(runtime.load(bundle, engine=engine), workers=workers)


def as_if_large(bundle):
    """On an engine of two threads, and one of one thread for the workers."""
    return replace(runtime.load(bundle, threads=2), workers=3)


@pytest.fixture(scope="module", params=[*FLOAT_ENGINES, "large"])
def parallel(request, tiny_bundle):
    return as_if_large(tiny_bundle) if request.param == "large" else opened(tiny_bundle, request.param)


@pytest.fixture(scope="module")
def workers(tiny_bundle):
    return opened(tiny_bundle, "onnxruntime")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    root = tmp_path_factory.mktemp("stream")
    random = np.random.default_rng(0)
    for i in range(90):
        size = (400, 300, 3) if i % 7 == 0 else (8 + i % 9, 9 + i % 5, 3)  # some take much longer than others
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(root / f"{i:02}.{('png', 'jpg')[i % 2]}")
    return sorted(root.iterdir())


@pytest.fixture(scope="module")
def alone(tiny_bundle, paths):
    model = runtime.load(tiny_bundle, threads=1)
    return [model.predict(path) for path in paths]


def test_order_is_kept(parallel, paths, alone):
    for predictions in (list(parallel.stream(paths)), list(parallel.stream(iter(paths))), parallel.predict(paths)):
        assert np.abs(scores(predictions) - scores(alone)).max() <= ROUNDING
        assert all(np.array_equal(one.input, other.input) for one, other in zip(predictions, alone, strict=True))


def test_large_arrays_and_mixed_sources(parallel, paths):
    bulky = [np.asarray(Image.open(path).convert("RGB").resize((400, 300))) for path in paths[:12]]
    for sources in ([bulky[0], paths[1], paths[2].read_bytes(), bulky[1][:12, :10], *bulky], [paths[0], *bulky]):
        wanted = [parallel.predict(source) for source in sources]
        assert np.abs(scores(parallel.stream(sources)) - scores(wanted)).max() <= ROUNDING


@pytest.mark.parametrize("position", [0, 1, 9, 40, 89])
def test_a_bad_input_is_raised_in_its_place(parallel, paths, alone, position):
    stream = parallel.stream([*paths[:position], b"junk", *paths[position + 1 :]])
    predictions = list(itertools.islice(stream, position))
    assert len(predictions) == position
    assert [one.label for one in predictions] == [one.label for one in alone[:position]]
    with pytest.raises(InputError, match=rf"^input {position + 1}: 4 bytes: not an image"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_an_attempt_goes_on_after_bad_inputs(parallel, paths, alone):
    sources = [path if i % 5 else b"junk %d" % i for i, path in enumerate(paths)]
    for i, (answer, wanted) in enumerate(zip(parallel.attempt(sources), alone, strict=True)):
        if i % 5:
            assert answer.label == wanted.label
        else:
            assert isinstance(answer, InputError)
            assert f"{len(b'junk %d' % i)} bytes" in str(answer)


def test_each_attempt_comes_with_its_item(parallel, paths, alone):
    broken = {0, 1, 40, 88, 89}
    items = [(i, InputError(f"input {i}") if i in broken else path) for i, path in enumerate(paths)]
    pairs = list(with_items(items, lambda item: b"junk" if item[0] == 7 else item[1], parallel.attempt))
    assert [item for item, _ in pairs] == items
    for (i, source), outcome in pairs:
        if i in broken:
            assert outcome is source
        elif i == 7:
            assert isinstance(outcome, InputError)
        else:
            assert outcome.label == alone[i].label
    failed = [items[0], items[1]]
    assert list(with_items(failed, lambda item: item[1], parallel.attempt)) == [(item, item[1]) for item in failed]


def test_an_endless_source_is_read_a_bounded_way_ahead(parallel, paths):
    paths_read = []

    def endless():
        for path in itertools.cycle(paths):
            paths_read.append(path)
            yield path

    stream = parallel.stream(endless())
    bound = parallel.workers * AHEAD * (model_module.FEW if parallel.engine.threads == 1 else 1) + model_module.FEW
    for count in range(1, 200):
        next(stream)
        assert len(paths_read) <= count + bound
    stream.close()
    paths_read.clear()
    time.sleep(0.05)
    assert not paths_read


def test_a_stream_that_is_dropped_ends_its_threads(workers, paths):
    stream = workers.stream(itertools.cycle(paths))
    next(stream)
    assert threads()
    del stream  # the fixture looks for threads


def test_answers_of_a_slow_source_are_not_kept_back():
    yielded, finished = [], []

    def slow():
        for i in range(6):
            yielded.append(i)
            yield i
            time.sleep(0.03)

    for result in in_order(lambda item: item, slow(), 2):
        finished.append(result)
        assert yielded[-1] - result <= 1
    assert finished == list(range(6))


def test_a_slow_item_keeps_its_place():
    def work(item):
        time.sleep(0.05 if item % 4 == 0 else 0)
        return item

    assert list(in_order(work, range(30), 4)) == list(range(30))


def test_what_work_raises_is_raised_in_its_place():
    stream = in_order(lambda item: 1 // (5 - item), range(100), 3)
    assert [next(stream) for _ in range(5)] == [0, 0, 0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_batches():
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_an_engine_that_fails_is_an_error_of_the_stream(workers, paths):
    class Broken:
        threads, device = 1, "cpu"

        def run(self, inputs):
            raise EngineError("engine 'broken' failed")

    stream = replace(workers, engine=Broken()).stream(paths)
    with pytest.raises(EngineError, match="broken"):
        next(stream)


def test_a_device_of_its_own_gets_batches_and_workers_read(workers, paths, alone):
    sizes, readers = [], set()

    class Device:
        threads, device = 1, "cuda"

        def run(self, inputs):
            sizes.append(len(inputs["image"]))
            readers.add(threading.current_thread())
            return workers.engine.run(inputs)

    predictions = list(replace(workers, engine=Device()).stream(paths))
    assert np.abs(scores(predictions) - scores(alone)).max() <= ROUNDING
    assert sizes == [32, 32, 26]
    assert readers == {threading.current_thread()}


def test_two_streams_at_a_time(parallel, paths, alone):
    pairs = list(zip(parallel.stream(paths), parallel.stream(reversed(paths)), strict=True))
    assert [one.label for one, _ in pairs] == [wanted.label for wanted in alone]
    assert [other.label for _, other in pairs] == [wanted.label for wanted in reversed(alone)]


def test_threads_limits_the_workers(tiny_bundle):
    assert runtime.load(tiny_bundle, threads=1).workers == 1
    assert runtime.load(tiny_bundle, threads=3).workers == 3
    assert runtime.load(tiny_bundle).workers == usable_cpus()


@pytest.mark.parametrize("engine", FLOAT_ENGINES)
@pytest.mark.parametrize("workers", [1, 3])
def test_sequences_of_different_lengths_are_answered_in_order_or_refused_each(
    sequence_bundle, sequences, engine, workers
):
    model = replace(runtime.load(sequence_bundle, engine=engine), workers=workers)
    lengths = [12, 12, 11, 12, 10, 10, 12, 12, 9, 12]
    different = [sequence[:length] for sequence, length in zip(sequences, lengths, strict=True)]
    for sequence, outcome in zip(different, model.attempt(different), strict=True):
        try:
            wanted = model.predict(sequence)
        except InputError as problem:
            assert str(outcome) == str(problem)
        else:
            assert np.allclose(outcome.value, wanted.value, rtol=1e-5)


def test_async_gives_what_predict_gives(model, paths, alone):
    async def work():
        predictions = await asyncio.gather(*(model.predict_async(path) for path in paths))
        return predictions, await model.predict_async(paths[:2], top=1)

    predictions, both = asyncio.run(work())
    assert np.abs(scores(predictions) - scores(alone)).max() <= ROUNDING
    assert [len(one.top) for one in both] == [1, 1]


def test_the_loop_goes_on_while_the_engine_computes(workers, photo):
    """The engine waits for the loop: a loop that it held up could not let it go on."""
    started, gate, freed = threading.Event(), threading.Event(), []

    class Slow:
        threads, device = 1, "cpu"

        def run(self, inputs):
            started.set()
            freed.append(gate.wait(10))
            return workers.engine.run(inputs)

    async def work():
        task = asyncio.create_task(replace(workers, engine=Slow()).predict_async(photo))
        while not started.is_set():
            await asyncio.sleep(0.001)
        gate.set()
        return await task

    assert asyncio.run(work()).label == workers.predict(photo).label
    assert freed == [True]


def test_async_raises_what_predict_raises(model):
    with pytest.raises(InputError, match="4 bytes: not an image"):
        asyncio.run(model.predict_async(b"junk"))


def test_a_cancelled_call_is_never_run_and_harms_no_other(workers, photo, monkeypatch):
    gate, calls = threading.Event(), []

    class Slow:
        threads, device = 1, "cpu"

        def run(self, inputs):
            calls.append(len(calls))
            gate.wait(10)
            return workers.engine.run(inputs)

    slow = replace(workers, engine=Slow())

    async def work():
        running = [asyncio.create_task(slow.predict_async(photo)) for _ in range(async_calls.CALLS)]
        while len(calls) < async_calls.CALLS:
            await asyncio.sleep(0.001)
        queued = [asyncio.create_task(slow.predict_async(photo)) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in [*queued[:2], running[0]]:
            task.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(*running, *queued, return_exceptions=True)

    outcomes = asyncio.run(work())
    wanted = workers.predict(photo).label
    cancelled = [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes]
    assert cancelled == [True, *[False] * (async_calls.CALLS - 1), True, True, False]
    assert {outcome.label for outcome, gone in zip(outcomes, cancelled, strict=True) if not gone} == {wanted}
    assert len(calls) == async_calls.CALLS + 1
    assert asyncio.run(workers.predict_async(photo)).label == wanted  # in another loop
