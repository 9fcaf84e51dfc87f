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
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
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
    MissingExtraError,
    OptionError,
    OutputError,
    ZooError,
    one_line,
    shown,
)
from runtime.progress import Progress, silent
from runtime.verify import Replay, verify
from zoo.names import display_name, resolve
from zoo.pull import Choice, locked
from zoo.steady import SlowError, in_time, steady

SCHEME = "hf"
CHANGES = True
HARMLESS = {".gitattributes", CARD, "LICENSE"}
"""What a repository may hold before a bundle is pushed there."""
TRIES = 4
CHUNK = 2**14
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
    found = _REPOSITORY.fullmatch(text)
    if found is None or ".." in text:
        raise OptionError(f"{shown(f'{SCHEME}:{text}')}: write hf:user/name, or hf:user/name@revision")
    return Name(found["id"], found["revision"])


def own(name: str) -> Choice:
    """Return what a bundle holds: whatever its owner has put there."""
    parse_name(name)
    _client()
    return Choice()


def pull(name: str, choice: Choice, out: Path, on_progress: Progress) -> Bundle:
    """Download a bundle into a folder, which holds all of it in the end, checked, or stays as it was.

    What a pull that was interrupted has left beside `out` is used by the next one, and so are the files of the bundle
    that is there. One process pulls into a place at a time; others wait for it.

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
    wanted, place = parse_name(name), Path(out).resolve()
    if choice != Choice():
        raise OptionError(f"{wanted}: comes as it is: leave out --format, --precision and --random-weights")
    check_place(place, overwrite=True)
    _client()
    with locked(place):
        remote = _Repository.at(wanted)
        if MANIFEST not in remote.files:
            raise BundleError(f"{wanted}: not a bundle (the repository has no {MANIFEST})")
        manifest = remote.small(MANIFEST, MAX_MANIFEST)
        files = parse_manifest(manifest, f"{wanted}: {MANIFEST}").files
        loose = {MANIFEST: manifest}
        if SIGNATURE in remote.files:
            loose[SIGNATURE] = remote.small(SIGNATURE, MAX_SIGNATURE)
        parts, stage = _partial(place) / "parts", _partial(place) / "bundle"
        _check_partial(_partial(place))
        shutil.rmtree(stage, ignore_errors=True)  # of a pull that was killed: whole files are still among the parts
        with _written(place):
            for folder in (parts, stage):
                folder.mkdir(parents=True, exist_ok=True)
            for i, (file, entry) in enumerate(files.items()):
                on_progress(f"pull {file}", i, len(files))
                if not _copied(place / file, entry, parts / entry.sha256):
                    remote.fetch(file, entry, parts / entry.sha256)
            for file, entry in files.items():  # a copy: two names of a bundle may have one content
                shutil.copyfile(parts / entry.sha256, stage / file)
            for file, content in loose.items():
                (stage / file).write_bytes(content)
        Bundle.read(stage).check()
        settle(stage, place)
        shutil.rmtree(_partial(place), ignore_errors=True)
    return Bundle.read(place)


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
    hub = _client()
    on_progress("verify the bundle", 0, 1)
    contents = _verified(resolve(bundle), trusted)
    on_progress(f"push to {target}", 0, 1)
    with _said(target):
        api = _api()
        in_time(lambda: api.create_repo(target.id, private=not public, exist_ok=True))
    remote = _Repository.at(target)
    add = [hub.CommitOperationAdd(file, content) for file, content in contents.items()]
    drop = [hub.CommitOperationDelete(file) for file in sorted(_replaced(remote) - set(contents))]
    with _said(target):
        commit = partial(
            api.create_commit, target.id, [*add, *drop], revision=target.revision, parent_commit=remote.commit,
            commit_message=f"Bundle {display_name(bundle)}, by edgezoo {version('edgezoo')}",
        )  # fmt: skip
        done = in_time(commit, sum(map(len, contents.values())))
    return str(done.commit_url)


def is_public(name: str) -> bool:
    """Tell whether everybody sees the repository of ``hf:user/name``.

    Raises:
        HubError: If the hub can't be reached or refuses.
    """
    target = parse_name(name.removeprefix(f"{SCHEME}:"))
    with _said(target):
        return not in_time(lambda: _api().model_info(target.id)).private


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
        endpoint = _client().constants.ENDPOINT
        revision = f"/revision/{quote(name.revision, safe='')}" if name.revision else ""
        content = _read(name, f"{endpoint}/api/models/{name.id}{revision}", "its list of files", MAX_LIST)
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
        return _read(self.name, self._url(file), file, limit)

    def _url(self, file: str) -> str:
        url: str = _client().hf_hub_url(self.name.id, file, revision=self.commit)
        return url

    def fetch(self, file: str, entry: FileEntry, part: Path) -> None:
        """Download a file, or the rest of it, and check it."""
        resumed = part.exists()
        for attempt in range(TRIES):
            try:
                self._append(file, entry, part)
                break
            except _BrokenOffError as problem:
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
        with _opened(self.name, self._url(file), have) as (resumes, chunks), part.open("ab") as target:
            start = have if resumes else 0  # a server may send all of it again
            target.truncate(start)
            for chunk in chunks:
                start += len(chunk)
                if start > entry.size:
                    part.unlink()
                    raise IntegrityError(f"{self.name}: {file} is larger than the manifest says ({entry.size} bytes)")
                target.write(chunk)
        if start < entry.size:
            raise _BrokenOffError(f"{self.name}: the hub broke off after {start} of {entry.size} bytes")


class _BrokenOffError(HubError):
    """A connection ended before its time."""


def _read(name: Name, url: str, what: str, limit: int) -> bytes:
    """Return what lies at an address, of at most `limit` bytes."""
    content = bytearray()
    with _opened(name, url, 0) as (_, chunks):
        for chunk in chunks:
            content += chunk
            if len(content) > limit:
                raise IntegrityError(f"{name}: {what} is larger than it may be (over {limit} bytes)")
    return bytes(content)


@contextmanager
def _opened(name: Name, url: str, start: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Ask for what lies at an address, from a byte on; give whether it comes from there, and its chunks."""
    hub = _client()
    headers = {**hub.utils.build_hf_headers(library_name="edgezoo"), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    session = hub.utils.get_session()

    def answers() -> Iterator[Any]:
        # on its way to another host the client leaves the token out
        with session.stream("GET", url, headers=headers, follow_redirects=True) as response:
            hub.utils.hf_raise_for_status(response)
            yield response.status_code, response.headers.get("Content-Range", "")
            yield from response.iter_raw(CHUNK)

    with _said(name), closing(steady(answers())) as items:
        status, content_range = next(items)
        yield status == HTTPStatus.PARTIAL_CONTENT and content_range.startswith(f"bytes {start}-"), items


def _client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError:
        raise MissingExtraError("huggingface_hub", "hub") from None
    huggingface_hub.utils.disable_progress_bars()
    huggingface_hub.utils.logging.set_verbosity_error()
    return huggingface_hub


def _api() -> Any:
    return _client().HfApi(library_name="edgezoo", library_version=version("edgezoo"))


@contextmanager
def _said(name: Name) -> Iterator[None]:
    """Turn the client's errors into one line, without addresses (they may be signed) and without the token."""
    hub = _client()
    errors = hub.errors
    try:
        yield
    except ZooError:
        raise
    except errors.GatedRepoError:
        raise HubError(f"{name}: its owner must let you in first: ask on its page") from None
    except errors.RepositoryNotFoundError:
        raise HubError(f"{name}: no such repository, or it is private: log in with hf auth login or HF_TOKEN") from None
    except errors.RevisionNotFoundError:
        raise HubError(f"{name}: the repository has no such revision") from None
    except errors.HfHubHTTPError as problem:
        status = problem.response.status_code
        hint = ": log in with hf auth login or HF_TOKEN" if status in (401, 403) else ""
        said = _clean(problem.server_message or "", hub)
        raise HubError(f"{name}: the hub answers {status}{f' ({said})' if said else ''}{hint}") from None
    except errors.OfflineModeIsEnabled:
        raise HubError(f"{name}: the hub's client is offline (HF_HUB_OFFLINE)") from None
    except SlowError as problem:
        raise _BrokenOffError(f"{name}: the hub sent {problem}") from None
    except errors.HTTPError as problem:
        raise _BrokenOffError(f"{name}: the hub can't be reached ({_clean(str(problem), hub)})") from None
    except (ValueError, RuntimeError) as problem:  # the client's, about cards and uploads
        raise HubError(f"{name}: {_clean(str(problem), hub)}") from None
    except (LookupError, TypeError, AttributeError) as problem:  # the client's, which reads answers as it expects them
        raise HubError(f"{name}: the hub's answer makes no sense ({type(problem).__name__})") from None


def _clean(text: str, hub: Any) -> str:
    token = hub.get_token()
    text = text.replace(token, "…") if token else text
    return re.sub(r"https?://\S+", "…", " ".join(text.split()))[:200]


def _partial(place: Path) -> Path:
    return place.with_name(f".{place.name}.partial")


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
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise OutputError(f"{place}: can't be written ({one_line(problem)})") from None
