"""The configuration of an export, with a budget or without one; nothing here needs PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from export.golden import Wanted
from export.precision.calibration import Method
from runtime.errors import OptionError
from zoo.train.folders import bundle_folder

MIN_MAX: Method = "min-max"


class ExportOptions(TypedDict, total=False):
    """The keyword arguments of `zoo.exporting.run.export_run`: the fields of `ExportConfig` but run and formats."""

    precisions: Sequence[str]
    out: str | os.PathLike[str] | None
    data: str | None
    calibration_samples: int
    calibration_method: Method
    golden: Wanted
    allow_drift: bool
    overwrite: bool
    platform: str | None
    recordings: Sequence[str]


@dataclass(frozen=True)
class ExportConfig:
    """An export as it is asked for.

    Args:
        run: The run folder.
        formats: Names of formats.
        precisions: Names of `runtime.spec.Precision`; ``auto`` is fp32, where the formats have it,
            and the smaller one that suits the recipe.
        out: The bundle's folder; ``bundles/`` and the run's name by default.
        data: Where the data set is now, if it has moved: ``name:path``.
        calibration_samples: How many training samples tell the ranges of activations.
        calibration_method: How; see `export.Calibration`.
        golden: What the golden pack holds; see `export.export`.
        allow_drift: Write files of smaller precisions that lose the answer all the same.
        overwrite: Replace a bundle that is in `out`.
        platform: Leave out what is of no use there: one of `export.platforms.PLATFORMS`; None for no platform.
        recordings: Long recordings, each with the CSV file of its words beside it, on which the rules of listening are
            chosen again; those of the training stay without any.
    """

    run: str | os.PathLike[str]
    formats: Sequence[str]
    precisions: Sequence[str] = ()
    out: str | os.PathLike[str] | None = None
    data: str | None = None
    calibration_samples: int = 200
    calibration_method: Method = MIN_MAX
    golden: Wanted = None
    allow_drift: bool = False
    overwrite: bool = False
    platform: str | None = None
    recordings: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """The bundle's folder."""
        return Path(self.out or bundle_folder(self.run))

    def check_searchable(self) -> None:
        """Refuse options that a search for the best file inside a budget decides by itself.

        Raises:
            OptionError: If one is set.
        """
        if self.allow_drift or self.calibration_method != MIN_MAX:
            raise OptionError("--budget tries all calibration methods itself and writes no file that loses the answer")
