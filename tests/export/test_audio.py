"""Networks of audio: whole clips and steps of one hop, in every format, from recordings to what is heard."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import export
import runtime
from export.formats import formats_in
from runtime.audio.listening import Listening
from runtime.spec import State
from runtime.verify import verify

HOP, RATE = 80, 8_000
SPEC = export.ModelSpec(
    "ears",
    export.AudioInput("audio", "audio", RATE, 800, hop=HOP),
    export.Classification("classification", "logits", ("low", "high")),
    Listening(HOP, 0, smoothing=2, threshold=0.5, refractory=0),
)
_random = np.random.default_rng(0)
SAMPLES = [_random.normal(0, scale, 800).astype(np.float32) for scale in np.linspace(0.01, 0.3, 40)]


class Leaky(nn.Module):
    """Adds up how loud each hop is, and forgets it slowly."""

    state: ClassVar = {"memory": (4,)}

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.hear, self.tell = nn.Linear(HOP, 4, bias=False), nn.Linear(4, 2)
        with torch.no_grad():
            self.hear.weight.normal_(std=HOP**-0.5)
            self.tell.weight.copy_(torch.tensor([[-1.0] * 4, [1.0] * 4]))
            self.tell.bias.copy_(torch.tensor([1.0, -1.0]))

    def step(self, sample: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, ...]:
        memory = 0.8 * memory + torch.relu(self.hear(sample))
        return self.tell(memory), memory

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        memory = 0 * clip[:, :4]
        for hop in clip.unflatten(1, (-1, HOP)).unbind(1):
            logits, memory = self.step(hop, memory)
        return logits


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    out = tmp_path_factory.mktemp("audio") / "ears"
    return export.export(Leaky(), SPEC, samples=SAMPLES, out=out, formats=formats_in("fp32"))


def test_clips_and_hops_are_proved_in_every_format(bundle):
    models = bundle.manifest.models
    assert list(models) == [f"model{step}.{name}" for name in formats_in("fp32") for step in ("", ".step")]
    assert all(model.parity.max_difference <= 1e-5 for model in models.values())
    assert all(model.spec.state == (State("memory", (4,)),) for name, model in models.items() if ".step." in name)
    assert all(replay.passed for replay in verify(bundle.path))
    assert bundle.manifest.format == 3


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_every_hop_gives_the_answer_of_the_clip_so_far(bundle, engine):
    model = runtime.load(bundle.path, engine=engine)
    clips = np.stack(SAMPLES[::8])
    for count, raw in enumerate(model.rollout(clips), 1):
        with torch.inference_mode():
            wanted = Leaky()(torch.from_numpy(clips[:, : count * HOP])).numpy()
        assert np.abs(raw - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert count == 10


@pytest.mark.parametrize("engine", ["onnxruntime", "litert"])
def test_a_stream_is_heard_hop_by_hop(bundle, engine):
    model = runtime.load(bundle.path, engine=engine)
    stream = np.concatenate(SAMPLES)
    heard = list(model.listen(np.array_split(stream, 13)))
    assert heard
    assert heard == list(model.listen([stream]))
    assert heard == list(model.listen(runtime.Waveform(stream, RATE)))


def test_a_recording_is_predicted_as_its_samples_are(bundle, tmp_path):
    model = runtime.load(bundle.path)
    path = tmp_path / "clip.wav"
    path.write_bytes(SPEC.input.encode(SAMPLES[30]))
    assert np.array_equal(model.predict(path).scores, model.predict(SAMPLES[30]).scores)
    assert len(model.predict([path, SAMPLES[0]])) == len(model.predict(np.stack(SAMPLES[:2]))) == 2


def test_the_card_says_how_streams_are_heard(bundle):
    card = bundle.bytes("README.md").decode()
    assert "0.1 s of audio at 8,000 Hz; of a longer recording the middle is taken" in card
    assert "a label is heard while the average of its last 2 scores, one every 0.01 s, is 50% or more" in card
    assert 'for heard in model.listen("long.wav")' in card
    assert 'pipeline_tag: "audio-classification"' in card
