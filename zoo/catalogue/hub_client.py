"""The hub's own client: requests that must make headway, and its errors in one line, without addresses and tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from runtime.errors import HubError, IntegrityError, MissingExtraError, ZooError
from zoo.catalogue.timeouts import SlowError, with_timeout

CHUNK = 2**14


class BrokenOffError(HubError):
    """A connection ended before its time."""


def read(name: object, url: str, what: str, limit: int) -> bytes:
    """Return what lies at an address, of at most `limit` bytes."""
    content = bytearray()
    with opened(name, url, 0) as (_, chunks):
        for chunk in chunks:
            content += chunk
            if len(content) > limit:
                raise IntegrityError(f"{name}: {what} is larger than it may be (over {limit} bytes)")
    return bytes(content)


@contextmanager
def opened(name: object, url: str, start: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Ask for what lies at an address, from a byte on; give whether it comes from there, and its chunks."""
    hub = client()
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

    with one_line_errors(name), closing(with_timeout(answers())) as items:
        status, content_range = next(items)
        yield status == HTTPStatus.PARTIAL_CONTENT and content_range.startswith(f"bytes {start}-"), items


def client() -> Any:
    """Return the client's package, without its bars and its chatter.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError:
        raise MissingExtraError("huggingface_hub", "hub") from None
    huggingface_hub.utils.disable_progress_bars()
    huggingface_hub.utils.logging.set_verbosity_error()
    return huggingface_hub


def api() -> Any:
    """Return the client's interface for changes."""
    return client().HfApi(library_name="edgezoo", library_version=version("edgezoo"))


@contextmanager
def one_line_errors(name: object) -> Iterator[None]:
    """Turn the client's errors into one line, without addresses (they may be signed) and without the token."""
    hub = client()
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
        raise BrokenOffError(f"{name}: the hub sent {problem}") from None
    except errors.HTTPError as problem:
        raise BrokenOffError(f"{name}: the hub can't be reached ({_clean(str(problem), hub)})") from None
    except (ValueError, RuntimeError) as problem:  # the client's, about cards and uploads
        raise HubError(f"{name}: {_clean(str(problem), hub)}") from None
    except (LookupError, TypeError, AttributeError) as problem:  # the client's, which reads answers as it expects them
        raise HubError(f"{name}: the hub's answer makes no sense ({type(problem).__name__})") from None


def _clean(text: str, hub: Any) -> str:
    token = hub.get_token()
    text = text.replace(token, "…") if token else text
    return re.sub(r"https?://\S+", "…", " ".join(text.split()))[:200]
