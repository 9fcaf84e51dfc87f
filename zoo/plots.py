"""Pictures of a run and of a model's answers, as PNG."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from runtime.figures import SHARES, figure
from zoo.metrics import PARTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from export.diagnosis import Diagnosis
    from runtime.tasks import Output

TRAIN, VALIDATION, NEUTRAL = "#7a8ba3", "#d1495b", "#3b76c4"
MOST_NUMBERS = 25
MOST_BARS = 40


def curves(history: Sequence[dict[str, float]], output: Output) -> bytes:
    """Draw loss and metric of training and validation over the epochs; the ground is shaded where they part."""
    epochs = [row["epoch"] for row in history]
    names = [key.removeprefix("val_") for key in history[0] if key.startswith("val_")]
    sheet = Figure((4.5 * len(names), 3.6), layout="constrained")
    for axes, name in zip(np.atleast_1d(sheet.subplots(1, len(names))), names, strict=True):
        for stage, label, colour in (("train", "training", TRAIN), ("val", "validation", VALIDATION)):
            axes.plot(epochs, [row[f"{stage}_{name}"] for row in history], ".-", color=colour, label=label)
        best = (max if name != "loss" and output.better == "max" else min)(history, key=lambda row: row[f"val_{name}"])
        axes.plot(best["epoch"], best[f"val_{name}"], "o", mfc="none", color=VALIDATION, ms=11)
        shown = name.replace("_", " ")
        axes.set_title(f"{shown} (best on validation: {figure(name, best[f'val_{name}'])}, epoch {int(best['epoch'])})")
        _tidy(axes, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if name == "loss" and history[-1]["val_loss"] > best["val_loss"] * (1 + PARTED):
            axes.axvspan(best["epoch"], epochs[-1], color=VALIDATION, alpha=0.07, label="over-fitting", lw=0)
        axes.legend(frameon=False)
    return _png(sheet)


def confusion(counts: Any, labels: Sequence[str], title: str) -> bytes:
    """Draw a confusion matrix (rows are targets, columns answers); the shade is the share of each row."""
    counts = np.array(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = float(np.clip(1.8 + 0.45 * len(labels), 4, 16))
    sheet = Figure((side + 1, side), layout="constrained")
    axes = sheet.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    sheet.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    axes.set(title=_plain(title), xlabel="answer", ylabel="label")
    labels = [*map(_plain, labels)]
    turned = 45 if max(map(len, labels)) > 3 else 0
    axes.set_xticks(range(len(labels)), labels, rotation=turned, ha="right" if turned else "center")
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "#333333"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=9)
    return _png(sheet)


def label_bars(classes: dict[str, dict[str, Any]], title: str) -> bytes:
    """Draw precision and recall of each label as bars."""
    names = list(classes)[:MOST_BARS]
    sheet = Figure((7, 1.6 + 0.4 * len(names)), layout="constrained")
    axes = sheet.subplots()
    for i, (name, colour) in enumerate((("precision", NEUTRAL), ("recall", TRAIN))):
        values = [classes[label][name] or 0.0 for label in names]
        axes.barh(np.arange(len(names)) + 0.2 * (2 * i - 1), values, 0.38, color=colour, label=name)
    axes.set_yticks(range(len(names)), map(_plain, names))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    _tidy(axes, title=title, xlabel="share")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(sheet)


def scatter(found: NDArray[Any], targets: NDArray[Any], name: str, title: str) -> bytes:
    """Draw predicted values against the right ones; the line is where they are equal."""
    sheet = Figure((5.6, 5.2), layout="constrained")
    axes = sheet.subplots()
    ends = [float(min(found.min(), targets.min())), float(max(found.max(), targets.max()))]
    axes.plot(ends, ends, color=TRAIN, lw=1)
    axes.plot(targets, found, ".", color=NEUTRAL, alpha=float(np.clip(200 / len(found), 0.15, 0.8)))
    _tidy(axes, title=title, xlabel=name, ylabel="predicted")
    return _png(sheet)


def forecasts(found: NDArray[Any], targets: NDArray[Any], name: str, title: str) -> bytes:
    """Draw four forecasts over what came, and the mean absolute error of each step ahead."""
    sheet = Figure((11, 5), layout="constrained")
    grid = sheet.add_gridspec(2, 3)
    steps = np.arange(1, found.shape[1] + 1)
    for i, sample in enumerate(np.linspace(0, len(found) - 1, 4).round().astype(int)):
        axes = sheet.add_subplot(grid[i // 2, i % 2])
        axes.plot(steps, targets[sample], ".-", color=TRAIN, label="came")
        axes.plot(steps, found[sample], ".-", color=VALIDATION, label="forecast")
        _tidy(axes, xlabel="steps ahead" if i > 1 else "", ylabel=name if i % 2 == 0 else "")
        if i == 0:
            axes.legend(frameon=False)
    axes = sheet.add_subplot(grid[:, 2])
    axes.bar(steps, np.abs(found - targets).mean(0), color=NEUTRAL)
    _tidy(axes, title="mean absolute error", xlabel="steps ahead")
    sheet.suptitle(_plain(title))
    return _png(sheet)


def line_bars(lengths: Sequence[int], right: Sequence[bool], title: str) -> bytes:
    """Draw the share of lines that were read right, for each length."""
    sheet = Figure((6, 3.6), layout="constrained")
    axes = sheet.subplots()
    known = sorted(set(lengths))
    shares = [np.mean([hit for length, hit in zip(lengths, right, strict=True) if length == one]) for one in known]
    axes.bar(known, shares, color=NEUTRAL)
    axes.set_ylim(0, 1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _tidy(axes, title=title, xlabel="characters in the line", ylabel="share of lines exactly right")
    return _png(sheet)


def scores(values: NDArray[Any], odd: NDArray[np.bool_], threshold: float, title: str) -> bytes:
    """Draw the anomaly scores of normal samples and of anomalies, with the threshold."""
    sheet = Figure((7, 3.6), layout="constrained")
    axes = sheet.subplots()
    low, high = max(float(values.min()), 1e-12), max(float(values.max()), threshold) * 1.01
    bins = np.geomspace(min(low, threshold * 0.99), high, 50)
    for chosen, name, colour in ((~odd, "normal", TRAIN), (odd, "anomaly", VALIDATION)):
        axes.hist(values[chosen], bins, color=colour, alpha=0.7, label=f"{name} ({int(chosen.sum())})")
    axes.axvline(threshold, color="#333333", lw=1, ls="--", label=f"threshold {threshold:.3g}")
    axes.set_xscale("log")
    _tidy(axes, title=title, xlabel="score", ylabel="samples")
    axes.legend(frameon=False)
    return _png(sheet)


def gallery(inputs: Sequence[NDArray[Any]], captions: Sequence[str], title: str) -> bytes:
    """Draw inputs with a caption each: images as they are, sequences as lines or, of many features, time downwards."""
    columns = 4
    rows = -(-len(inputs) // columns)
    sheet = Figure((2.7 * columns, 2.9 * rows + 0.5), layout="constrained")
    for place, axes in enumerate(np.atleast_1d(sheet.subplots(rows, columns)).flat):
        axes.set_axis_off()
        if place >= len(inputs):
            continue
        values = inputs[place]
        if values.ndim == 3:
            axes.imshow(values[:, :, 0] if values.shape[2] == 1 else values, cmap="gray", vmin=0, vmax=255)
        elif values.shape[1] >= 8:
            axes.imshow(values, cmap="gray")
        else:
            axes.plot(values, lw=1)
        axes.set_title(_plain(captions[place]), fontsize=8.5)
    sheet.suptitle(_plain(title))
    return _png(sheet)


def comparison(names: Sequence[str], quality: Sequence[float], metric: str, sizes: Sequence[float],
               latencies: Sequence[float]) -> bytes:  # fmt: skip
    """Draw one point for each model file: latency across, the metric upwards, the area by the file's size."""
    sheet = Figure((7.5, 4.6), layout="constrained")
    axes = sheet.subplots()
    largest = max(sizes)
    for name, value, size, latency in zip(names, quality, sizes, latencies, strict=True):
        axes.scatter(latency, value, s=40 + 900 * size / largest, alpha=0.5)
        axes.annotate(
            f"{_plain(name)}\n{size:,.0f} kB", (latency, value), xytext=(14, 6), textcoords="offset points", fontsize=8
        )
    if max(latencies) > 10 * min(latencies):
        axes.set_xscale("log")
    axes.margins(0.25)
    if metric in SHARES:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    _tidy(
        axes, title="the area is the file's size", xlabel="latency of one sample, ms", ylabel=metric.replace("_", " ")
    )
    return _png(sheet)


