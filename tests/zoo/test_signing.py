"""Signatures: what was tampered with is refused by name, whichever file it is."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest

from runtime import Bundle
from runtime.bundle import CARD, GOLDEN, MANIFEST, SIGNATURE
from runtime.errors import IntegrityError, OptionError, SignatureError
from tests.runtime.edits import replace_file
from zoo.catalogue.signing import check_signature, sign


def key_pair(folder, curve="prime256v1"):
    """Make keys as users do."""
    key, public = folder / "key.pem", folder / "public.pem"
    for words in (("ecparam", "-name", curve, "-genkey", "-noout", "-out", key), ("ec", "-in", key, "-pubout", "-out",
                  public)):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return key, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def signed_bundle(tiny_bundle, keys, tmp_path_factory):
    bundle = shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("signed") / "bundle")
    assert sign(bundle, keys[0]) == bundle / SIGNATURE
    return bundle


@pytest.fixture
def signed(signed_bundle, tmp_path):
    return shutil.copytree(signed_bundle, tmp_path / "signed")


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_what_was_signed_verifies(bundle_copy, tmp_path, curve):
    key, public = key_pair(tmp_path, curve)
    sign(bundle_copy, key)
    check_signature(bundle_copy, public)
    check_signature(bundle_copy.rename(tmp_path / "elsewhere"), public)


def test_a_signed_bundle_is_a_bundle(signed):
    Bundle.read(signed).check()


def test_signing_again_replaces_the_signature(signed, keys, tmp_path):
    key, public = key_pair(tmp_path)
    sign(signed, key, overwrite=True)
    check_signature(signed, public)
    with pytest.raises(SignatureError, match=r"model\.sig: made with another key"):
        check_signature(signed, keys[1])


@pytest.mark.parametrize("name", [MANIFEST, CARD, GOLDEN, "model.onnx", "model.tflite"])
def test_a_changed_file(signed, keys, name):
    """Each bit matters, so one of each file is turned."""
    data = bytearray((signed / name).read_bytes())
    data[int(np.random.default_rng(0).integers(len(data)))] ^= 4
    (signed / name).write_bytes(data)
    with pytest.raises(SignatureError, match=f"{name}: changed since it was signed"):
        check_signature(signed, keys[1])


def test_a_file_that_the_manifest_was_made_to_vouch_for(signed, keys):
    replace_file(signed, CARD, b"# Trust me")
    Bundle.read(signed).check()
    with pytest.raises(SignatureError, match=r"README\.md: changed"):
        check_signature(signed, keys[1])


@pytest.mark.parametrize("name", ["extra.txt", ".git", ".hidden"])
def test_a_file_more(signed, keys, name):
    (signed / name).write_text("more")
    with pytest.raises(SignatureError, match=f"{name}: not among the files that were signed"):
        check_signature(signed, keys[1])


def test_a_file_less(signed, keys):
    (signed / GOLDEN).unlink()
    with pytest.raises(SignatureError, match=r"golden\.npz: was signed and is missing"):
        check_signature(signed, keys[1])


def test_a_link_in_the_place_of_a_file(signed, keys, tmp_path):
    (signed / CARD).rename(tmp_path / "card")
    (signed / CARD).symlink_to(tmp_path / "card")
    with pytest.raises(IntegrityError, match=r"README\.md: can't be read"):
        check_signature(signed, keys[1])


def edit(signed, change):
    envelope = json.loads((signed / SIGNATURE).read_text())
    change(envelope)
    (signed / SIGNATURE).write_text(json.dumps(envelope))


def edit_statement(signed, change):
    def inside(envelope):
        statement = json.loads(base64.b64decode(envelope["dsseEnvelope"]["payload"]))
        change(statement)
        envelope["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    edit(signed, inside)


TAMPERED = {
    "statement": lambda path: edit_statement(path, lambda each: each["predicate"]["resources"].pop()),
    "ignored": lambda path: edit_statement(
        path, lambda each: each["predicate"]["serialization"]["ignore_paths"].append("x")
    ),
    "signature": lambda path: edit(
        path, lambda each: each["dsseEnvelope"]["signatures"][0].update(sig=base64.b64encode(b"0" * 70).decode())
    ),
    "not base64": lambda path: edit(path, lambda each: each["dsseEnvelope"].update(payload="?")),
    "no signatures": lambda path: edit(path, lambda each: each["dsseEnvelope"].update(signatures=[])),
    "another type": lambda path: edit(path, lambda each: each["dsseEnvelope"].update(payloadType="text/plain")),
    "a list": lambda path: (path / SIGNATURE).write_text("[]"),
    "no JSON": lambda path: (path / SIGNATURE).write_bytes(b"\xff\x00"),
    "nested": lambda path: (path / SIGNATURE).write_text("[" * 100_000),
    "empty": lambda path: (path / SIGNATURE).write_text(""),
    "gone": lambda path: (path / SIGNATURE).unlink(),
    "numbers": lambda path: edit(path, lambda each: each.update(dsseEnvelope=3)),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_signature_that_was_tampered_with(signed, keys, tamper):
    tamper(signed)
    with pytest.raises(SignatureError, match=r"model\.sig") as caught:
        check_signature(signed, keys[1])
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_place_of_the_signature(signed, keys):
    (signed / SIGNATURE).unlink()
    (signed / SIGNATURE).mkdir()
    for check in (lambda: check_signature(signed, keys[1]), Bundle.read(signed).check):
        with pytest.raises(IntegrityError, match=r"model\.sig"):
            check()


def test_a_damaged_bundle_is_not_signed(bundle_copy, keys):
    (bundle_copy / CARD).write_text("changed")
    with pytest.raises(IntegrityError, match=r"README\.md"):
        sign(bundle_copy, keys[0])
    assert not (bundle_copy / SIGNATURE).exists()


def test_keys_that_cannot_be_used(bundle_copy, signed, keys, tmp_path):
    def made(name, *words):
        path = tmp_path / name
        subprocess.run(["openssl", *words, "-out", path], check=True, capture_output=True)
        return path

    bad = {
        made("rsa.pem", "genpkey", "-algorithm", "RSA"): "not a key on the curve",
        made("locked.pem", "ec", "-in", keys[0], "-aes256", "-passout", "pass:secret"): "has a password",
        made("other.pem", "ecparam", "-name", "secp256k1", "-genkey", "-noout"): "not a key on the curve",
        keys[1]: "not a private key",
        tmp_path / "none.pem": "can't be read",
    }
    for path, why in bad.items():
        with pytest.raises(OptionError, match=why):
            sign(bundle_copy, path)
    with pytest.raises(OptionError, match="not a public key"):
        check_signature(signed, keys[0])


def test_on_the_command_line(cli, bundle_copy, keys):
    assert cli("verify", bundle_copy, "--public-key", keys[1]).err.endswith("not signed (it has no model.sig)\n")
    assert cli("sign", bundle_copy, "--key", keys[0], "--json").status == 0
    assert cli("verify", bundle_copy, "--public-key", keys[1]).status == 0
    assert cli("verify", bundle_copy).status == 0
    (bundle_copy / CARD).write_text("changed")
    refused = cli("verify", bundle_copy, "--public-key", keys[1])
    assert refused.status == 2
    assert refused.out == ""
    assert "README.md: changed since it was signed" in refused.err
