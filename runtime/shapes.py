"""Shapes of arrays, in which None stands for an axis of any length."""

from __future__ import annotations


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Tell whether a shape is the wanted one, in which None stands for any size above 0."""
    if shape == wanted:  # nearly always, and quick
        return True
    return len(shape) == len(wanted) and all(
        size == want or (want is None and size > 0) for size, want in zip(shape, wanted, strict=True)
    )


def format_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape as a person would write it."""
    return ", ".join("any" if size is None else str(size) for size in shape)
