"""Append commits to a dataset's history; retry on the newest head after a conflict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from sealift.crypto.metadata import seal_counts, seal_metadata
from sealift.crypto.signing import shard_entry_message, sign_commit
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, open_created, open_history
from sealift.history.schemas import write_schema
from sealift.process.clock import unix
from sealift.process.secret import Secret
from sealift.relay.transport import RelayClient
from sealift_protocol.errors import Conflict, HistoryInvalid, KeyEpochMoved
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.commits import (
    MAX_PAGE_SHARDS,
    Commit,
    CoOwners,
    Genesis,
    GrantEntry,
    ShardEntry,
    Snapshot,
    verify_commit,
)
from sealift_protocol.objects.grants import verify_grant
from sealift_protocol.v1 import objects_pb2

# A reader replays at most this many commits, however long the history is.
SNAPSHOT_EVERY = 64
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does.

    Attributes:
        added: shards to add, already stored.
        counts: number of records in each added shard.
        subjects: tags of the people in each added shard; empty if it names none.
        removed: ids of shards to remove.
        grants: signed grants that take effect with the commit.
        revoked: recipients whose grants end.
        co_owners: the new set of co-owners.
        new_key: the key of the next key epoch, if the commit begins one.
        erasure: whether the removed shards held records that had to be erased.
        deletion: whether the commit deletes the dataset.
        cursor: how far the author's sources were pushed, sealed to the author.
        schema: the dataset's schema from this commit on, if it adds columns.
        policies: SHA-256 of the policies under which the added records were de-identified.
        policy_report: what de-identification did to them, as JSON.
        required_policies: the policies under which records may be added from now on.
    """

    added: Sequence[ShardEntry] = ()
    counts: Sequence[int] = ()
    subjects: Sequence[objects_pb2.SubjectTags] = ()
    removed: Sequence[bytes] = ()
    grants: Sequence[objects_pb2.Signed] = ()
    revoked: Sequence[Fingerprint] = ()
    co_owners: CoOwners | None = None
    new_key: Secret | None = field(default=None, repr=False)
    erasure: bool = False
    deletion: bool = False
    cursor: bytes = b""
    schema: pa.Schema | None = field(default=None, repr=False)
    policies: Collection[bytes] = ()
    policy_report: str = field(default="", repr=False)
    required_policies: Collection[bytes] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit that is durable and in the log.

    Attributes:
        commit: the signed commit.
        receipt: the relay's signed DeletionReceipt, if the commit destroyed anything.
        base: the dataset before the commit; None if the commit created the dataset.
        new_key: the key of the key epoch that the commit began, if any.
    """

    commit: Commit
    receipt: objects_pb2.Signed | None
    base: OpenedDataset | None = field(default=None, repr=False)
    new_key: Secret | None = field(default=None, repr=False)


def create(
    member: Member,
    genesis: Genesis,
    dataset_id: bytes,
    epoch_key: Secret,
    metadata: objects_pb2.CommitMetadata,
    change: Change,
) -> Committed:
    """Append commit 0, which creates a dataset.

    Raises:
        SealiftError: the relay refused; the subclass says why.
    """
    metadata.MergeFrom(_said_of(change))
    sealed = seal_metadata(
        metadata, epoch_key=epoch_key, dataset_id=dataset_id, number=0, key_epoch=1
    )
    signed = sign_commit(
        member.identity,
        dataset_id=dataset_id,
        number=0,
        parent=b"",
        time=unix(member.now),
        key_epoch=1,
        added=change.added,
        metadata=sealed,
        genesis=genesis,
        granted=_grant_entries(change),
    )
    return replace(_send(member, signed, change), new_key=epoch_key)


def opened_after(
    member: Member, trusted: Collection[Fingerprint], committed: Committed
) -> OpenedDataset:
    """Return the dataset after this member's own commit.

    The relay is asked only if the commit begins with a snapshot.

    Raises:
        SealiftError: the dataset can no longer be opened; the subclass says why.
    """
    commit, base, key = committed.commit, committed.base, committed.new_key
    if commit.snapshot is not None:
        return open_history(member, commit.dataset_id, trusted)
    if base is not None:
        return base.after(commit, member.identities, unix(member.now), new_key=key)
    if key is None:
        raise HistoryInvalid("a dataset's first commit begins its first key epoch")
    return open_created(commit, trusted, key, unix(member.now))


def append(
    member: Member,
    opened: OpenedDataset,
    plan: Callable[[OpenedDataset], Change],
) -> Committed:
    """Append a change; after a conflict, plan it again on the newest state.

    Args:
        member: the member who signs.
        opened: the dataset as last seen.
        plan: returns the change to make, given the dataset's newest state.

    Raises:
        KeyEpochMoved: the dataset was rotated in the meantime, so the sealed shards can
            no longer be added.
        Conflict: other members committed first on every attempt.
        SealiftError: the relay refused; the subclass says why.
    """
    for _ in range(_ATTEMPTS):
        change = plan(opened)
        if any(entry.key_epoch != opened.history.key_epoch for entry in change.added):
            raise KeyEpochMoved(
                "the dataset was rotated to a new key epoch in the meantime"
            )
        if not set(change.removed) <= set(opened.history.shards):
            raise Conflict("another member removed the same shards in the meantime")
        signed = _sign(member, opened, change)
        try:
            sent = _send(member, signed, change)
            return replace(sent, base=opened, new_key=change.new_key)
        except Conflict:
            # This covers KeyEpochMoved too: the plan for the newest state decides.
            opened = open_history(member, opened.dataset_id, opened.trusted)
    raise Conflict("other members commit to the dataset faster than this client")


def _sign(member: Member, opened: OpenedDataset, change: Change) -> objects_pb2.Signed:
    history = opened.history
    number = history.head.number + 1
    key_epoch = history.key_epoch + (change.new_key is not None)
    epoch_key = change.new_key or opened.current_key
    metadata = _said_of(change)
    snapshot = None
    due = number - max(history.last_snapshot, 0) >= SNAPSHOT_EVERY
    if due and history.owner == member.identity.fingerprint and not _ends(change):
        snapshot = _snapshot(member.relay, opened, change, key_epoch, epoch_key)
        metadata.name = opened.name
        metadata.description = opened.description
        metadata.arrow_schema = write_schema(change.schema or opened.schema)
        metadata.required_policies[:] = sorted(
            change.required_policies or opened.required_policies
        )
        metadata.live_policies[:] = sorted(opened.policies)
        metadata.retain_seconds = opened.retain_seconds
        metadata.subject_column = opened.subject_column
    return sign_commit(
        member.identity,
        dataset_id=opened.dataset_id,
        number=number,
        parent=history.head.digest,
        time=unix(member.now),
        key_epoch=key_epoch,
        added=change.added,
        metadata=seal_metadata(
            metadata,
            epoch_key=epoch_key,
            dataset_id=opened.dataset_id,
            number=number,
            key_epoch=key_epoch,
        ),
        removed=change.removed,
        granted=_grant_entries(change),
        revoked=change.revoked,
        co_owners=change.co_owners,
        snapshot=snapshot,
        erasure=change.erasure,
        deletion=change.deletion,
    )


def _said_of(change: Change) -> objects_pb2.CommitMetadata:
    """The sealed metadata for a change."""
    return objects_pb2.CommitMetadata(
        arrow_schema=b"" if change.schema is None else write_schema(change.schema),
        record_counts=change.counts,
        subjects=change.subjects,
        cursor=change.cursor,
        policies=sorted(change.policies),
        policy_report=change.policy_report,
        required_policies=sorted(change.required_policies),
    )


def _ends(change: Change) -> bool:
    # No one reads after a deletion; a successor makes the next snapshot itself.
    return change.deletion or (
        change.co_owners is not None and bool(change.co_owners.successor)
    )


def _send(member: Member, signed: objects_pb2.Signed, change: Change) -> Committed:
    receipt = member.relay.append(signed, change.grants)
    commit = verify_commit(signed)
    parents = {commit.number - 1: commit.parent}
    with member.last_seen.held():
        # The relay acknowledged the commit; if it did not log it, it could deny it.
        member.log.check([(Kind.COMMIT, commit.digest, commit.dataset_id)])
        member.last_seen.check_head(
            commit.dataset_id,
            commit.number,
            commit.digest,
            lambda number: parents.get(number, b""),
        )
    return Committed(commit, receipt)


def _grant_entries(change: Change) -> list[GrantEntry]:
    return [verify_grant(signed).entry() for signed in change.grants]


def _snapshot(
    relay: RelayClient,
    opened: OpenedDataset,
    change: Change,
    key_epoch: int,
    epoch_key: Secret,
) -> Snapshot:
    """The snapshot after a change; unchanged pages of the last snapshot are reused."""
    history = opened.history
    removed = set(change.removed)
    shards = [entry for i, entry in history.shards.items() if i not in removed]
    shards += change.added
    added_ids = [entry.shard_id for entry in change.added]
    counts = {
        **opened.record_counts,
        **dict(zip(added_ids, change.counts, strict=True)),
    }
    digests, fresh = _pages(opened, shards, counts, key_epoch, epoch_key)
    relay.put_pages(opened.dataset_id, fresh)
    revoked = set(change.revoked)
    grants = {d: g for d, g in history.grants.items() if g.recipient not in revoked}
    grants.update({entry.digest: entry for entry in _grant_entries(change)})
    co_owners = history.co_owners
    if change.co_owners is not None:
        co_owners = frozenset(change.co_owners.fingerprints)
    return Snapshot(
        genesis=history.genesis,
        owner=history.owner,
        co_owners=tuple(sorted(co_owners)),
        pages=tuple(digests),
        grants=tuple(grants.values()),
    )


def _pages(
    opened: OpenedDataset,
    shards: Sequence[ShardEntry],
    counts: Mapping[bytes, int],
    key_epoch: int,
    epoch_key: Secret,
) -> tuple[list[bytes], list[bytes]]:
    """Return the digests of all pages, and the serialised pages that are new."""
    known = {page.shards[0].shard_id: page for page in opened.pages}
    digests: list[bytes] = []
    fresh: list[bytes] = []
    for start in range(0, len(shards), MAX_PAGE_SHARDS):
        part = tuple(shards[start : start + MAX_PAGE_SHARDS])
        stored = known.get(part[0].shard_id)
        if stored is not None and stored.shards == part:
            digests.append(stored.digest)
            continue
        if any(entry.shard_id not in counts for entry in part):
            raise HistoryInvalid("a snapshot needs the record counts of every shard")
        page = objects_pb2.SnapshotPage(
            shards=[shard_entry_message(entry) for entry in part],
            key_epoch=key_epoch,
            record_counts=seal_counts(
                [counts[entry.shard_id] for entry in part],
                epoch_key=epoch_key,
                dataset_id=opened.dataset_id,
                key_epoch=key_epoch,
            ),
        ).SerializeToString()
        digests.append(hashlib.sha256(page).digest())
        fresh.append(page)
    return digests, fresh
