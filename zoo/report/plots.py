"""Pictures of a run and of a model's answers, as PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

from runtime.humanize import SHARES, figure
from zoo.report.metrics import PARTED
from zoo.report.plot_text import fit, letter, wrap
from zoo.report.recordings import RECORDING_RATIO, draw_recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from export.diagnosis import Diagnosis
    from runtime.tasks import Output

TRAIN, VALIDATION, NEUTRAL = "#7a8ba3", "#d1495b", "#3b76c4"
MOST_NUMBERS = 25
MOST_NAMES = 120
"""Of labels along an axis; more could not be read."""
MOST_BARS = 40
LONGEST = 28
"""Of a label, in cells."""
DPI = 110


def curves(history: Sequence[dict[str, float]], output: Output) -> bytes:
    """Draw loss and metric of training and validation over the epochs; the ground is shaded where they part."""
    epochs = [row["epoch"] for row in history]
    names = [key.removeprefix("val_") for key in history[0] if key.startswith("val_")]
    sheet = Figure((4.5 * len(names), 3.6), layout="constrained")
    for axes, name in zip(np.atleast_1d(sheet.subplots(1, len(names))), names, strict=True):
        for stage, label, color in (("train", "training", TRAIN), ("val", "validation", VALIDATION)):
            if f"{stage}_{name}" in history[0]:
                axes.plot(epochs, [row[f"{stage}_{name}"] for row in history], ".-", color=color, label=label)
        best = (max if name != "loss" and output.better == "max" else min)(history, key=lambda row: row[f"val_{name}"])
        axes.plot(best["epoch"], best[f"val_{name}"], "o", mfc="none", color=VALIDATION, ms=11)
        shown = name.replace("_", " ")
        reached = f"best on validation: {figure(name, best[f'val_{name}'])}, epoch {int(best['epoch'])}"
        axes.set_title(f"{shown}\n({reached})", fontsize=10)
        _tidy(axes, xlabel="epoch")
        _count(axes)
        if name == "loss" and history[-1]["val_loss"] > best["val_loss"] * (1 + PARTED):
            axes.axvspan(best["epoch"], epochs[-1], color=VALIDATION, alpha=0.07, label="over-fitting", lw=0)
        axes.legend(frameon=False)
    return _png(sheet)


def confusion(counts: Any, labels: Sequence[str], title: str) -> bytes:
    """Draw a confusion matrix (rows are targets, columns answers); the shade is the share of each row."""
    counts = np.array(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [fit(label, LONGEST) for label in labels]
    side = float(np.clip(2.5 + 0.4 * len(labels), 4, 16))
    beside = 0.06 * max(map(cell_len, names))
    sheet = Figure((side + beside + 1.8, side + beside + 1.2), layout="constrained")
    axes = sheet.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    sheet.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    axes.set(xlabel="answer", ylabel="label")
    if len(labels) <= MOST_NAMES:
        size = float(np.clip(72 * 0.55 * side / len(labels), 5, 10))
        turned = max(map(len, names)) > 3 or len(names) > MOST_NUMBERS
        axes.set_xticks(range(len(names)), names, rotation=90 if turned else 0, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    else:
        axes.set(xlabel=f"answer: the {len(labels):,} labels in the model's order")
    if len(labels) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[row, column] > 0.5 else "#333333"
                size = 9 if counts.max() < 1000 else 6
                axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=size)
    return _png(sheet, title)


def label_bars(classes: dict[str, dict[str, Any]], title: str) -> bytes:
    """Draw precision and recall of each label as bars."""
    names = list(classes)[:MOST_BARS]
    sheet = Figure((8, 2.2 + 0.4 * len(names)), layout="constrained")
    axes = sheet.subplots()
    for i, (name, color) in enumerate((("precision", NEUTRAL), ("recall", TRAIN))):
        values = [classes[label][name] or 0.0 for label in names]
        axes.barh(np.arange(len(names)) + 0.2 * (2 * i - 1), values, 0.38, color=color, label=name)
    axes.set_yticks(range(len(names)), [fit(name, LONGEST) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    _tidy(
        axes,
        xlabel="share" if len(names) == len(classes) else f"share; the first {MOST_BARS} of {len(classes):,} labels",
    )
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(sheet, title)


def scatter(predictions: NDArray[Any], targets: NDArray[Any], name: str, title: str) -> bytes:
    """Draw predicted values against the right ones; the line is where they are equal."""
    sheet = Figure((6, 6), layout="constrained")
    axes = sheet.subplots()
    ends = [float(min(predictions.min(), targets.min())), float(max(predictions.max(), targets.max()))]
    axes.plot(ends, ends, color=TRAIN, lw=1)
    axes.plot(targets, predictions, ".", color=NEUTRAL, alpha=float(np.clip(200 / len(predictions), 0.15, 0.8)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    _tidy(axes, xlabel=wrap(name, 4.5, 10, 2), ylabel="predicted")
    return _png(sheet, title)


def forecasts(predictions: NDArray[Any], targets: NDArray[Any], name: str, title: str) -> bytes:
    """Draw four forecasts over what came, and the mean absolute error of each step ahead."""
    sheet = Figure((11, 5.6), layout="constrained")
    grid = sheet.add_gridspec(2, 3)
    steps = np.arange(1, predictions.shape[1] + 1)
    for i, sample in enumerate(np.linspace(0, len(predictions) - 1, 4).round().astype(int)):
        axes = sheet.add_subplot(grid[i // 2, i % 2])
        axes.plot(steps, targets[sample], ".-", color=TRAIN, label="came")
        axes.plot(steps, predictions[sample], ".-", color=VALIDATION, label="forecast")
        _tidy(axes, xlabel="steps ahead" if i > 1 else "", ylabel=wrap(name, 2, 9, 2) if i % 2 == 0 else "")
        _count(axes)
        if i == 0:
            axes.legend(frameon=False)
    axes = sheet.add_subplot(grid[:, 2])
    axes.bar(steps, np.abs(predictions - targets).mean(0), color=NEUTRAL)
    _count(axes)
    axes.set_title("mean absolute error", fontsize=10)
    _tidy(axes, xlabel="steps ahead")
    return _png(sheet, title)


def line_bars(lengths: Sequence[int], right: Sequence[bool], title: str) -> bytes:
    """Draw the share of lines that were read right, for each length."""
    sheet = Figure((6, 3.6), layout="constrained")
    axes = sheet.subplots()
    known = sorted(set(lengths))
    shares = [np.mean([hit for length, hit in zip(lengths, right, strict=True) if length == one]) for one in known]
    axes.bar(known, shares, color=NEUTRAL)
    axes.set_ylim(0, 1)
    _count(axes)
    _tidy(axes, xlabel="characters in the line", ylabel="share of lines exactly right")
    return _png(sheet, title)


def scores(values: NDArray[Any], odd: NDArray[np.bool_], threshold: float, title: str) -> bytes:
    """Draw the anomaly scores of normal samples and of anomalies, with the threshold."""
    sheet = Figure((7, 3.6), layout="constrained")
    axes = sheet.subplots()
    low, high = max(float(values.min()), 1e-12), max(float(values.max()), threshold * 2) * 1.01
    bins = np.geomspace(min(low, threshold / 2), high, 50)  # four times as wide at least, for ticks that can be read
    for chosen, name, color in ((~odd, "normal", TRAIN), (odd, "anomaly", VALIDATION)):
        axes.hist(values[chosen], list(bins), color=color, alpha=0.7, label=f"{name} ({int(chosen.sum())})")
    axes.axvline(threshold, color="#333333", lw=1, ls="--", label=f"threshold {threshold:.3g}")
    axes.set_xscale("log")
    _tidy(axes, xlabel="score", ylabel="samples")
    axes.legend(frameon=False)
    return _png(sheet, title)


def gallery(inputs: Sequence[NDArray[Any]], captions: Sequence[str], title: str) -> bytes:
    """Draw inputs with a caption each: images as they are, sequences as lines or, of many features, time downwards.

    Of recordings it draws the spectrogram, low tones at the bottom, over the waveform.

    Args:
        inputs: Images ``[height, width, channels]``, sequences ``[time, features]`` or recordings ``[samples]``.
        captions: What stands above each; a line of it that is too long is broken.
        title: What stands above all.
    """
    first = inputs[0]
    ratio = first.shape[0] / first.shape[1] if first.ndim == 3 else RECORDING_RATIO if first.ndim == 1 else 1.0
    sheet, cells = _cells(captions, ratio)
    for axes, values in zip(cells, inputs, strict=True):
        axes.set_axis_off()
        if values.ndim == 3:
            axes.imshow(values[:, :, 0] if values.shape[2] == 1 else values, cmap="gray", vmin=0, vmax=255)
        elif values.ndim == 1:
            draw_recording(axes, values, TRAIN)
        elif values.shape[1] >= 8:
            axes.imshow(values, cmap="gray", aspect="auto")
        else:
            low, span = values.min(0), np.ptp(values, axis=0)
            axes.plot((values - low) / np.where(span > 0, span, 1), lw=1)  # features have units of their own
    return _png(sheet, title)


def forecast_gallery(
    histories: Sequence[NDArray[Any]],
    targets: NDArray[Any],
    predictions: NDArray[Any],
    captions: Sequence[str],
    title: str,
) -> bytes:
    """Draw forecasts with a caption each, over what came, after the steps before.

    Args:
        histories: The target's values before each forecast; empty where they are not known.
        targets: What came, ``[samples, steps]``.
        predictions: The forecasts, ``[samples, steps]``.
        captions: What stands above each.
        title: What stands above all.
    """
    sheet, cells = _cells(captions)
    steps = np.arange(1, targets.shape[1] + 1)
    for axes, history, right, answer in zip(cells, histories, targets, predictions, strict=True):
        if len(history):
            axes.plot(np.arange(1 - len(history), 1), history, color=TRAIN, lw=1, label="before")
        axes.plot(steps, right, ".-", color=NEUTRAL, lw=1, ms=4, label="came")
        axes.plot(steps, answer, ".-", color=VALIDATION, lw=1, ms=4, label="forecast")
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        _tidy(axes)
    sheet.legend(*cells[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return _png(sheet, title)


def comparison(names: Sequence[str], quality: Sequence[float], metric: str, sizes: Sequence[float],
               latencies: Sequence[float]) -> bytes:  # fmt: skip
    """Draw one point for each model file: latency across, the metric upwards, the area by the file's size."""
    sheet = Figure((9, max(4.8, 1 + 0.27 * len(names))), layout="constrained")
    axes = sheet.subplots()
    largest = max(sizes)
    for i, (name, value, size, latency) in enumerate(zip(names, quality, sizes, latencies, strict=True)):
        label = f"{fit(name, 44)}, {size:,.0f} kB"
        axes.scatter(latency, value, s=40 + 900 * size / largest, alpha=0.6, label=label, **_look(i))
    axes.margins(0.25)
    _ms(axes, latencies)
    if metric in SHARES:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    _tidy(axes, xlabel="latency of one sample, ms", ylabel=metric.replace("_", " "))
    _key(sheet, axes)
    return _png(sheet, "The area is the file's size")