def cost(names: Sequence[str], sizes: Sequence[float], latencies: Sequence[float], kinds: Sequence[str],
         chosen: int | None) -> bytes:  # fmt: skip
    """Draw one point for each model file: latency across, size upwards, so that the best is at the lower left.

    Args:
        names: What stands beside each point.
        sizes: In kB.
        latencies: In ms.
        kinds: ``fp32``, ``slower`` for those that are not worth it here, or ``other``.
        chosen: Which one has a ring around it.
    """
    sheet = Figure((7.5, 4.6), layout="constrained")
    axes = sheet.subplots()
    looks = {"fp32": ("s", TRAIN, "fp32"), "other": ("o", NEUTRAL, "other precisions"),
             "slower": ("x", VALIDATION, "slower than fp32, or another answer")}  # fmt: skip
    for kind, (marker, colour, label) in looks.items():
        at = [i for i, each in enumerate(kinds) if each == kind]
        if at:
            points = [latencies[i] for i in at], [sizes[i] for i in at]
            axes.plot(*points, marker, color=colour, ms=8, mew=2, ls="", label=label)
    if chosen is not None:
        axes.plot(latencies[chosen], sizes[chosen], "o", mfc="none", color="#333333", ms=16, label="recommended")
    heights = np.round(np.array(sizes) / max(sizes) * 5)
    for place, i in enumerate(np.lexsort((latencies, heights))):  # neighbours' names stand above and below
        away = (9, 9 if place % 2 else -17)
        axes.annotate(_plain(names[i]), (latencies[i], sizes[i]), xytext=away, textcoords="offset points", fontsize=8)
    axes.margins(0.25)
    axes.set_ylim(0, 1.25 * max(sizes))
    if max(latencies) > 10 * min(latencies):
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, 1.25 * max(latencies))
    _tidy(axes, xlabel="latency of one sample, ms", ylabel="size, kB")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, fontsize=8)
    return _png(sheet)


