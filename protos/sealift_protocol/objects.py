"""Control objects as typed data: verified first, parsed after (docs/spec/objects.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    ContextMismatch,
    InvalidArgument,
    MalformedObject,
    UnsupportedVersion,
    WrongSigner,
)
from sealift_protocol.ids import (
    ID_SIZE,
    Fingerprint,
    check_name,
    dataset_id_of,
    key_id_of,
)
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.v1 import objects_pb2

MAX_RECIPIENT_KEYS = 16
MAX_PURPOSE = 256
_GRANT_CONTEXT = b"sealift/1 grant"
_M = TypeVar("_M", bound=Message)


class WrapSuite(IntEnum):
    """How an epoch key is wrapped to a recipient's public key."""

    MLKEM768_X25519 = 1
    X25519 = 2
    P256 = 3
    RSA_OAEP_SHA256 = 4

    @classmethod
    def parse(cls, number: int) -> WrapSuite:
        """The suite of that number.

        Raises:
            UnsupportedVersion: there is none.
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
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard as a commit names it."""

    shard_id: bytes
    key_epoch: int
    stored_size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    """Whose dataset it is."""

    salt: bytes
    owner: Fingerprint
    co_owners: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """A verified commit; `metadata` is still sealed."""

    dataset_id: bytes
    number: int
    parent: bytes
    time: int
    key_epoch: int
    added: tuple[ShardEntry, ...]
    removed: tuple[bytes, ...]
    metadata: bytes
    genesis: Genesis | None
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What a grant says, apart from the wrapped key: the context that the wrap is bound to."""

    dataset_id: bytes
    key_epoch: int
    owner: Fingerprint
    recipient: Fingerprint
    key_id: bytes
    suite: WrapSuite
    not_before: int
    not_after: int
    purpose: str

    def context(self) -> bytes:
        """The wrap's `info`: every term at a fixed place (docs/spec/objects.md)."""
        purpose = self.purpose.encode()
        return b"".join(
            (
                _GRANT_CONTEXT,
                self.dataset_id,
                self.key_epoch.to_bytes(8, "big"),
                self.owner.digest,
                self.recipient.digest,
                self.key_id,
                bytes([self.suite]),
                self.not_before.to_bytes(8, "big"),
                self.not_after.to_bytes(8, "big"),
                len(purpose).to_bytes(4, "big"),
                purpose,
            )
        )

    def live_at(self, time: int) -> bool:
        """Whether the grant is valid at that Unix time."""
        return self.not_before <= time and (self.not_after == 0 or time < self.not_after)


@dataclass(frozen=True, slots=True)
class Grant:
    """A verified grant."""

    terms: GrantTerms
    wrapped_key: bytes
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class MembershipRequest:
    """A verified request to become a member."""

    token_secret: bytes
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
    if message.version < 1 or len(message.previous) != (0 if message.version == 1 else DIGEST_SIZE):
        raise MalformedObject("a card's version and previous digest do not fit")
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
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_commit(signed: objects_pb2.Signed) -> Commit:
    """Verifies a commit's signature and form; its place in a history is `history`'s business.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.COMMIT)
    message = parse_message(objects_pb2.Commit, verified.payload)
    _check_size(message.dataset_id, ID_SIZE, "a commit's dataset id")
    first = message.number == 0
    _check_size(message.parent, 0 if first else DIGEST_SIZE, "a commit's parent digest")
    if first != message.HasField("genesis"):
        raise MalformedObject("commit 0, and no other, says whose dataset it is")
    if message.key_epoch < 1:
        raise MalformedObject("key epochs count from 1")
    for shard_id in message.removed:
        _check_size(shard_id, ID_SIZE, "a removed shard's id")
    return Commit(
        dataset_id=message.dataset_id,
        number=message.number,
        parent=message.parent,
        time=message.time,
        key_epoch=message.key_epoch,
        added=tuple(_shard_entry(entry) for entry in message.added),
        removed=tuple(message.removed),
        metadata=message.metadata,
        genesis=_genesis(message, verified.signer) if first else None,
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_grant(signed: objects_pb2.Signed) -> Grant:
    """Verifies and parses a grant; the owner that it names must have signed it.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.GRANT)
    message = parse_message(objects_pb2.Grant, verified.payload)
    _check_size(message.dataset_id, ID_SIZE, "a grant's dataset id")
    _check_size(message.key_id, ID_SIZE, "a grant's key id")
    if message.key_epoch < 1 or message.not_before < 0 or message.not_after < 0:
        raise MalformedObject("a grant's key epoch or times are out of range")
    if len(message.purpose.encode()) > MAX_PURPOSE:
        raise MalformedObject(f"a grant's purpose has more than {MAX_PURPOSE} bytes")
    terms = GrantTerms(
        dataset_id=message.dataset_id,
        key_epoch=message.key_epoch,
        owner=_fingerprint(message.owner, "a grant's owner"),
        recipient=_fingerprint(message.recipient, "a grant's recipient"),
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        not_before=message.not_before,
        not_after=message.not_after,
        purpose=message.purpose,
    )
    if terms.owner != verified.signer:
        raise WrongSigner("a grant is not signed by the owner that it names")
    return Grant(terms, message.wrapped_key, verified.signer, verified.digest)


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


def parse_message(kind: Callable[[], _M], data: bytes) -> _M:
    """Parses a protobuf message.

    Raises:
        MalformedObject: the bytes are not one.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedObject(f"a {message.DESCRIPTOR.name} cannot be parsed") from None
    return message


def _recipient_key(message: objects_pb2.RecipientKey) -> RecipientKey:
    suite = WrapSuite.parse(message.suite)
    if message.key_id != key_id_of(suite, message.public_key):
        raise ContextMismatch("a recipient key's id is not derived from the key")
    return RecipientKey(
        message.key_id, suite, message.public_key, message.not_before, message.not_after
    )


def _shard_entry(message: objects_pb2.ShardEntry) -> ShardEntry:
    _check_size(message.shard_id, ID_SIZE, "a shard id")
    _check_size(message.digest, DIGEST_SIZE, "a shard digest")
    if message.key_epoch < 1:
        raise MalformedObject("key epochs count from 1")
    return ShardEntry(message.shard_id, message.key_epoch, message.stored_size, message.digest)


def _genesis(message: objects_pb2.Commit, signer: Fingerprint) -> Genesis:
    owner = _fingerprint(message.genesis.owner, "a dataset's owner")
    _check_size(message.genesis.salt, ID_SIZE, "a dataset's salt")
    if owner != signer:
        raise WrongSigner("commit 0 is not signed by the owner that it names")
    if message.dataset_id != dataset_id_of(owner, message.genesis.salt):
        raise ContextMismatch("the dataset id does not belong to the owner of commit 0")
    co_owners = tuple(_fingerprint(co, "a co-owner") for co in message.genesis.co_owners)
    return Genesis(message.genesis.salt, owner, co_owners)


def _fingerprint(digest: bytes, what: str) -> Fingerprint:
    _check_size(digest, DIGEST_SIZE, what)
    return Fingerprint(digest)


def _check_size(field: bytes, size: int, what: str) -> None:
    if len(field) != size:
        raise MalformedObject(f"{what} has {len(field)} bytes instead of {size}")
