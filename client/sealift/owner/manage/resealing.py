"""Reseal stored records: under the newest key epoch, or without some of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from sealift.history.disclosures import disclose
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.history.records import read_batches
from sealift.owner.manage.subjects import subject_tagger
from sealift.owner.push.committing import Change, Committed, append
from sealift.owner.push.packing import pack, shard_pool
from sealift.owner.push.uploading import SealedShards, SealingTarget, seal_and_upload
from sealift.process.buffers import BufferPool
from sealift.relay.fetching import fetch_shards
from sealift_protocol.errors import AccessDenied
from sealift_protocol.layout import MAX_SHARD_PLAINTEXT
from sealift_protocol.objects.commits import ShardEntry

_FETCH_BUFFERS = 3
_SEAL_BUFFERS = 3


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
    sealed = seal_again(
        member, opened, old, "reseal", lambda batch: batch, acknowledged
    )
    return append(
        member,
        opened,
        lambda _: replacement(opened, old, sealed),
    )


def replacement(
    opened: OpenedDataset,
    old: Sequence[ShardEntry],
    sealed: SealedShards,
    *,
    erasure: bool = False,
) -> Change:
    """Return the change that replaces old shards by resealed ones."""
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


def seal_again(
    member: Member,
    opened: OpenedDataset,
    entries: Sequence[ShardEntry],
    purpose: str,
    change: Callable[[pa.RecordBatch], pa.RecordBatch],
    acknowledged: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> SealedShards:
    """Seal the records of some shards again, changed, and upload the new shards."""
    batches = (
        change(batch)
        for _, payload in open_again(member, opened, entries, purpose)
        for batch in read_batches(payload, opened.schema)
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


def open_again(
    member: Member,
    opened: OpenedDataset,
    entries: Sequence[ShardEntry],
    purpose: str,
) -> Iterator[tuple[ShardEntry, memoryview]]:
    """Yield the payloads of stored shards; logged like any disclosure.

    A payload is not valid any more when the next one is asked for.
    """
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
            yield shard.entry, shard.payload
            del shard
