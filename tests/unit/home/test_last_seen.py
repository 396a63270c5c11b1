"""What a client remembers of its relay: authenticated, and never going back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sealift.crypto.signing import Identity
from sealift.home.lastseen import LastSeen, last_seen_key
from sealift.keystore import Keys
from sealift.keystore.backend import HeldKey, SignatureAlgorithm
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError, MalformedObject, RollbackDetected


def keys_with(
    tls_private_key: Secret | HeldKey, owner_secret: Secret | None = None
) -> Keys:
    return Keys(Secret(bytes(32)), (), tls_private_key, owner_secret)


KEY = last_seen_key(keys_with(Secret(b"tls private key")))
DATASET, DIGEST = b"d" * 16, b"h" * 32
ALICE = Identity.of_seed(Secret(b"a" * 32)).fingerprint


@pytest.fixture
def seen(tmp_path: Path) -> LastSeen:
    made = LastSeen(tmp_path / "seen.json", KEY)
    made.check_head(DATASET, 3, DIGEST, b"")
    made.remember_checkpoint(10, bytes(32))
    made.remember_revoked(ALICE)
    made.remember_dataset(ALICE, "patients-of-ward-7", DATASET)
    return made


def test_it_is_read_back_and_shows_no_name(seen: LastSeen, tmp_path: Path) -> None:
    again = LastSeen(tmp_path / "seen.json", KEY)
    assert again.seen_head(DATASET) == (3, DIGEST)
    assert again.checkpoint() == (10, bytes(32))
    assert again.is_revoked(ALICE)
    assert again.find_dataset([ALICE], "patients-of-ward-7") == DATASET
    assert again.find_dataset([ALICE], "another") is None
    assert b"ward" not in (tmp_path / "seen.json").read_bytes()
    again.forget_dataset(DATASET)
    assert again.find_dataset([ALICE], "patients-of-ward-7") is None


def test_it_never_goes_back(seen: LastSeen) -> None:
    seen.check_head(DATASET, 4, b"i" * 32, DIGEST)
    for number, digest, known in (
        (3, DIGEST, b""),
        (4, DIGEST, b""),
        (5, b"j" * 32, DIGEST),
    ):
        with pytest.raises(RollbackDetected):
            seen.check_head(DATASET, number, digest, known)
    seen.remember_checkpoint(9, b"o" * 32)
    assert seen.checkpoint() == (10, bytes(32))


def test_a06_a_record_that_was_changed_is_refused(
    seen: LastSeen, tmp_path: Path
) -> None:
    path = tmp_path / "seen.json"
    content = json.loads(path.read_text())
    document = json.loads(content["document"])
    document["heads"] = {}
    for changed in (
        {**content, "document": json.dumps(document)},
        {**content, "mac": "00" * 32},
        {**content, "version": 3},
        {"version": 2},
        [],
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(MalformedObject):
            seen.seen_head(DATASET)
    path.write_text("not json")
    with pytest.raises(MalformedObject):
        seen.check_head(DATASET, 9, DIGEST, DIGEST)
    other = LastSeen(path, last_seen_key(keys_with(Secret(b"another key"))))
    path.write_text(json.dumps(content))
    with pytest.raises(MalformedObject):
        other.seen_head(DATASET)
    assert seen.seen_head(DATASET) == (3, DIGEST)


def test_purges_wait_until_they_are_confirmed(seen: LastSeen) -> None:
    seen.remember_purges(DATASET, {})
    seen.remember_purges(DATASET, {4: b"x" * 32})
    seen.remember_purges(DATASET, {7: b"y" * 32})
    assert seen.purges(DATASET) == {4: b"x" * 32, 7: b"y" * 32}
    seen.forget_purges(DATASET)
    assert seen.purges(DATASET) == {}


def test_where_the_tls_key_is_in_a_backend_the_owners_secret_takes_its_place() -> None:
    held = HeldKey("1", "tls", SignatureAlgorithm.ECDSA_P256, b"")
    owner_secret = Secret(b"owner's secret")
    assert last_seen_key(keys_with(held, owner_secret)) == last_seen_key(
        keys_with(owner_secret)
    )
    with pytest.raises(KeystoreError):
        last_seen_key(keys_with(held))
