"""Bundles on the Hugging Face hub: pulled whole and checked, or not at all; pushed in one commit, or not at all.

Only what the manifest lists is downloaded, and nothing of it is opened before its SHA-256 is right. Downloads are named
by their SHA-256 and go on where they stopped, even in another process: the hub's own client begins again since its
version 2. Addresses, tokens and folders are that client's: ``HF_ENDPOINT``, ``HF_TOKEN``, ``hf auth login``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from export.folder import check_place
from runtime.atomic import settle
from runtime.bundle import (
    CARD,
    MANIFEST,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    SIGNATURE,
    Bundle,
    FileEntry,
    parse_manifest,
    read_signature,
)
from runtime.errors import (
    BundleError,
    HubError,
    IntegrityError,
    ManifestError,
    OptionError,
    OutputError,
    one_line,
    shown,
)
from runtime.progress import Progress, silent
from runtime.verify import Replay, verify
from zoo.catalogue.hub_client import BrokenOffError, api, client, one_line_errors, opened, read
from zoo.catalogue.pull import Choice, locked
from zoo.catalogue.timeouts import call_with_timeout
from zoo.resolve import display_name, resolve

SCHEME = "hf"
CHANGES = True
HARMLESS = {".gitattributes", CARD, "LICENSE"}
"""The files that a repository may hold before a bundle is pushed there."""
TRIES = 4
MAX_LIST = 2**24
"""Bytes of a repository's list of files, at most."""
_COMMIT = re.compile("[0-9a-f]{40}")
_REPOSITORY = re.compile(r"(?P<id>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")


class Name(NamedTuple):
    """``hf:user/name``, perhaps with ``@`` and a branch, tag or commit."""

    id: str
    revision: str | None

    def __str__(self) -> str:
        """Return it as users write it."""
        return f"{SCHEME}:{self.id}" + (f"@{self.revision}" if self.revision else "")


def parse_name(text: str) -> Name:
    """Read ``user/name`` or ``user/name@revision``.

    Raises:
        OptionError: If it is neither.
    """
    match = _REPOSITORY.fullmatch(text)
    if match is None or ".." in text:
        raise OptionError(f"{shown(f'{SCHEME}:{text}')}: write hf:user/name, or hf:user/name@revision")
    return Name(match["id"], match["revision"])


def own(name: str) -> Choice:
    """Return what a bundle holds: whatever its owner has put there."""
    parse_name(name)
    client()
    return Choice()


