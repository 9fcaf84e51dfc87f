"""Checks of an export before PyTorch is loaded and any work is done: names, folders, libraries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from export.folder import check_place
from export.formats import choose_precisions, format_module, formats_in
from export.platforms import find_platform
from export.precision.calibration import METHODS
from runtime.errors import MissingExtraError, OptionError, TrainingError, unknown
from zoo.data import find_source
from zoo.exporting.config import ExportConfig
from zoo.exporting.golden import check_samples
from zoo.exporting.limits import parse
from zoo.measure.annotated import read_annotated
from zoo.train.preflight import AUTO, check_libraries
from zoo.train.run import METRICS, Run


def check_export(config: ExportConfig, budget: str | None = None) -> None:
    """Refuse an export that can't begin, or whose bundle would have no place.

    Args:
        config: The export.
        budget: See `zoo.exporting.limits.parse`; None for no search.

    Raises:
        TrainingError: If there is no finished run.
        OptionError: If a name is unknown, or recordings are named for a network that does not listen.
        DataError: If there is no data, or the words of recordings can't be read.
        InputError: If there is no such recording.
        OutputError: If the bundle's folder is taken or can't be written.
        MissingExtraError: If a library is not installed.
    """
    check_libraries(("torch",))
    run = Path(config.run)
    spec = Run.read(run).model
    if not (run / METRICS).exists():
        raise TrainingError(f"{run}: training has not finished; continue it with --resume")
    check_formats(find_platform(config.platform).runs(config.formats), config.precisions, budget)
    method = config.calibration_method
    if method not in METHODS:
        raise OptionError(unknown("calibration method", method, METHODS))
    if config.data is not None:
        find_source(config.data).check()
    check_samples(config.golden)
    if config.recordings:
        read_annotated(config.recordings, spec)
    check_place(config.folder, config.overwrite)
    if budget is not None:
        config.check_searchable()


def check_formats(formats: Sequence[str], precisions: Iterable[str], budget: str | None = None) -> None:
    """Refuse formats and precisions that there are not, and formats whose converter is not installed.

    Args:
        formats: Names of formats.
        precisions: Names of precisions; without a budget every format must have one of them.
        budget: See `zoo.exporting.limits.parse`.

    Raises:
        OptionError: If there is none of a name, or the budget can't be read.
        MissingExtraError: If a library is not installed.
    """
    named = [precision for precision in precisions if precision != AUTO]
    for name in formats:
        for library in format_module(name).LIBRARIES:
            if find_spec(library) is None:
                raise MissingExtraError(f"{library}, which writes the format {name!r},", "export")
    if budget is None:
        choose_precisions(formats, named)
    else:
        parse(budget)
        precisions_of(formats, precisions)


def precisions_of(formats: Sequence[str], wanted: Iterable[str]) -> set[str]:
    """Return the precisions that some formats have together, and refuse wanted ones that none of them has.

    Raises:
        OptionError: If there is one.
    """
    known = {each for name in formats for each in format_module(name).precision.QUANTIZERS}
    for precision in wanted:
        if precision not in known:
            raise OptionError(f"formats {', '.join(formats)}: {unknown('precision', precision, known)}")
    return {*known}


def default_formats() -> tuple[str, ...]:
    """Return the formats that are written unless others are named."""
    return formats_in("fp32")
