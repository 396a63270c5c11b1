"""Fetching shards: segments are verified, and opened into leased buffers, as they arrive.

Owners who seal shards again and trainers who read them both fetch with `receive`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    VerificationError,
)
from sealift_protocol.layout import ShardHead
from sealift_protocol.objects.commits import ShardEntry
from sealift_protocol.v1 import shards_pb2

SHARDS_A_CALL = 64


@dataclass(frozen=True, slots=True)
class OpenShard:
    """A shard's payload in memory.

    Attributes:
        entry: the shard's entry in its commit.
        payload: view of the pooled buffer that the shard was opened into.
    """

    entry: ShardEntry
    payload: memoryview


class LoadedShard:
    """A shard's plaintext in a leased buffer, as far as it was opened.

    Attributes:
        entry: the shard's entry in its commit.
        head: header and digest list, verified; None until the shard's head arrives.
        buffer: the opened segments, each at its offset.
        failed: why the shard is left out, if the reader skips corrupt shards.
    """

    def __init__(
        self,
        entry: ShardEntry,
        dataset_id: bytes,
        epoch_keys: EpochKeys,
        lease: Callable[[int], memoryview],
    ) -> None:
        """Start empty; memory is leased when the shard's head arrives.

        Args:
            entry: the shard's entry in its commit.
            dataset_id: 16 bytes.
            epoch_keys: keys by key epoch.
            lease: returns a buffer of the given size.
        """
        self.entry = entry
        self.head: ShardHead | None = None
        self.buffer = memoryview(b"")
        self.failed: VerificationError | None = None
        self._dataset_id = dataset_id
        self._epoch_keys = epoch_keys
        self._lease = lease
        self._opener: ShardOpener | None = None
        self._open: set[int] = set()

    @property
    def opened(self) -> int:
        """The number of open segments."""
        return len(self._open)

    def missing(self, wanted: Sequence[int] | None = None) -> list[int]:
        """Return which of the given segments (all, if None) are not open yet."""
        if self.head is None:
            return [0] if wanted is None else list(wanted)
        indices = range(self.head.segment_count) if wanted is None else wanted
        return [index for index in indices if index not in self._open]

    def runs(self, wanted: Sequence[int] | None = None) -> list[range | None]:
        """Return the missing segments as runs; None if the shard's head is not known yet."""
        if self.head is None and wanted is None:
            return [None]
        runs: list[range | None] = []
        for index in self.missing(wanted):
            last = runs[-1] if runs else None
            if last is not None and last.stop == index:
                runs[-1] = range(last.start, index + 1)
            else:
                runs.append(range(index, index + 1))
        return runs

    def begin(self, head: ShardHead) -> None:
        """Check the head and the key, and lease a buffer.

        Raises:
            VerificationError, WrongKey: the shard cannot be opened.
        """
        if self.head is not None:
            if head != self.head:
                raise CorruptShard(
                    "the relay sent two different heads for the same shard"
                )
            return
        entry = self.entry
        epoch_key = self._epoch_keys[entry.key_epoch]
        context = ShardContext(self._dataset_id, entry.shard_id, entry.key_epoch)
        self._opener = ShardOpener(
            head, digest=entry.digest, epoch_key=epoch_key, context=context
        )
        self.buffer = self._lease(head.plaintext_size)
        self.head = head

    def open_segment(self, index: int, segment: memoryview) -> None:
        """Verify a segment and open it at its offset.

        Raises:
            CorruptShard: it is not the segment that the owner sealed there.
        """
        if self._opener is None or self.head is None:
            raise CorruptShard("a segment arrived before its shard's head")
        place = self.buffer[index * self.head.header.segment_size :]
        self._opener.open_segment_into(index, segment, place)
        self._open.add(index)

    def payload(self) -> memoryview:
        """Return the payload, once every segment is open.

        Raises:
            CorruptShard: the padding is not as specified.
        """
        if self._opener is None:
            raise CorruptShard("a shard was not opened")
        return self.buffer[: self._opener.payload_size(self.buffer)]


