"""config.json (of Transformers, or timm's with ``pretrained_cfg``) and preprocessor_config.json beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.errors import OptionError
from runtime.schema import build
from zoo.imports import processors
from zoo.imports.facts import ModelFacts
from zoo.imports.graphs import Graph
from zoo.imports.labels import distinct, from_numbers
from zoo.imports.sidecar import read_json

BOXES = {
    "ConditionalDetr": "rt-detr", "DFine": "rt-detr", "DabDetr": "rt-detr", "DeformableDetr": "rt-detr",
    "Detr": "detr", "RTDetr": "rt-detr", "RTDetrV2": "rt-detr", "TableTransformer": "detr", "Yolos": "detr",
}  # fmt: skip
"""How Transformers' ``post_process_object_detection`` reads the boxes of each detector."""
SOURCE = "config.json beside it"


def read(path: Path, data: bytes, graph: Graph) -> ModelFacts | None:
    """Return the facts; see `zoo.imports.hints`."""
    folders = [path.parent, path.parent.parent] if path.parent.name == "onnx" else [path.parent]
    for folder in folders:  # exports to ONNX lie in a folder of that name
        file = folder / "config.json"
        config = read_json(file)
        if config is None:
            continue
        facts = {"labels": _labels(config, str(file)), "licence": _text(config.get("license"))}
        pretrained = config.get("pretrained_cfg")
        if isinstance(pretrained, dict):
            facts |= processors.timm(pretrained, str(file), graph.inputs[0].shape or ())
        elif (processor := read_json(folder / "preprocessor_config.json")) is not None:
            facts |= processors.transformers(processor, str(folder / "preprocessor_config.json"))
        architectures = config.get("architectures")
        architecture = str(architectures[0])[:80] if isinstance(architectures, list) and architectures else ""
        boxes = BOXES.get(architecture.removesuffix("ForObjectDetection"))
        if boxes:
            facts |= {"task": "detection", "boxes": boxes}
        elif architecture and "ImageClassification" not in architecture:
            facts["task"] = architecture
        elif config.get("problem_type") == "multi_label_classification":
            facts["task"] = "multilabel"
        known = {name: value for name, value in facts.items() if value is not None}
        return build(ModelFacts, known, str(file), OptionError) if known else None
    return None


def _labels(config: dict[str, Any], where: str) -> tuple[str, ...] | None:
    numbered, names = config.get("id2label"), config.get("label_names")
    if isinstance(numbered, dict):
        return from_numbers(numbered, where)
    if isinstance(names, list):
        return distinct([str(name) for name in names])
    return None


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None
