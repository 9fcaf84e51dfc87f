"""Recipes, one file each, found by being here, and what each declares; its file's name is its name.

The module's docstring says in its first line what the recipe is for, and it assigns a `Recipe` to ``RECIPE``.
One training path runs them all. Files whose names begin with an underscore are what several recipes share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runtime.bundle import Origin
from runtime.errors import OptionError, unknown
from runtime.inputs import TensorsInput
from zoo.recipes._inputs import images
from zoo.registry import descriptions, load_module

if TYPE_CHECKING:
    from torch import nn

    from runtime.audio.listening import Listening
    from runtime.inputs import Input
    from runtime.spec import Precision
    from runtime.tasks import Output
    from zoo.data import Dataset

Augmentation = Literal[
    "stroke", "crop", "shift", "zoom", "flip", "invert", "color", "brightness", "contrast", "ground", "blur",
    "sharpen", "erase", "mosaic", "scale", "speed", "filter", "gain", "noise", "colour",
]  # fmt: skip


@dataclass(frozen=True)
class Training:
    """How any recipe is trained."""

    task: Literal[
        "auto", "classification", "binary", "multilabel", "regression", "forecasting", "ctc", "anomaly", "detection"
    ] = "auto"  # fmt: skip
    """What the answer is; auto follows from the data: its last layer, loss and metric follow from this."""
    loss: Literal["auto", "mse", "mae", "huber"] = "auto"
    """Loss of values; auto is mse. Classes have cross-entropy (binary for two, or several at once), text has CTC, boxes
    have overlap and cross-entropy."""
    epochs: int = 20
    """How many times the training samples are gone through, at most."""
    batch_size: int = 64
    """Samples in one step."""
    accumulate: int = 1
    """Batches whose gradients are summed up before the weights change."""
    lr: float = 2e-3
    """Highest learning rate of the schedule."""
    schedule: Literal["constant", "step", "cosine", "one-cycle"] = "one-cycle"
    """Course of the learning rate: level, a tenth after each third, down a half cosine, or up and down."""
    warmup: float = 0.0
    """Share of all steps over which the learning rate rises from nothing; one-cycle rises by itself."""
    optimizer: str = "adamw"
    """Optimizer by timm's name: sgd, momentum, adagrad, adadelta, rmsprop, adam, adamax, adamw, nadam, lion, others."""
    momentum: float = 0.9
    """Momentum of the optimizers that have one; sgd is Nesterov's, momentum is Polyak's, 0 is neither."""
    weight_decay: float = 0.01
    """Decoupled weight decay; biases and normalization layers are left out."""
    clip: float = 0.0
    """Longest gradient, as a norm over all weights; 0 cuts none."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, such as 0.99, which is what is kept; 0 keeps none."""
    init: Literal["default", "xavier", "kaiming", "orthogonal"] = "default"
    """Distribution of the random weights to start from; default is each layer's own in PyTorch."""
    label_smoothing: float = 0.0
    """Share of each target spread over all labels."""
    class_weights: Literal["auto", "none", "balanced"] = "auto"
    """Weigh the loss by how rare a class is; auto does so when the largest class has 1.5 times the smallest."""
    augment: tuple[Augmentation, ...] = ()
    """Random changes of what is trained on. Images: shift moves, turns and scales a little, zoom a lot (0.5 to 1.35
    times); stroke makes bright lines thicker or thinner, invert makes bright dark, ground shows an image as seen on a
    plain ground; color (once `colour`) changes it a little. Pictures with boxes have flip, scale (0.7 to 1.4 times),
    mosaic (four pictures in one; not in the last fifth of the epochs), and what moves no pixel. Recordings have shift,
    speed (0.8 to 1.25 times, so deeper or higher), filter (by up to 10 dB), gain (-25 to 15 dB) and noise (5 to 40 dB
    below)."""
    background: str = ""
    """A recording, or a folder of them, of which augment=noise takes parts; empty makes noise up."""
    outliers: float = 0.0
    """Share of training recordings that become silence, noise or scraps of words, of which the network learns to be
    unsure; streams hold more of these than of words."""
    false_alarms: float = 60.0
    """Labels heard wrongly in an hour of a stream that are accepted, of networks that listen: their smoothing and
    threshold miss the fewest words with no more of these, in recordings composed of the validation split; four of these
    count as one word."""
    mixup: float = 0.0
    """Strength of mixing images and their targets (Zhang et al., 2018), such as 0.2; 0 is none."""
    cutmix: float = 0.0
    """Strength of pasting parts of images into others (Yun et al., 2019), such as 1; 0 is none."""
    patience: int = 10
    """Stop after so many epochs without a better validation metric."""
    precision: Literal["auto", "32", "16", "bf16"] = "auto"
    """Arithmetic of training; auto is mixed precision on CUDA devices and 32 bits elsewhere."""
    workers: int = 0
    """Processes that prepare batches beside the training process."""
    anomaly: str = ""
    """The label that is held out of training as the anomaly, of data with classes; empty takes the last."""
    group: str = ""
    """What training and validation must not share, such as speaker, of data whose names tell it; empty doesn't mind."""

    def __post_init__(self) -> None:
        """Check the ranges, and take an augmentation by its name of earlier releases."""
        names = tuple("color" if name == "colour" else name for name in self.augment)
        object.__setattr__(self, "augment", names)
        for name, low in (("epochs", 1), ("batch_size", 1), ("accumulate", 1), ("patience", 1), ("workers", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if not 0 < self.lr < 100 or self.weight_decay < 0:
            raise ValueError(f"lr must be above 0 and weight_decay not below, got {self.lr} and {self.weight_decay}")
        for name in ("label_smoothing", "outliers", "momentum", "ema", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        for name in ("clip", "false_alarms", "mixup", "cutmix"):
            if not 0 <= getattr(self, name) <= 1000:
                raise ValueError(f"{name} must be 0 to 1000, got {getattr(self, name)}")


@dataclass(frozen=True)
class Group:
    """Parts of a network that train together.

    Args:
        modules: The parts, with all that is inside them; what several groups name belongs to the first.
        lr_scale: Times the learning rate.
        start: The share of all epochs after which they start to train, 0 to 1; they are frozen until then. 1 keeps
            them frozen throughout.
        keep_statistics: Leave the means and variances of batch normalization as they are: those of a few batches of a
            small data set are worse than what pretraining has left.
    """

    modules: Sequence[nn.Module]
    lr_scale: float = 1.0
    start: float = 0.0
    keep_statistics: bool = False


def one_group(options: Any, network: nn.Module) -> list[Group]:
    """Train everything from the first epoch."""
    return [Group([network])]


def no_weights(options: Any, network: nn.Module) -> Origin | None:
    """Start from random weights."""
    return None


def no_streams(options: Any, dataset: Dataset, input_spec: Any, output: Output) -> Listening | None:
    """Listen to no streams."""
    return None


def own_scaling(options: Any, input_spec: Input) -> tuple[Sequence[float], Sequence[float]]:
    """Bring the input to a mean of about 0 and a deviation of about 1, as it says itself."""
    assert not isinstance(input_spec, TensorsInput)  # noqa: S101  # no data set has such inputs
    mean, std = input_spec.scaling()
    return mean.tolist(), std.tolist()


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Args:
        options: A frozen dataclass with defaults and a docstring under each field.
        build: ``(options, shape, outputs) -> network`` with random weights, which takes scaled ``float32 [batch,
            *shape]`` and gives ``[batch, outputs]`` (``[batch, time, outputs]`` for text, a tuple of tensors for a task
            that has several). The shape is ``(channels, height, width)`` of images, ``(features,)`` of tables, ``(time,
            features)`` of sequences; of audio, whose network takes ``[batch, samples]``, it is ``(rate, samples)``. In
            training the network may give a longer tuple: its tensors, and then those of auxiliary heads.
        data: The data set it trains on unless told otherwise; None where it must be told.
        training: Its defaults for `Training`.
        input: ``(options, dataset) -> input``, of `zoo.recipes._inputs`: what the network takes of a data set.
        scaling: ``(options, input) -> (mean, std)``, on the scale of the input: the graph subtracts the one and divides
            by the other.
        listening: ``(options, dataset, input, output) -> rules``, of `zoo.recipes._listening`: how labels are heard in
            a stream of audio; None where streams are not listened to.
        pretrain: ``(options, network) -> origin``: load pretrained weights into the network in place.
        groups: ``(options, network) -> groups``: what trains when, and how fast.
        precision: The one below fp32 that measures best: static int8 for convolutions and perceptrons, int8-dynamic for
            recurrent layers, which grow in static int8.
        search: What tuning tries: the name of an option of the recipe or of `Training` to a list of values, or to
            ``(low, high)``, both included; floats are searched on a logarithmic scale.
    """

    options: type
    build: Callable[[Any, Any, int], nn.Module]
    data: str | None = "digits"
    training: Training = field(default_factory=Training)
    input: Callable[[Any, Dataset], Input] = images
    scaling: Callable[[Any, Input], tuple[Sequence[float], Sequence[float]]] = own_scaling
    listening: Callable[[Any, Dataset, Any, Output], Listening | None] = no_streams
    pretrain: Callable[[Any, nn.Module], Origin | None] = no_weights
    groups: Callable[[Any, nn.Module], list[Group]] = one_group
    precision: Precision = "int8"
    search: Mapping[str, Sequence[Any]] = field(default_factory=lambda: {"lr": (1e-4, 3e-2)})


def recipe(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        OptionError: If there is none of that name.
    """
    known = descriptions("zoo.recipes")
    if name not in known:
        raise OptionError(unknown("recipe", name, known))
    declared = load_module("zoo.recipes", name).RECIPE
    assert isinstance(declared, Recipe)  # noqa: S101  # what every module in the folder assigns
    return declared
