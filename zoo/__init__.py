"""edgezoo: from data to a bundle that can be trusted.

>>> import zoo
>>> zoo.load("bundles/cnn-digits").predict("seven.png").label
'7'
"""

from runtime import Model, Prediction, ZooError, load

__all__ = ["Model", "Prediction", "ZooError", "load"]