def cost(names: Sequence[str], sizes: Sequence[float], latencies: Sequence[float], kinds: Sequence[str],
         chosen: int | None) -> bytes:  # fmt: skip
    """Draw one point for each model file: latency across, size upwards, so that the best is at the lower left.

    Args:
        names: What stands beside each point's sign.
        sizes: In kB.
        latencies: In ms.
        kinds: ``fp32``, ``slower`` for those that are not worth it here, or ``other``.
        chosen: Which one has a ring around it.
    """
    said = {"fp32": "", "other": "", "slower": " (slower than fp32, or another answer)"}
    sheet = Figure((9.5, max(4.6, 1 + 0.27 * len(names))), layout="constrained")
    axes = sheet.subplots()
    for i, (name, size, latency, kind) in enumerate(zip(names, sizes, latencies, kinds, strict=True)):
        filled = kind != "slower"
        look = _look(i)
        label = f"{fit(name, 44)}{said[kind]}"
        axes.scatter(latency, size, s=80, label=label, alpha=0.8, edgecolors=look["color"],
                     facecolors=look["color"] if filled else "none", marker=look["marker"])  # fmt: skip
    if chosen is not None:
        axes.plot(latencies[chosen], sizes[chosen], "o", mfc="none", color="#333333", ms=18, ls="", label="recommended")
    axes.margins(0.25)
    axes.set_ylim(0, 1.25 * max(sizes))
    if not _ms(axes, latencies):
        axes.set_xlim(0, 1.25 * max(latencies))
    _tidy(axes, xlabel="latency of one sample, ms", ylabel="size, kB")
    _key(sheet, axes)
    return _png(sheet)


