"""TFLite files."""

from zoo.imports.graphs._tflite import read

__all__ = ["read"]
