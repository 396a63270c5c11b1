"""What a client remembers of its relay: authenticated, and never going back."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread

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


def test_a_block_is_checked_at_once_and_written_once(
    seen: LastSeen, tmp_path: Path
) -> None:
    path = tmp_path / "seen.json"
    before = path.read_bytes()
    with seen.held():
        seen.check_head(DATASET, 4, b"i" * 32, DIGEST)
        with seen.held():
            seen.remember_checkpoint(11, b"r" * 32)
        assert path.read_bytes() == before
        assert seen.seen_head(DATASET) == (4, b"i" * 32)
        assert seen.checkpoint() == (11, b"r" * 32)
        with pytest.raises(RollbackDetected):
            seen.check_head(DATASET, 3, DIGEST, b"")
    again = LastSeen(path, KEY)
    assert again.seen_head(DATASET) == (4, b"i" * 32)
    assert again.checkpoint() == (11, b"r" * 32)
    assert again.is_revoked(ALICE)


def test_an_exception_in_a_block_loses_nothing_of_what_was_seen(
    seen: LastSeen, tmp_path: Path
) -> None:
    def fail() -> None:
        with seen.held():
            seen.check_head(DATASET, 4, b"i" * 32, DIGEST)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert LastSeen(tmp_path / "seen.json", KEY).seen_head(DATASET)[0] == 4
    seen.remember_checkpoint(12, b"s" * 32)
    assert LastSeen(tmp_path / "seen.json", KEY).checkpoint() == (12, b"s" * 32)


def test_another_command_is_neither_forgotten_nor_overruled(
    seen: LastSeen, tmp_path: Path
) -> None:
    other = LastSeen(tmp_path / "seen.json", KEY)
    with seen.held():
        seen.check_head(b"e" * 16, 0, DIGEST, b"")
        other.check_head(DATASET, 9, b"n" * 32, DIGEST)
    assert seen.seen_head(DATASET) == (9, b"n" * 32)
    assert other.seen_head(b"e" * 16) == (0, DIGEST)


@pytest.mark.parametrize(
    ("number", "digest", "known"),
    [(10, b"o" * 32, b"another"), (9, b"o" * 32, b""), (8, b"o" * 32, b"")],
)
def test_a_block_that_saw_another_history_than_another_command_is_refused(
    number: int, digest: bytes, known: bytes, seen: LastSeen, tmp_path: Path
) -> None:
    """At the end of the block, for the other command came in between."""
    other = LastSeen(tmp_path / "seen.json", KEY)
    history = {3: DIGEST, 9: known}

    def between() -> None:
        with seen.held():
            seen.check_head(DATASET, number, digest, lambda n: history.get(n, b""))
            seen.remember_checkpoint(12, b"s" * 32)
            other.check_head(DATASET, 9, b"n" * 32, DIGEST)

    with pytest.raises(RollbackDetected) as caught:
        between()
    assert "run this one again" in caught.value.hint
    assert other.seen_head(DATASET) == (9, b"n" * 32)
    assert other.checkpoint() == (12, b"s" * 32)


def test_a_block_of_one_thread_does_not_hold_back_another(
    seen: LastSeen, tmp_path: Path
) -> None:
    with seen.held():
        seen.check_head(DATASET, 4, b"i" * 32, DIGEST)
        thread = Thread(target=seen.remember_checkpoint, args=(20, b"t" * 32))
        thread.start()
        thread.join()
        again = LastSeen(tmp_path / "seen.json", KEY)
        assert again.checkpoint() == (20, b"t" * 32)
        assert again.seen_head(DATASET) == (3, DIGEST)
    assert again.seen_head(DATASET) == (4, b"i" * 32)


def test_names_of_datasets_are_counted_without_being_shown(seen: LastSeen) -> None:
    assert seen.named_datasets() == {DATASET}
    seen.forget_dataset(DATASET)
    assert seen.named_datasets() == frozenset()
