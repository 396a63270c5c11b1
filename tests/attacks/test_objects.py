"""A malicious relay against cards, commits and grants."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from sealift.crypto.grants import make_grant, open_grant
from sealift.crypto.signing import Identity, sign_card, sign_commit, sign_grant
from sealift.crypto.suites import generate
from sealift.home.lastseen import LastSeen
from sealift.home.trust import Pin, TrustStore
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    ContextMismatch,
    FingerprintMismatch,
    GrantExpired,
    GrantRevoked,
    HistoryInvalid,
    MalformedObject,
    NotTrusted,
    RollbackDetected,
    SignatureInvalid,
    UnsupportedVersion,
    VerificationError,
    WrongKey,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.ids import dataset_id_of, key_id_of
from sealift_protocol.objects.cards import RecipientKey, WrapSuite, verify_card
from sealift_protocol.objects.commits import Genesis, verify_commit
from sealift_protocol.objects.grants import Grant, verify_grant
from sealift_protocol.v1 import objects_pb2

NOW = 1_800_000_000
OWNER = Identity.of_seed(Secret(b"o" * 32))
TRAINER = Identity.of_seed(Secret(b"t" * 32))
STRANGER = Identity.of_seed(Secret(b"x" * 32))
TRAINER_KEY = generate(WrapSuite.X25519)
EPOCH_KEY = Secret(b"e" * 32)
SALT = b"n" * 16
DATASET = dataset_id_of(OWNER.fingerprint, SALT)


def recipient_key(private=TRAINER_KEY) -> RecipientKey:
    public = private.recipient().public_key
    key_id = key_id_of(private.suite, public)
    return RecipientKey(key_id, private.suite, public, NOW - 10, NOW + 10_000)


def card(
    identity: Identity = TRAINER, version: int = 1, **changes
) -> objects_pb2.Signed:
    previous = b"" if version == 1 else bytes(32)
    arguments = {"name": "laboratory", "recipient_keys": [recipient_key()], **changes}
    return sign_card(
        identity, time=NOW, version=version, previous=previous, **arguments
    )


def grant(identity: Identity = OWNER, **changes) -> Grant:
    made = make_grant(
        identity,
        EPOCH_KEY,
        verify_card(card()),
        dataset_id=DATASET,
        key_epoch=1,
        time=NOW,
        **changes,
    )
    return verify_grant(made)


def unwrap(received: Grant, **changes) -> Secret:
    arguments = {
        "dataset_id": DATASET,
        "recipients": [TRAINER.fingerprint],
        "in_force": [received.digest],
        "time": NOW + 1,
        **changes,
    }
    return open_grant(received, {recipient_key().key_id: TRAINER_KEY}, **arguments)


def commit(identity: Identity = OWNER, number: int = 0, parent: bytes = b"", **changes):
    genesis = Genesis(SALT, OWNER.fingerprint, ()) if number == 0 else None
    arguments = {"dataset_id": DATASET, "genesis": genesis, "added": [], **changes}
    return sign_commit(
        identity,
        number=number,
        parent=parent,
        time=NOW,
        key_epoch=1,
        metadata=b"",
        **arguments,
    )


def chain(length: int) -> list[objects_pb2.Signed]:
    made, parent = [], b""
    for number in range(length):
        made.append(commit(number=number, parent=parent))
        parent = verify_commit(made[-1]).digest
    return made


SMALL_OBJECTS = {
    "card": (card, verify_card),
    "commit": (commit, verify_commit),
    "grant": (lambda: sign_grant(OWNER, grant().terms, b"w" * 80), verify_grant),
}


@pytest.mark.parametrize("kind", SMALL_OBJECTS)
def test_a01_any_flipped_bit_of_a_signed_object_is_refused(kind: str) -> None:
    make, verify = SMALL_OBJECTS[kind]
    signed = make()
    verify(signed)
    for field in ("payload", "signer", "signature"):
        content = getattr(signed, field)
        for bit in range(len(content) * 8):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            forged = objects_pb2.Signed()
            forged.CopyFrom(signed)
            setattr(forged, field, bytes(changed))
            with pytest.raises((SignatureInvalid, MalformedObject)):
                verify(forged)


def test_a04_a_substituted_card_is_caught_by_name_and_nothing_is_wrapped(
    hospital: Session, laboratory: Session, lying_to_hospital, records: pa.Table
) -> None:
    def substitute(honest):
        if verify_card(honest.card).name == "laboratory":
            honest.card.CopyFrom(card(STRANGER))
        return honest

    lying_to_hospital.lies["get_card"] = substitute
    calls: list[object] = []
    lying_to_hospital.lies["append"] = calls.append
    with pytest.raises(FingerprintMismatch):
        hospital.push(records, dataset="study", to="laboratory")
    assert calls == []


def test_a04_a_member_who_is_not_pinned_is_not_looked_up(
    hospital: Session, lying_to_hospital, records: pa.Table
) -> None:
    lying_to_hospital.lies["get_card"] = lambda _: pytest.fail("the relay was asked")
    with pytest.raises(NotTrusted):
        hospital.push(records, dataset="study", to="laboratory")


def test_a04_a_pinned_identitys_card_of_another_name_is_refused(tmp_path) -> None:
    trust = TrustStore(tmp_path / "trust.json")
    trust.add("other", Pin(TRAINER.fingerprint))
    seen = LastSeen(tmp_path / "seen.json", Secret(b"s" * 32))
    with pytest.raises(FingerprintMismatch):
        trust.verify_member("other", card(), [], seen, NOW)


def test_a05_an_older_card_is_refused_after_a_newer_one(tmp_path) -> None:
    seen = LastSeen(tmp_path / "seen.json", Secret(b"s" * 32))
    seen.check_card(verify_card(card(version=2)))
    seen.check_card(verify_card(card(version=2)))
    with pytest.raises(RollbackDetected):
        seen.check_card(verify_card(card(version=1)))
    with pytest.raises(RollbackDetected):
        seen.check_card(verify_card(card(version=2, organisation="another")))


def test_a06_a_history_without_its_newest_commits_is_refused(
    hospital: Session, laboratory: Session, lying_relay, records: pa.Table
) -> None:
    for _ in range(3):
        hospital.push(records, dataset="study", to="laboratory")
    assert laboratory.open_dataset("hospital/study").num_records == 3000
    lying_relay.lies["get_commits"] = lambda commits: iter(list(commits)[:2])
    with pytest.raises(RollbackDetected):
        laboratory.open_dataset("hospital/study")


def test_a07_another_history_than_before_is_refused(tmp_path) -> None:
    seen = LastSeen(tmp_path / "seen.json", Secret(b"s" * 32))
    seen.check_head(DATASET, 3, b"a" * 32, b"")
    with pytest.raises(RollbackDetected):
        seen.check_head(DATASET, 3, b"b" * 32, b"b" * 32)
    with pytest.raises(RollbackDetected):
        seen.check_head(DATASET, 4, b"c" * 32, b"b" * 32)
    seen.check_head(DATASET, 4, b"c" * 32, b"a" * 32)


def test_a08_a_commit_of_a_stranger_is_refused() -> None:
    first = commit()
    history = History(DATASET, OWNER.fingerprint)
    history.extend([first])
    parent = verify_commit(first).digest
    for author in (STRANGER, TRAINER):
        with pytest.raises(WrongSigner):
            history.extend([commit(author, number=1, parent=parent)])
    assert len(history.commits) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: c[1:], id="first-missing"),
        pytest.param(lambda c: [c[0], c[2]], id="gap"),
        pytest.param(lambda c: [c[0], c[0]], id="repeated"),
        pytest.param(
            lambda c: [c[0], commit(number=1, parent=bytes(32))], id="other-parent"
        ),
    ],
)
def test_a08_a_history_that_is_no_chain_is_refused(change) -> None:
    history = History(DATASET, OWNER.fingerprint)
    with pytest.raises(HistoryInvalid):
        history.extend(change(chain(3)))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"recipients": [STRANGER.fingerprint]}, ContextMismatch),
        ({"dataset_id": b"D" * 16}, ContextMismatch),
        ({"in_force": []}, GrantRevoked),
        ({"time": NOW - 1}, GrantExpired),
    ],
)
def test_a09_a_grant_out_of_its_context_is_refused(changes, error) -> None:
    assert unwrap(grant()) == EPOCH_KEY
    with pytest.raises(error):
        unwrap(grant(), **changes)


def test_a09_an_expired_grant_is_refused() -> None:
    with pytest.raises(GrantExpired):
        unwrap(grant(not_after=NOW + 5), time=NOW + 5)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_id": b"D" * 16},
        {"key_epoch": 2},
        {"not_before": NOW - 1},
        {"not_after": NOW + 9_999},
        {"purpose": "another"},
        {"grantor": STRANGER.fingerprint},
        {"recipient": STRANGER.fingerprint},
    ],
)
def test_a09_terms_that_were_signed_anew_do_not_open_the_wrap(change) -> None:
    # The forger may even sign: the wrap itself is bound to every term.
    original = grant()
    forged = replace(original, terms=replace(original.terms, **change))
    forged = replace(forged, signer=forged.terms.grantor)
    with pytest.raises(WrongKey):
        unwrap(
            forged,
            dataset_id=forged.terms.dataset_id,
            recipients=[forged.terms.recipient],
        )


def test_a09_a_grant_that_another_signed_in_the_owners_name_is_refused() -> None:
    with pytest.raises(WrongSigner):
        verify_grant(sign_grant(STRANGER, grant().terms, b"w" * 80))


def test_a10_a_stranger_cannot_take_a_dataset_for_its_own() -> None:
    for genesis in (
        Genesis(SALT, STRANGER.fingerprint, ()),
        Genesis(b"m" * 16, STRANGER.fingerprint, ()),
    ):
        with pytest.raises(ContextMismatch):
            verify_commit(commit(STRANGER, genesis=genesis))
    with pytest.raises(WrongSigner):
        verify_commit(commit(STRANGER))


def test_a10_a_valid_dataset_of_another_owner_is_refused() -> None:
    history = History(DATASET, STRANGER.fingerprint)
    with pytest.raises(WrongSigner):
        history.extend([commit()])


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("application/vnd.sealift.commit.v2+protobuf", UnsupportedVersion),
        (envelope.GRANT, MalformedObject),
        ("", MalformedObject),
    ],
)
def test_a11_an_object_of_another_type_or_version_is_refused(kind: str, error) -> None:
    signed = OWNER.sign(kind, b"")
    with pytest.raises(error):
        verify_commit(signed)


def test_a11_an_unknown_suite_or_an_empty_card_is_refused() -> None:
    unknown = replace(
        recipient_key(), key_id=key_id_of(9, b"p"), suite=9, public_key=b"p"
    )
    with pytest.raises(UnsupportedVersion):
        verify_card(card(recipient_keys=[unknown]))
    with pytest.raises(MalformedObject):
        verify_card(card(recipient_keys=[]))


def test_a11_a_grant_with_another_suite_than_its_key_is_refused() -> None:
    original = grant()
    downgraded = replace(original, terms=replace(original.terms, suite=WrapSuite.P256))
    with pytest.raises(ContextMismatch):
        unwrap(downgraded)


def test_a09_a_grant_to_a_key_that_is_not_held_is_refused() -> None:
    received = grant()
    with pytest.raises(WrongKey):
        open_grant(
            received,
            {},
            dataset_id=DATASET,
            recipients=[TRAINER.fingerprint],
            in_force=[received.digest],
            time=NOW + 1,
        )


@pytest.mark.parametrize("field", ["signer", "signature"])
def test_a01_a_signature_of_another_size_is_refused(field: str) -> None:
    for content in (b"", b"x", bytes(65)):
        signed = card()
        setattr(signed, field, content)
        with pytest.raises(MalformedObject):
            verify_card(signed)


def test_a27_a_key_id_that_is_not_the_keys_own_is_refused() -> None:
    with pytest.raises(ContextMismatch):
        verify_card(card(recipient_keys=[replace(recipient_key(), key_id=b"i" * 16)]))


def test_every_verification_error_says_what_to_do() -> None:
    for kind in (SignatureInvalid, MalformedObject, HistoryInvalid, WrongSigner):
        assert issubclass(kind, VerificationError)
        assert kind("what happened").hint
