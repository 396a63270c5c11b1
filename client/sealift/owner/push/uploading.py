"""Seal packed shards segment by segment while sending them, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pyarrow as pa

from sealift.crypto.sealing import ShardContext, ShardSealer
from sealift.owner.manage.subjects import SubjectTagger
from sealift.owner.push.pacing import Pace
from sealift.owner.push.packing import PackedShard
from sealift.process.secret import Secret
from sealift.relay.transport import RelayClient, segment_stream
from sealift_protocol.errors import CorruptShard
from sealift_protocol.ids import new_id
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, TAG_SIZE
from sealift_protocol.objects.commits import ShardEntry
from sealift_protocol.v1 import objects_pb2, shards_pb2

DEFAULT_JOBS = 2


@dataclass(frozen=True, slots=True)
class SealingTarget:
    """What shards are sealed for: a dataset under its current key epoch.

    Attributes:
        dataset_id: 16 bytes.
        epoch_key: the key of that key epoch.
        key_epoch: its number, from 1.
        not_after: Unix seconds at which retention ends; 0 for never.
        subjects: tags the people in a shard; None if no column names them.
    """

    dataset_id: bytes
    epoch_key: Secret = field(repr=False)
    key_epoch: int
    not_after: int = 0
    subjects: SubjectTagger | None = None


@dataclass(slots=True)
class SealedShards:
    """Shards that are stored and wait for their commit.

    Attributes:
        entries: the shard entries for the commit.
        counts: number of records in each shard.
        subjects: tags of the people in each shard.
        payload_bytes: total size, before sealing.
    """

    entries: list[ShardEntry] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    subjects: list[objects_pb2.SubjectTags] = field(default_factory=list)
    payload_bytes: int = 0


class Uploads:
    """Seal and upload at most `jobs` shards at once, in their order.

    A context manager. On an error it waits for the uploads in progress and leaves their
    shards to the relay, which collects shards that no commit names.
    """

    def __init__(
        self,
        relay: RelayClient,
        schema: pa.Schema,
        *,
        jobs: int = DEFAULT_JOBS,
        pace: Pace | None = None,
        acknowledged: Callable[[int, int], None] = lambda _records, _bytes: None,
    ) -> None:
        """Start with no uploads.

        Args:
            relay: the relay to upload to.
            schema: the schema of the records, for subject tags.
            jobs: number of concurrent uploads.
            pace: limits the bytes per second.
            acknowledged: called with the records and payload bytes of each shard that the
                relay acknowledges.
        """
        self._relay = relay
        self._schema = schema
        self._jobs = jobs
        self._pace = pace or Pace()
        self._acknowledged = acknowledged
        self._executor = ThreadPoolExecutor(jobs, thread_name_prefix="sealift-upload")
        self._waiting: list[tuple[Future[ShardEntry], int, int]] = []
        self._done = SealedShards()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            # After Ctrl-C, do not wait for 64 MiB on a slow connection.
            self._relay.interrupt()
        self._executor.shutdown(cancel_futures=True)

    def put(self, shard: PackedShard, target: SealingTarget) -> None:
        """Send a shard; wait while `jobs` others are in progress, to slow the source."""
        if len(self._waiting) == self._jobs:
            self._take_oldest()
        if target.subjects is not None:
            self._done.subjects.append(target.subjects.tags_of(shard, self._schema))
        future = self._executor.submit(_upload, self._relay, shard, target, self._pace)
        self._waiting.append((future, shard.records, shard.payload_size))

    def take(self) -> SealedShards:
        """Wait for all uploads, and return their shards."""
        while self._waiting:
            self._take_oldest()
        done, self._done = self._done, SealedShards()
        return done

    def _take_oldest(self) -> None:
        future, records, payload_size = self._waiting.pop(0)
        self._done.entries.append(future.result())
        self._done.counts.append(records)
        self._done.payload_bytes += payload_size
        self._acknowledged(records, payload_size)


def seal_and_upload(
    relay: RelayClient,
    packed: Iterator[PackedShard],
    schema: pa.Schema,
    target: SealingTarget,
    acknowledged: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> SealedShards:
    """Seal and upload shards in their order; see `Uploads`."""
    with Uploads(relay, schema, acknowledged=acknowledged) as uploads:
        for shard in packed:
            uploads.put(shard, target)
            # The upload must hold the only reference, so the buffer returns to the pool.
            del shard
        return uploads.take()


def _upload(
    relay: RelayClient, shard: PackedShard, target: SealingTarget, pace: Pace
) -> ShardEntry:
    context = ShardContext(target.dataset_id, new_id(), target.key_epoch)
    sealer = ShardSealer(
        shard.buffer, shard.payload_size, epoch_key=target.epoch_key, context=context
    )
    put_head = shards_pb2.PutHead(
        dataset_id=target.dataset_id,
        header=sealer.header.pack(),
        stored_size=sealer.stored_size,
    )

    def segments() -> Iterator[memoryview]:
        scratch = memoryview(bytearray((1 << LOG2_SEGMENT_SIZE) + TAG_SIZE))
        for index in range(sealer.segment_count):
            size = sealer.seal_segment_into(index, scratch)
            pace.take(size)
            yield scratch[:size]

    received = relay.put_shard(
        lambda: segment_stream(put_head, segments(), lambda: sealer.head().digest)
    )
    # A relay that answers early has not seen every segment, whatever digest it names.
    if not sealer.complete or received != sealer.head().digest:
        raise CorruptShard("the relay acknowledged a different shard than was sent")
    return ShardEntry(
        context.shard_id,
        context.key_epoch,
        sealer.stored_size,
        received,
        target.not_after,
    )