def depths(diagnosis: Diagnosis, title: str) -> bytes:
    """Draw each layer's error against its depth: as the file runs, by itself, and what its arithmetic explains."""
    layers = diagnosis.layers
    sheet = Figure((min(7 + 0.06 * len(layers), 16), 4.2), layout="constrained")
    axes = sheet.subplots()
    depth = np.arange(1, len(layers) + 1)
    smallest = min([value for layer in layers for value in (layer.error, layer.own) if value > 0], default=1e-8)
    floor, top = smallest / 3, 30.0  # what is exact, or infinitely wrong, stands at the edge
    for name, color, label, style in (
        ("limit", TRAIN, "explained by its arithmetic", "--"),
        ("error", VALIDATION, "as the file runs", ".-"),
        ("own", NEUTRAL, "added by the layer itself", "."),
    ):
        values = np.clip(np.nan_to_num([getattr(layer, name) for layer in layers], nan=top), floor, top)
        axes.plot(depth, values, style, color=color, label=label, lw=1)
    if diagnosis.first is not None:
        index = layers.index(diagnosis.first)
        height = float(np.clip(diagnosis.first.own, floor, top))
        left = index > len(layers) / 2
        axes.plot(index + 1, height, "o", mfc="none", color=VALIDATION, ms=12)
        axes.axvline(index + 1, color=VALIDATION, lw=0.8, ls=":")
        axes.annotate(
            fit(diagnosis.first.path or "the module itself", 48), (index + 1, 1), xytext=(-6 if left else 6, -4),
            xycoords=("data", "axes fraction"), textcoords="offset points", ha="right" if left else "left", va="top",
            color=VALIDATION,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.margins(y=0.18)
    _count(axes)
    _tidy(axes, xlabel="depth: layers in the order they run", ylabel="noise / signal")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(sheet, title)


def trials(values: Sequence[float | None], metric: str, better: str, settings: dict[str, list[Any]]) -> bytes:
    """Draw the trials of a search: the metric in the order of trials, and against each option.

    Args:
        values: The metric of each trial; None for those that were cut short.
        metric: Its name.
        better: ``max`` or ``min``.
        settings: Of each option, its value in each trial.
    """
    sheet = Figure((3.2 * (1 + len(settings)), 3.4), layout="constrained")
    axes, *others = np.atleast_1d(sheet.subplots(1, 1 + len(settings), sharey=True))
    done = [i for i, value in enumerate(values) if value is not None]
    metrics = np.array([values[i] for i in done], float)
    axes.plot(np.array(done) + 1, metrics, ".", color=NEUTRAL)
    axes.plot(np.array(done) + 1, (np.maximum if better == "max" else np.minimum).accumulate(metrics), color=VALIDATION)
    _count(axes)
    axes.set_title("best so far", fontsize=10)
    _tidy(axes, xlabel="trial", ylabel=metric.replace("_", " "))
    for axes, (name, tried) in zip(others, settings.items(), strict=True):
        chosen = [tried[i] for i in done]
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in chosen)
        axes.plot(chosen if numeric else [fit(str(value), 16) for value in chosen], metrics, ".", color=NEUTRAL)
        if not numeric:
            axes.tick_params("x", rotation=90)
        elif chosen and min(chosen) > 0 and max(chosen) > 8 * min(chosen):
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        _tidy(axes, xlabel=name)
    return _png(sheet)


