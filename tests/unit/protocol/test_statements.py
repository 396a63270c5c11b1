"""Statements and derived values: against vectors, out of form, and any bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import VECTORS

from sealift.crypto.grants import rewrap_context
from sealift.crypto.metadata import open_counts, open_cursor, open_metadata, seal_counts
from sealift.crypto.signing import Identity
from sealift.home.recovery import keys_of_master
from sealift.home.words import fingerprint_words, parse_fingerprint, word_lines
from sealift.owner.manage.subjects import subject_tagger
from sealift.owner.push.cursor import part_id
from sealift.people.probes import _context as probe_context
from sealift.process.secret import Secret
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    ContextMismatch,
    InvalidArgument,
    MalformedObject,
    VerificationError,
    WrongKey,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint, dataset_id_of, key_id_of
from sealift_protocol.objects.accounting import (
    verify_accounting,
    verify_deletion_receipt,
    verify_disclosure,
    verify_purge_receipt,
)
from sealift_protocol.objects.cards import WrapSuite, verify_card
from sealift_protocol.objects.commits import (
    ShardEntry,
    SnapshotPage,
    parse_page,
    verify_commit,
)
from sealift_protocol.objects.grants import verify_grant, verify_rewrap
from sealift_protocol.objects.identities import (
    verify_endorsement,
    verify_identity_revocation,
    verify_succession,
)
from sealift_protocol.objects.probes import verify_probe, verify_probe_answer
from sealift_protocol.v1 import objects_pb2

OBJECTS = VECTORS / "objects"
SIGNED = json.loads((OBJECTS / "signed.json").read_text())
DERIVED = json.loads((OBJECTS / "derived.json").read_text())
OWNER = Identity.of_seed(Secret(bytes.fromhex(DERIVED["owner_seed"])))
TRAINER = Identity.of_seed(Secret(bytes.fromhex(DERIVED["trainer_seed"])))
VERIFIERS: dict[str, Callable[[objects_pb2.Signed], object]] = {
    envelope.CARD: verify_card,
    envelope.COMMIT: verify_commit,
    envelope.GRANT: verify_grant,
    envelope.REWRAP: verify_rewrap,
    envelope.ENDORSEMENT: verify_endorsement,
    envelope.SUCCESSION: verify_succession,
    envelope.IDENTITY_REVOCATION: verify_identity_revocation,
    envelope.DISCLOSURE: verify_disclosure,
    envelope.ACCOUNTING: verify_accounting,
    envelope.PURGE_RECEIPT: verify_purge_receipt,
    envelope.DELETION_RECEIPT: verify_deletion_receipt,
    envelope.PROBE: verify_probe,
    envelope.PROBE_ANSWER: verify_probe_answer,
}


def bytes_of(name: str) -> bytes:
    return bytes.fromhex(DERIVED[name])


def signed_of(name: str) -> objects_pb2.Signed:
    vector = SIGNED[name]
    return objects_pb2.Signed(
        payload_type=vector["payload_type"],
        payload=bytes.fromhex(vector["payload"]),
        signer=bytes.fromhex(vector["signer"]),
        signature=bytes.fromhex(vector["signature"]),
    )


@pytest.mark.parametrize("name", SIGNED)
def test_every_object_of_the_vectors_verifies(name: str) -> None:
    signed = signed_of(name)
    verified = VERIFIERS[signed.payload_type](signed)
    digest = envelope.verify(signed, signed.payload_type).digest
    assert digest.hex() == SIGNED[name]["digest"]
    assert verified.signer == Fingerprint.of(signed.signer)
    for kind, verify in VERIFIERS.items():
        if kind != signed.payload_type:
            with pytest.raises(MalformedObject):
                verify(signed)


@pytest.mark.parametrize("name", SIGNED)
def test_a01_any_flipped_bit_of_a_vector_is_refused(name: str) -> None:
    signed = signed_of(name)
    verify = VERIFIERS[signed.payload_type]
    for field in ("payload", "signer", "signature"):
        content = getattr(signed, field)
        for place in range(len(content) * 8):
            changed = objects_pb2.Signed()
            changed.CopyFrom(signed)
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            setattr(changed, field, bytes(flipped))
            with pytest.raises(VerificationError):
                verify(changed)


def test_every_type_of_object_has_a_vector() -> None:
    assert {vector["payload_type"] for vector in SIGNED.values()} == set(VERIFIERS)


def test_derived_values_are_those_of_the_vectors() -> None:
    assert OWNER.fingerprint.digest == bytes_of("owner_fingerprint")
    assert TRAINER.fingerprint.digest == bytes_of("trainer_fingerprint")
    dataset = dataset_id_of(OWNER.fingerprint, bytes_of("genesis_salt"))
    assert dataset == bytes_of("dataset_id")
    key_id = key_id_of(WrapSuite.X25519, bytes_of("x25519_public_key"))
    assert key_id == bytes_of("x25519_key_id")
    grant = verify_grant(signed_of("grant"))
    assert grant.terms.context() == bytes_of("grant_context")
    assert rewrap_context(grant.digest, key_id) == bytes_of("rewrap_context")
    made = probe_context(OWNER.fingerprint, TRAINER.fingerprint, key_id, 1_767_225_600)
    assert made == bytes_of("probe_context")
    tagger = subject_tagger(OWNER, dataset, "patient")
    assert tagger.tag(DERIVED["subject"]) == bytes_of("subject_tag")
    assert tagger.key_check == bytes_of("subject_key_check")
    keys = keys_of_master(Secret(bytes_of("recovery_master")), 0)
    assert keys.identity.reveal() == bytes_of("recovery_identity_seed")
    assert keys.recipient_keys[0].private.reveal() == bytes_of("recovery_x_wing_seed")


def test_a_source_cursor_opens_under_its_owners_secret_alone() -> None:
    sealed, dataset = bytes_of("source_cursor"), bytes_of("dataset_id")
    secret = Secret(bytes_of("owner_secret"))
    cursor = open_cursor(sealed, owner_secret=secret, dataset_id=dataset)
    [part] = cursor.parts
    assert part.name == part_id(DERIVED["source_part"])
    assert (part.mark, part.size, part.complete) == ("2048", 4096, False)
    assert (cursor.previous_number, cursor.depth) == (2, 1)
    for other in ((Secret(bytes_of("epoch_key")), dataset), (secret, bytes(16))):
        with pytest.raises(WrongKey):
            open_cursor(sealed, owner_secret=other[0], dataset_id=other[1])
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((WrongKey, MalformedObject)):
            open_cursor(bytes(changed), owner_secret=secret, dataset_id=dataset)


def test_words_are_those_of_the_vectors_and_are_read_back() -> None:
    words = DERIVED["trainer_fingerprint_words"].split()
    assert fingerprint_words(TRAINER.fingerprint) == words
    assert " ".join(word_lines(TRAINER.fingerprint)).split() == words
    assert parse_fingerprint(" ".join(words).upper()) == TRAINER.fingerprint
    assert parse_fingerprint(str(TRAINER.fingerprint)) == TRAINER.fingerprint
    swapped = [words[1], words[0], *words[2:]]
    for wrong in (
        swapped,
        [*words[:-1], "abandon"],
        [*words[:-1], "sealift"],
        words[:-1],
    ):
        with pytest.raises(InvalidArgument):
            parse_fingerprint(" ".join(wrong))


def test_a_history_is_the_same_from_commit_0_and_from_a_snapshot() -> None:
    commits = [
        verify_commit(signed_of(name)) for name in SIGNED if name.startswith("commit")
    ]
    key = Secret(bytes_of("epoch_key"))
    page = parse_page(bytes_of("snapshot_page"), bytes_of("snapshot_page_digest"))
    assert open_counts(page, commits[0].dataset_id, key) == DERIVED["record_counts"]
    whole = History(commits[0].dataset_id, OWNER.fingerprint)
    for commit in commits:
        whole.append(commit)
    short = History(commits[0].dataset_id, OWNER.fingerprint)
    short.begin(commits[1], [page])
    assert open_metadata(commits[1], key).name == "icu"
    short.append(commits[2])
    for name in (
        "shards",
        "grants",
        "co_owners",
        "key_epoch",
        "owner",
        "genesis",
        "last_snapshot",
    ):
        assert getattr(short, name) == getattr(whole, name)
    assert list(short.shards) == list(whole.shards)
    assert whole.grants == {}


def test_a_page_that_is_not_the_signed_one_is_refused() -> None:
    page, digest = bytes_of("snapshot_page"), bytes_of("snapshot_page_digest")
    for place in range(len(page)):
        changed = bytearray(page)
        changed[place] ^= 1
        with pytest.raises(ContextMismatch):
            parse_page(bytes(changed), digest)


@pytest.mark.parametrize(
    "page",
    [
        objects_pb2.SnapshotPage(key_epoch=1),
        objects_pb2.SnapshotPage(
            key_epoch=0,
            shards=[objects_pb2.ShardEntry(shard_id=b"i" * 16, key_epoch=1)],
        ),
        objects_pb2.SnapshotPage(
            key_epoch=0,
            shards=[
                objects_pb2.ShardEntry(
                    shard_id=b"i" * 16, key_epoch=1, digest=b"d" * 32
                )
            ],
        ),
        objects_pb2.SnapshotPage(
            key_epoch=1,
            shards=[
                objects_pb2.ShardEntry(
                    shard_id=b"i" * 16, key_epoch=1, digest=b"d" * 32
                )
            ]
            * 1025,
        ),
    ],
)
def test_a_page_out_of_form_is_refused(page: objects_pb2.SnapshotPage) -> None:
    content = page.SerializeToString()
    with pytest.raises(MalformedObject):
        parse_page(content, hashlib.sha256(content).digest())


def test_record_counts_open_with_their_key_and_number() -> None:
    dataset, key = bytes(16), Secret(b"k" * 32)
    entry = ShardEntry(b"i" * 16, 1, 1, b"d" * 32)

    def page(sealed: bytes, shards: int = 2, key_epoch: int = 1) -> SnapshotPage:
        return SnapshotPage((entry,) * shards, key_epoch, sealed)

    sealed = seal_counts([1, 2], epoch_key=key, dataset_id=dataset, key_epoch=1)
    assert open_counts(page(sealed), dataset, key) == [1, 2]
    with pytest.raises(MalformedObject):
        open_counts(page(sealed, shards=3), dataset, key)
    for other in (
        (page(sealed), bytes([1]) * 16, key),
        (page(sealed, key_epoch=2), dataset, key),
    ):
        with pytest.raises(WrongKey):
            open_counts(*other)


FINGERPRINT, ID, DIGEST = b"f" * 32, b"i" * 16, b"d" * 32
GOOD: dict[str, dict[str, object]] = {
    envelope.REWRAP: {"grant": DIGEST, "dataset_id": ID, "key_id": ID, "suite": 2},
    envelope.ENDORSEMENT: {
        "member": FINGERPRINT,
        "name": "alice",
        "time": 1,
        "not_after": 2,
    },
    envelope.SUCCESSION: {"name": "alice", "successor": b"p" * 32, "time": 1},
    envelope.IDENTITY_REVOCATION: {"name": "alice", "time": 1, "reason": "lost"},
    envelope.DISCLOSURE: {
        "dataset_id": ID,
        "commit": DIGEST,
        "shard_ids": ID,
        "shard_count": 1,
        "time": 1,
        "nonce": ID,
    },
    envelope.ACCOUNTING: {"dataset_id": ID, "time": 1, "nonce": ID},
    envelope.PURGE_RECEIPT: {"dataset_id": ID, "commit": DIGEST, "time": 1},
    envelope.DELETION_RECEIPT: {"dataset_id": ID, "commit": DIGEST, "time": 1},
    envelope.PROBE: {"recipient": FINGERPRINT, "key_id": ID, "suite": 2, "time": 1},
    envelope.PROBE_ANSWER: {"probe": DIGEST, "time": 1},
}
MESSAGES = {
    envelope.REWRAP: objects_pb2.Rewrap,
    envelope.ENDORSEMENT: objects_pb2.Endorsement,
    envelope.SUCCESSION: objects_pb2.Succession,
    envelope.IDENTITY_REVOCATION: objects_pb2.IdentityRevocation,
    envelope.DISCLOSURE: objects_pb2.Disclosure,
    envelope.ACCOUNTING: objects_pb2.Accounting,
    envelope.PURGE_RECEIPT: objects_pb2.PurgeReceipt,
    envelope.DELETION_RECEIPT: objects_pb2.DeletionReceipt,
    envelope.PROBE: objects_pb2.Probe,
    envelope.PROBE_ANSWER: objects_pb2.ProbeAnswer,
}
WRONG: dict[str, object] = {
    "grant": b"short",
    "dataset_id": b"short",
    "key_id": b"short",
    "suite": 99,
    "member": b"short",
    "name": "Not/A/Name",
    "successor": b"short",
    "reason": "x" * 257,
    "commit": b"short",
    "shard_ids": b"short",
    "shard_count": 7,
    "recipient": b"short",
    "probe": b"short",
    "nonce": b"short",
    "time": -1,
    "not_after": -1,
}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.split(".")[2])
def test_a_statement_out_of_form_is_refused(kind: str) -> None:
    def verify(fields: dict[str, object]) -> object:
        return VERIFIERS[kind](
            OWNER.sign(kind, MESSAGES[kind](**fields).SerializeToString())
        )

    verify(GOOD[kind])
    for field in GOOD[kind]:
        with pytest.raises(VerificationError):
            verify({**GOOD[kind], field: WRONG[field]})


def test_a_disclosures_purpose_has_a_limit() -> None:
    fields = {**GOOD[envelope.DISCLOSURE], "purpose": "x" * 257}
    message = objects_pb2.Disclosure(**fields)
    with pytest.raises(MalformedObject):
        verify_disclosure(OWNER.sign(envelope.DISCLOSURE, message.SerializeToString()))


@given(st.binary(max_size=300))
def test_any_signed_bytes_are_a_statement_or_a_named_error(payload: bytes) -> None:
    for kind, verify in VERIFIERS.items():
        with suppress(VerificationError):
            verify(OWNER.sign(kind, payload))
