"""A profile in one sealed file: what opens it, and what is refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from places import VECTORS

from sealift.home.backup import open_backup, restore, seal_backup
from sealift.home.profile import Profile
from sealift.home.shares import combine_shares, new_master
from sealift.keystore.backend import HeldKey, SignatureAlgorithm
from sealift.keystore.custody import Custody
from sealift.keystore.file import open_keystore
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreError,
    ProfileError,
    SealiftError,
    UnsupportedVersion,
    WrongKey,
)

FOLDER = VECTORS / "backup"
VECTORS = json.loads((FOLDER / "backup.json").read_text())
MASTER = Secret(bytes.fromhex(VECTORS["master"]))
GOOD = base64.b64decode(VECTORS["cases"][0]["file"])
REFUSED = {
    "no backup": KeystoreError,
    "unknown version": UnsupportedVersion,
    "does not open": WrongKey,
    "no profile in it": KeystoreError,
}
PASSPHRASE = Secret(b"correct horse battery staple")


def test_the_vectors_are_what_their_script_writes(vector_script) -> None:
    assert (
        vector_script("make_backup_vectors").render()
        == (FOLDER / "backup.json").read_text()
    )


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors_open_or_are_refused(case: dict[str, str]) -> None:
    content = base64.b64decode(case["file"])
    if not case["refused"]:
        backup = open_backup(content, MASTER)
        document = json.loads(base64.b64decode(VECTORS["plaintext"]))
        assert backup.membership.name == "hospital"
        assert (
            base64.b64decode(document["files"]["trust.json"])
            == backup.files["trust.json"]
        )
        assert len(backup.keys.recipient_keys) == 1
        return
    with pytest.raises(SealiftError) as caught:
        open_backup(content, MASTER)
    assert type(caught.value) is REFUSED[case["refused"]]


def test_any_two_shares_of_the_vectors_give_the_secret() -> None:
    one, two, three = VECTORS["shares"]
    for shares in ((one, two), (two, three), (three, one)):
        assert combine_shares(shares) == MASTER


def test_a_backup_is_sealed_as_the_vectors_are(
    tmp_path: Path, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = restore(open_backup(GOOD, MASTER), "again", PASSPHRASE)
    keys = open_keystore(restored.keystore, Custody.of_passphrase(PASSPHRASE).lock)
    monkeypatch.setattr("sealift.crypto.xchacha.fresh_nonce", lambda: GOOD[9:33])
    sealed = seal_backup(restored, keys, MASTER)
    # The order of the JSON may differ, and nothing else does.
    assert len(sealed) == len(GOOD)
    assert sealed[:33] == GOOD[:33]
    again = open_backup(sealed, MASTER)
    assert (again.keys, again.files) == (keys, open_backup(GOOD, MASTER).files)


@given(st.binary(max_size=200))
def test_anything_else_is_refused_by_name(content: bytes) -> None:
    for candidate in (content, b"sealiftB" + content, b"sealiftB\1" + content):
        with pytest.raises((KeystoreError, UnsupportedVersion, WrongKey)):
            open_backup(candidate, MASTER)


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(WrongKey, match="shares do not open"):
        open_backup(GOOD, new_master())


def test_a_profile_that_exists_is_left_as_it_is(profiles: Path) -> None:
    backup = open_backup(GOOD, MASTER)
    folder = restore(backup, "hospital", PASSPHRASE).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ProfileError, match="already exists"):
        restore(backup, "hospital", PASSPHRASE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


def test_keys_in_a_token_are_not_backed_up(tmp_path: Path) -> None:
    held = HeldKey("reference", "label", SignatureAlgorithm.ED25519, bytes(32))
    keys = dataclasses.replace(open_backup(GOOD, MASTER).keys, identity=held)
    with pytest.raises(InvalidArgument, match="cannot be copied out of it"):
        seal_backup(Profile(tmp_path), keys, MASTER)


def test_a_backup_does_not_print_what_is_in_it() -> None:
    shown = repr(open_backup(GOOD, MASTER))
    assert "trust.json" not in shown
    assert "Secret" not in shown


def test_shares_are_asked_for_one_after_another_at_a_terminal(profiles: Path) -> None:
    profile = profiles / "sealed"
    profile.parent.mkdir()
    profile.write_bytes(GOOD)
    one, _, three = VECTORS["shares"]
    wrong = one.replace(one.split()[5], "zero")
    program = "from sealift.cli.main import main; main()"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, "keystore", "restore", "--check", profile],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{wrong}\n{three}\n{three}\n  {one.upper()}\n".encode())
    said, asked = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, asked
    assert said == "the shares open the backup: hospital (owner), 1 recipient key\n"
    assert asked.splitlines()[-1].startswith("share 2 of 2")
    assert "a word is wrong, missing or in the wrong place; type it again" in asked
    assert "this share was already entered" in asked
    os.close(ours)
    os.close(theirs)
