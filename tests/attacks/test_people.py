"""A relay that lies about people: whose card it is, who vouches for it, whether it still counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from fakes.lying_relay import lying_to

import sealift
from sealift.crypto.signing import Identity, sign_card, sign_rewrap
from sealift.crypto.suites import generate
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AccessDenied,
    CardExpired,
    ClockSkew,
    EndorsementExpired,
    FingerprintMismatch,
    IdentityRevoked,
    KeyRotated,
    NotInLog,
    NotTrusted,
    RollbackDetected,
    SignatureInvalid,
    WrongSigner,
)
from sealift_protocol.ids import key_id_of
from sealift_protocol.objects.cards import RecipientKey, WrapSuite, verify_card
from sealift_protocol.v1 import directory_pb2, objects_pb2

ROWS = pa.table({"value": list(range(10))})
MALLORY = Identity.of_seed(sealift.Secret(b"m" * 32))
HOUR = 3600


def card_of(identity: Identity, name: str, **fields) -> objects_pb2.Signed:
    public = generate(WrapSuite.X25519).recipient().public_key
    key = RecipientKey(
        key_id_of(WrapSuite.X25519, public), WrapSuite.X25519, public, 0, 1 << 40
    )
    options = {"time": int(time.time()), **fields}
    return sign_card(identity, name=name, recipient_keys=[key], **options)


def answer(card: objects_pb2.Signed, *statements: objects_pb2.Signed):
    return lambda *_: [directory_pb2.GetCardResponse(card=card, statements=statements)]


def endorsement(
    signer: Identity, member, name: str, not_after: int
) -> objects_pb2.Signed:
    statement = objects_pb2.Endorsement(
        member=member.digest, name=name, time=int(time.time()), not_after=not_after
    )
    return signer.sign(envelope.ENDORSEMENT, statement.SerializeToString())


def succession(signer: Identity, name: str, successor: Identity) -> objects_pb2.Signed:
    statement = objects_pb2.Succession(
        name=name, successor=successor.public_key, time=1
    )
    return signer.sign(envelope.SUCCESSION, statement.SerializeToString())


@pytest.fixture
def institute(relay, hospital: Session) -> Iterator[Session]:
    """An organisation that the hospital pinned; it endorses an intern, whom no one else pinned."""
    with relay.join("institute", "trainer") as session:
        hospital.trust("institute", str(session.fingerprint), organisation=True)
        yield session


@pytest.fixture
def intern(relay, hospital: Session, institute: Session) -> Iterator[Session]:
    with relay.join("intern", "trainer") as session:
        institute.trust("intern", str(session.fingerprint))
        session.trust("hospital", str(hospital.fingerprint))
        yield session


def in_an_hour() -> int:
    return int(time.time()) + HOUR


# --- A4: substituted cards -----------------------------------------------------------------------


def test_a04_a_substituted_card_is_caught_by_name_and_nothing_is_sent(
    relay, hospital, laboratory
) -> None:
    with lying_to(relay, hospital) as lying:
        for card in (card_of(MALLORY, "laboratory"), card_of(MALLORY, "mallory")):
            honest_own = hospital._connection.relay.get_card("hospital")

            def substitute(request, _, card=card, own=honest_own):
                if request.name != "laboratory":
                    return [own]
                return [directory_pb2.GetCardResponse(card=card)]

            lying.lies["Directory/GetCard"] = substitute
            before = list(lying.calls)
            with pytest.raises(FingerprintMismatch):
                hospital.push(ROWS, dataset="study", to="laboratory")
            del lying.lies["Directory/GetCard"]
            assert not {"Shards/Put", "Datasets/Append"} & set(
                lying.calls[len(before) :]
            )


def test_a04_a_card_that_is_not_in_the_log_is_refused(
    relay, hospital, laboratory
) -> None:
    """The member's own key signed it, but for the relay's eyes only: the log shows all cards."""
    known = hospital.people.member("laboratory").card
    secret = card_of(
        laboratory._connection.member.identity,
        "laboratory",
        version=known.version + 1,
        previous=known.digest,
    )
    with lying_to(relay, hospital) as lying:
        lying.lies["Directory/GetCard"] = answer(secret)
        with pytest.raises(NotInLog):
            hospital.people.member("laboratory")


def test_a04_only_a_pinned_organisation_vouches(
    relay, hospital, institute, intern
) -> None:
    card = intern._connection.relay.get_card("intern").card
    other = endorsement(
        institute._connection.member.identity,
        MALLORY.fingerprint,
        "intern",
        in_an_hour(),
    )
    name = endorsement(
        institute._connection.member.identity, intern.fingerprint, "chief", in_an_hour()
    )
    stranger = endorsement(MALLORY, intern.fingerprint, "intern", in_an_hour())
    forged = endorsement(MALLORY, intern.fingerprint, "intern", in_an_hour())
    forged.signer = institute._connection.member.identity.public_key
    with lying_to(relay, hospital) as lying:
        for statements in ([], [other], [name], [stranger], [other, name, stranger]):
            lying.lies["Directory/GetCard"] = answer(card, *statements)
            with pytest.raises(NotTrusted):
                hospital.people.member("intern")
        lying.lies["Directory/GetCard"] = answer(card, forged)
        with pytest.raises(SignatureInvalid):
            hospital.people.member("intern")
        # An organisation vouches for an identity; a card of another identity is not covered.
        good = endorsement(
            institute._connection.member.identity,
            intern.fingerprint,
            "intern",
            in_an_hour(),
        )
        lying.lies["Directory/GetCard"] = answer(card_of(MALLORY, "intern"), good)
        with pytest.raises(NotTrusted):
            hospital.people.member("intern")
    institute.people.endorse("intern", not_after=in_an_hour())
    assert hospital.people.member("intern").how == "endorsed by institute"


def test_a04_a_member_who_is_no_organisation_vouches_for_nobody(
    relay, hospital, laboratory, institute, intern
) -> None:
    laboratory.trust("intern", str(intern.fingerprint))
    laboratory.people.endorse("intern", not_after=in_an_hour())
    with pytest.raises(NotTrusted):
        hospital.people.member("intern")


def test_a04_a_forged_succession_is_refused(relay, hospital, laboratory) -> None:
    card = card_of(MALLORY, "laboratory")
    forged = succession(MALLORY, "laboratory", MALLORY)
    claimed = succession(MALLORY, "laboratory", MALLORY)
    claimed.signer = laboratory._connection.member.identity.public_key
    another_name = succession(laboratory._connection.member.identity, "chief", MALLORY)
    with lying_to(relay, hospital) as lying:
        for statements in ([], [forged], [another_name]):
            lying.lies["Directory/GetCard"] = answer(card, *statements)
            with pytest.raises(FingerprintMismatch):
                hospital.people.member("laboratory")
        lying.lies["Directory/GetCard"] = answer(card, claimed)
        with pytest.raises(SignatureInvalid):
            hospital.people.member("laboratory")
        # A circle of successions ends.
        circle = [
            succession(
                laboratory._connection.member.identity,
                "laboratory",
                laboratory._connection.member.identity,
            )
        ]
        lying.lies["Directory/GetCard"] = answer(card, *circle)
        with pytest.raises(FingerprintMismatch):
            hospital.people.member("laboratory")
    assert (
        hospital._connection.profile.trust.find("laboratory").fingerprint
        == laboratory.fingerprint
    )


def test_a04_whoever_is_looked_up_by_fingerprint_has_that_fingerprint(
    relay, hospital, laboratory, institute, intern
) -> None:
    institute.people.endorse("intern", not_after=in_an_hour())
    assert hospital.people.label(intern.fingerprint) == "intern"
    assert hospital.people.label(laboratory.fingerprint) == "laboratory"
    assert hospital.people.label(MALLORY.fingerprint) == str(MALLORY.fingerprint)
    with lying_to(relay, hospital) as lying:
        other = hospital._connection.relay.get_card("intern")
        lying.lies["Directory/GetCard"] = lambda *_: [other]
        lying.refuse.add("Directory/GetCard")
        with pytest.raises(FingerprintMismatch):
            hospital._connection.contacts.by_fingerprint(MALLORY.fingerprint)
        # Not even this member's own card is taken on the relay's word.
        with pytest.raises(FingerprintMismatch):
            hospital._connection.contacts.own_card()


def test_a04_first_use_is_off_unless_chosen(relay, hospital, institute, intern) -> None:
    with pytest.raises(NotTrusted):
        hospital.push(ROWS, dataset="study", to="intern")


# --- A5: old cards -------------------------------------------------------------------------------


def test_a05_an_old_card_after_a_rotation_is_refused(
    relay, hospital, laboratory
) -> None:
    with lying_to(relay, hospital) as lying:
        old = hospital._connection.relay.get_card("laboratory")
        laboratory.keys.rotate()
        assert hospital.people.member("laboratory").card.version == 2
        lying.lies["Directory/GetCard"] = lambda *_: [old]
        with pytest.raises(RollbackDetected):
            hospital.people.member("laboratory")


def test_a05_an_expired_card_is_refused(relay, hospital, laboratory) -> None:
    known = hospital.people.member("laboratory").card
    expired = card_of(
        laboratory._connection.member.identity,
        "laboratory",
        version=2,
        previous=known.digest,
        not_after=int(time.time()) - 1,
    )
    laboratory._connection.relay.put_card(expired)
    with pytest.raises(CardExpired):
        hospital.people.member("laboratory")


def test_a05_a_wrap_to_an_old_card_is_refused_by_the_relay(
    relay, hospital, laboratory
) -> None:
    """An owner who still holds the card from before a rotation."""
    hospital.push(ROWS, dataset="study")
    member = hospital.people.member("laboratory")
    laboratory.keys.rotate()
    hospital._connection.contacts.meet = lambda name: member
    with pytest.raises(KeyRotated):
        hospital.dataset("study").grant(to="laboratory")


# --- A15: revocations ----------------------------------------------------------------------------


def test_a15_an_identity_that_was_seen_revoked_stays_revoked(
    relay, hospital, laboratory
) -> None:
    with lying_to(relay, hospital) as lying:
        before = hospital._connection.relay.get_card("laboratory")
        laboratory.identity.revoke("laptop stolen")
        with pytest.raises(IdentityRevoked):
            hospital.people.member("laboratory")
        lying.lies["Directory/GetCard"] = lambda *_: [before]
        with pytest.raises(IdentityRevoked):
            hospital.people.member("laboratory")


def test_a15_an_identity_that_was_revoked_hands_over_to_nobody(
    relay, hospital, laboratory
) -> None:
    """A thief who has the old key cannot name a successor any more."""
    old = laboratory._connection.member.identity
    laboratory.identity.revoke("stolen")
    with pytest.raises(IdentityRevoked):
        hospital.people.member("laboratory")
    with lying_to(relay, hospital) as lying:
        lying.lies["Directory/GetCard"] = answer(
            card_of(MALLORY, "laboratory"), succession(old, "laboratory", MALLORY)
        )
        with pytest.raises(IdentityRevoked):
            hospital.people.member("laboratory")


def test_a15_nobody_else_can_revoke_an_identity(relay, hospital, laboratory) -> None:
    statement = objects_pb2.IdentityRevocation(name="laboratory", time=1)
    signed = MALLORY.sign(envelope.IDENTITY_REVOCATION, statement.SerializeToString())
    with lying_to(relay, hospital) as lying:
        card = hospital._connection.relay.get_card("laboratory").card
        lying.lies["Directory/GetCard"] = answer(card, signed)
        assert (
            hospital.people.member("laboratory").card.signer == laboratory.fingerprint
        )
        claimed = objects_pb2.Signed()
        claimed.CopyFrom(signed)
        claimed.signer = laboratory._connection.member.identity.public_key
        lying.lies["Directory/GetCard"] = answer(card, claimed)
        with pytest.raises(SignatureInvalid):
            hospital.people.member("laboratory")
    with pytest.raises(WrongSigner):
        hospital._connection.relay.put_statement(signed)


def test_a15_a_withdrawn_endorsement_that_is_hidden_ends_with_its_date(
    relay, hospital, institute, intern
) -> None:
    institute.people.endorse("intern", not_after=in_an_hour())
    with lying_to(relay, hospital) as lying:
        before = hospital._connection.relay.get_card("intern")
        institute.people.endorse("intern", not_after=0)
        with pytest.raises(EndorsementExpired):
            hospital.people.member("intern")
        lying.lies["Directory/GetCard"] = lambda *_: [before]
        hospital._connection.contacts._now = lambda: (
            datetime.now(UTC) + timedelta(hours=2)
        )
        with pytest.raises(EndorsementExpired):
            hospital.people.member("intern")


def test_a15_an_organisation_that_was_revoked_vouches_for_nobody(
    relay, hospital, institute, intern
) -> None:
    institute.people.endorse("intern", not_after=in_an_hour())
    assert hospital.people.member("intern").endorser == "institute"
    institute.identity.revoke("key lost")
    with pytest.raises(IdentityRevoked):
        hospital.people.member("intern")


def test_a15_an_older_endorsement_does_not_undo_a_withdrawal(
    relay, hospital, institute, intern
) -> None:
    institute.people.endorse("intern", not_after=in_an_hour())
    with lying_to(relay, hospital) as lying:
        time.sleep(1.1)
        institute.people.endorse("intern", not_after=0)
        lying.lies["Directory/GetCard"] = lambda _, answers: [
            directory_pb2.GetCardResponse(
                card=answers[0].card, statements=reversed(answers[0].statements)
            )
        ]
        with pytest.raises(EndorsementExpired):
            hospital.people.member("intern")


# --- A27: another member's rewraps ---------------------------------------------------------------


def test_a27_a_rewrap_of_somebody_elses_grant_is_refused(
    relay, hospital, laboratory, intern
) -> None:
    hospital.trust("intern", str(intern.fingerprint))
    hospital.push(ROWS, dataset="study", to=["laboratory", "intern"])
    opened = laboratory._connection.open("hospital/study")
    grant = opened.history.grants_of(laboratory.fingerprint)[0]
    public = generate(WrapSuite.X25519).recipient().public_key
    key = RecipientKey(
        key_id_of(WrapSuite.X25519, public), WrapSuite.X25519, public, 0, 1 << 40
    )
    forged = sign_rewrap(
        intern._connection.member.identity,
        grant.digest,
        opened.dataset_id,
        key,
        bytes(48 + 32),
    )
    with pytest.raises(AccessDenied):
        intern._connection.relay.put_rewraps([forged])
    with pytest.raises(WrongSigner):
        laboratory._connection.relay.put_rewraps([forged])


# --- A34: clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [HOUR, 366 * 24 * HOUR])
def test_a34_a_card_whose_clock_is_in_the_future_is_named(
    ahead: int, relay, hospital, laboratory
) -> None:
    known = hospital.people.member("laboratory").card
    early = card_of(
        laboratory._connection.member.identity,
        "laboratory",
        version=2,
        previous=known.digest,
        time=int(time.time()) + ahead,
    )
    with lying_to(relay, hospital) as lying:
        lying.lies["Directory/GetCard"] = answer(early)
        with pytest.raises(ClockSkew, match="in the future") as caught:
            hospital.people.member("laboratory")
    assert "sealift key rotate" in caught.value.hint
    assert verify_card(early).version == 2
