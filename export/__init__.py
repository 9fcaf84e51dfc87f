"""A trained PyTorch module to files that are proved against it.

Works on any `torch.nn.Module`; the recipes of `zoo` are one caller.
"""

from importlib.util import find_spec

from runtime.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("PyTorch", "train,export")

from export.bundle import export
from export.parity import Progress
from export.pixels import FromPixels
from runtime.bundle import Card, DataOrigin, Origin
from runtime.preprocess import image_steps
from runtime.spec import Classification, ImageInput, ModelSpec

__all__ = [
    "Card",
    "Classification",
    "DataOrigin",
    "FromPixels",
    "ImageInput",
    "ModelSpec",
    "Origin",
    "Progress",
    "export",
    "image_steps",
]
