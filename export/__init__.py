"""A trained PyTorch module to files that are proved against it.

Works on any `torch.nn.Module`; the recipes of `zoo` are one caller. PyTorch is imported when it
is needed: a bundle of a file that is there already is written without.
"""

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runtime.audio.resampling import Resampling
from runtime.bundle import Card, DataOrigin, Origin
from runtime.errors import MissingExtraError
from runtime.images.preprocess import image_steps
from runtime.inputs import (
    AudioInput,
    CategoricalColumn,
    ImageInput,
    NumericColumn,
    SequenceInput,
    TableInput,
    TensorsInput,
)
from runtime.progress import Progress
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Detection, Forecasting, MultiLabel, Raw, Regression
from runtime.tasks.box_layouts import Distances
from runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from export.bundle import export
    from export.full_precision import FullPrecision
    from export.precision.calibration import Calibration
    from export.scaling import DenormalizeTargets, NormalizeFeatures, NormalizePixels
    from export.streaming import Streamable

__all__ = [
    "CTC",
    "Anomaly",
    "AudioInput",
    "Binary",
    "Calibration",
    "Card",
    "CategoricalColumn",
    "Classification",
    "DataOrigin",
    "DenormalizeTargets",
    "Detection",
    "Distances",
    "Forecasting",
    "FullPrecision",
    "ImageInput",
    "ModelSpec",
    "MultiLabel",
    "NormalizeFeatures",
    "NormalizePixels",
    "NumericColumn",
    "Origin",
    "Progress",
    "Raw",
    "Regression",
    "Resampling",
    "SequenceInput",
    "Streamable",
    "TableInput",
    "TensorSpec",
    "TensorsInput",
    "export",
    "image_steps",
]

_MODULES = {
    "export": "bundle",
    "Calibration": "precision.calibration",
    "FullPrecision": "full_precision",
    "NormalizeFeatures": "scaling",
    "NormalizePixels": "scaling",
    "DenormalizeTargets": "scaling",
    "Streamable": "streaming",
}
RENAMED = {
    "FromFeatures": "NormalizeFeatures",
    "FromPixels": "NormalizePixels",
    "ToValues": "DenormalizeTargets",
}
"""Old names, which work for another release."""


def __getattr__(name: str) -> object:
    """Import a name that needs PyTorch; an old name gives a DeprecationWarning.

    Raises:
        MissingExtraError: If it is not installed.
    """
    if name in RENAMED:
        warnings.warn(f"export.{name} is now export.{RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = RENAMED[name]
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("torch") is None:
        raise MissingExtraError("PyTorch", "train,export")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