def _cells(captions: Sequence[str], ratio: float = 1.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes in rows of four, each under its caption; `ratio` is their height to their width."""
    count, width = len(captions), 2.9
    columns = min(4, max(2, count))
    rows = -(-count // columns)
    lines = max(caption.count("\n") for caption in captions) + 1
    height = float(np.clip(width * ratio, 0.5, width)) + 0.3 * lines
    sheet = Figure((width * columns, height * rows + 0.8), layout="constrained")
    cells: list[Axes] = list(np.atleast_1d(sheet.subplots(rows, columns)).flat)
    for axes in cells[count:]:
        axes.remove()
    for axes, caption in zip(cells, captions, strict=False):
        wrapped = [wrap(line, width - 0.2, 8.5, 2) for line in caption.split("\n")]
        axes.set_title("\n".join(wrapped), fontsize=8.5, y=1.0)  # else ticks are laid out to see whether it hits any
    return sheet, cells[:count]


def _count(axes: Axes) -> None:
    """Give the horizontal axis ticks at whole numbers alone."""
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))


def _look(i: int) -> dict[str, Any]:
    """Return color and sign of a point, which no other of eighty has."""
    return {"color": f"C{i % 10}", "marker": "osD^vP*X"[i // 10 % 8]}


def _ms(axes: Axes, latencies: Sequence[float]) -> bool:
    """Give an axis of latencies a logarithmic scale if they differ much; tell whether."""
    wide = max(latencies) > 10 * min(latencies)
    if wide:
        axes.set_xscale("log")
    return wide


def _key(sheet: Figure, axes: Axes) -> None:
    """Name the points beside the axes, where no name lies on another; all signs of one size."""
    handles, names = axes.get_legend_handles_labels()
    legend: Any = sheet.legend(handles, names, loc="outside center right", frameon=False, fontsize=8)  # type: ignore[call-overload]  # its stubs know no "outside"
    for handle in legend.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([40])


def _tidy(axes: Axes, **texts: str) -> None:
    axes.set(**texts)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _png(sheet: Figure, title: str = "") -> bytes:
    """Return a figure under its title, which is as wide as it."""
    if title:
        sheet.suptitle(wrap(title, sheet.get_figwidth() - 0.4))
    letter(sheet)
    sheet.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(sheet)  # it is not typed
    canvas.figure.get_layout_engine().execute(sheet)  # the drawing's own goes on from it: high captions need both
    canvas.print_png(file := io.BytesIO(), metadata={"Software": None})  # savefig draws everything twice
    return file.getvalue()
