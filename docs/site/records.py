"""What the reference's reader of Python has to know about this project's frozen dataclasses."""

from __future__ import annotations

from typing import Any

from griffe import Class, Decorator, ExprName, Extension

FIELDS = {"frozen_dataclass", "NamedTuple"}


class Records(Extension):
    """Read named tuples and `@frozen_dataclass` as `@dataclass`: their fields are the constructor's parameters."""

    def on_class_instance(self, *, cls: Class, **_: Any) -> None:
        """Declare the class a dataclass, before its fields are looked for."""
        if FIELDS & {str(each) for each in [*cls.bases, *(decorator.value for decorator in cls.decorators)]}:
            cls.decorators = [Decorator(ExprName("dataclasses.dataclass"), lineno=None, endlineno=None)]
