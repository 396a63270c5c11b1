"""Commits of a dataset's history, with their snapshots.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sealift_protocol import signed as envelope
from sealift_protocol.errors import ContextMismatch, MalformedObject, WrongSigner
from sealift_protocol.ids import ID_SIZE, Fingerprint, dataset_id_of
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.parsing import (
    check_size,
    parse_fingerprint,
    parse_message,
)
from sealift_protocol.v1 import objects_pb2

MAX_PAGE_SHARDS = 1024


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
        """Whether the shard is still retained at that Unix time."""
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
    """A dataset's whole state, except the pages that list its shards.

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


def verify_commit(signed: objects_pb2.Signed) -> Commit:
    """Verifies a commit's signature and form; `history` verifies its place in a history.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.COMMIT)
    message = parse_message(objects_pb2.Commit, verified.payload)
    check_size(message.dataset_id, ID_SIZE, "a commit's dataset id")
    first = message.number == 0
    check_size(message.parent, 0 if first else DIGEST_SIZE, "a commit's parent digest")
    if first != message.HasField("genesis"):
        raise MalformedObject(
            "commit 0, and no other commit, must name the dataset's owner"
        )
    if message.key_epoch < 1:
        raise MalformedObject("a key epoch is less than 1")
    for shard_id in message.removed:
        check_size(shard_id, ID_SIZE, "a removed shard's id")
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
        revoked=tuple(
            parse_fingerprint(f, "a revoked recipient") for f in message.revoked
        ),
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
        MalformedObject: it is not a valid page.
    """
    if hashlib.sha256(content).digest() != digest:
        raise ContextMismatch("a snapshot page is not the one that its owner signed")
    message = parse_message(objects_pb2.SnapshotPage, content)
    if not 1 <= len(message.shards) <= MAX_PAGE_SHARDS:
        raise MalformedObject(f"a snapshot page lists 1 to {MAX_PAGE_SHARDS} shards")
    if message.key_epoch < 1:
        raise MalformedObject("a key epoch is less than 1")
    shards = tuple(_shard_entry(entry) for entry in message.shards)
    return SnapshotPage(shards, message.key_epoch, message.record_counts)


def _shard_entry(message: objects_pb2.ShardEntry) -> ShardEntry:
    check_size(message.shard_id, ID_SIZE, "a shard id")
    check_size(message.digest, DIGEST_SIZE, "a shard digest")
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
    check_size(message.digest, DIGEST_SIZE, "a grant's digest")
    if message.key_epoch < 1 or message.not_before < 0 or message.not_after < 0:
        raise MalformedObject("a grant's key epoch or times are out of range")
    return GrantEntry(
        message.digest,
        parse_fingerprint(message.recipient, "a grant's recipient"),
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
    owner = parse_fingerprint(message.owner, "a dataset's owner")
    check_size(message.salt, ID_SIZE, "a dataset's salt")
    if dataset_id != dataset_id_of(owner, message.salt):
        raise ContextMismatch(
            "the dataset id does not follow from the owner in commit 0"
        )
    co_owners = tuple(parse_fingerprint(co, "a co-owner") for co in message.co_owners)
    return Genesis(message.salt, owner, co_owners)


def _co_owners(message: objects_pb2.CoOwners) -> CoOwners:
    return CoOwners(
        tuple(parse_fingerprint(co, "a co-owner") for co in message.fingerprints),
        parse_fingerprint(message.successor, "a successor")
        if message.successor
        else None,
    )


def _snapshot(message: objects_pb2.Commit) -> Snapshot:
    snapshot = message.snapshot
    for page in snapshot.pages:
        check_size(page, DIGEST_SIZE, "a snapshot page's digest")
    return Snapshot(
        genesis=_genesis(snapshot.genesis, message.dataset_id),
        owner=parse_fingerprint(snapshot.owner, "a snapshot's owner"),
        co_owners=tuple(
            parse_fingerprint(co, "a co-owner") for co in snapshot.co_owners
        ),
        pages=tuple(snapshot.pages),
        grants=tuple(_grant_entry(entry) for entry in snapshot.grants),
    )
