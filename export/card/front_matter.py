"""The front matter of a model card, which the model hub reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runtime.bundle import Card, ModelFile
from runtime.spec import ModelSpec

LICENSES = {
    "Apache-2.0": "apache-2.0",
    "apache-2.0": "apache-2.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 3.0": "cc-by-sa-3.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC0": "cc0-1.0",
    "MIT": "mit",
    "mit": "mit",
    "BSD-3-Clause": "bsd-3-clause",
}
"""The model hub's names of licenses."""
PIPELINES = {
    **{("image", task): "image-classification" for task in ("classification", "binary", "multilabel")},
    **{("table", task): "tabular-classification" for task in ("classification", "binary", "multilabel")},
    ("table", "regression"): "tabular-regression",
    ("sequence", "forecasting"): "time-series-forecasting",
    **{("audio", task): "audio-classification" for task in ("classification", "binary", "multilabel")},
    ("image", "ctc"): "image-to-text",
}
"""The model hub's names of tasks."""


def front_matter(spec: ModelSpec, models: Mapping[str, ModelFile], card: Card) -> str:
    """Return YAML front matter; its values are written as JSON, which YAML includes."""
    origins = [each for each in (card.data, card.weights) if each]
    licenses = {LICENSES.get(each.licence, "other") for each in origins}
    formats = sorted({model.spec.format for model in models.values()})
    precisions = sorted({model.spec.precision for model in models.values()} - {"fp32"})
    facts: dict[str, Any] = {
        "library_name": "edgezoo",
        "license": licenses.pop() if len(licenses) == 1 else "other" if licenses else "unknown",
        "tags": ["edgezoo", "edge", *formats, *precisions, spec.output.task],
    }
    if tag := PIPELINES.get((spec.input.kind, spec.output.task)):
        facts["pipeline_tag"] = tag
    split = next((name for name in ("test", "validation") if any(key.startswith(name) for key in card.metrics)), None)
    if card.data and split:
        data = {"type": "".join(c if c.isalnum() else "-" for c in card.data.name), "name": card.data.name}
        metrics = [
            {"type": name, "value": value, "name": f"{split} {name}"}
            for key, value in card.metrics.items()
            if key.startswith(split) and (name := key.removeprefix(split).strip())
        ]
        task = {"type": tag or spec.output.task}
        results = [{"task": task, "dataset": {**data, "split": split}, "metrics": metrics}]
        facts["model-index"] = [{"name": spec.name, "results": results}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return "\n".join(["---", *lines, "---"])
