"""Fetching shards and opening them into pooled buffers as their segments arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sealift.crypto.epochkeys import EpochKeys
from sealift.crypto.opening import ShardOpener
from sealift.crypto.sealing import ShardContext
from sealift.process.buffers import BufferPool
from sealift.process.retrying import Retries
from sealift.relay.transport import RelayClient, is_passing, note_retry, retry_policy
from sealift_protocol import framing
from sealift_protocol.errors import (
    CorruptShard,
    MalformedObject,
    SealiftError,
)
from sealift_protocol.layout import ShardHead
from sealift_protocol.objects import ShardEntry
from sealift_protocol.v1 import shards_pb2

SHARDS_A_CALL = 64


@dataclass(frozen=True, slots=True)
class OpenShard:
    """One shard's payload in memory.

    Attributes:
        entry: the shard as its commit names it.
        payload: view of the pooled buffer that the shard was opened into.
    """

    entry: ShardEntry
    payload: memoryview


def fetch_shards(
    relay: RelayClient,
    dataset_id: bytes,
    entries: Sequence[ShardEntry],
    epoch_keys: EpochKeys,
    pool: BufferPool,
    *,
    disclosure: bytes,
    sleep: Callable[[float], None],
) -> Iterator[OpenShard]:
    """Yields the shards in order, each verified and open; resumes at a shard when a stream breaks.

    While the relay cannot be reached, fetching is repeated for as long as the relay's `patience`
    says, counted from the last shard that arrived. `disclosure` is the object digest of the logged
    Disclosure that covers the shards.

    Raises:
        VerificationError: what the relay sent is not what the owner sealed.
        WrongKey: there is no key for a shard's key epoch.
        SealiftError: the relay refused, or stayed away.
    """
    done = 0
    retries = Retries(retry_policy(relay.patience), sleep=sleep)
    while done < len(entries):
        wanted = entries[done : done + SHARDS_A_CALL]
        request = shards_pb2.GetRequest(
            dataset_id=dataset_id,
            ranges=[
                shards_pb2.SegmentRange(shard_id=entry.shard_id) for entry in wanted
            ],
            disclosure=disclosure,
        )
        messages = relay.get_segments(request)
        try:
            for entry in wanted:
                yield _open_one(messages, dataset_id, entry, epoch_keys, pool)
                done += 1
                retries.progressed()
        except SealiftError as error:
            if not is_passing(error):
                raise
            retries.wait_or_raise(error, noted=note_retry("retry_fetch"))
        finally:
            _close(messages)


def _open_one(
    messages: Iterator[bytes],
    dataset_id: bytes,
    entry: ShardEntry,
    epoch_keys: EpochKeys,
    pool: BufferPool,
) -> OpenShard:
    epoch_key = epoch_keys[entry.key_epoch]
    head = read_head(messages, entry)
    opener = ShardOpener(
        head,
        digest=entry.digest,
        epoch_key=epoch_key,
        context=ShardContext(dataset_id, entry.shard_id, entry.key_epoch),
    )
    buffer = pool.lease(head.plaintext_size)
    segment_size = head.header.segment_size
    for index in range(head.segment_count):
        segment = read_segment(messages)
        opener.open_segment_into(index, segment, buffer[index * segment_size :])
    return OpenShard(entry, buffer[: opener.payload_size(buffer)])


def read_head(messages: Iterator[bytes], entry: ShardEntry) -> ShardHead:
    """The head that goes before a shard's segments, of the size that its commit names.

    Raises:
        VerificationError: something else came.
    """
    message = framing.parse_get(_next(messages))
    if isinstance(message, memoryview):
        raise MalformedObject("the relay sent a segment where a shard's head was due")
    head = message.head
    if head.stored_size != entry.stored_size:
        raise CorruptShard(
            "the relay announced a shard of another size than its owner signed"
        )
    return ShardHead.parse(head.header, head.segment_digests, head.stored_size)


def read_segment(messages: Iterator[bytes]) -> memoryview:
    """The next sealed segment.

    Raises:
        VerificationError: something else came.
    """
    message = framing.parse_get(_next(messages))
    if not isinstance(message, memoryview):
        raise CorruptShard("the relay ended a shard before its last segment")
    return message


def _next(messages: Iterator[bytes]) -> bytes:
    message = next(messages, None)
    if message is None:
        raise CorruptShard("the relay ended the stream before the last segment")
    return message


def _close(iterator: Iterator[object]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
