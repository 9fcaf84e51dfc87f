"""How much is tried: `make nightly` tries all of it, `make test` what its minutes allow."""

from __future__ import annotations

import os

NIGHTLY = os.environ.get("EDGEZOO_NIGHTLY") == "1"
