"""The facts about a third-party file that takes images, inferred from all sources and checked against its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from export.activation import Operator
from runtime.errors import OptionError, unknown
from runtime.feed import Layout
from runtime.images.steps import OPENCV
from runtime.scaling import check_pixels
from runtime.schema import build
from zoo.imports.box_families import FAMILIES, split
from zoo.imports.facts import RGB, MergedFacts, ModelFacts, merge
from zoo.imports.graphs import Graph, Tensor

LAYOUTS: dict[str, Layout] = {"onnx": "NCHW", "tflite": "NHWC"}
"""How each format's tools lay out images, where the shape alone doesn't tell."""
DTYPES = ("uint8", "int8", "float16", "float32")
TASKS = ("classification", "binary", "multilabel", "regression", "detection", "raw")
WHOLE = ("detection", "raw")
"""Tasks that read all outputs."""
GROUND = (114, 114, 114)
"""The ground of the YOLO family's letterbox."""
COMMAND_LINE = "the command line"

Sources = Sequence[tuple[str, ModelFacts]]
"""Where facts come from, and what they are."""


@dataclass(frozen=True)
class Subject:
    """A file that takes images.

    Args:
        input_tensor: Its input, an image.
        channels: Of its images.
        known: What is known of it; size, fit, share, interpolation, mean, std, order and layout are, and output unless
            the task reads all of them.
        graph: Its graph.
    """

    input_tensor: Tensor
    channels: int
    known: MergedFacts
    graph: Graph

    @property
    def output_tensor(self) -> Tensor:
        """The output that is the answer."""
        return next(tensor for tensor in self.graph.outputs if tensor.name == self.known.facts.output)

    @property
    def end(self) -> Operator | None:
        """The operator that makes it; None where the graph doesn't tell."""
        return self.graph.ends.get(self.output_tensor.name)


def infer(path: Path, graph: Graph, reported: ModelFacts, hints: Sources) -> Subject:
    """Merge the facts that the caller, the graph, its metadata, files beside it and conventions report.

    Raises:
        ValueError: If the graph is of a kind that can't be imported, or facts are missing or don't fit it.
    """
    input_tensor = _image(graph)
    known = _known(path, graph, input_tensor, reported, hints)
    channels = _channels(known, input_tensor)
    return Subject(input_tensor, channels, _scaled(known, input_tensor, channels), graph)


def _image(graph: Graph) -> Tensor:
    """Return the graph's only input, an image.

    Raises:
        ValueError: If it takes anything else.
    """
    inputs = ", ".join(map(str, graph.inputs))
    if len(graph.inputs) != 1 or graph.inputs[0].shape is None or len(graph.inputs[0].shape) != 4:
        raise ValueError(f"it takes {inputs or 'nothing'}, which is not one image of four axes: see --input tensors")
    if graph.inputs[0].dtype not in DTYPES:
        raise ValueError(f"it takes {inputs}: only inputs of {', '.join(DTYPES)} can be fed")
    return graph.inputs[0]


def answers_of(graph: Graph) -> dict[str, Tensor]:
    """Return the outputs that hold one list of values for each image, by name.

    Raises:
        ValueError: If there is none.
    """
    lists = {
        tensor.name: tensor
        for tensor in graph.outputs
        if tensor.dtype in DTYPES
        and (tensor.shape is None or (len(tensor.shape) > 1 and sum(size != 1 for size in tensor.shape[1:]) <= 1))
    }
    if not lists:
        raise ValueError(
            f"it gives {', '.join(map(str, graph.outputs))}: classifiers, multi-label networks and regressions have an "
            "output [batch, values]; if it is a detector, say --task detection, or take its outputs as they are with "
            "--task raw"
        )
    return lists


def _known(path: Path, graph: Graph, input_tensor: Tensor, reported: ModelFacts, hints: Sources) -> MergedFacts:
    """Merge the facts of all sources; the graph's own shape has no rival."""
    layout = reported.layout or _layout(input_tensor, path.suffix[1:])
    size = _size(input_tensor, layout)
    if size and reported.size and size != reported.size:
        raise ValueError(f"its images have {size[0]}x{size[1]} pixels (height x width): leave out --resize")
    ends_in_boxes = {"task": "detection", "boxes": "ssd"} if graph.post_processed else {}
    of_graph = build(ModelFacts, {"layout": layout, "size": size, **ends_in_boxes}, "the graph", OptionError)
    known = merge([(COMMAND_LINE, reported), ("the graph", of_graph), *hints])
    if known.facts.boxes is not None:
        known = known.filled(known.origins["boxes"], task="detection")
    task = known.facts.task
    if task is not None and task not in TASKS:
        raise ValueError(f"its task is {task!r} ({known.origins['task']}): {unknown('task', task, TASKS)}")
    if task in WHOLE:
        _check_whole(known, graph)
    else:
        known = with_output(known, answers_of(graph))
    if reported.order == "BGR" and _axes(input_tensor, layout)[2] == 1:
        raise ValueError("its images are gray: leave out --order")
    if known.facts.size is None:
        raise ValueError("it takes images of any size and nothing says which suit it: give it with --resize 224")
    fit, ground = _convention(known)
    known = known.filled("convention", name=path.stem, fit=fit, share=1.0, order="RGB")
    stretched = known.facts.fit == "stretch" and known.facts.share != 1
    if known.facts.fit == "pad" and known.facts.share != 1 and not known.facts.whole_pixels:
        raise ValueError("--share is for --fit crop and stretch: with --fit pad the whole image is seen")
    known = known.filled("convention", whole_pixels=stretched, rounding="even", ground=ground)
    letterboxed = fit == known.facts.fit == "pad" and not known.facts.whole_pixels
    return known.filled("convention", interpolation=OPENCV if letterboxed else "bilinear")


