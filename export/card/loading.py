"""How to load a model in Python, in the browser, on a Raspberry Pi and on a microcontroller."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.bundle import ModelFile
from runtime.inputs import AudioInput, CategoricalColumn, ImageInput, NumericColumn, TableInput, TensorsInput
from runtime.spec import ModelSpec


def loading(spec: ModelSpec, models: Mapping[str, ModelFile], files: Mapping[str, bytes]) -> str:
    """Return how to load the model in Python, in the browser, on a Raspberry Pi and on a microcontroller."""
    formats = {model.spec.format for model in models.values()}
    extra = "litert" if "tflite" in formats else "onnx" if "onnx" in formats else "tflm"
    parts = [
        f"**Python**: `pip install 'edgezoo[{extra}]'`\n\n"
        f'```python\nimport zoo\n\nmodel = zoo.load("path/to/this/folder")\n{_usage(spec, models)}\n```'
    ]
    if formats & {"onnx", "tflite"}:
        parts.append(
            "**Browser or phone**: `pip install 'edgezoo[demo]'`, then `zoo demo path/to/this/folder` serves a page "
            "that answers on the device."
        )
    small = _smallest(models, files, "tflite") or _smallest(models, files, "onnx")
    if small:
        engine = "litert" if models[small].spec.format == "tflite" else "onnx"
        argument = {
            "image": "photo.jpg",
            "table": "rows.csv",
            "sequence": "sequence.csv",
            "tensors": "sample.npz",
            "audio": "recording.wav",
        }[spec.input.kind]
        parts.append(
            f"**Raspberry Pi**, with a 64-bit system: `pip install 'edgezoo[{engine}]'`, then "
            f"`zoo predict path/to/this/folder/{small} {argument}`, which is the smallest file for it."
        )
    micro = _smallest(models, files, "tflm")
    if micro:
        needs = ", ".join(f"{size / 1000:,.1f} kB of {name}" for name, size in models[micro].footprint.items())
        parts.append(
            f"**Microcontroller**: `{micro}` runs in TensorFlow Lite for Microcontrollers"
            f"{f' and takes {needs}' if needs else ''}; the C++ sources in this folder hold it."
        )
    else:
        parts.append(
            "**Microcontroller**: no file here is for one; `zoo export RUN --format tflm` makes one of a convolutional "
            "network's training run."
        )
    return "\n\n".join(parts)


def _smallest(models: Mapping[str, ModelFile], files: Mapping[str, bytes], format_name: str) -> str | None:
    """Return the smallest file of a format that takes whole inputs and keeps the answer."""
    fit = [
        name
        for name, model in models.items()
        if model.spec.format == format_name and not model.spec.state and not model.spec.drift
    ]
    return min(fit, key=lambda name: len(files[name]), default=None)


def _usage(spec: ModelSpec, models: Mapping[str, ModelFile]) -> str:
    """Return lines that predict."""
    input_spec = spec.input
    if isinstance(input_spec, ImageInput):
        return 'print(model.predict("photo.jpg"))'
    if isinstance(input_spec, AudioInput):
        lines = ['print(model.predict("recording.wav"))']
        if spec.listening:
            lines += [
                'for heard in model.listen("long.wav"):  # or chunks of samples',
                "    print(heard.time, heard.label)",
            ]
        return "\n".join(lines)
    if isinstance(input_spec, TableInput):
        row = {column.name: _example(column) for column in input_spec.columns}
        return f'print(model.predict({row!r}))\nprint(model.predict("rows.csv"))'
    if isinstance(input_spec, TensorsInput):
        names = ", ".join(f'"{name}": {_variable(name)}' for name in input_spec.names)
        return f"print(model.predict({{{names}}}))  # arrays without the batch axis"
    lines = ['print(model.predict("sequence.csv"))']
    if any(model.spec.state for model in models.values()):
        lines += ["for answer in model.stream(steps):  # one step of the sequence after the other", "    print(answer)"]
    return "\n".join(lines)


def _variable(name: str) -> str:
    """Return a tensor's name as that of a variable."""
    return name if name.isidentifier() else "array"


def _example(column: NumericColumn | CategoricalColumn) -> float | str:
    return column.categories[0] if isinstance(column, CategoricalColumn) else float(f"{column.mean:.4g}")
