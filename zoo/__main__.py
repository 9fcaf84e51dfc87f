"""The `zoo` command: every error that a user can cause is one line on stderr and exit status 2."""

from __future__ import annotations

import gc
import io
import sys
from typing import NoReturn

from runtime.errors import ZooError

EXTRAS = {
    **dict.fromkeys(("onnx", "onnxscript", "litert_torch"), "export"),
    "optuna": "tune",
    **dict.fromkeys(
        ("torch", "torchvision", "timm", "lightning", "torchmetrics", "sklearn", "matplotlib", "safetensors"),
        "train,export",
    ),
}
"""The extra that brings each library which training and export need."""


def main() -> NoReturn:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what the terminal's encoding can't write
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if sys.argv[1:2] == ["predict"]:
            gc.disable()  # until the model is open: what is imported stays, and looking it through takes long
            from zoo.predict import run

            sys.exit(run(sys.argv[2:]))
        from zoo.cli import run_app
        from zoo.notes import heard

        with heard():
            sys.exit(run_app())
    except ZooError as problem:
        fail(str(problem))
    except ImportError as problem:
        package = (problem.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        fail(f"{package} is not installed: pip install 'edgezoo[{EXTRAS[package]}]'")
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def fail(message: str, status: int = 2) -> NoReturn:
    """Print one line and exit."""
    sys.stderr.write(f"zoo: {' '.join(message.split())}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
