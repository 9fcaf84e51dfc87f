"""The light half of edgezoo: bundles, preprocessing, engines, predictions. No torch, no training library.

>>> import runtime
>>> model = runtime.load("bundles/cnn-digits")
>>> model.predict("seven.png").label
'7'
"""

from runtime.bundle import Bundle
from runtime.decode import Prediction
from runtime.errors import (
    BundleError,
    DataError,
    DeviceError,
    EngineError,
    ExportError,
    InputError,
    IntegrityError,
    ManifestError,
    MissingExtraError,
    OptionError,
    OutputError,
    ParityError,
    TrainingError,
    ZooError,
)
from runtime.model import Model, load
from runtime.spec import ModelSpec

__all__ = [
    "Bundle",
    "BundleError",
    "DataError",
    "DeviceError",
    "EngineError",
    "ExportError",
    "InputError",
    "IntegrityError",
    "ManifestError",
    "MissingExtraError",
    "Model",
    "ModelSpec",
    "OptionError",
    "OutputError",
    "ParityError",
    "Prediction",
    "TrainingError",
    "ZooError",
    "load",
]