def _check_whole(known: MergedFacts, graph: Graph) -> None:
    """Check that an output is named of detectors only, and is the graph's."""
    output, names = known.facts.output, [tensor.name for tensor in graph.outputs]
    if output is not None and known.facts.task == "raw":
        raise ValueError("the task raw has all outputs: leave out --output")
    if known.facts.task == "raw" and graph.post_processed:
        raise ValueError("it ends in TFLite_Detection_PostProcess, which leaves values undefined: leave out --task raw")
    if output is not None and output not in names:
        raise ValueError(unknown("output", output, names))


def _convention(known: MergedFacts) -> tuple[Literal["crop", "stretch", "pad"], tuple[int, int, int]]:
    """Return how images are brought to a size where nothing says it, and the ground of a letterbox.

    ``pad`` stands for the letterbox of the YOLO family, whose tools resize by OpenCV.
    """
    if known.facts.task != "detection":
        return "crop", (255, 255, 255)
    family = split(known.facts.boxes)[0] if known.facts.boxes else "yolov8"
    return FAMILIES[family].fit, GROUND


def with_output(known: MergedFacts, outputs: dict[str, Tensor]) -> MergedFacts:
    """Add which output is the answer.

    Raises:
        ValueError: If it was named otherwise than the graph does, or nothing says it.
    """
    chosen = known.facts.output
    if chosen is not None and chosen not in outputs:
        raise ValueError(unknown("output", chosen, outputs))
    if chosen is None and len(outputs) > 1:
        raise ValueError(
            f"it gives {', '.join(map(str, outputs.values()))}: choose one with --output, or take all as they are with "
            "--task raw"
        )
    return known.filled("the graph", output=next(iter(outputs)))


def _layout(input_tensor: Tensor, suffix: str) -> Layout:
    assert input_tensor.shape is not None  # noqa: S101  # checked before
    first, last = input_tensor.shape[1] in (1, RGB), input_tensor.shape[3] in (1, RGB)
    return LAYOUTS[suffix] if first == last else "NCHW" if first else "NHWC"


def _axes(input_tensor: Tensor, layout: Layout) -> tuple[int | None, int | None, int | None]:
    """Return height, width and channels."""
    _, *axes = input_tensor.shape or ()
    return (axes[1], axes[2], axes[0]) if layout == "NCHW" else (axes[0], axes[1], axes[2])


def _size(input_tensor: Tensor, layout: Layout) -> tuple[int, int] | None:
    height, width, channels = _axes(input_tensor, layout)
    if channels not in (None, 1, RGB):
        raise ValueError(f"its images have {channels} channels in layout {layout}: 1 or {RGB} can be fed; see --layout")
    return (height, width) if height and width else None


def _scaled(known: MergedFacts, input_tensor: Tensor, channels: int) -> MergedFacts:
    """Add how pixels are scaled, one value for each channel.

    Raises:
        ValueError: If nothing says it, or the caller says what can't be.
    """
    low = -128.0 if input_tensor.dtype == "int8" else 0.0
    if input_tensor.dtype in ("uint8", "int8") and not input_tensor.scale:
        if COMMAND_LINE in (known.origins.get("mean"), known.origins.get("std")):
            raise ValueError(f"it takes pixels as they are ({input_tensor.dtype}): leave out --mean and --std")
        unscaled = replace(
            known, facts=replace(known.facts, mean=None, std=None)
        )  # the graph itself does what is reported
        known = unscaled.filled(f"its type, {input_tensor.dtype}", mean=(-low or 0.0,), std=(1.0,))
    elif known.facts.mean is None or known.facts.std is None:
        if input_tensor.scale:
            zero = input_tensor.scale.zero_point - low
            known = known.filled(
                "its quantization: pixels fill its range", mean=(zero,), std=(1 / input_tensor.scale.scale,)
            )
        else:
            raise ValueError(
                f"it takes {input_tensor.dtype} and nothing says how pixels are scaled: give --mean and --std, "
                "for example --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225, or --mean 0 --std 1 --range 255 for none"
            )
    mean, std = known.facts.mean or (), known.facts.std or ()
    for what, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise ValueError(f"--{what} has {len(values)} values for {channels} channels: {known.origins[what]}")
    mean, std = mean * (channels // len(mean)), std * (channels // len(std))
    if COMMAND_LINE in (known.origins["mean"], known.origins["std"]):
        check_pixels(mean, std, white=255)
    return replace(known, facts=replace(known.facts, mean=mean, std=std))


def _channels(known: MergedFacts, input_tensor: Tensor) -> int:
    layout = known.facts.layout
    assert layout is not None  # noqa: S101  # the graph tells
    return _axes(input_tensor, layout)[2] or RGB
