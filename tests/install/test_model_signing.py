"""Our signatures and those of the package model-signing, which can't be installed beside TFLite's converter."""

import shutil
import subprocess

import pytest

from runtime.bundle import CARD
from runtime.errors import SignatureError
from tests.environments import new_environment
from tests.zoo.test_signing import key_pair
from zoo.catalogue.signing import check_signature, sign

pytestmark = pytest.mark.slow

THEIRS = """
import sys
from pathlib import Path
from model_signing import hashing, signing, verifying
what, bundle, key = sys.argv[1], *map(Path, sys.argv[2:])
signature = bundle / "model.sig"
if what == "sign":
    files = hashing.Config().set_ignored_paths(paths=["model.sig"], ignore_git_paths=False)
    signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(files).sign(bundle, signature)
else:
    verifying.Config().use_elliptic_key_verifier(public_key=key).verify(bundle, signature)
"""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Sign or verify with the package, in an environment of its own; gives its complaint, or nothing."""
    # 1.1.1 imports pyOpenSSL without asking for it
    programs = new_environment(tmp_path_factory.mktemp("venv"), "model-signing==1.1.1", "pyopenssl")

    def run(what, bundle, key):
        done = subprocess.run(
            [programs / "python", "-c", THEIRS, what, bundle, key], capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stderr.splitlines()[-1]

    return run


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_each_verifies_what_the_other_signed(theirs, tiny_bundle, tmp_path, curve):
    key, public = key_pair(tmp_path, curve)
    ours, other = (shutil.copytree(tiny_bundle, tmp_path / name) for name in ("ours", "other"))
    sign(ours, key)
    assert theirs("verify", ours, public) == ""
    assert theirs("sign", other, key) == ""
    check_signature(other, public)
    for bundle in (ours, other):
        (bundle / CARD).write_text("changed")
        assert "README.md" in theirs("verify", bundle, public)
        with pytest.raises(SignatureError, match=r"README\.md: changed"):
            check_signature(bundle, public)
