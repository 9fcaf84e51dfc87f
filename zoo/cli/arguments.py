"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.resolve import resolve

Golden = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|made-up|none",
        help="Whose samples others can replay and see: of a folder, made-up ones or none; by default the data's.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what an earlier command has left there; nothing else is replaced.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; by default one for a small model, else all.")]
Data = Annotated[str | None, typer.Option(help="Data set, NAME or NAME:PATH; the recipe's own by default.")]
Target = Annotated[
    str | None, typer.Option(help="Column to tell from the others, or several with commas; for csv: and series:.")
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN", help="Leave a column out, or several with commas, such as ids; for csv: and series:."
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable files and report them.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set an option.")]
Trusted = Annotated[
    bool, typer.Option("--trusted", help="Don't try new model files in a child process first: you know who made them.")
]
Engine = Annotated[str, typer.Option(help="auto, fastest, onnxruntime, litert, openvino or tflm.")]
Picture = Annotated[Path, typer.Option("--out", help="The picture's file.")]
BundlePath = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, or a model's name.", parser=resolve)
]
BundlePaths = Annotated[
    list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles' folders, or models' names.", parser=resolve)
]
