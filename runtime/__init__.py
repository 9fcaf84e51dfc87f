"""The light half of edgezoo: bundles, preprocessing, engines, predictions. No torch, no training library.

>>> import runtime
>>> model = runtime.load("bundles/cnn-digits")
>>> model.predict("seven.png").label
'7'
"""

from runtime.audio.decoding import Waveform
from runtime.bundle import Bundle
from runtime.errors import (
    BundleError,
    CalibrationError,
    DataError,
    DeviceError,
    EngineError,
    ExportError,
    ExportNote,
    HubError,
    InputError,
    InputNote,
    IntegrityError,
    ManifestError,
    MissingExtraError,
    Note,
    OptionError,
    OutputError,
    ParityError,
    SignatureError,
    TrainingError,
    UnsupportedError,
    ZooError,
)
from runtime.loading import load
from runtime.model import Model
from runtime.spec import ModelSpec
from runtime.tasks import (
    AnomalyPrediction,
    Box,
    ClassPrediction,
    DetectionPrediction,
    LabelsPrediction,
    Prediction,
    RawPrediction,
    TextPrediction,
    ValuePrediction,
)

__all__ = [
    "AnomalyPrediction",
    "Box",
    "Bundle",
    "BundleError",
    "CalibrationError",
    "ClassPrediction",
    "DataError",
    "DetectionPrediction",
    "DeviceError",
    "EngineError",
    "ExportError",
    "ExportNote",
    "HubError",
    "InputError",
    "InputNote",
    "IntegrityError",
    "LabelsPrediction",
    "ManifestError",
    "MissingExtraError",
    "Model",
    "ModelSpec",
    "Note",
    "OptionError",
    "OutputError",
    "ParityError",
    "Prediction",
    "RawPrediction",
    "SignatureError",
    "TextPrediction",
    "TrainingError",
    "UnsupportedError",
    "ValuePrediction",
    "Waveform",
    "ZooError",
    "load",
]
