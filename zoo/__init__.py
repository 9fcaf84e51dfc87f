"""edgezoo: from data to a bundle that can be trusted. All of its API for programs is here.

>>> import zoo
>>> zoo.load("mnist-cnn").predict("seven.png").label
'7'

Each name is imported when it is first used: what loads and runs models needs no PyTorch, and `zoo.export`, which is the
function, does.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from zoo.shadowing import check

if TYPE_CHECKING:
    from export import (
        CTC,
        Anomaly,
        AudioInput,
        Binary,
        Calibration,
        Card,
        CategoricalColumn,
        Classification,
        DataOrigin,
        DenormalizeTargets,
        Detection,
        Distances,
        Forecasting,
        FullPrecision,
        ImageInput,
        MultiLabel,
        NormalizeFeatures,
        NormalizePixels,
        NumericColumn,
        Origin,
        Progress,
        Raw,
        Regression,
        Resampling,
        SequenceInput,
        Streamable,
        TableInput,
        TensorsInput,
        TensorSpec,
        export,
        image_steps,
    )
    from runtime import (
        AnomalyPrediction,
        Box,
        Bundle,
        BundleError,
        CalibrationError,
        ClassPrediction,
        DataError,
        DetectionPrediction,
        DeviceError,
        EngineError,
        ExportError,
        ExportNote,
        HubError,
        InputError,
        InputNote,
        IntegrityError,
        LabelsPrediction,
        ManifestError,
        MissingExtraError,
        Model,
        ModelSpec,
        Note,
        OptionError,
        OutputError,
        ParityError,
        Prediction,
        RawPrediction,
        SignatureError,
        TextPrediction,
        TrainingError,
        UnsupportedError,
        ValuePrediction,
        Waveform,
        ZooError,
    )
    from zoo.resolve import load

__all__ = [
    "CTC",
    "Anomaly",
    "AnomalyPrediction",
    "AudioInput",
    "Binary",
    "Box",
    "Bundle",
    "BundleError",
    "Calibration",
    "CalibrationError",
    "Card",
    "CategoricalColumn",
    "ClassPrediction",
    "Classification",
    "DataError",
    "DataOrigin",
    "DenormalizeTargets",
    "Detection",
    "DetectionPrediction",
    "DeviceError",
    "Distances",
    "EngineError",
    "ExportError",
    "ExportNote",
    "Forecasting",
    "FullPrecision",
    "HubError",
    "ImageInput",
    "InputError",
    "InputNote",
    "IntegrityError",
    "LabelsPrediction",
    "ManifestError",
    "MissingExtraError",
    "Model",
    "ModelSpec",
    "MultiLabel",
    "NormalizeFeatures",
    "NormalizePixels",
    "Note",
    "NumericColumn",
    "OptionError",
    "Origin",
    "OutputError",
    "ParityError",
    "Prediction",
    "Progress",
    "Raw",
    "RawPrediction",
    "Regression",
    "Resampling",
    "SequenceInput",
    "SignatureError",
    "Streamable",
    "TableInput",
    "TensorSpec",
    "TensorsInput",
    "TextPrediction",
    "TrainingError",
    "UnsupportedError",
    "ValuePrediction",
    "Waveform",
    "ZooError",
    "export",
    "image_steps",
    "load",
]


def __getattr__(name: str) -> object:
    """Import what is asked for; an old name gives a DeprecationWarning.

    Raises:
        ImportError: If a file of the user's hides a package of ours.
        MissingExtraError: If it needs PyTorch, which is not installed.
    """
    if name in ("cluster", "spark"):
        return import_module(f"zoo.{name}")
    if name not in __all__:
        renamed = None if name.startswith("_") else _current_name(name)
        if renamed is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"zoo.{name} is now zoo.{renamed}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(__name__), renamed)
    for package in ("runtime", "export"):
        check(package)
        module = import_module("zoo.resolve" if name == "load" else package)
        if name in module.__all__:
            globals()[name] = getattr(module, name)
            break
    return globals()[name]


def _current_name(name: str) -> str | None:
    """Return the new name of an earlier release's name, or None if there was none of that name."""
    check("runtime")
    check("export")
    renamed: dict[str, str] = import_module("export").RENAMED
    return renamed.get(name)


def __dir__() -> list[str]:
    """Return the names, those too that were not used yet."""
    return sorted({*globals(), *__all__})
