"""Frozen dataclasses that compile nothing.

`dataclasses.dataclass` writes and compiles six methods for each class, half a millisecond of a process's start. The
runtime declares some fifty classes, and `zoo predict` is a process of a fifth of a second: here all share one set.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen_dataclass(cls: type[T]) -> type[T]:
    """Make of a class what ``dataclass(frozen=True)`` makes of it; methods that it has already stay."""
    for name, method in METHODS.items():
        if getattr(cls, name) is getattr(object, name):
            setattr(cls, name, method)
    if hasattr(cls, "__post_init__") and cls.__init__ is _init:
        cls.__init__ = _init_and_check  # type: ignore[method-assign]
    return dataclass(init=False, repr=False, eq=False)(cls)


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    if kwargs or len(args) != len(self.__match_args__):
        self.__dict__.update(_by_name(self, args, kwargs))
    else:  # as predictions are made: in two thirds of the time
        self.__dict__.update(zip(self.__match_args__, args))  # noqa: B905  # the lengths are the same


def _init_and_check(self: Any, *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    self.__post_init__()


def _by_name(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = self.__match_args__
    values = dict(zip(names, args, strict=False)) | kwargs
    if len(values) != len(args) + len(kwargs) or not all(name in names for name in kwargs):
        raise TypeError(f"{type(self).__name__} takes {', '.join(names)}; got {len(args)} values, {', '.join(kwargs)}")
    if len(values) != len(names):
        for each in fields(self):
            if each.name in values:
                continue
            if each.default_factory is not MISSING:
                values[each.name] = each.default_factory()
            elif each.default is not MISSING:
                values[each.name] = each.default
            else:
                raise TypeError(f"{type(self).__name__} lacks {each.name!r}")
    return values


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__match_args__)


def _repr(self: Any) -> str:
    shown = (f"{name}={value!r}" for name, value in zip(self.__match_args__, _values(self), strict=True))
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _setattr(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
}
