"""Where runs, searches, bundles and reports go unless told otherwise, and what may be replaced there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from export.disclosure import OWN
from runtime.atomic import check_writable
from runtime.bundle import check_pictures
from runtime.errors import OutputError, TrainingError, one_line
from zoo.train.run import CHECKPOINTS, LOGS, MAX_TEXT, METRICS, RUN, WEIGHTS, read_part

TRIALS = "trials.json"
TRIALS_PICTURE = "trials.png"


def run_folder(recipe_name: str, data: str) -> Path:
    """Return the folder that a run goes to unless told otherwise, such as ``runs/cnn-digits``."""
    name, _, path = data.partition(":")
    own = name in OWN and path
    return Path("runs") / f"{recipe_name}-{Path(path).resolve().stem if own else name}"


def folds_folder(recipe_name: str, data: str) -> Path:
    """Return the folder of a cross-validation, which holds a run for each fold."""
    return Path(f"{run_folder(recipe_name, data)}-folds")


def fold_folder(folder: Path, number: int) -> Path:
    """Return the run folder of a fold, counted from 1."""
    return folder / f"fold-{number}"


def tuning_folder(run: Path) -> Path:
    """Return the folder of the search that goes before a run."""
    return run.with_name(f"{run.name}-tuning")


def bundle_folder(run: str | os.PathLike[str]) -> Path:
    """Return the folder that a run's bundle goes to unless told otherwise, such as ``bundles/cnn-digits``."""
    return Path("bundles") / Path(run).resolve().name


def report_folder(model: str, data: str) -> Path:
    """Return the folder that an evaluation goes to, such as ``evaluations/cnn-digits-on-digits``."""
    return Path("evaluations") / f"{model}-on-{data}"


def check_run(folder: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse a run folder that is taken; `overwrite` lets an earlier run be replaced, and nothing else.

    Raises:
        OutputError: If it is taken, or can't be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: exists and is not a folder; name another with --out")
    if (folder / RUN).exists() and not resume and not overwrite:
        raise OutputError(
            f"{folder}: holds a run already; continue it with --resume, replace it with --overwrite, "
            "or name another folder with --out"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RUN).exists():
        raise OutputError(f"{folder}: holds other files; name another folder with --out")
    _check_links(folder)
    check_writable(folder / RUN)


@contextmanager
def locked_run(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run folder, which is made where it is missing, until the block ends.

    The lock is on the folder itself and ends with the process, so that a kill leaves nothing. Windows, and file systems
    that can't lock a folder, have none.

    Raises:
        OutputError: If another training holds the lock, or the folder can't be made.
    """
    if sys.platform == "win32":
        folder.mkdir(parents=True, exist_ok=True)
        yield
        return
    import fcntl

    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except OSError as problem:
        raise OutputError(f"{folder}: can't be written ({one_line(problem)})") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{folder}: another training writes into it; name another with --out") from None
        except OSError:  # a file system without locks on folders
            pass
        yield
    finally:
        os.close(lock)
        if made:
            with suppress(OSError):  # a training that began has left files there
                folder.rmdir()


def _check_links(folder: Path) -> None:
    """Refuse links among a run's files: writing and deleting would follow them out of the folder.

    Raises:
        OutputError: Names the first of them.
    """
    checkpoints = folder / CHECKPOINTS
    files = [*folder.iterdir()] if folder.is_dir() else []
    if checkpoints.is_dir() and not checkpoints.is_symlink():
        files += checkpoints.iterdir()
    for file in sorted(files):
        if file.is_symlink():
            raise OutputError(f"{file}: is a link; a run folder holds none: remove it")


def clear_run(folder: Path) -> None:
    """Remove a run from its folder; files of other origin stay."""
    if not (folder / RUN).exists():
        return
    try:
        pictures = json.loads(read_part(folder / METRICS, MAX_TEXT))["pictures"]
        check_pictures(pictures)
    except (TrainingError, ValueError, KeyError, TypeError, RecursionError):
        pictures = []
    for name in (METRICS, WEIGHTS, RUN, *pictures):
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, LOGS):
        shutil.rmtree(folder / name, ignore_errors=True)


def check_search(folder: Path, overwrite: bool = False) -> None:
    """Refuse the folder of a search that is taken; `overwrite` lets an earlier search be replaced.

    Raises:
        OutputError: If it is taken, or can't be written.
    """
    if folder.exists():
        ours = folder.is_dir() and {file.name for file in folder.iterdir()} <= {TRIALS, TRIALS_PICTURE} | {
            file.name for file in folder.glob("trial-*")
        }
        if not ours:
            raise OutputError(f"{folder}: exists and is not a search alone; name another run with --out")
        if not overwrite and any(folder.iterdir()):
            raise OutputError(
                f"{folder}: holds a search already; replace it with --overwrite, or name another with --out"
            )
    check_writable(folder)


def check_report(folder: Path, overwrite: bool = False) -> None:
    """Refuse a folder for metrics and pictures that is taken; `overwrite` lets earlier ones be replaced.

    Raises:
        OutputError: If it is taken, or can't be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
        if METRICS not in names or RUN in names or any(not name.endswith(".png") for name in names - {METRICS}):
            raise OutputError(f"{folder}: exists and is not an evaluation alone; name another folder with --out")
        if not overwrite:
            raise OutputError(f"{folder}: holds an evaluation; replace it with --overwrite, or name another with --out")
    check_writable(folder / METRICS)
