"""A trained PyTorch module to files that are proved against it.

Works on any `torch.nn.Module`; the recipes of `zoo` are one caller.
"""

from importlib.util import find_spec

from runtime.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("PyTorch", "train,export")

from export.bundle import export
from export.parity import Progress
from export.precision.calibration import Calibration
from export.scaling import FromFeatures, FromPixels, ToValues
from export.streaming import Streamable
from runtime.bundle import Card, DataOrigin, Origin
from runtime.inputs import CategoricalColumn, ImageInput, NumericColumn, SequenceInput, TableInput
from runtime.preprocess import image_steps
from runtime.spec import ModelSpec
from runtime.tasks import CTC, Anomaly, Binary, Classification, Forecasting, MultiLabel, Regression

__all__ = [
    "CTC",
    "Anomaly",
    "Binary",
    "Calibration",
    "Card",
    "CategoricalColumn",
    "Classification",
    "DataOrigin",
    "Forecasting",
    "FromFeatures",
    "FromPixels",
    "ImageInput",
    "ModelSpec",
    "MultiLabel",
    "NumericColumn",
    "Origin",
    "Progress",
    "Regression",
    "SequenceInput",
    "Streamable",
    "TableInput",
    "ToValues",
    "export",
    "image_steps",
]
