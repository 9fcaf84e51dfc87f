"""A local certificate for https, made once and kept in the user's cache folder.

It is signed by an authority of its own, whose key is thrown away: a phone that is told to trust that authority trusts
this one certificate, and nothing else can ever be signed in its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime import cache
from runtime.atomic import write_file
from runtime.errors import MissingExtraError

VALID = timedelta(days=397)
"""Browsers refuse what is valid for much longer."""
MARGIN = timedelta(days=7)


@dataclass(frozen=True)
class Certificate:
    """Where a certificate lies.

    Args:
        server: PEM file with the server's key and certificate; only this user can read it.
        authority: PEM file with the certificate of the authority that signed it: for a phone to trust.
    """

    server: Path
    authority: Path


def certificate(names: Sequence[str], folder: Path) -> Certificate:
    """Return a certificate for names and addresses: the one in a folder of this user's, or a new one.

    Raises:
        MissingExtraError: If trustme is not installed.
    """
    try:
        import trustme
        from cryptography import x509
    except ImportError:
        raise MissingExtraError("trustme, which makes certificates,", "demo") from None
    mark = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]
    files = Certificate(folder / "demo" / f"{mark}.server.pem", folder / "demo" / f"{mark}.authority.pem")
    now = datetime.now(UTC)
    try:
        if not cache.is_private(files.server.stat()):
            raise ValueError("others may have written it")
        kept = x509.load_pem_x509_certificate(files.server.read_bytes().partition(b"-----END EC PRIVATE KEY-----")[2])
        if kept.not_valid_after_utc - MARGIN > now and files.authority.is_file():
            return files
    except (OSError, ValueError):
        pass
    authority = trustme.CA(path_length=0, organization_name="edgezoo", organization_unit_name="zoo demo")
    made = authority.issue_cert(
        *names,
        organization_name="edgezoo",
        organization_unit_name="zoo demo",
        not_before=now - timedelta(days=1),
        not_after=now + VALID - timedelta(days=1),
    )
    write_file(files.authority, authority.cert_pem.bytes(), private=True)
    write_file(files.server, made.private_key_and_cert_chain_pem.bytes(), private=True)
    return files
