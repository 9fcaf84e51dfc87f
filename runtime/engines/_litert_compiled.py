"""LiteRT's CompiledModel: TFLite files on GPUs and NPUs, whole or not at all."""

from __future__ import annotations

import importlib
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.errors import DeviceError, EngineError, one_line
from runtime.frozen_dataclass import frozen_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ACCELERATORS = {"gpu": "GPU", "npu": "NPU", "cpu": "CPU"}


class Compiled:
    """One compiled model; a lock admits one caller at a time.

    Args:
        data: The file.
        inputs: Our names of its inputs, in the order of `ordered`.
        outputs: The same of its outputs.
        device: One of `ACCELERATORS`.
        threads: CPU threads, which count on the CPU only.
        ordered: Puts a signature's tensors, name and details, in the graph's order.
    """

    skipped: tuple[str, ...] = ()

    def __init__(
        self,
        data: bytes,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        device: str,
        threads: int,
        ordered: Callable[[dict[str, Any]], list[tuple[str, Any]]],
    ) -> None:
        """Open `data`; raises what the library raises, and DeviceError if the device won't take every operator."""
        library = importlib.import_module("ai_edge_litert.compiled_model")
        accelerator = getattr(library.HardwareAccelerator, ACCELERATORS[device])
        options = library.Options(
            hardware_accelerators=accelerator, cpu_options=library.CpuOptions(num_threads=threads)
        )
        self._data = data  # the library reads its weights from this buffer
        self._model = library.CompiledModel.from_buffer(data, options=options)
        # The library runs on the CPU what the accelerator won't take; with the CPU allowed that would be all of it.
        if device != "cpu" and not self._model.is_fully_accelerated():
            raise DeviceError(f"engine 'litert' can't run every operator of the model on the {device}")
        key = next(iter(self._model.get_signature_list()))
        takes, gives = self._model.get_input_tensor_details(key), self._model.get_output_tensor_details(key)
        self._takes = _tensors(inputs, ordered(takes), lambda name: self._model.create_input_buffer_by_name(key, name))
        self._gives = _tensors(
            outputs, ordered(gives), lambda name: self._model.create_output_buffer_by_name(key, name)
        )
        self._key, self._lock = key, threading.Lock()
        package = importlib.import_module("ai_edge_litert")
        self.version, self.device, self.threads = f"ai_edge_litert {package.__version__}", device, threads

    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the graph once for each batch of its own size; see `runtime.engines.Engine.run`."""
        try:
            size = self._takes[0].shape[0]
            with self._lock:
                parts = [
                    self._run({name: array[at : at + size] for name, array in inputs.items()})
                    for at in range(0, len(inputs[self._takes[0].name]), size)
                ]
        except KeyError as name:
            raise EngineError(f"engine 'litert' needs the input {name}") from None
        except (RuntimeError, ValueError) as problem:
            raise EngineError(f"engine 'litert' failed: {one_line(problem)}") from None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        for tensor in self._takes:
            array = inputs[tensor.name]
            if (array.shape, array.dtype) != (tensor.shape, tensor.dtype):  # the library copies whatever it gets
                raise ValueError(
                    f"the graph takes {tensor.name} as {tensor.dtype} {list(tensor.shape)}, "
                    f"not {array.dtype} {list(array.shape)}"
                )
            tensor.buffer.write(np.ascontiguousarray(array))
        self._model.run_by_name(
            self._key,
            {tensor.graph_name: tensor.buffer for tensor in self._takes},
            {tensor.graph_name: tensor.buffer for tensor in self._gives},
        )
        return {
            tensor.name: np.array(tensor.buffer.read(math.prod(tensor.shape), tensor.dtype.type)).reshape(tensor.shape)
            for tensor in self._gives
        }


@frozen_dataclass
class _Tensor:
    """An input or output: our name, the signature's, and the buffer that is written or read."""

    name: str
    graph_name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    buffer: Any


def _tensors(
    names: tuple[str, ...], details: list[tuple[str, Any]], buffer: Callable[[str], Any]
) -> tuple[_Tensor, ...]:
    return tuple(
        _Tensor(name, graph_name, tuple(map(int, detail["shape"])), np.dtype(detail["dtype"]), buffer(graph_name))
        for name, (graph_name, detail) in zip(names, details, strict=True)
    )
