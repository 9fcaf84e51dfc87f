"""Names of earlier releases, which last for one more."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def renamed_method(old: str, new: str) -> Callable[[Any], Any]:
    """Return a method without arguments that warns of its old name and calls the one with the new name."""

    def method(self: Any) -> Any:
        warnings.warn(f"{type(self).__name__}.{old} is called {new} now", DeprecationWarning, stacklevel=2)
        return getattr(self, new)()

    method.__name__, method.__doc__ = old, f"Call `{new}`, under its name of earlier releases."
    return method
