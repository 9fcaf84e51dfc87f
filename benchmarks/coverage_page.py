"""docs/coverage.md, from what `benchmarks.coverage` measured."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from benchmarks.coverage_case import PRECISIONS, PROVED, Case, File
from runtime.compare import FP32_TOLERANCE

HEAD = """# Which networks of timm can be exported

{count} architectures of timm with random weights, each through every format; written by
`python -m benchmarks.coverage`, never by hand. A figure of fp32 is the largest difference from PyTorch relative to the
largest logit, on {photos} photos and on hard inputs, of which {tolerance:.0e} is allowed. One of int8 is the
signal-to-noise ratio on photos: random weights tell how well the integers follow, not what trained ones would lose.
Times are medians of one image on one thread of a shared machine, so that only the ratio to PyTorch's, taken in turns,
tells something. Branches that are trained apart (RepVGG, MobileOne, FastViT) are fused before.

Versions: {versions}.
"""

CAUSES = {
    "'Cubic' mode only": "ONNX Runtime moves the image's transposition behind the cubic Resize, then refuses that",
    "stablehlo.scatter": "litert-torch writes `fold` as a scatter of a kind that LiteRT's kernel hasn't",
    "contracting dimension sizes": "timm's network multiplies across the batch, so one image alone has no answer",
}
"""What is behind a failure: a part of the tool's message to its cause."""


def page(cases: Sequence[Case], versions: dict[str, str]) -> str:
    """Return the page in Markdown.

    Args:
        cases: In the order that they are shown.
        versions: Of the packages that took part.
    """
    names = list(dict.fromkeys(case.name for case in cases))
    head = HEAD.format(
        count=len(names), photos=PROVED, tolerance=FP32_TOLERANCE,
        versions=", ".join(f"{name} {number}" for name, number in versions.items()),
    )  # fmt: skip
    return "\n".join([head, *_summary(cases), "", *_table(cases, names), "", *_failures(cases)]) + "\n"


def works(case: Case, precision: str) -> bool:
    """Tell whether a case has a file of a precision that keeps PyTorch's answer."""
    return precision in case.files and not case.files[precision].problem


def _summary(cases: Sequence[Case]) -> list[str]:
    rows = ["| format | precision | works | median size | median time against PyTorch |"]
    rows.append("| --- | --- | --- | --- | --- |")
    for format_name in dict.fromkeys(case.format for case in cases):
        tried = [case for case in cases if case.format == format_name]
        for precision in PRECISIONS:
            good = [case.files[precision] for case in tried if works(case, precision)]
            share = f"{len(good)} of {len(tried)} ({len(good) / len(tried):.1%})"
            size = _median(good, lambda file: file.size / 1e6)
            ratio = _median(good, lambda file: file.milliseconds / file.torch_milliseconds)
            rows.append(f"| {format_name} | {precision} | {share} | {size:.1f} MB | {ratio:.2f}× |")
    return rows


def _median(files: Sequence[File], value: Callable[[File], float]) -> float:
    values = sorted(map(value, files))
    return values[len(values) // 2] if values else float("nan")


def _table(cases: Sequence[Case], names: Sequence[str]) -> list[str]:
    formats = list(dict.fromkeys(case.format for case in cases))
    columns = [(format_name, precision) for format_name in formats for precision in PRECISIONS]
    known = {(case.name, case.format): case for case in cases}
    rows = ["## Each", ""]
    rows.append("| network | million weights | pixels | " + " | ".join(f"{f} {p}" for f, p in columns) + " |")
    rows.append("| --- " * (3 + len(columns)) + "|")
    for name in names:
        cases = [known.get((name, format_name)) for format_name in formats]
        built = next((case for case in cases if case and case.parameters), None)
        cells = [f"{built.parameters / 1e6:.1f}" if built else "", f"{built.size}" if built else ""]
        for format_name, precision in columns:
            case = known.get((name, format_name))
            cells.append(_cell(case.files[precision], precision) if case and works(case, precision) else "—")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def _cell(file: File, precision: str) -> str:
    kept = f"{file.difference:.0e}" if precision == "fp32" else f"{file.snr:.0f} dB"
    ratio = file.milliseconds / file.torch_milliseconds
    return f"{kept}, {file.size / 1e6:.1f} MB, {file.milliseconds:.1f} ms ({ratio:.2f}×)"


def _failures(cases: Sequence[Case]) -> list[str]:
    rows = ["## What can't be exported, and why", ""]
    failed = [(case, precision) for case in cases for precision, file in case.files.items() if file.problem]
    if not failed:
        return [*rows, "Nothing: all of them can."]
    rows += ["| network | file | what the tools say | cause |", "| --- | --- | --- | --- |"]
    for case, precision in failed:
        problem = case.files[precision].problem
        cause = next((cause for part, cause in CAUSES.items() if part in problem), "not known")
        if case.rounding > FP32_TOLERANCE / 5:
            cause = (
                f"rounding, which these random weights magnify: PyTorch's own float32 differs from its float64 by "
                f"{case.rounding:.0e} of scale"
            )
        said = textwrap.shorten(problem, 200, placeholder="…").replace("|", "\\|")
        rows.append(f"| {case.name} | {case.format} {precision} | {said} | {cause} |")
    return rows