class Arrivals(Protocol):
    """A receiver of what arrives, after it is verified and opened."""

    def head(self, shard: LoadedShard, head: ShardHead) -> None:
        """Take a shard's head."""

    def segment(self, shard: LoadedShard, index: int, sealed: memoryview) -> None:
        """Take a segment's ciphertext, in memory that is reused after the call."""


def receive(
    relay: RelayClient,
    dataset_id: bytes,
    wanted: deque[tuple[LoadedShard, range | None]],
    *,
    disclosure: bytes,
    arrivals: Arrivals | None = None,
) -> Generator[LoadedShard, None, None]:
    """Request segments in one call and open them as they arrive; yield a shard after each run.

    Args:
        relay: the relay to fetch from.
        dataset_id: 16 bytes.
        wanted: the shards and their segments, None for all segments. It is emptied, so that a
            shard is not kept after its receiver is done with it.
        disclosure: object digest of the logged Disclosure that covers the shards.
        arrivals: receives what arrives.

    Raises:
        VerificationError: what the relay sent is not what the owner sealed.
        WrongKey: there is no key for a shard's key epoch.
        SealiftError: the relay refused, or could not be reached.
    """
    request = shards_pb2.GetRequest(
        dataset_id=dataset_id,
        ranges=[
            shards_pb2.SegmentRange(
                shard_id=shard.entry.shard_id,
                first=0 if run is None else run.start,
                count=0 if run is None else len(run),
            )
            for shard, run in wanted
        ],
        disclosure=disclosure,
    )
    messages = relay.get_segments(request)
    try:
        while wanted:
            shard, run = wanted.popleft()
            head = read_head(messages, shard.entry)
            shard.begin(head)
            if arrivals is not None:
                arrivals.head(shard, head)
            for index in range(head.segment_count) if run is None else run:
                sealed = read_segment(messages)
                shard.open_segment(index, sealed)
                if arrivals is not None:
                    arrivals.segment(shard, index, sealed)
            yield shard
            del shard
    finally:
        _close(messages)


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
    """Yield the shards in order, each verified and open; resume after a broken stream.

    While the relay cannot be reached, fetching is retried for the relay's `patience`, counted from
    the last shard that arrived. `disclosure` is the object digest of the logged Disclosure that
    covers the shards.

    Raises:
        VerificationError: what the relay sent is not what the owner sealed.
        WrongKey: there is no key for a shard's key epoch.
        SealiftError: the relay refused, or could not be reached.
    """
    left = deque(
        LoadedShard(entry, dataset_id, epoch_keys, pool.lease) for entry in entries
    )
    retries = Retries(retry_policy(relay.patience), sleep=sleep)
    while left:
        wanted = deque(
            (shard, run)
            for shard in itertools.islice(left, SHARDS_A_CALL)
            for run in shard.runs()
        )
        try:
            with contextlib.closing(
                receive(relay, dataset_id, wanted, disclosure=disclosure)
            ) as arriving:
                for shard in arriving:
                    if shard.missing():
                        continue
                    left.popleft()
                    retries.progressed()
                    yield OpenShard(shard.entry, shard.payload())
                    del shard
        except SealiftError as error:
            if not is_passing(error):
                raise
            retries.wait_or_raise(error, noted=note_retry("retry_fetch"))


def read_head(messages: Iterator[bytes], entry: ShardEntry) -> ShardHead:
    """Read the head that precedes a shard's segments, of the size that its commit states.

    Raises:
        VerificationError: something else arrived.
    """
    message = framing.parse_get(_next(messages))
    if isinstance(message, memoryview):
        raise MalformedObject("the relay sent a segment instead of a shard's head")
    head = message.head
    if head.stored_size != entry.stored_size:
        raise CorruptShard(
            "the relay announced a different shard size than the owner signed"
        )
    return ShardHead.parse(head.header, head.segment_digests, head.stored_size)


def read_segment(messages: Iterator[bytes]) -> memoryview:
    """Read the next sealed segment.

    Raises:
        VerificationError: something else arrived.
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
