"""Cards of members, and requests to become a member.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    ContextMismatch,
    InvalidArgument,
    MalformedObject,
    UnsupportedVersion,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint, check_name, key_id_of
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.parsing import parse_message
from sealift_protocol.v1 import objects_pb2

MAX_RECIPIENT_KEYS = 16


class WrapSuite(IntEnum):
    """How an epoch key is wrapped to a recipient's public key."""

    MLKEM768_X25519 = 1
    X25519 = 2
    P256 = 3
    RSA_OAEP_SHA256 = 4

    @classmethod
    def parse(cls, number: int) -> WrapSuite:
        """Returns the suite with that number.

        Raises:
            UnsupportedVersion: the number is not known.
        """
        try:
            return cls(number)
        except ValueError:
            raise UnsupportedVersion(f"wrap suite {number} is not known") from None


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """One public key on a card; fields as in objects.proto."""

    key_id: bytes
    suite: WrapSuite
    public_key: bytes
    not_before: int
    not_after: int

    def valid_at(self, time: int) -> bool:
        """Whether the key may be wrapped to at that Unix time."""
        return self.not_before <= time < self.not_after


@dataclass(frozen=True, slots=True)
class Card:
    """A verified card."""

    name: str
    organisation: str
    version: int
    previous: bytes
    time: int
    recipient_keys: tuple[RecipientKey, ...]
    not_after: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class MembershipRequest:
    """A verified request to become a member."""

    token_secret: bytes = field(repr=False)
    certificate_request: bytes
    card: Card
    signed_card: objects_pb2.Signed
    signer: Fingerprint
    digest: bytes


def verify_card(signed: objects_pb2.Signed) -> Card:
    """Verifies and parses a card.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.CARD)
    message = parse_message(objects_pb2.Card, verified.payload)
    if not 1 <= len(message.recipient_keys) <= MAX_RECIPIENT_KEYS:
        raise MalformedObject("a card has 1 to 16 recipient keys")
    if message.version < 1 or len(message.previous) != (
        0 if message.version == 1 else DIGEST_SIZE
    ):
        raise MalformedObject("a card's version and previous digest do not match")
    if message.not_after < 0:
        raise MalformedObject("a card's times are out of range")
    try:
        name = check_name(message.name)
    except InvalidArgument as error:
        raise MalformedObject(f"a card's name is not allowed: {error.what}") from None
    return Card(
        name=name,
        organisation=message.organisation,
        version=message.version,
        previous=message.previous,
        time=message.time,
        recipient_keys=tuple(_recipient_key(key) for key in message.recipient_keys),
        not_after=message.not_after,
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_membership_request(signed: objects_pb2.Signed) -> MembershipRequest:
    """Verifies and parses a membership request and the card inside it.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.MEMBERSHIP_REQUEST)
    message = parse_message(objects_pb2.MembershipRequest, verified.payload)
    card = verify_card(message.card)
    if card.signer != verified.signer:
        raise WrongSigner("a membership request carries another identity's card")
    return MembershipRequest(
        token_secret=message.token_secret,
        certificate_request=message.certificate_request,
        card=card,
        signed_card=message.card,
        signer=verified.signer,
        digest=verified.digest,
    )


def _recipient_key(message: objects_pb2.RecipientKey) -> RecipientKey:
    suite = WrapSuite.parse(message.suite)
    if message.key_id != key_id_of(suite, message.public_key):
        raise ContextMismatch("a recipient key's id is not derived from the key")
    return RecipientKey(
        message.key_id, suite, message.public_key, message.not_before, message.not_after
    )
