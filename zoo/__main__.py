"""The `zoo` command: every error that a user can cause is one line on stderr and exit status 2."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

from zoo.shadowing import check

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
    try:
        check("runtime")
    except ImportError as problem:
        sys.stderr.write(f"zoo: {problem}\n")
        sys.exit(2)
    from runtime.errors import ZooError, one_line
    from runtime.isolation import probe
    from zoo.terminal.interrupts import INTERRUPTED, end_when_stuck
    from zoo.terminal.streams import drop_output, prepare_streams

    prepare_streams()  # first: whatever is opened before would get the number of a closed stream
    end_when_stuck()
    probe.OPTION = "--trusted"
    try:
        status = _run()
        sys.stdout.flush()  # what can't be written is known now, and not when the interpreter ends
    except ZooError as problem:
        fail(str(problem))
    except ImportError as problem:
        if problem.name is None:
            fail(str(problem))
        package = problem.name.partition(".")[0]
        if package not in EXTRAS:
            raise
        fail(f"{package} is not installed: pip install 'edgezoo[{EXTRAS[package]}]'")
    except KeyboardInterrupt:
        fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # who reads has enough, as `head` does
        drop_output()
        sys.exit(1)
    except OSError as problem:  # a full disk, a folder that can't be read, a name that is too long
        fail(f"{problem.filename}: {problem.strerror}" if problem.filename and problem.strerror else one_line(problem))
    sys.exit(status)


def program() -> NoReturn:
    """Run the command line in a process of its own.

    `zoo predict` ends without the interpreter's clearing of every module, which takes 2 % of its time, unless a thread
    is left that has to end first.
    """
    try:
        main()
    except SystemExit as end:
        if sys.argv[1:2] == ["predict"] and isinstance(end.code, int):
            import threading

            if all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
                atexit._run_exitfuncs()
                os._exit(end.code)
        raise


def _run() -> int:
    """Run the command that the command line names; return its exit status."""
    try:
        if sys.argv[1:2] == ["predict"]:
            gc.disable()  # until the model is open: what is imported stays, and looking it through takes long
            from zoo.cli.predict import run

            return run(sys.argv[2:])
        check("export")
        gc.set_threshold(20_000, 20, 50)  # most objects of imports and exports stay: a search for cycles finds few
        from zoo.cli.app import run_app
        from zoo.terminal.warning_lines import collect_notes

        with collect_notes():
            return run_app()
    except SystemExit as end:  # of --help
        return int(end.code or 0)


def fail(message: str, status: int = 2) -> NoReturn:
    """Print one line and exit, without the engines' own clean-up where a thread is still inside of one."""
    from runtime.concurrency.forks import in_native_code
    from zoo.terminal import complain
    from zoo.terminal.streams import drop_output

    complain(message)
    drop_output()
    if in_native_code():
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    program()
