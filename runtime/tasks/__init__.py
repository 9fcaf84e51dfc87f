"""Outputs of models: one file for each family of tasks. Each task is a dataclass of the manifest that decodes itself.

All of them have the same members:

``task``, ``SINCE``
    The tag in the manifest, and the version of the contract that has the task.
``PLACED``
    Whether its answers lie in the picture, so that `decode` gets the inputs with their placement in it
    (`runtime.images.placement`).
``tensors``
    The graph's outputs (`runtime.tensor_spec.TensorSpec`). A task of one tensor (`runtime.tensor_spec.OneTensor`) has
    its ``name`` and ``shape`` instead, without the batch axis; None stands for an axis of any length.
``decode(raw, seen, k)``
    Raw outputs and the inputs that gave them to `Prediction` objects. Raw outputs are an array ``[batch, ...]`` where
    the task has one tensor, and a dict of arrays by name where it has several.
``agreement(reference, outputs, slack)``
    For each sample, whether two raw outputs mean the same decision; differences up to `slack` may break ties.
``probabilities(raw)``, ``activation``
    Of tasks with classes: the probabilities that raw outputs mean, and what the graph makes of its logits itself.
``metric``, ``better``, ``measure(raw, targets)``
    The task's metric: its name, whether ``max`` or ``min`` is better, and its value on raw outputs.
"""

from runtime.tasks.anomaly import Anomaly, AnomalyPrediction
from runtime.tasks.classes import Activation, Binary, Classification, ClassPrediction, LabelsPrediction, MultiLabel
from runtime.tasks.detection import Box, Detection, DetectionPrediction
from runtime.tasks.prediction import Prediction
from runtime.tasks.raw import Raw, RawPrediction
from runtime.tasks.text import CTC, TextPrediction
from runtime.tasks.values import Forecasting, Regression, ValuePrediction

Output = Classification | Binary | MultiLabel | Regression | Forecasting | CTC | Anomaly | Raw | Detection

__all__ = [
    "CTC",
    "Activation",
    "Anomaly",
    "AnomalyPrediction",
    "Binary",
    "Box",
    "ClassPrediction",
    "Classification",
    "Detection",
    "DetectionPrediction",
    "Forecasting",
    "LabelsPrediction",
    "MultiLabel",
    "Output",
    "Prediction",
    "Raw",
    "RawPrediction",
    "Regression",
    "TextPrediction",
    "ValuePrediction",
]
