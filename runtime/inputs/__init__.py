"""Inputs of models: one file for each kind of input. Each is a dataclass of the manifest that reads its own sources.

All of them have the same members:

``kind``, ``SINCE``
    The tag in the manifest, and the version of the contract that has the kind.
``tensors``
    The graph's inputs (`runtime.tensor_spec.TensorSpec`). A kind of one tensor (`runtime.tensor_spec.OneTensor`) has
    its ``name``, ``dtype`` and ``shape`` instead, without the batch axis; None stands for an axis of any length.
``read(source)``
    One source to one array, or to a dict of arrays by name where there are several tensors.
``several(inputs)``
    The sources in something that holds more than one (a list, a CSV file of rows), or None if it is a single source.
``encode(sample)``
    A source as bytes that `read` takes: how golden.npz keeps real inputs.
``edge_cases()``
    Samples at the edges of the range, for the export's gate.
``step_length``
    How many entries of the first axis a step of a streaming network takes: 1 of a sequence, a hop of audio, 0 where
    nothing can be taken step by step.
``scaling()``
    ``(mean, std)`` that bring the input to about 0 and 1, as the graph does inside; they broadcast over one sample.
    Plain tensors have none: their graph takes them as they are.
"""

from runtime.inputs.audio import AudioInput
from runtime.inputs.image import ImageInput
from runtime.inputs.sequence import SequenceInput
from runtime.inputs.table import CategoricalColumn, NumericColumn, TableInput
from runtime.inputs.tensors import TensorsInput

Input = ImageInput | TableInput | SequenceInput | TensorsInput | AudioInput

__all__ = [
    "AudioInput",
    "CategoricalColumn",
    "ImageInput",
    "Input",
    "NumericColumn",
    "SequenceInput",
    "TableInput",
    "TensorsInput",
]
