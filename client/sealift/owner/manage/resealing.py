"""Reseal stored records: under the newest key epoch, or without one person's records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sealift.crypto.metadata import open_metadata
from sealift.history.disclosures import disclose
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.history.records import read_batches
from sealift.owner.manage.subjects import as_subject, subject_tagger
from sealift.owner.push.committing import Change, Committed, append
from sealift.owner.push.packing import pack, shard_pool
from sealift.owner.push.uploading import SealedShards, SealingTarget, seal_and_upload
from sealift.process.buffers import BufferPool
from sealift.relay.fetching import fetch_shards
from sealift_protocol.errors import AccessDenied, InvalidArgument
from sealift_protocol.layout import MAX_SHARD_PLAINTEXT
from sealift_protocol.objects.commits import ShardEntry

_FETCH_BUFFERS = 3
_SEAL_BUFFERS = 3


@dataclass(frozen=True, slots=True)
class Erased:
    """The result of erasing a person.

    Attributes:
        records: number of the person's records that were removed.
        shards: number of shards that were replaced.
        searched: number of shards that were opened to search.
        committed: the commit, or None if nothing was found.
    """

    records: int
    shards: int
    searched: int
    committed: Committed | None


def reseal(
    member: Member,
    opened: OpenedDataset,
    acknowledged: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> Committed | None:
    """Reseal every shard of an older key epoch under the newest, and destroy the old shards.

    Shards of several authors become this author's. Returns None if there is nothing to do.
    """
    old = [e for e in opened.shards if e.key_epoch != opened.history.key_epoch]
    if not old:
        return None
    sealed = _seal_again(
        member, opened, old, "reseal", lambda batch: batch, acknowledged
    )
    return append(
        member,
        opened,
        lambda _: _replacement(opened, old, sealed),
    )


def erase_subject(member: Member, opened: OpenedDataset, subject: str) -> Erased:
    """Reseal the shards that hold a person without that person, and destroy the old shards.

    Args:
        member: the member who erases; it can read the tags of shards that it pushed.
        opened: the dataset, with its history from commit 0.
        subject: the person, as named in the subject column.

    Raises:
        InvalidArgument: the dataset has no subject column.
    """
    if not opened.subject_column:
        raise InvalidArgument(
            "the dataset has no subject column, so a person cannot be found in it",
            hint="push with `subject_column`; for this dataset, push it again without the "
            "person and delete the old one",
        )
    candidates = _candidates(member, opened, subject)
    if not candidates:
        return Erased(0, 0, 0, None)
    column = opened.schema.get_field_index(opened.subject_column)
    hits = _holding(member, opened, candidates, column, subject)
    if not hits:
        return Erased(0, 0, len(candidates), None)

    def without(batch: pa.RecordBatch) -> pa.RecordBatch:
        keep = [as_subject(v) != subject for v in batch.column(column).to_pylist()]
        return batch.filter(pa.array(keep, pa.bool_()))

    entries = [entry for entry in candidates if entry.shard_id in hits]
    sealed = _seal_again(member, opened, entries, "erasure", without)
    committed = append(
        member,
        opened,
        lambda _: _replacement(opened, entries, sealed, erasure=True),
    )
    return Erased(sum(hits.values()), len(entries), len(candidates), committed)


def _replacement(
    opened: OpenedDataset,
    old: Sequence[ShardEntry],
    sealed: SealedShards,
    *,
    erasure: bool = False,
) -> Change:
    return Change(
        added=sealed.entries,
        counts=sealed.counts,
        subjects=sealed.subjects,
        # Which policy a record was under is not kept for each shard, so all are named.
        policies=opened.policies,
        removed=[entry.shard_id for entry in old],
        erasure=erasure,
    )


def remove_shards(
    member: Member,
    opened: OpenedDataset,
    shard_ids: Sequence[bytes],
) -> Committed:
    """Remove shards; the relay destroys them.

    Raises:
        AccessDenied: a shard is not in the dataset.
    """
    if not set(shard_ids) <= set(opened.history.shards):
        raise AccessDenied(
            "the dataset has no such shard",
            hint="see `session.dataset(dataset).access()`",
        )
    return append(
        member, opened, lambda _: Change(removed=list(shard_ids), erasure=True)
    )


def delete_dataset(member: Member, opened: OpenedDataset) -> Committed:
    """Delete a dataset: the relay destroys every wrapped key and every shard."""
    return append(member, opened, lambda _: Change(deletion=True))


def _candidates(
    member: Member, opened: OpenedDataset, subject: str
) -> list[ShardEntry]:
    tagger = subject_tagger(member.identity, opened.dataset_id, opened.subject_column)
    live = {entry.shard_id for entry in opened.shards}
    found = []
    for commit in opened.history.commits:
        if not any(entry.shard_id in live for entry in commit.added):
            continue
        metadata = open_metadata(commit, opened.epoch_keys[commit.key_epoch])
        own = commit.signer == member.identity.fingerprint
        tags = list(metadata.subjects)
        for place, entry in enumerate(commit.added):
            # Another author's tags use another key, so such a shard has to be searched.
            unknown = not own or place >= len(tags)
            if entry.shard_id in live and (
                unknown or tagger.may_hold(tags[place], subject)
            ):
                found.append(entry)
    return found


def _holding(
    member: Member,
    opened: OpenedDataset,
    entries: Sequence[ShardEntry],
    column: int,
    subject: str,
) -> dict[bytes, int]:
    """Count a person's records in each shard that holds any."""
    hits: dict[bytes, int] = {}
    for entry, batch in _open_again(member, opened, entries, "erasure: searching"):
        count = sum(as_subject(v) == subject for v in batch.column(column).to_pylist())
        if count:
            hits[entry.shard_id] = hits.get(entry.shard_id, 0) + count
    return hits


def _seal_again(
    member: Member,
    opened: OpenedDataset,
    entries: Sequence[ShardEntry],
    purpose: str,
    change: Callable[[pa.RecordBatch], pa.RecordBatch],
    acknowledged: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> SealedShards:
    batches = (
        change(batch) for _, batch in _open_again(member, opened, entries, purpose)
    )
    # The earliest end among the replaced shards counts: retention is a promise.
    ends = [entry.not_after for entry in entries if entry.not_after]
    column = opened.subject_column
    target = SealingTarget(
        dataset_id=opened.dataset_id,
        epoch_key=opened.current_key,
        key_epoch=opened.history.key_epoch,
        not_after=min(ends, default=0),
        subjects=subject_tagger(member.identity, opened.dataset_id, column)
        if column
        else None,
    )
    with shard_pool(_SEAL_BUFFERS) as pool:
        packed = pack(batches, opened.schema, pool)
        return seal_and_upload(
            member.relay, packed, opened.schema, target, acknowledged
        )


def _open_again(
    member: Member,
    opened: OpenedDataset,
    entries: Sequence[ShardEntry],
    purpose: str,
) -> Iterator[tuple[ShardEntry, pa.RecordBatch]]:
    """Yield the records of stored shards, batch by batch; logged like any disclosure."""
    ids = [entry.shard_id for entry in entries]
    disclosure = disclose(member, opened, purpose=purpose, shard_ids=ids)
    with BufferPool(MAX_SHARD_PLAINTEXT, _FETCH_BUFFERS) as pool:
        for shard in fetch_shards(
            member.relay,
            opened.dataset_id,
            entries,
            opened.epoch_keys,
            pool,
            disclosure=disclosure,
            sleep=time.sleep,
        ):
            for batch in read_batches(shard.payload, opened.schema):
                yield shard.entry, batch
            del shard
