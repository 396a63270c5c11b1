"""Control objects as typed data: verified first, parsed after (docs/spec/objects.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
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
MAX_PAGE_SHARDS = 1024
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
    not_after: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    """Whose dataset it is."""

    salt: bytes
    owner: Fingerprint
    co_owners: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard as a commit names it."""

    shard_id: bytes
    key_epoch: int
    stored_size: int
    digest: bytes
    not_after: int = 0

    def kept_at(self, time: int) -> bool:
        """Whether retention still keeps the shard at that Unix time."""
        return self.not_after == 0 or time < self.not_after


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """A grant as a commit names it."""

    digest: bytes
    recipient: Fingerprint
    key_epoch: int
    not_before: int
    not_after: int

    def live_at(self, time: int) -> bool:
        """Whether the grant is valid at that Unix time."""
        return self.not_before <= time and (
            self.not_after == 0 or time < self.not_after
        )


@dataclass(frozen=True, slots=True)
class CoOwners:
    """A new set of co-owners and, if the owner's identity has changed, the new owner."""

    fingerprints: tuple[Fingerprint, ...]
    successor: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset's whole state, but for the pages that list its shards.

    Attributes:
        genesis: as in commit 0.
        owner: the owner at that commit.
        co_owners: at that commit.
        pages: SHA-256 digests of serialised SnapshotPages.
        grants: in force at that commit.
    """

    genesis: Genesis
    owner: Fingerprint
    co_owners: tuple[Fingerprint, ...]
    pages: tuple[bytes, ...]
    grants: tuple[GrantEntry, ...]


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Part of a snapshot's list of shards; `record_counts` is still sealed."""

    shards: tuple[ShardEntry, ...]
    key_epoch: int
    record_counts: bytes


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
    granted: tuple[GrantEntry, ...]
    revoked: tuple[Fingerprint, ...]
    co_owners: CoOwners | None
    snapshot: Snapshot | None
    erasure: bool
    deletion: bool
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What a grant says, apart from the wrapped key: the context that the wrap is bound to."""

    dataset_id: bytes
    key_epoch: int
    grantor: Fingerprint
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
                self.grantor.digest,
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
        return self.not_before <= time and (
            self.not_after == 0 or time < self.not_after
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A verified grant."""

    terms: GrantTerms
    wrapped_key: bytes
    signer: Fingerprint
    digest: bytes

    def entry(self) -> GrantEntry:
        """How a commit names the grant."""
        terms = self.terms
        return GrantEntry(
            self.digest,
            terms.recipient,
            terms.key_epoch,
            terms.not_before,
            terms.not_after,
        )


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
        raise MalformedObject("a card's version and previous digest do not fit")
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
        genesis=_own_genesis(message, verified.signer) if first else None,
        granted=tuple(_grant_entry(entry) for entry in message.granted),
        revoked=tuple(_fingerprint(f, "a revoked recipient") for f in message.revoked),
        co_owners=_co_owners(message.co_owners)
        if message.HasField("co_owners")
        else None,
        snapshot=_snapshot(message) if message.HasField("snapshot") else None,
        erasure=message.erasure,
        deletion=message.deletion,
        signer=verified.signer,
        digest=verified.digest,
    )


def parse_page(content: bytes, digest: bytes) -> SnapshotPage:
    """Parses a page of a snapshot.

    Args:
        content: the serialised page, as received.
        digest: SHA-256, as the signed snapshot names it.

    Raises:
        ContextMismatch: it is another page.
        MalformedObject: it does not have its format.
    """
    if hashlib.sha256(content).digest() != digest:
        raise ContextMismatch("a snapshot page is not the one that its owner signed")
    message = parse_message(objects_pb2.SnapshotPage, content)
    if not 1 <= len(message.shards) <= MAX_PAGE_SHARDS:
        raise MalformedObject(f"a snapshot page lists 1 to {MAX_PAGE_SHARDS} shards")
    if message.key_epoch < 1:
        raise MalformedObject("key epochs count from 1")
    shards = tuple(_shard_entry(entry) for entry in message.shards)
    return SnapshotPage(shards, message.key_epoch, message.record_counts)


def verify_grant(signed: objects_pb2.Signed) -> Grant:
    """Verifies and parses a grant; the grantor that it names must have signed it.

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
        grantor=_fingerprint(message.grantor, "a grant's grantor"),
        recipient=_fingerprint(message.recipient, "a grant's recipient"),
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        not_before=message.not_before,
        not_after=message.not_after,
        purpose=message.purpose,
    )
    if terms.grantor != verified.signer:
        raise WrongSigner("a grant is not signed by the grantor that it names")
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
    if message.key_epoch < 1 or message.not_after < 0:
        raise MalformedObject("a shard's key epoch or retention is out of range")
    return ShardEntry(
        message.shard_id,
        message.key_epoch,
        message.stored_size,
        message.digest,
        message.not_after,
    )


def _grant_entry(message: objects_pb2.GrantEntry) -> GrantEntry:
    _check_size(message.digest, DIGEST_SIZE, "a grant's digest")
    if message.key_epoch < 1 or message.not_before < 0 or message.not_after < 0:
        raise MalformedObject("a grant's key epoch or times are out of range")
    return GrantEntry(
        message.digest,
        _fingerprint(message.recipient, "a grant's recipient"),
        message.key_epoch,
        message.not_before,
        message.not_after,
    )


def _own_genesis(message: objects_pb2.Commit, signer: Fingerprint) -> Genesis:
    genesis = _genesis(message.genesis, message.dataset_id)
    if genesis.owner != signer:
        raise WrongSigner("commit 0 is not signed by the owner that it names")
    return genesis


def _genesis(message: objects_pb2.Genesis, dataset_id: bytes) -> Genesis:
    owner = _fingerprint(message.owner, "a dataset's owner")
    _check_size(message.salt, ID_SIZE, "a dataset's salt")
    if dataset_id != dataset_id_of(owner, message.salt):
        raise ContextMismatch("the dataset id does not belong to the owner of commit 0")
    co_owners = tuple(_fingerprint(co, "a co-owner") for co in message.co_owners)
    return Genesis(message.salt, owner, co_owners)


def _co_owners(message: objects_pb2.CoOwners) -> CoOwners:
    return CoOwners(
        tuple(_fingerprint(co, "a co-owner") for co in message.fingerprints),
        _fingerprint(message.successor, "a successor") if message.successor else None,
    )


def _snapshot(message: objects_pb2.Commit) -> Snapshot:
    snapshot = message.snapshot
    for page in snapshot.pages:
        _check_size(page, DIGEST_SIZE, "a snapshot page's digest")
    return Snapshot(
        genesis=_genesis(snapshot.genesis, message.dataset_id),
        owner=_fingerprint(snapshot.owner, "a snapshot's owner"),
        co_owners=tuple(_fingerprint(co, "a co-owner") for co in snapshot.co_owners),
        pages=tuple(snapshot.pages),
        grants=tuple(_grant_entry(entry) for entry in snapshot.grants),
    )


def _fingerprint(digest: bytes, what: str) -> Fingerprint:
    _check_size(digest, DIGEST_SIZE, what)
    return Fingerprint(digest)


def _check_size(field: bytes, size: int, what: str) -> None:
    if len(field) != size:
        raise MalformedObject(f"{what} has {len(field)} bytes instead of {size}")
