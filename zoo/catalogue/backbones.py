"""Networks of timm with their own classifier, ready to use: weights, labels, timm's preprocessing, a proven bundle."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from runtime.bundle import Card
from runtime.errors import MissingExtraError, OptionError, one_line
from runtime.images.preprocess import image_steps
from runtime.inputs import ImageInput
from runtime.spec import ModelSpec
from runtime.tasks import Classification
from runtime.tensors import single
from zoo.catalogue.pull import Choice
from zoo.imports.processors import timm as timm_facts
from zoo.recipes._backbones import config, weights, weights_origin

if TYPE_CHECKING:
    from runtime import Bundle
    from runtime.progress import Progress
    from zoo.catalogue import Entry

CHANGES = False

PROVED, CALIBRATED = 40, 120
"""How many crops of the sample photos prove a bundle, and how many others calibrate it."""

SAMPLES = (
    f"{PROVED} crops of scikit-learn's two sample photos, turned, mirrored and tinted: of {PROVED + CALIBRATED} those "
    "that PyTorch decides most clearly; the others calibrate"
)


def own(name: str) -> Choice:
    """Return what a bundle of a network holds unless told otherwise."""
    config(name)
    return Choice(("onnx", "tflite"), ("fp32",))


def pull(name: str, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Make a bundle of a network of timm; see `zoo.catalogue.pull.Source`."""
    summary = f"Image classification; timm's `{name}`."
    if choice.random_weights:
        summary = f"timm's `{name}` with random weights, for a trial of the export: its answers mean nothing."
    return _make(f"timm:{name}", name, summary, {}, choice, out, on_progress)


