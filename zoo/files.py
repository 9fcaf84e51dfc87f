"""Which files a name stands for: one rule for predictions, training data and samples.

- A file that is named is taken, whatever it is called.
- A folder stands for every file in it and in the folders below whose suffix is one of those that can be read.
- A pattern stands for the files and folders that it matches. ``**`` is any number of folders; ``FOLDER/*`` and
  ``FOLDER/**`` are other spellings of the folder.
- A name that begins with a point is hidden, unless the pattern's part begins with one too.
- Links are followed, but each file is taken once, by its real path, and no folder is entered twice.
"""

# names stay as they were given, which a Path wouldn't do
# ruff: noqa: PTH111, PTH112, PTH114, PTH116, PTH118, PTH206

from __future__ import annotations

import fnmatch
import os
import stat
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from os.path import isdir, islink, join, lexists, realpath

from runtime import InputError, InputNote
from runtime.frozen_dataclass import frozen_dataclass

IMAGES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif",
)  # fmt: skip
"""Suffixes of images, those too that can't be decoded, so that each is an error and none is overlooked."""
NAMED = 3
"""How many of the files that were skipped for one reason are named."""
TWICE = "taken already"


@frozen_dataclass
class FoundFiles:
    """The files that names stand for.

    Args:
        paths: In the order of the names, sorted for each. A name that stands for no file is in it as it is, to be
            complained of in its place.
        problems: Why a path among them can't be read, where that was seen while looking for it.
        skipped: What was left out, by the reason.
        states: What changes when a file does, where the search has seen it, as that of an object store has.
    """

    paths: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


def find(names: Sequence[str], suffixes: tuple[str, ...]) -> FoundFiles:
    """Return the files that names stand for.

    Args:
        names: Of files and folders, and patterns. A name that exists is no pattern; ``~`` is the user's folder.
        suffixes: What files end in that can be read, in lower case.
    """
    search = _Search(suffixes)
    for name in names:
        search.add(name)
    return search.result


def warn_of_skipped(skipped: Mapping[str, Sequence[str]]) -> None:
    """Warn in one line of what was skipped: how many for each reason, and the first of them."""
    reasons = []
    for reason, paths in skipped.items():
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        reasons.append(f"{len(paths)} {reason} ({', '.join(paths[:NAMED])}{more})")
    if reasons:
        text = str(InputError(f"skipped: {'; '.join(reasons)}"))  # which writes out what could turn a terminal's state
        warnings.warn(text, InputNote, stacklevel=2)


class _Search:
    """The files that a search has found, and the folders that it has been in."""

    def __init__(self, suffixes: tuple[str, ...]) -> None:
        self.result = FoundFiles()
        self._suffixes = suffixes
        self._listed: set[str] = set()
        self._matched: list[str] = []
        self._links: list[tuple[str, bool]] = []
        self._twice = False

    def add(self, name: str) -> None:
        if not lexists(name):
            name = os.path.expanduser(name)
        plain = lexists(name) or not _has_sign(name)
        if plain and not isdir(name):
            self.result.paths.append(name)
            return
        folder, parts = (name, ["**"]) if plain else _parsed(name)
        self._matched, self._links, self._twice = [], [], False
        self._match(folder, parts)
        for path, any_suffix in self._links:  # last, so that a file goes by its own name
            self._take(path, realpath(path), any_suffix)
        if not self._matched and not self._twice:
            self._matched.append(name)
            if parts == ["**"] and isdir(folder or "."):
                some = ", ".join(self._suffixes[:5])
                self.result.problems[name] = f"is a folder without files of the kinds that are taken ({some} …)"
        self.result.paths.extend(sorted(self._matched))

    def _match(self, folder: str, parts: list[str]) -> None:
        """Take what a pattern matches in a folder."""
        part, *rest = parts
        if part == "**":
            for each, real, entries in self._walk(folder):
                if rest:
                    self._match(each, rest)
                else:
                    self._take_files(each, real, entries, "*")
        elif not _has_sign(part):
            path = join(folder, part)
            if isdir(path):
                self._match(path, rest or ["**"])
            elif not rest and lexists(path):
                self._links.append((path, True))
        else:
            entries = [entry for entry in self._entries(folder) if fnmatch.fnmatch(entry.name, part)]
            if not rest:
                self._take_files(folder, realpath(folder or "."), entries, part)
            for entry in filter(_is_folder, entries):
                if not self._is_hidden(folder, entry, part):
                    self._match(join(folder, entry.name), rest or ["**"])

    def _walk(self, root: str) -> Iterator[tuple[str, str, list[os.DirEntry[str]]]]:
        """Yield a folder and those below, with their real paths and what is in them; where links lead comes last."""
        top = realpath(root or ".")
        seen: set[str] = set()
        plain, linked = deque([root]), deque[str]()
        while plain or linked:
            folder = plain.popleft() if plain else linked.popleft()
            real = realpath(folder or ".")
            if real in seen or (real != top and _is_above(real, top)):
                self._skip(TWICE, folder)
                continue
            seen.add(real)
            entries = self._entries(folder)
            yield folder, real, entries
            for entry in filter(_is_folder, entries):
                if not self._is_hidden(folder, entry, "**"):
                    (linked if entry.is_symlink() else plain).append(join(folder, entry.name))

    def _take_files(self, folder: str, real: str, entries: list[os.DirEntry[str]], part: str) -> None:
        any_suffix = bool(part.strip("*"))
        for entry in entries:
            if _is_folder(entry) or self._is_hidden(folder, entry, part):
                continue
            path = join(folder, entry.name)
            if entry.is_symlink():
                self._links.append((path, any_suffix))
            else:
                self._take(path, join(real, entry.name), any_suffix)

    def _take(self, path: str, real: str, any_suffix: bool) -> None:
        if not any_suffix and not path.lower().endswith(self._suffixes):
            self._skip("of other kinds", path)
        elif real in self._listed:
            self._twice = True
            self._skip(TWICE, path)
        else:
            try:
                regular = stat.S_ISREG(os.stat(path).st_mode)
            except OSError as problem:
                self.result.problems[path] = _reason(path, problem)
                regular = True
            if regular:
                self._listed.add(real)
                self._matched.append(path)
            else:
                self._skip("no regular files", path)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder or ".") as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as problem:
            if folder not in self.result.problems:
                self.result.problems[folder] = _reason(folder, problem)
                self._matched.append(folder)
            return []

    def _is_hidden(self, folder: str, entry: os.DirEntry[str], part: str) -> bool:
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if hidden:
            self._skip("hidden", join(folder, entry.name))
        return hidden

    def _skip(self, reason: str, path: str) -> None:
        self.result.skipped.setdefault(reason, []).append(path)


def _parsed(pattern: str) -> tuple[str, list[str]]:
    """Return the folder that a pattern begins with, and its parts from the first with a sign on."""
    parts = pattern.replace(os.altsep or os.sep, os.sep).split(os.sep)
    first = next(i for i, part in enumerate(parts) if _has_sign(part))
    folder = os.sep.join([*parts[:first], ""]) if first else ""
    rest = [part for part in parts[first:-1] if part] + [parts[-1] or "**"]
    while rest[-2:] in (["**", "*"], ["**", "**"]):
        rest.pop()
    return folder, ["**"] if rest == ["*"] else rest


def _has_sign(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # of a link that leads to itself
        return False


def _is_above(real: str, folder: str) -> bool:
    return folder.startswith(real.rstrip(os.sep) + os.sep)


def _reason(path: str, problem: OSError) -> str:
    return "is a link that leads nowhere" if islink(path) else f"can't be read ({problem.strerror})"
