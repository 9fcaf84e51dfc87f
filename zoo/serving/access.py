"""Who is served, and how: the bearer token, and the certificate for TLS."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import OptionError, one_line
from runtime.regular_files import read_regular

VARIABLE = "EDGEZOO_TOKEN"
"""The environment variable that holds the token where no file is named; arguments are seen by every user."""
LONGEST = 4096


@dataclass(frozen=True)
class Access:
    """Who is served, and how.

    Args:
        token: The bearer token that clients must send; empty if they needn't.
        certificate: A PEM file with the server's certificate chain; None without TLS.
        key: A PEM file with its private key.
    """

    token: str = ""
    certificate: Path | None = None
    key: Path | None = None


def read_access(token_file: Path | None, certificate: Path | None, key: Path | None) -> Access:
    """Return who is served by the files that options name.

    Raises:
        OptionError: If a file can't be used, or one of certificate and key is missing.
    """
    if (certificate is None) != (key is None):
        raise OptionError("--tls-cert and --tls-key belong together: name both")
    if certificate and key:
        _check_pair(certificate, key)
    return Access(_read_token(token_file), certificate, key)


def _read_token(path: Path | None) -> str:
    where, text = f"the environment variable {VARIABLE}", os.environ.get(VARIABLE, "")
    if path is not None:
        where = str(path)
        try:
            text = read_regular(path, LONGEST).decode("ascii")
        except (OSError, ValueError) as problem:
            raise OptionError(f"{path}: no token can be read ({one_line(problem)})") from None
        if not text.strip():
            raise OptionError(f"{path}: holds no token")
    token = text.strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise OptionError(f"{where}: a token is one word of ASCII")
    return token


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        raise OptionError(f"{certificate} and {key}: no certificate with its key ({one_line(problem)})") from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")
