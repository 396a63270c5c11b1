"""Signed objects: form, beyond what the attack tests play."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.crypto.metadata import open_metadata, seal_metadata
from sealift.crypto.signing import Identity, sign_membership_request
from sealift.process.secret import Secret
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    ContextMismatch,
    HistoryInvalid,
    InvalidArgument,
    MalformedObject,
    VerificationError,
    WrongKey,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint, check_name, dataset_id_of, key_id_of
from sealift_protocol.objects.cards import verify_card, verify_membership_request
from sealift_protocol.objects.commits import Commit, verify_commit
from sealift_protocol.objects.grants import verify_grant
from sealift_protocol.v1 import objects_pb2

ALICE = Identity.of_seed(Secret(b"a" * 32))
BOB = Identity.of_seed(Secret(b"b" * 32))
KEY = Secret(b"k" * 32)
SALT = b"s" * 16
DATASET = dataset_id_of(ALICE.fingerprint, SALT)
SIXTEEN, THIRTY_TWO = b"i" * 16, b"d" * 32


def card_message(**changes: object) -> objects_pb2.Card:
    key = objects_pb2.RecipientKey(
        key_id=key_id_of(2, bytes(32)), suite=2, public_key=bytes(32), not_after=1
    )
    return objects_pb2.Card(
        **{"name": "alice", "version": 1, "recipient_keys": [key], **changes}
    )


def commit_message(**changes: object) -> objects_pb2.Commit:
    genesis = objects_pb2.Genesis(salt=SALT, owner=ALICE.fingerprint.digest)
    return objects_pb2.Commit(
        **{"dataset_id": DATASET, "key_epoch": 1, "genesis": genesis, **changes}
    )


def grant_message(**changes: object) -> objects_pb2.Grant:
    fields = {
        "dataset_id": DATASET,
        "key_epoch": 1,
        "grantor": ALICE.fingerprint.digest,
        "recipient": BOB.fingerprint.digest,
        "key_id": SIXTEEN,
        "suite": 2,
    }
    return objects_pb2.Grant(**{**fields, **changes})


def signed(
    message: objects_pb2.Card | objects_pb2.Commit | objects_pb2.Grant, signer=ALICE
):
    kinds = {
        objects_pb2.Card: envelope.CARD,
        objects_pb2.Commit: envelope.COMMIT,
        objects_pb2.Grant: envelope.GRANT,
    }
    return signer.sign(kinds[type(message)], message.SerializeToString())


def test_the_pre_authentication_encoding_is_that_of_dsse() -> None:
    # The example of the DSSE protocol document.
    encoded = envelope.pre_authentication_encoding(
        "http://example.com/HelloWorld", b"hello world"
    )
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": 2},
        {"version": 1, "previous": THIRTY_TWO},
        {"not_after": -1},
        {"name": "Not/A/Name"},
        {"recipient_keys": card_message().recipient_keys[:] * 17},
    ],
)
def test_a_card_out_of_form_is_refused(changes: dict[str, object]) -> None:
    verify_card(signed(card_message()))
    with pytest.raises(MalformedObject):
        verify_card(signed(card_message(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_id": b"short"},
        {"parent": THIRTY_TWO},
        {"number": 1, "parent": THIRTY_TWO},
        {"number": 1, "genesis": None},
        {"genesis": None},
        {"key_epoch": 0},
        {"removed": [b"short"]},
        {
            "added": [
                objects_pb2.ShardEntry(shard_id=SIXTEEN, digest=b"short", key_epoch=1)
            ]
        },
        {
            "added": [
                objects_pb2.ShardEntry(
                    shard_id=b"short", digest=THIRTY_TWO, key_epoch=1
                )
            ]
        },
        {"added": [objects_pb2.ShardEntry(shard_id=SIXTEEN, digest=THIRTY_TWO)]},
        {"granted": [objects_pb2.GrantEntry(digest=b"short", key_epoch=1)]},
        {"granted": [objects_pb2.GrantEntry(digest=THIRTY_TWO, key_epoch=1)]},
        {"granted": [objects_pb2.GrantEntry(digest=THIRTY_TWO, recipient=THIRTY_TWO)]},
        {"revoked": [b"short"]},
        {"co_owners": objects_pb2.CoOwners(fingerprints=[b"short"])},
        {"co_owners": objects_pb2.CoOwners(successor=b"short")},
        {"snapshot": objects_pb2.Snapshot(pages=[b"short"])},
        {
            "snapshot": objects_pb2.Snapshot(
                genesis=commit_message().genesis, owner=b"short"
            )
        },
        {"genesis": objects_pb2.Genesis(salt=b"short", owner=ALICE.fingerprint.digest)},
        {"genesis": objects_pb2.Genesis(salt=SALT, owner=b"short")},
    ],
)
def test_a_commit_out_of_form_is_refused(changes: dict[str, object]) -> None:
    verify_commit(signed(commit_message()))
    with pytest.raises(MalformedObject):
        verify_commit(signed(commit_message(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset_id": b"short"},
        {"key_id": b"short"},
        {"key_epoch": 0},
        {"not_before": -1},
        {"purpose": "x" * 257},
        {"recipient": b"short"},
    ],
)
def test_a_grant_out_of_form_is_refused(changes: dict[str, object]) -> None:
    verify_grant(signed(grant_message()))
    with pytest.raises(MalformedObject):
        verify_grant(signed(grant_message(**changes)))


@given(st.binary(max_size=300))
def test_any_signed_bytes_are_an_object_or_a_named_error(payload: bytes) -> None:
    for kind, verify in (
        (envelope.CARD, verify_card),
        (envelope.COMMIT, verify_commit),
        (envelope.GRANT, verify_grant),
        (envelope.MEMBERSHIP_REQUEST, verify_membership_request),
    ):
        with pytest.raises(VerificationError):
            verify(ALICE.sign(kind, payload))


def test_a_membership_request_carries_its_signers_own_card() -> None:
    card = signed(card_message())

    def request(identity: Identity) -> objects_pb2.Signed:
        return sign_membership_request(
            identity, token_secret=b"t", certificate_request=b"c", card=card
        )

    assert verify_membership_request(request(ALICE)).card.name == "alice"
    with pytest.raises(WrongSigner):
        verify_membership_request(request(BOB))


def sealed_commit(number: int = 0, **changes: object) -> Commit:
    metadata = objects_pb2.CommitMetadata(name="study", **changes)
    sealed = seal_metadata(
        metadata, epoch_key=KEY, dataset_id=DATASET, number=number, key_epoch=1
    )
    return verify_commit(signed(commit_message(metadata=sealed)))


def test_a_commits_metadata_opens_with_its_epoch_key_and_nowhere_else() -> None:
    commit = sealed_commit()
    assert open_metadata(commit, KEY).name == "study"
    assert b"study" not in commit.metadata
    with pytest.raises(WrongKey):
        open_metadata(commit, Secret(b"K" * 32))
    with pytest.raises(WrongKey):
        open_metadata(sealed_commit(number=1), KEY)


def test_metadata_out_of_form_is_refused() -> None:
    with pytest.raises(MalformedObject):
        open_metadata(sealed_commit(record_counts=[1]), KEY)
    for metadata in (b"short", sealed_commit().metadata[:-1] + b"\0"):
        with pytest.raises(MalformedObject):
            open_metadata(verify_commit(signed(commit_message(metadata=metadata))), KEY)


def entry(shard_id: bytes = SIXTEEN) -> objects_pb2.ShardEntry:
    return objects_pb2.ShardEntry(
        shard_id=shard_id, digest=THIRTY_TWO, key_epoch=1, stored_size=200
    )


def test_a_history_keeps_the_live_shards() -> None:
    first = signed(commit_message(added=[entry(), entry(b"j" * 16)]))
    history = History(DATASET, ALICE.fingerprint)
    with pytest.raises(HistoryInvalid):
        _ = history.head
    history.extend([first])
    fields = {"number": 1, "genesis": None, "parent": history.head.digest}
    for bad in (
        {"added": [entry()]},
        {"added": [entry(b"k" * 16)] * 2},
        {"removed": [b"k" * 16]},
        {"removed": [SIXTEEN] * 2},
    ):
        with pytest.raises(HistoryInvalid):
            history.extend([signed(commit_message(**fields, **bad))])
    history.extend([signed(commit_message(**fields, removed=[SIXTEEN]))])
    assert list(history.shards) == [b"j" * 16]
    assert history.head.number == 1
    again = {"number": 2, "genesis": None, "parent": history.head.digest}
    with pytest.raises(HistoryInvalid):
        history.extend([signed(commit_message(**again, added=[entry()]))])
    with pytest.raises(ContextMismatch):
        history.extend([signed(commit_message(**again, dataset_id=b"?" * 16))])


def test_a_co_owner_of_commit_0_may_append() -> None:
    genesis = objects_pb2.Genesis(
        salt=SALT, owner=ALICE.fingerprint.digest, co_owners=[BOB.fingerprint.digest]
    )
    history = History(DATASET, ALICE.fingerprint)
    history.extend([signed(commit_message(genesis=genesis))])
    fields = {"number": 1, "genesis": None, "parent": history.head.digest}
    history.extend([signed(commit_message(**fields), BOB)])
    assert history.head.signer == BOB.fingerprint


def test_a_fingerprint_is_read_however_it_was_written_down() -> None:
    text = str(ALICE.fingerprint)
    assert len(text.split("-")) == 13
    for written in (text, text.upper(), text.replace("-", " "), text.replace("-", "")):
        assert Fingerprint.parse(written) == ALICE.fingerprint
    for wrong in (
        "",
        text[:-1],
        text + "a",
        "1" + text[1:],
        text.replace("-", "-0", 1),
    ):
        with pytest.raises(InvalidArgument):
            Fingerprint.parse(wrong)
    with pytest.raises(InvalidArgument):
        Fingerprint(b"short")


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 65, "a/b", "ä", "a."])
def test_a_name_that_could_mislead_is_refused(name: str) -> None:
    assert check_name("hospital-1.eu") == "hospital-1.eu"
    with pytest.raises(InvalidArgument):
        check_name(name)
