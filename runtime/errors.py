"""Every error that edgezoo raises on purpose, in one tree.

::

    ZooError
    ├── InputError            something given to `predict` can't be used
    ├── BundleError           a bundle or model file can't be used
    │   ├── ManifestError     manifest.json breaks the contract
    │   └── IntegrityError    a file differs from what the manifest promises
    │       └── SignatureError    or from what was signed
    ├── EngineError           an engine can't open or run a model
    │   ├── MissingExtraError a library is not installed (names the pip extra)
    │   ├── DeviceError       the engine can't give the device that was asked for
    │   └── UnsupportedError  the engine would get such files wrong; others may not
    ├── OptionError           an unknown name or a value out of range
    ├── DataError             a data set can't be trained on
    ├── TrainingError         training can't go on
    ├── OutputError           a result can't be written where it should go
    ├── HubError              the model hub can't be reached, or refuses
    └── ExportError           a format can't be written
        ├── CalibrationError  the ranges of activations can't be told from the samples
        └── ParityError       an exported file differs from the original

A message is one line: the thing, the value found, what to do.

A `Note` is a warning about work that was done all the same: `InputNote` about an input that was answered, `ExportNote`
about a file that was written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from runtime.printable import escape_controls

E = TypeVar("E", bound=BaseException)


class ZooError(Exception):
    """Base of every error that a user can cause; the command line prints it as one line."""

    def __str__(self) -> str:
        """Return the message with line breaks and terminal codes, which names from outside may hold, written out."""
        return escape_controls(super().__str__())


class InputError(ZooError):
    """Something given to `predict` can't be used."""


class BundleError(ZooError):
    """A bundle or model file can't be used."""


class ManifestError(BundleError):
    """manifest.json breaks the contract."""


class IntegrityError(BundleError):
    """A file differs from what the manifest promises."""


class SignatureError(IntegrityError):
    """A bundle is not what the holder of a key has signed."""


class EngineError(ZooError):
    """An engine can't open or run a model."""


class MissingExtraError(EngineError):
    """A library is not installed.

    Args:
        what: What needed the library.
        extra: The pip extra of edgezoo that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed: pip install 'edgezoo[{extra}]'")
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle the arguments, so that an error of a worker process reaches its parent."""
        return type(self), (self.what, self.extra)


class DeviceError(EngineError):
    """The engine can't give the device that was asked for."""


class UnsupportedError(EngineError):
    """The engine would get such files wrong; others may not."""


class OptionError(ZooError):
    """An unknown name or a value out of range."""


class DataError(ZooError):
    """A data set can't be trained on."""


class TrainingError(ZooError):
    """Training can't go on."""


class OutputError(ZooError):
    """A result can't be written where it should go."""


class HubError(ZooError):
    """The model hub can't be reached, or refuses."""


class ExportError(ZooError):
    """A format can't be written."""


class CalibrationError(ExportError):
    """The ranges of activations can't be told from the samples that were given."""


class ParityError(ExportError):
    """An exported file differs from the original."""


class Note(UserWarning):
    """Something worth knowing about what was done all the same."""


class InputNote(Note):
    """Something about an input that was answered, such as that it holds more than was looked at."""


class ExportNote(Note):
    """Something about a file that was written, such as that it takes sequences of one length."""


SHOWN = 60
"""How much of a value or a name from outside a message shows, in characters."""


def shown(value: object) -> str:
    """Return a value from outside, which may be long or nested without end, as a message shows it."""
    import reprlib

    short = reprlib.Repr()
    short.maxlist = short.maxdict = short.maxstring = short.maxother = SHOWN
    text = short.repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def unknown(kind: str, name: object, choices: Iterable[str]) -> str:
    """Say that `name` is no `kind`, with the nearest choice and the whole list."""
    from difflib import get_close_matches

    known = sorted(choices)
    near = get_close_matches(name[:SHOWN], known, n=1) if isinstance(name, str) else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {kind} {shown(name)}{hint}; choose from: {', '.join(known)}"


def without_frames(problem: E) -> E:
    """Return an error without the frames that it passed through, for a list of errors.

    With them it would keep every variable of its callers, such as a request's body, until a collection of garbage.
    """
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)


def one_line(error: BaseException, limit: int = 300) -> str:
    """Return an exception's message as one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
