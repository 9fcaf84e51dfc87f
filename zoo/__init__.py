"""edgezoo: from data to a bundle that can be trusted.

>>> import zoo
>>> zoo.load("mnist-cnn").predict("seven.png").label
'7'
"""

import runtime
from runtime import Model, Prediction, ZooError
from zoo.names import named

load = named(runtime.load)
"""Open a bundle, a model file, or a model of the catalogue by its name; see `runtime.load` for the arguments."""

__all__ = ["Model", "Prediction", "ZooError", "load"]
