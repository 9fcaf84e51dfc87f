"""Signed bundles: with the public key anybody can check that the owner of the private key signed every byte.

The signature is in OpenSSF Model Signing's format (https://github.com/ossf/model-signing-spec): a Sigstore bundle
around a DSSE envelope around an in-toto statement, which holds the SHA-256 of every file. The package ``model-signing``
verifies what is signed here, and the other way round, as a test shows. It isn't used itself, for it can't be installed
beside TFLite's converter: the one needs typing-extensions from 4.14.1 on, the other (through xdsl) any before 4.13.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtime.atomic import check_file, write_file
from runtime.bundle import MANIFEST, SIGNATURE, Bundle, read_file, read_signature
from runtime.errors import IntegrityError, MissingExtraError, OptionError, SignatureError, one_line
from runtime.frozen_dataclass import frozen_dataclass
from runtime.schema import build, parse_json
from zoo.resolve import display_name, resolve

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurve, EllipticCurvePublicKey

MAX_KEY = 2**16
ENVELOPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
MAKE_KEYS = (
    "openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out public.pem"
)


@frozen_dataclass
class Resource:
    """One signed file, with its SHA-256 in hexadecimal."""

    name: str
    algorithm: Literal["sha256"]
    digest: str


def sign(bundle: Path, key: Path, overwrite: bool = False) -> Path:
    """Check a bundle's files and sign them; return the signature's file, which lies among them.

    Args:
        bundle: The bundle's folder.
        key: A private key on the curve P-256, P-384 or P-521 in PEM, without a password.
        overwrite: Replace a signature that is there.

    Raises:
        BundleError: If the bundle can't be read or is damaged.
        OptionError: If the key can't be used.
        OutputError: If there is a signature already, or it can't be written.
        MissingExtraError: If cryptography is not installed.
    """
    check_file(bundle / SIGNATURE, overwrite)
    private: Any = _key(key, "private")
    checked = Bundle.read(resolve(bundle))
    checked.check()
    resources = [
        {"name": name, "algorithm": "sha256", "digest": _hash(checked.path, name)}
        for name in sorted([*checked.manifest.files, MANIFEST])
    ]
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": display_name(checked.path), "digest": {"sha256": _root(resources)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            "resources": resources,
        },
    }
    payload = json.dumps(statement).encode()
    signature = private.sign(_framed(payload), _algorithm(private.curve))
    envelope = {
        "mediaType": ENVELOPE,
        "verificationMaterial": {"publicKey": {"hint": _fingerprint(private.public_key())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    write_file(checked.path / SIGNATURE, (json.dumps(envelope, indent=1) + "\n").encode())
    return checked.path / SIGNATURE


def check_signature(bundle: Path, public_key: Path) -> None:
    """Check that a bundle's folder holds what was signed and nothing else, before anything of it is parsed.

    Args:
        bundle: The bundle's folder.
        public_key: The public half of the key, in PEM.

    Raises:
        SignatureError: If it isn't signed, or not with this key, or a file is changed, missing or not signed; names it.
        IntegrityError: If a file can't be read.
        OptionError: If the key can't be used.
        MissingExtraError: If cryptography is not installed.
    """
    from cryptography.exceptions import InvalidSignature

    public: Any = _key(public_key, "public")
    folder = resolve(bundle)
    where = folder / SIGNATURE
    if not where.exists():
        raise SignatureError(f"{folder}: not signed (it has no {SIGNATURE})")
    try:
        envelope = parse_json(read_signature(folder), str(where), SignatureError)
        hint = envelope["verificationMaterial"]["publicKey"]["hint"]
        dsse = envelope["dsseEnvelope"]
        payload = base64.b64decode(dsse["payload"], validate=True)
        signature = base64.b64decode(dsse["signatures"][0]["sig"], validate=True)
        if (envelope["mediaType"], dsse["payloadType"]) != (ENVELOPE, PAYLOAD):
            raise ValueError("another format")
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as problem:
        raise SignatureError(f"{where}: not a signature of a model ({one_line(problem)})") from None
    if hint != _fingerprint(public):
        raise SignatureError(f"{where}: made with another key than that of {public_key}")
    try:
        public.verify(signature, _framed(payload), _algorithm(public.curve))
    except InvalidSignature:
        raise SignatureError(f"{where}: the signature is wrong: it was tampered with") from None
    _compare(folder, _signed(payload, str(where)))


def _signed(payload: bytes, where: str) -> dict[str, str]:
    """Return the SHA-256 of each file that a statement, whose signature was right, speaks of."""
    try:
        statement = parse_json(payload, where, SignatureError)
        predicate = statement["predicate"]
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError("another kind of statement")
        if predicate["serialization"]["method"] != "files":
            raise ValueError("signed in pieces; sign whole files")
        resources = build(tuple[Resource, ...], predicate["resources"], where, SignatureError)
    except (KeyError, TypeError, ValueError) as problem:
        raise SignatureError(f"{where}: not a statement about a model's files ({one_line(problem)})") from None
    return {each.name: each.digest for each in resources}


def _compare(folder: Path, signed: dict[str, str]) -> None:
    there = {file.name for file in folder.iterdir()} - {SIGNATURE}
    for name in sorted(there - set(signed)):
        raise SignatureError(f"{folder / name}: not among the files that were signed: remove it")
    for name, digest in sorted(signed.items()):
        if name not in there:
            raise SignatureError(f"{folder / name}: was signed and is missing")
        if _hash(folder, name) != digest:
            raise SignatureError(f"{folder / name}: changed since it was signed")


def _hash(folder: Path, name: str) -> str:
    return hashlib.sha256(read_file(folder / name)).hexdigest()


def _root(resources: list[dict[str, str]]) -> str:
    """Return the digest of all digests."""
    return hashlib.sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()


def _framed(payload: bytes) -> bytes:
    """Return what is really signed: DSSE's pre-authentication encoding, version 1."""
    return f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload


def _fingerprint(public: EllipticCurvePublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _algorithm(curve: EllipticCurve) -> ECDSA:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    algorithms: dict[int, hashes.HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    return ECDSA(algorithms[curve.key_size])


def _key(path: Path, half: str) -> object:
    """Read a private or public key."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise MissingExtraError("cryptography", "sign") from None
    private = half == "private"
    try:
        data = read_file(Path(path).resolve(), MAX_KEY)
        key: Any = (
            serialization.load_pem_private_key(data, None) if private else serialization.load_pem_public_key(data)
        )
    except IntegrityError as problem:
        raise OptionError(str(problem)) from None
    except TypeError:
        raise OptionError(f"{path}: the key has a password: openssl ec -in {path} -out key.pem takes it off") from None
    except (ValueError, UnsupportedAlgorithm):  # its reasons are long, and might show a piece of the key
        raise OptionError(f"{path}: not a {half} key in PEM; make a pair: {MAKE_KEYS}") from None
    kind = ec.EllipticCurvePrivateKey if private else ec.EllipticCurvePublicKey
    if not isinstance(key, kind) or key.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
        raise OptionError(f"{path}: not a key on the curve P-256, P-384 or P-521; make a pair: {MAKE_KEYS}")
    return key