def pull(name: str, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Download a bundle into a folder, which holds all of it in the end, checked, or stays as it was.

    The next pull uses the files that an interrupted pull has left beside `out`, and the files of the bundle that is
    there. One process pulls into a place at a time; others wait for it.

    Args:
        name: ``user/name`` or ``user/name@revision``.
        choice: Nothing: a bundle comes as it is.
        out: The bundle's folder; a bundle that is there is replaced in one step.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        HubError: If the hub can't be reached or refuses.
        BundleError: If the repository holds no bundle.
        IntegrityError: If a file is not the one that the manifest lists.
        OutputError: If `place` holds something that is no bundle, or can't be written.
        MissingExtraError: If huggingface_hub is not installed.
        OptionError: If the name makes no sense, or something is chosen.
    """
    wanted, target = parse_name(name), Path(out).resolve()
    if choice != Choice():
        raise OptionError(f"{wanted}: comes as it is: leave out --format, --precision and --random-weights")
    check_place(target, overwrite=True)
    client()
    with locked(target):
        remote = _Repository.at(wanted)
        if MANIFEST not in remote.files:
            raise BundleError(f"{wanted}: not a bundle (the repository has no {MANIFEST})")
        manifest = remote.small(MANIFEST, MAX_MANIFEST)
        files = parse_manifest(manifest, f"{wanted}: {MANIFEST}").files
        loose = {MANIFEST: manifest}
        if SIGNATURE in remote.files:
            loose[SIGNATURE] = remote.small(SIGNATURE, MAX_SIGNATURE)
        parts, stage = _partial(target) / "parts", _partial(target) / "bundle"
        _check_partial(_partial(target))
        shutil.rmtree(stage, ignore_errors=True)  # of a pull that was killed: whole files are still among the parts
        with _written(target):
            for folder in (parts, stage):
                folder.mkdir(parents=True, exist_ok=True)
            for i, (file, entry) in enumerate(files.items()):
                on_progress(f"pull {file}", i, len(files))
                if not _copied(target / file, entry, parts / entry.sha256):
                    remote.fetch(file, entry, parts / entry.sha256)
            for file, entry in files.items():  # a copy: two names of a bundle may have one content
                shutil.copyfile(parts / entry.sha256, stage / file)
            for file, content in loose.items():
                (stage / file).write_bytes(content)
        Bundle.read(stage).check()
        settle(stage, target)
        shutil.rmtree(_partial(target), ignore_errors=True)
    return Bundle.read(target)


def push(
    bundle: Path,
    name: str,
    *,
    public: bool = False,
    trusted: bool = False,
    on_progress: Progress = silent,
) -> str:
    """Upload a bundle that passes `zoo verify` in one commit; return the commit's address.

    Files of the bundle that was there before, and that this one doesn't have, go with the same commit. Uploads of a
    push that was interrupted are not repeated.

    Args:
        bundle: The bundle's folder.
        name: ``hf:user/name``, made if need be, or ``hf:user/name@branch``.
        public: Whether everybody sees a repository that is made; one that is there stays as it is.
        trusted: See `runtime.load`.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Raises:
        BundleError: If the bundle can't be read, or fails its verification.
        HubError: If the hub can't be reached or refuses.
        OutputError: If the repository holds something that is no bundle.
        MissingExtraError: If huggingface_hub is not installed.
        OptionError: If the name makes no sense.
    """
    if not name.startswith(f"{SCHEME}:"):
        raise OptionError(f"{shown(name)}: write hf:user/name")
    target = parse_name(name.removeprefix(f"{SCHEME}:"))
    hub = client()
    on_progress("verify the bundle", 0, 1)
    contents = _verified(resolve(bundle), trusted)
    on_progress(f"push to {target}", 0, 1)
    with one_line_errors(target):
        hub_api = api()
        call_with_timeout(lambda: hub_api.create_repo(target.id, private=not public, exist_ok=True))
    remote = _Repository.at(target)
    add = [hub.CommitOperationAdd(file, content) for file, content in contents.items()]
    drop = [hub.CommitOperationDelete(file) for file in sorted(_replaced(remote) - set(contents))]
    with one_line_errors(target):
        commit = partial(
            hub_api.create_commit, target.id, [*add, *drop], revision=target.revision, parent_commit=remote.commit,
            commit_message=f"Bundle {display_name(bundle)}, by edgezoo {version('edgezoo')}",
        )  # fmt: skip
        done = call_with_timeout(commit, sum(map(len, contents.values())))
    return str(done.commit_url)


def is_public(name: str) -> bool:
    """Tell whether everybody sees the repository of ``hf:user/name``.

    Raises:
        HubError: If the hub can't be reached or refuses.
    """
    target = parse_name(name.removeprefix(f"{SCHEME}:"))
    with one_line_errors(target):
        return not call_with_timeout(lambda: api().model_info(target.id)).private


def _verified(path: Path, trusted: bool) -> dict[str, bytes]:
    """Return the contents of a bundle that passes `zoo verify` on the engines here, by file."""
    bundle = Bundle.read(path)
    manifest = (bundle.path / MANIFEST).read_bytes()
    bundle = Bundle(bundle.path, parse_manifest(manifest, str(bundle.path / MANIFEST)))
    replays = list(verify(path, trusted=trusted))
    failed = [f"{getattr(replay, 'file', 'inputs')}: {replay.note}" for replay in replays if replay.passed is False]
    if failed:
        raise BundleError(f"{path}: fails zoo verify, so it is not pushed: {'; '.join(failed)}")
    ran = [replay for replay in replays if isinstance(replay, Replay) and replay.samples]
    if not ran:
        raise BundleError(f"{path}: no engine here runs its files, so nothing shows that they work; see zoo verify")
    contents = {MANIFEST: manifest, **{name: bundle.bytes(name) for name in bundle.manifest.files}}
    if (bundle.path / SIGNATURE).exists():
        contents[SIGNATURE] = read_signature(bundle.path)
    return contents


def _replaced(remote: _Repository) -> set[str]:
    """Return the files of the bundle that a repository holds now."""
    if MANIFEST not in remote.files:
        if odd := sorted(remote.files - HARMLESS):
            raise OutputError(f"{remote.name}: holds {odd[0]!r} but no bundle; name another repository")
        return set()
    try:
        known = parse_manifest(remote.small(MANIFEST, MAX_MANIFEST), f"{remote.name}: {MANIFEST}").files
    except ManifestError:  # a bundle of another version, or a damaged one
        known = {}
    return {*known, SIGNATURE} & remote.files


@dataclass(frozen=True)
class _Repository:
    """A repository at one commit, so that all its files belong together."""

    name: Name
    commit: str | None
    files: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, name: Name) -> _Repository:
        endpoint = client().constants.ENDPOINT
        revision = f"/revision/{quote(name.revision, safe='')}" if name.revision else ""
        content = read(name, f"{endpoint}/api/models/{name.id}{revision}", "its list of files", MAX_LIST)
        try:
            info = json.loads(content)
            commit, files = info["sha"], {each["rfilename"] for each in info["siblings"]}
            if not _COMMIT.fullmatch(commit) or not all(isinstance(file, str) for file in files):
                raise ValueError("no commit or no names of files")
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise HubError(f"{name}: the hub's list of files makes no sense ({one_line(problem)})") from None
        return cls(name, commit, files)

    def small(self, file: str, limit: int) -> bytes:
        """Return a file of at most `limit` bytes."""
        return read(self.name, self._url(file), file, limit)

    def _url(self, file: str) -> str:
        url: str = client().hf_hub_url(self.name.id, file, revision=self.commit)
        return url

    def fetch(self, file: str, entry: FileEntry, part: Path) -> None:
        """Download a file, or the rest of it, and check it."""
        resumed = part.exists()
        for attempt in range(TRIES):
            try:
                self._append(file, entry, part)
                break
            except BrokenOffError as problem:
                if attempt == TRIES - 1:
                    raise HubError(f"{problem}; what came of {file} is kept: pull again") from None
        if _digest(part) == entry.sha256:
            return
        part.unlink()
        if not resumed:
            raise IntegrityError(f"{self.name}: {file} is not the file that the manifest lists")
        self.fetch(file, entry, part)  # a crash of the system may have left anything

    def _append(self, file: str, entry: FileEntry, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        if have >= entry.size and part.exists():
            return
        with opened(self.name, self._url(file), have) as (resumes, chunks), part.open("ab") as target:
            start = have if resumes else 0  # a server may send all of it again
            target.truncate(start)
            for chunk in chunks:
                start += len(chunk)
                if start > entry.size:
                    part.unlink()
                    raise IntegrityError(f"{self.name}: {file} is larger than the manifest says ({entry.size} bytes)")
                target.write(chunk)
        if start < entry.size:
            raise BrokenOffError(f"{self.name}: the hub broke off after {start} of {entry.size} bytes")


def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _check_partial(folder: Path) -> None:
    """Refuse what no pull leaves behind: writing through a link would change a file elsewhere.

    Raises:
        OutputError: If the folder is a link or holds one, a hard one too, or anything but folders and regular files.
    """
    for each in (folder, *folder.rglob("*")) if os.path.lexists(folder) else ():
        status = each.lstat()
        if not (stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)):
            raise OutputError(f"{each}: a link or no regular file, where a pull keeps its parts: remove {folder}")


def _digest(file: Path) -> str:
    """Return the SHA-256 of a file that may not fit into memory."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copied(there: Path, entry: FileEntry, part: Path) -> bool:
    """Take a file from the bundle that is there already, if it is the same."""
    if part.exists() or not there.is_file() or there.stat().st_size != entry.size or _digest(there) != entry.sha256:
        return False
    shutil.copyfile(there, part)
    return True


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise OutputError(f"{folder}: can't be written ({one_line(problem)})") from None
