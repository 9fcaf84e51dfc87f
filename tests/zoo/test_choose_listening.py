"""The rules of listening that training ends with: chosen on recordings composed of the validation split."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn

from runtime import Bundle
from runtime.audio.listener import Hops, Windows
from runtime.audio.listening import Listening
from runtime.audio.wav import encode_wav
from runtime.humanize import number
from runtime.inputs import AudioInput
from runtime.spec import ModelSpec
from runtime.tasks import Classification
from runtime.tensors import single
from tests.mobile_demo.ears import LABELS, LENGTH, RATE, tone
from zoo.data import Audio, Classes, Dataset, Split, load_dataset
from zoo.exporting.listening import _scored
from zoo.measure.annotated import read_annotated
from zoo.measure.composition import choose_words, compose
from zoo.measure.evaluate_listening import evaluate_listening
from zoo.measure.scores import outputs
from zoo.recipes import recipe
from zoo.train.listening import SMOOTHINGS, _hops, _windows, choose_listening
from zoo.train.pipeline import read_metrics, train
from zoo.train.prepare import prepare
from zoo.train.run import Run

RULES = Listening(step=800, delay=LENGTH // 2, smoothing=9, threshold=0.99, refractory=0.5, ignored=("silence",))


class Ears(nn.Module):
    """Tells low from high tones; loud noise sounds like a faint tone."""

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        power = audio.square().mean(1)
        change = (audio[:, 1:] - audio[:, :-1]).square().mean(1)
        return 1000 * torch.stack([power - change, change - power, 0 * power + 0.001], 1)


def words(count: int):
    """Return a specification, and data with so many tones of each label in the validation split."""
    items = [(0.1 + 0.3 * i / count) * tone(label, 0.4) for label in LABELS for i in range(count)]
    split = Split([item.astype(np.float32) for item in items], np.repeat(np.arange(3), count))
    dataset = Dataset(
        "ears", Audio(RATE, LENGTH / RATE, ("silence",)), Classes(LABELS),
        {"train": split.keep([]), "validation": split}, "made here", "none",
    )  # fmt: skip
    spec = ModelSpec(
        "ears", AudioInput("audio", "audio", RATE, LENGTH), Classification("classification", "logits", LABELS), RULES
    )
    return spec, prepare(dataset, spec.input)


def test_the_rules_keep_the_limit_and_find_the_most_words():
    spec, prepared = words(30)
    recalls = []
    for limit in (0.0, 12.0, 60.0):
        rules, score = choose_listening(Ears(), spec, prepared, limit, 0)
        assert score.words == 60
        assert score.false_alarms_per_hour <= limit
        assert rules.smoothing in {round(10 * seconds) for seconds in SMOOTHINGS}
        assert replace(rules, smoothing=9, threshold=0.99) == RULES
        recalls.append(score.recall)
    assert 0.5 < recalls[0] < recalls[1] < recalls[2]
    assert choose_listening(Ears(), spec, prepared, limit, 0) == (rules, score)


def test_rules_stay_where_nothing_listens_or_words_are_few():
    spec, prepared = words(14)
    assert choose_listening(Ears(), spec, prepared, 60.0, 0) is None
    assert choose_listening(Ears(), replace(spec, listening=None), prepared, 60.0, 0) is None


def test_windows_are_those_of_the_runtime():
    spec, _ = words(2)
    samples = np.random.default_rng(0).normal(0, 0.2, (2, 3 * RATE)).astype(np.float32)
    raw = np.stack([*_windows(Ears(), spec, samples)], 1)

    class Runner:
        def forward(self, clips):
            return single(outputs(Ears(), clips, spec.output))

    for recording, mine in zip(samples, raw, strict=True):
        pairs = [*Windows(Runner(), LENGTH, RULES.step).push(recording)]
        np.testing.assert_allclose(mine, np.concatenate([part for _, part in pairs]), atol=1e-6)
        assert [end for ends, _ in pairs for end in ends] == [(i + 1) * RULES.step for i in range(len(mine))]


def test_hops_are_those_of_the_runtime():
    declared = recipe("keyword-stream")
    options = replace(declared.options(), widths=(8, 8), kernels=(3, 3), dilations=(1, 2))
    network = declared.build(options, (RATE, LENGTH), 3).eval()
    spec, _ = words(2)
    spec = replace(spec, input=replace(spec.input, hop=160, samples=25 * 160), listening=replace(RULES, step=160))
    samples = np.random.default_rng(0).normal(0, 0.2, (2, RATE)).astype(np.float32)
    raw = np.stack([*_hops(network, spec, samples)], 1)

    class Runner:
        def initial_state(self, count):
            return [torch.zeros(count, *shape) for shape in network.state.values()]

        def step(self, sample, state):
            with torch.inference_mode():
                logits, *state = network.step(torch.from_numpy(sample), *state)
            return logits.numpy(), state

    for recording, mine in zip(samples, raw, strict=True):
        pairs = [*Hops(Runner(), 160).push(recording)]
        np.testing.assert_allclose(mine, np.concatenate([part for _, part in pairs]), atol=1e-5)
        assert [end for ends, _ in pairs for end in ends] == [(i + 1) * 160 for i in range(RATE // 160)]


def test_training_ends_with_rules_that_the_run_and_its_metrics_hold(tmp_path, cli):
    with patch("zoo.data.tones.COUNTS", {"train": 8, "validation": 8}), patch("zoo.train.listening.RECORDINGS", (5, 5)):
        settings = {"epochs": 1, "rate": 8_000, "widths": [8, 8], "false_alarms": 30.0}
        folder = train("keyword", data="tones", out=tmp_path / "run", settings=settings)
        room = write_room(tmp_path / "room")
        answer = cli("export", folder, "--format", "onnx", "--recording", room, "--out", tmp_path / "bundle")
    heard = read_metrics(folder)["listening"]
    assert heard["words"] == heard["found"] + heard["missed"] == 30
    assert heard["seconds"] == 300
    assert heard["false_alarms_per_hour"] == 12 * heard["false_alarms"]
    rules = Run.read(folder).model.listening
    assert rules.ignored == ("silence",)
    assert 0.3 <= rules.threshold <= 0.9
    assert json.loads((folder / "run.json").read_text())["training"]["false_alarms"] == 30.0
    assert answer.status == 0, answer.err
    chosen = Bundle.read(tmp_path / "bundle").manifest.model.listening
    assert replace(chosen, smoothing=rules.smoothing, threshold=rules.threshold) == rules
    total = evaluate_listening(tmp_path / "bundle", [str(room)]).total
    assert f"{len(total.found)} of 8 words found" in " ".join(answer.err.split())
    assert f"{number(total.false_alarms_per_hour, 3)} false alarms an hour, in 1 minutes of recordings" in " ".join(
        answer.err.split()
    )


def write_room(folder):
    """Write a recording of a minute, with the words of the data set tones in a CSV file beside it."""
    folder.mkdir()
    dataset = load_dataset("tones", 1)
    split, labels = dataset.splits["validation"], dataset.target.labels
    names = [i for i, label in enumerate(labels) if label not in dataset.content.background]
    random = np.random.default_rng(1)
    chosen = choose_words(split.targets, names, 8, random)
    sounds = [np.asarray(split.items[i], np.float64) for i in chosen]
    samples, known = compose(sounds, [labels[split.targets[i]] for i in chosen], dataset.content.rate, 60, random)
    (folder / "room.wav").write_bytes(encode_wav(samples, dataset.content.rate))
    rows = [f"{word.start},{word.end},{word.label}\n" for word in known]
    (folder / "room.csv").write_text("".join(["start,end,label\n", *rows]))
    return folder


def test_a_network_hears_a_recording_as_its_exported_file_does(tmp_path):
    """Hop by hop, of which the pieces that are read are no multiple."""
    declared = recipe("keyword-stream")
    options = replace(declared.options(), widths=(8, 8), kernels=(3, 3), dilations=(1, 2))
    network = declared.build(options, (RATE, LENGTH), 3).eval()
    spec, _ = words(2)
    spec = replace(spec, input=replace(spec.input, hop=160, samples=25 * 160), listening=replace(RULES, step=160))
    samples = np.random.default_rng(0).normal(0, 0.2, 3 * RATE).astype(np.float32)
    (tmp_path / "a.wav").write_bytes(encode_wav(samples, RATE))
    (tmp_path / "a.csv").write_text("time,label\n1,low\n")
    (recording,) = read_annotated([str(tmp_path / "a.wav")], spec)
    scored = _scored(network, spec, recording)
    assert (scored.seconds, [word.label for word in scored.words]) == (3.0, ["low"])
    raw = np.concatenate([*_hops(network, spec, samples[None])])
    np.testing.assert_allclose(scored.scores[: len(raw)], spec.output.probabilities(raw), atol=1e-6)
    assert scored.ends[: len(raw)] == [(i + 1) * 160 for i in range(len(raw))]


def test_recordings_that_don_t_fit_are_refused_before_anything_is_done(tmp_path, cli, trained):
    answer = cli("export", trained, "--recording", tmp_path, "--out", tmp_path / "bundle")
    assert (answer.status, answer.out) == (2, "")
    assert "does not listen to long recordings: leave them out" in answer.err
    assert "PyTorch" not in answer.err


@pytest.mark.parametrize("value", [-1.0, 1001.0])
def test_a_limit_of_false_alarms_out_of_range(value, cli):
    answer = cli("train", "keyword", "--set", f"false_alarms={value}")
    assert answer.status == 2
    assert "false_alarms must be 0 to 1000" in answer.err
