"""Commands that make bundles, and what others make of them: export, import, triton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from zoo.cli.arguments import AsJson, BundlePaths, Golden, Overwrite, Trusted
from zoo.terminal import complain


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="onnx, tflite or tflm; the first two by default.")
    ] = None,
    precisions: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            help="fp32 (default), fp16, int8, int8-dynamic, int8-weights, int16x8 or int4-weights; auto is fp32 "
            "and the smaller one that suits the recipe.",
        ),
    ] = None,
    calibration_samples: Annotated[
        int, typer.Option(help="Training samples, balanced over classes, that tell the ranges of int8 and int16x8.")
    ] = 200,
    calibration_method: Annotated[
        str, typer.Option(help="How: min-max, moving-average, percentile or entropy.")
    ] = "min-max",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Search formats and precisions for the fastest file inside limits, such as 'drop<=0.5% size<=1.5MB'; "
            "also agreement>=, latency<=. Exits 1 if there is none."
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option("--for", help="web: leave out what a browser has no use for, such as formats that it can't run."),
    ] = None,
    golden: Golden = None,
    allow_drift: Annotated[
        bool, typer.Option("--allow-drift", help="Write smaller precisions that lose the answer; they say so.")
    ] = False,
    recordings: Annotated[
        list[str] | None,
        typer.Option(
            "--recording",
            help="Long recordings with the CSV files of their words beside them: smoothing and threshold of listening "
            "are chosen again on these.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The bundle's folder; bundles/ and the run's name by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Where the data set is now, if it has moved.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Export a run: every file is proved against PyTorch on the whole validation set, or not written."""
    from runtime.errors import ParityError
    from zoo.cli.views import bundles as bundles_view
    from zoo.cli.views import measures as measures_view
    from zoo.exporting.config import ExportConfig
    from zoo.exporting.preflight import check_export, default_formats
    from zoo.terminal.progress import progress
    from zoo.terminal.warning_lines import collect_notes

    config = ExportConfig(
        run, formats or default_formats(), precisions or (), out, data, calibration_samples,
        cast(Any, calibration_method), golden, allow_drift, overwrite, platform, recordings or (),
    )  # fmt: skip
    check_export(config, budget)
    if budget is not None:
        with collect_notes(), progress() as on_progress:
            on_progress("load PyTorch", 0, 1)
            from zoo.exporting.budget import run_search

            result = run_search(config, budget, on_progress)
        measures_view.budget(result, as_json)
        if result.winner is None:
            raise typer.Exit(1)
        return
    with collect_notes(), progress() as on_progress:
        on_progress("load PyTorch", 0, 1)
        from zoo.exporting.run import run_export

        try:
            bundle = run_export(config, on_progress)
        except ParityError as problem:
            bundle, failed = None, str(problem)
    if bundle is None:
        complain(str(failed))
        raise typer.Exit(1)
    bundles_view.bundle(bundle, as_json, yours=True)


def import_(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="A .onnx or .tflite file of another project; .tflm is a .tflite file for TFLM."
        ),
    ],
    labels: Annotated[
        Path | None, typer.Option(help="Text file with one label a line, in the order of outputs.")
    ] = None,
    resize: Annotated[str | None, typer.Option(help="SIDE or HEIGHTxWIDTH of its images, where it takes any.")] = None,
    mean: Annotated[str | None, typer.Option(help="What is subtracted: one number, or one for each channel.")] = None,
    std: Annotated[str | None, typer.Option(help="What it is divided by then.")] = None,
    white: Annotated[
        int | None, typer.Option("--range", help="255 if mean and std are of pixels 0-255, 1 if of 0-1; by their size.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="NCHW or NHWC.")] = None,
    order: Annotated[str | None, typer.Option(help="RGB or BGR.")] = None,
    fit: Annotated[str | None, typer.Option(help="crop, stretch or pad: how images get its shape.")] = None,
    share: Annotated[float | None, typer.Option(help="The share of the sides that crop keeps, such as 0.875.")] = None,
    interpolation: Annotated[
        str | None, typer.Option(help="nearest, box, bilinear, bicubic, lanczos or opencv-bilinear (cv2.resize).")
    ] = None,
    takes: Annotated[
        str | None,
        typer.Option("--input", help="image, audio, or tensors: arrays as the graph takes them; by its inputs."),
    ] = None,
    rate: Annotated[int | None, typer.Option(help="Samples of its audio per second.")] = None,
    hop: Annotated[int | None, typer.Option(help="New samples that a step of a file with a state takes.")] = None,
    context: Annotated[int | None, typer.Option(help="Samples before the hop that such a step takes with it.")] = None,
    constants: Annotated[
        list[str] | None,
        typer.Option(
            "--constant", metavar="NAME=VALUE", help="An input that is the same at every run: part of the file."
        ),
    ] = None,
    lengths: Annotated[
        list[str] | None,
        typer.Option("--length", metavar="AXIS=LENGTH", help="The usual length of a tensor's axis of any length."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="classification, binary, multilabel, regression, detection, or raw: outputs as they are."),
    ] = None,
    boxes: Annotated[
        str | None,
        typer.Option(
            help="How a detector's boxes are read: yolov8, yolov5 or ranked, with -pixels or -normalized; ssd, detr or "
            "rt-detr."
        ),
    ] = None,
    confidence: Annotated[float | None, typer.Option(help="The score from which on a box is an answer.")] = None,
    iou: Annotated[
        float | None, typer.Option(help="The overlap above which a box suppresses a less sure one of its label.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="The output that is the answer, where there are several.")] = None,
    gives: Annotated[
        str | None, typer.Option(help="What it holds: values (logits), or probabilities of a softmax or sigmoid.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
    golden: Annotated[
        str,
        typer.Option(
            "--golden",
            "--samples",
            metavar="FOLDER|made-up|none",
            help="What others can replay and see: a folder's images or .npz files, made-up ones (default), or none.",
        ),
    ] = "made-up",
    out: Annotated[Path | None, typer.Option(help="The bundle's folder; bundles/ and MODEL's name by default.")] = None,
    overwrite: Overwrite = False,
    trusted: Trusted = False,
    as_json: AsJson = False,
) -> None:
    """Make a bundle of a file that another project made; its metadata and files beside it tell what isn't given."""
    from zoo.cli.views import bundles as views
    from zoo.imports.options import read_options
    from zoo.terminal.progress import progress

    reported = read_options(
        labels=labels, size=resize, mean=mean, std=std, white=white, layout=layout, order=order, fit=fit, share=share,
        interpolation=interpolation, input=takes, rate=rate, hop=hop, context=context, constants=constants,
        lengths=lengths, task=task, boxes=boxes, confidence=confidence, iou=iou, output=output, gives=gives, name=name,
    )  # fmt: skip
    with progress() as on_progress:
        from zoo.imports.run import import_file

        imported = import_file(
            model, reported, samples=golden, out=out, overwrite=overwrite, trusted=trusted, on_progress=on_progress
        )
    views.imported(imported, as_json)


def triton(
    bundles: BundlePaths,
    out: Annotated[Path, typer.Option(help="The model repository's folder.")] = Path("repository"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write bundles as a model repository of Triton Inference Server, for its ONNX Runtime back end."""
    from zoo.cli.views import bundles as views
    from zoo.exporting.triton import write_repository

    views.repository(write_repository(bundles, out, overwrite=overwrite), out, as_json)