def make(name: str, entry: Entry, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Make a bundle of an entry of the catalogue that is a network of timm; see `zoo.catalogue.build.make`."""
    made = cast(Any, entry.made)
    metrics = {f"ImageNet {metric}, by {entry.measured.partition(',')[0]}": v for metric, v in entry.metrics.items()}
    return _make(name, made.backbone, entry.summary, metrics, choice, out, on_progress)


def _make(
    name: str,
    backbone: str,
    summary: str,
    metrics: dict[str, float],
    choice: Choice,
    out: Path,
    on_progress: Progress,
) -> Bundle:
    from export import Calibration, export

    on_progress(f"load {backbone}", 0, 1)
    network = create(backbone, choice.random_weights)
    origin = None if choice.random_weights else weights_origin(backbone)
    module, spec = wrapped(name, network)
    photos = by_clearness(module, spec, sample_photos(PROVED + CALIBRATED))
    return export(
        module,
        spec,
        photos[:PROVED],
        choice.formats,
        precisions=choice.precisions,
        out=out,
        calibration=Calibration(photos[PROVED:], None, CALIBRATED),
        allow_drift=choice.random_weights,
        overwrite=True,
        card=Card(summary, None, origin, {} if choice.random_weights else metrics, {"proved on": SAMPLES}),
        on_progress=on_progress,
    )


def wrapped(name: str, network: Any) -> tuple[Any, ModelSpec]:
    """Return a network as it is exported, raw pixels in, and what it takes and gives.

    Raises:
        OptionError: See `preprocessing`.
    """
    from export import NormalizePixels

    steps = preprocessing(network)
    spec = ModelSpec(name, steps.input, Classification("classification", "logits", labels(network)))
    return NormalizePixels(network, steps.mean, steps.std), spec


def create(backbone: str, random_weights: bool = False) -> Any:
    """Return a network of timm with its own classifier, in evaluation mode and with fused branches.

    Raises:
        OptionError: If timm has no such network, or it classifies nothing.
        MissingExtraError: If the package with its weights is absent.
        DataError: If the weights can't be had.
    """
    import timm
    import torch
    from timm.utils.model import reparameterize_model

    config(backbone)
    torch.manual_seed(0)
    try:
        network = timm.create_model(backbone)
    except (RuntimeError, TypeError, ValueError, AssertionError) as problem:
        raise OptionError(f"timm:{backbone} can't be built: {one_line(problem)}") from None
    if not getattr(network, "num_classes", 0):
        raise OptionError(f"timm:{backbone} has no classifier, so there is nothing to predict: choose another network")
    if random_weights:
        enliven(network)
    else:
        network.load_state_dict(weights(backbone, network))
    return reparameterize_model(network.eval())


def enliven(network: Any) -> None:
    """Make weights of a new network differ that start all alike.

    Many branches start with a factor of 0 or 1e-6, which would hide what an export makes of them. The statistics of
    batch normalization stay: taken from a few images, they make a random network magnify the rounding of float32.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for values in network.parameters():
            if values.numel() and values.min() == values.max():
                values += 0.1 * torch.randn(values.shape, generator=generator)


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing by timm: geometry, and mean and deviation on a scale of 0 to 1."""

    input: ImageInput
    mean: Sequence[float]
    std: Sequence[float]


def preprocessing(network: Any) -> Preprocessing:
    """Return timm's own evaluation of images for a network, pixel by pixel.

    JPEGs are not decoded at reduced scale, which would change pixels. Two rules, which timm lacks, are ours:
    EXIF orientation is obeyed and transparency is laid on white.

    Raises:
        OptionError: If the network takes no color images, or timm cuts them in an unknown way.
    """
    from timm.data import resolve_model_data_config

    settings = resolve_model_data_config(network)
    channels, height, width = settings["input_size"]
    if channels != 3:
        raise OptionError(f"timm gives this network {channels} channels, which can't be done here")
    facts = timm_facts(settings)
    steps = image_steps(
        (height, width), "RGB", fit=facts["fit"], share=facts["share"], whole_pixels=facts["whole_pixels"],
        ground=tuple(facts["ground"] or (255, 255, 255)),
        interpolation="bilinear" if facts["interpolation"] == "random" else facts["interpolation"],
    )  # fmt: skip
    return Preprocessing(ImageInput("image", "image", (height, width, 3), steps), settings["mean"], settings["std"])


def labels(network: Any) -> tuple[str, ...]:
    """Return what each logit stands for: timm's descriptions of ImageNet's classes, else numbers."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    names = network.pretrained_cfg.get("label_names")
    subset = infer_imagenet_subset(network)
    if not names and subset:
        info = ImageNetInfo(subset)
        names, detailed = info.label_descriptions(), info.label_descriptions(detailed=True)
        names = [long if names.count(name) > 1 else name for name, long in zip(names, detailed, strict=True)]
    if not names or len(set(names)) != network.num_classes:
        names = [f"class {i}" for i in range(network.num_classes)]
    return tuple(names)


def by_clearness(module: Any, spec: ModelSpec, photos: Sequence[bytes]) -> list[bytes]:
    """Return photos in the order of how far PyTorch's first class lies before its second.

    On a crop that shows none of a thousand classes, rounding decides between two of them: it tells nothing of a file.
    """
    from export.reference import reference

    outputs = np.sort(single(reference(module.eval(), spec, photos, None).outputs), axis=1)
    return [photos[i] for i in np.argsort(outputs[:, -2] - outputs[:, -1], kind="stable")]


def sample_photos(count: int, seed: int = 0) -> list[bytes]:
    """Return JPEGs of parts of scikit-learn's two sample photos (a temple and a flower, CC BY 2.0), none like another.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    from PIL import Image, ImageEnhance

    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        raise MissingExtraError("scikit-learn", "train") from None
    photos = [Image.fromarray(image) for image in load_sample_images().images]
    random = np.random.default_rng(seed)
    made = []
    for at in range(count):
        photo = photos[at % len(photos)]
        side = min(photo.size) * random.uniform(0.4, 1)
        wide, high = (side, side * random.uniform(0.75, 1))[:: random.choice((1, -1))]
        left, top = random.uniform(0, photo.width - wide), random.uniform(0, photo.height - high)
        part = photo.crop((round(left), round(top), round(left + wide), round(top + high)))
        if random.random() < 0.5:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        part = part.rotate(random.uniform(-15, 15), Image.Resampling.BICUBIC)
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            part = enhance(part).enhance(random.uniform(0.6, 1.5))
        file = io.BytesIO()
        part.save(file, "JPEG", quality=92)
        made.append(file.getvalue())
    return made