def depths(found: Diagnosis, title: str) -> bytes:
    """Draw each layer's error against its depth: as the file runs, by itself, and what its arithmetic explains."""
    layers = found.layers
    sheet = Figure((min(7 + 0.06 * len(layers), 16), 4.2), layout="constrained")
    axes = sheet.subplots()
    depth = np.arange(1, len(layers) + 1)
    smallest = min([value for layer in layers for value in (layer.error, layer.own) if value > 0], default=1e-8)
    floor, top = smallest / 3, 30.0  # what is exact, or infinitely wrong, stands at the edge
    for name, colour, label, style in (
        ("limit", TRAIN, "explained by its arithmetic", "--"),
        ("error", VALIDATION, "as the file runs", ".-"),
        ("own", NEUTRAL, "added by the layer itself", "."),
    ):
        values = np.clip(np.nan_to_num([getattr(layer, name) for layer in layers], nan=top), floor, top)
        axes.plot(depth, values, style, color=colour, label=label, lw=1)
    if found.first is not None:
        place = layers.index(found.first)
        height = float(np.clip(found.first.own, floor, top))
        left = place > len(layers) / 2
        axes.plot(place + 1, height, "o", mfc="none", color=VALIDATION, ms=12)
        axes.axvline(place + 1, color=VALIDATION, lw=0.8, ls=":")
        axes.annotate(
            _plain(found.first.path or "the module itself"), (place + 1, 1), xytext=(-6 if left else 6, -4),
            xycoords=("data", "axes fraction"), textcoords="offset points", ha="right" if left else "left", va="top",
            color=VALIDATION,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.margins(y=0.18)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _tidy(axes, title=title, xlabel="depth: layers in the order they run", ylabel="noise / signal")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(sheet)


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
    found = np.array([values[i] for i in done], float)
    axes.plot(np.array(done) + 1, found, ".", color=NEUTRAL)
    axes.plot(np.array(done) + 1, (np.maximum if better == "max" else np.minimum).accumulate(found), color=VALIDATION)
    _tidy(axes, xlabel="trial", ylabel=metric.replace("_", " "), title="best so far")
    for axes, (name, tried) in zip(others, settings.items(), strict=True):
        chosen = [tried[i] for i in done]
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in chosen)
        axes.plot(chosen if numeric else [str(value) for value in chosen], found, ".", color=NEUTRAL)
        if numeric and min(chosen) > 0 and max(chosen) > 8 * min(chosen):
            axes.set_xscale("log")
        _tidy(axes, xlabel=name)
    return _png(sheet)


def _plain(text: str) -> str:
    """Return a text in which signs of currency don't start a formula."""
    return text.replace("$", r"\$")


def _tidy(axes: Axes, **texts: str) -> None:
    axes.set(**{name: _plain(text) for name, text in texts.items()})
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _png(sheet: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font has a box for scripts that it lacks
        sheet.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
