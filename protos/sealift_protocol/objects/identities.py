"""Statements about identities: endorsements, successions, revocations.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from sealift_protocol import signed as envelope
from sealift_protocol.errors import MalformedObject
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.parsing import (
    open_signed,
    parse_fingerprint,
    parse_name,
    parse_time,
)
from sealift_protocol.signatures import check_public_key
from sealift_protocol.v1 import objects_pb2

MAX_REASON = 256


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An organisation (the signer) vouches for a member's identity."""

    member: Fingerprint
    name: str
    time: int
    not_after: int
    signer: Fingerprint
    digest: bytes

    def live_at(self, time: int) -> bool:
        """Whether the organisation vouches at that Unix time."""
        return time < self.not_after


@dataclass(frozen=True, slots=True)
class Succession:
    """An identity (the signer) names its successor."""

    name: str
    successor: Fingerprint
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class IdentityRevocation:
    """An identity (the signer) declares itself void."""

    name: str
    time: int
    reason: str
    signer: Fingerprint
    digest: bytes


def verify_endorsement(signed: objects_pb2.Signed) -> Endorsement:
    """Verifies and parses an endorsement; the reader decides whether its signer may endorse.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(
        signed, envelope.ENDORSEMENT, objects_pb2.Endorsement
    )
    return Endorsement(
        member=parse_fingerprint(message.member, "an endorsed member"),
        name=parse_name(message.name),
        time=parse_time(message.time),
        not_after=parse_time(message.not_after),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_succession(signed: objects_pb2.Signed) -> Succession:
    """Verifies and parses a succession.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(signed, envelope.SUCCESSION, objects_pb2.Succession)
    check_public_key(message.successor)
    return Succession(
        name=parse_name(message.name),
        successor=Fingerprint.of(message.successor),
        time=parse_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_identity_revocation(signed: objects_pb2.Signed) -> IdentityRevocation:
    """Verifies and parses an identity revocation.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    kind = envelope.IDENTITY_REVOCATION
    message, verified = open_signed(signed, kind, objects_pb2.IdentityRevocation)
    if len(message.reason.encode()) > MAX_REASON:
        raise MalformedObject(f"a revocation's reason has more than {MAX_REASON} bytes")
    return IdentityRevocation(
        name=parse_name(message.name),
        time=parse_time(message.time),
        reason=message.reason,
        signer=verified.signer,
        digest=verified.digest,
    )
