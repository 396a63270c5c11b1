"""Sealed shards into memory: from the cache where it has them, from the relay where not.

Whatever comes is verified, segment by segment, before a byte of it is opened; what the cache lacks
or has wrong is fetched, and a stream that breaks is taken up again at the segment where it broke.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sealift.crypto.opening import ShardOpener
from sealift.crypto.sealing import ShardContext
from sealift.crypto.signing import Identity
from sealift.history.disclosures import Fetch, declare
from sealift.process.buffers import BufferPools
from sealift.process.clock import Clock, unix
from sealift.process.log import log
from sealift.process.secret import Secret
from sealift.relay.fetching import read_head, read_segment
from sealift.relay.transport import RelayClient, is_passing
from sealift.trainer.engine.cache import CachedShard, ShardCache
from sealift.trainer.metrics.counters import Counters
from sealift.trainer.options import OnCorrupt
from sealift_protocol.errors import (
    CorruptShard,
    DisclosureRequired,
    SealiftError,
    VerificationError,
    WrongKey,
)
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, TAG_SIZE, ShardHead
from sealift_protocol.objects import ShardEntry
from sealift_protocol.v1 import shards_pb2
from sealift_protocol.wire import MAX_RANGES

# A relay takes a disclosure for a day.
_DISCLOSURE_SECONDS = 20 * 3600
_REFETCHES = 3
_FIRST_DELAY, _MAX_DELAY = 0.2, 5.0


class Interrupted(Exception):
    """Nobody needs any more what a thread was still reading; never leaves this package."""


@dataclass(frozen=True, slots=True)
class SealedDataset:
    """What is needed to fetch and open the shards of one dataset, here or in a worker process.

    Attributes:
        fetch: what disclosures say.
        shards: the live shards in dataset order.
        epoch_keys: by key epoch.
        identity: who fetches.
        now: the clock.
    """

    fetch: Fetch
    shards: tuple[ShardEntry, ...]
    epoch_keys: Mapping[int, Secret]
    identity: Identity
    now: Clock

    @property
    def dataset_id(self) -> bytes:
        """16 bytes."""
        return self.fetch.dataset_id


class Declarations:
    """The disclosures that this process has logged for one dataset.

    Attributes:
        digests: all of them, oldest first.
        whole: digest and Unix seconds of the newest one of the whole dataset.
    """

    def __init__(
        self, sealed: SealedDataset, whole: tuple[bytes, int] | None = None
    ) -> None:
        """Begins with what another process declared, if anything.

        Args:
            sealed: the dataset.
            whole: digest and Unix seconds of a disclosure of all of it.
        """
        self._sealed = sealed
        self._lock = threading.Lock()
        self.whole = whole
        self._some: dict[bytes, tuple[bytes, int]] = {}
        self.digests: list[bytes] = []

    def cover(self, relay: RelayClient, shard_ids: Sequence[bytes] = ()) -> bytes:
        """The digest of a disclosure that covers some shards, or all; logged now if need be."""
        with self._lock:
            now = unix(self._sealed.now)
            if self.whole is not None and now - self.whole[1] < _DISCLOSURE_SECONDS:
                return self.whole[0]
            some = {self._some.get(shard_id) for shard_id in shard_ids}
            if len(some) == 1:
                made = some.pop()
                if made is not None and now - made[1] < _DISCLOSURE_SECONDS:
                    return made[0]
            sealed = self._sealed
            digest = declare(
                relay,
                sealed.identity,
                sealed.now,
                sealed.fetch,
                shard_ids=list(shard_ids),
            )
            self.digests.append(digest)
            if shard_ids:
                self._some.update(dict.fromkeys(shard_ids, (digest, now)))
            else:
                self.whole = digest, now
            return digest

    def forget(self) -> None:
        """Makes the next call declare anew: the relay does not take what there is."""
        with self._lock:
            self.whole = None
            self._some.clear()


class LoadedShard:
    """One shard's plaintext in a pooled buffer, as far as it was opened.

    Attributes:
        entry: as its commit names it.
        head: header and digest list, verified; None until something of it came.
        buffer: where the segments lie, at their places.
        failed: why it is left out, if `on_corrupt` is "skip".
    """

    def __init__(
        self, sealed: SealedDataset, entry: ShardEntry, pools: BufferPools
    ) -> None:
        self.entry = entry
        self.head: ShardHead | None = None
        self.buffer = memoryview(b"")
        self.failed: VerificationError | None = None
        self._sealed = sealed
        self._pools = pools
        self._opener: ShardOpener | None = None
        self._open: set[int] = set()

    @property
    def opened(self) -> int:
        """How many segments are open."""
        return len(self._open)

    def missing(self, wanted: Sequence[int] | None) -> list[int]:
        """Which of some segments (of all, if None) are not open yet."""
        if self.head is None:
            return [0] if wanted is None else list(wanted)
        indices = range(self.head.segment_count) if wanted is None else wanted
        return [index for index in indices if index not in self._open]

    def begin(self, head: ShardHead) -> None:
        """Checks the head and the key, and takes a buffer.

        Raises:
            VerificationError, WrongKey: why it cannot be opened.
        """
        if self.head is not None:
            if head != self.head:
                raise CorruptShard("the relay sent another head for the same shard")
            return
        entry = self.entry
        epoch_key = self._sealed.epoch_keys.get(entry.key_epoch)
        if epoch_key is None:
            raise WrongKey(
                f"no grant opens key epoch {entry.key_epoch}",
                hint="ask the owner to grant you that key epoch too",
            )
        context = ShardContext(self._sealed.dataset_id, entry.shard_id, entry.key_epoch)
        self._opener = ShardOpener(
            head, digest=entry.digest, epoch_key=epoch_key, context=context
        )
        self.buffer = self._pools.lease(head.plaintext_size)
        self.head = head

    def open_segment(self, index: int, segment: memoryview) -> None:
        """Verifies a segment and opens it at its place.

        Raises:
            CorruptShard: it is not the one that the owner sealed there.
        """
        if self._opener is None or self.head is None:
            raise CorruptShard("a segment came before its shard's head")
        place = self.buffer[index * self.head.header.segment_size :]
        self._opener.open_segment_into(index, segment, place)
        self._open.add(index)

    def payload(self) -> memoryview:
        """The payload, when every segment is open.

        Raises:
            CorruptShard: the padding is not as specified.
        """
        if self._opener is None:
            raise CorruptShard("a shard was not opened")
        return self.buffer[: self._opener.payload_size(self.buffer)]


_Work: TypeAlias = tuple[LoadedShard, Sequence[int] | None]


class ShardLoader:
    """Loads shards of one dataset. Several threads may use it at the same time."""

    def __init__(
        self,
        relay: RelayClient,
        sealed: SealedDataset,
        declarations: Declarations,
        cache: ShardCache | None,
        counters: Counters,
        *,
        patience: float,
        on_corrupt: OnCorrupt,
        stopped: threading.Event,
    ) -> None:
        """Makes a loader.

        Args:
            relay: where from.
            sealed: which dataset.
            declarations: what was declared of it.
            cache: where ciphertext is kept.
            counters: what is counted.
            patience: see `ReadOptions`.
            on_corrupt: see `ReadOptions`.
            stopped: set when nobody needs the shards any more.
        """
        self._relay = relay
        self._sealed = sealed
        self._declarations = declarations
        self._cache = cache
        self._counters = counters
        self._patience = patience
        self._on_corrupt = on_corrupt
        self._stopped = stopped
        self._scratch = threading.local()

    def load(
        self,
        shards: Sequence[LoadedShard],
        wanted: Sequence[Sequence[int] | None],
        *,
        declare: Sequence[bytes] = (),
    ) -> None:
        """Opens segments of some shards, those that are not open yet.

        Args:
            shards: where to.
            wanted: for each, which segments; None for all.
            declare: the shards that a disclosure names; by default it is for all of the dataset.

        Raises:
            VerificationError: the relay does not send what the owner sealed.
            SealiftError: the relay refused, or stayed away.
        """
        work = list(zip(shards, wanted, strict=True))
        for shard, segments in work:
            self._from_cache(shard, segments)
        work = [
            (shard, segments) for shard, segments in work if shard.missing(segments)
        ]
        if not work:
            return
        self._counters.add(cache_misses=len(work) if self._cache is not None else 0)
        files = [self._file(shard, alone=len(work) == 1) for shard, _ in work]
        try:
            if len(work) == 1 and files[0] is not None:
                # Another process may have fetched it while this one waited for its turn.
                self._from_cache(*work[0])
            self._fetch(work, files, declare)
        finally:
            for file in files:
                if file is not None:
                    file.__exit__(None, None, None)

    def _from_cache(self, shard: LoadedShard, segments: Sequence[int] | None) -> None:
        if self._cache is None:
            return
        file = self._cache.open(self._sealed.dataset_id, shard.entry, write=False)
        if file is None:
            return
        with file:
            head = shard.head or file.read_head()
            try:
                if head is None:
                    return
                shard.begin(head)
            except VerificationError:
                self._counters.add(cache_corrupt=1)
                return
            for index in shard.missing(segments):
                sealed = file.read_segment(head, index, self._ciphertext())
                if sealed is None:
                    continue
                try:
                    shard.open_segment(index, sealed)
                except CorruptShard:
                    self._counters.add(cache_corrupt=1)
                    log.warning("refetch_cached_segment", segment=index)
                else:
                    self._counters.add(cached_bytes=len(sealed))

    def _file(self, shard: LoadedShard, *, alone: bool) -> CachedShard | None:
        if self._cache is None:
            return None
        file = self._cache.open(self._sealed.dataset_id, shard.entry, write=True)
        if file is not None and alone:
            file.lock(self._patience)
        return file

    def _fetch(
        self,
        work: Sequence[_Work],
        files: Sequence[CachedShard | None],
        ids: Sequence[bytes],
    ) -> None:
        corrupt = redeclared = number = 0
        last_progress = time.monotonic()
        while True:
            before = self._counters.fetched_bytes
            try:
                self._stream(work, files, ids)
            except DisclosureRequired:
                if redeclared:
                    raise
                redeclared = 1
                self._declarations.forget()
            except VerificationError as error:
                corrupt += 1
                self._refetch_or_raise(work, error, corrupt)
            except SealiftError as error:
                if self._counters.fetched_bytes > before:
                    last_progress, number = time.monotonic(), 0
                if (
                    not is_passing(error)
                    or time.monotonic() - last_progress >= self._patience
                ):
                    raise
                number += 1
                log.info("retry_fetch", attempt=number, reason=error.reason)
                longest = min(_MAX_DELAY, _FIRST_DELAY * 2 ** min(number, 10))
                self._sleep(random.uniform(longest / 2, longest))  # noqa: S311
            if not any(shard.missing(segments) for shard, segments in _left(work)):
                return

    def leave_out(self, error: VerificationError) -> None:
        """Raises the error, unless such shards are to be skipped."""
        if self._on_corrupt != "skip":
            raise error

    def _refetch_or_raise(
        self,
        work: Sequence[_Work],
        error: VerificationError,
        corrupt: int,
    ) -> None:
        if self._on_corrupt == "raise":
            raise error
        self._counters.add(refetched=1)
        log.warning("refetch_shard", attempt=corrupt, reason=error.reason)
        if corrupt <= _REFETCHES:
            self._sleep(_FIRST_DELAY * corrupt)
            return
        if self._on_corrupt == "refetch":
            raise error
        # The first that is not whole is the one whose bytes were wrong.
        left = next(shard for shard, segments in _left(work) if shard.missing(segments))
        left.failed = error
        log.error("skip_shard", reason=error.reason)

    def _stream(
        self,
        work: Sequence[_Work],
        files: Sequence[CachedShard | None],
        ids: Sequence[bytes],
    ) -> None:
        ranges = [
            (shard, file, run)
            for (shard, segments), file in zip(work, files, strict=True)
            if shard.failed is None
            for run in _runs(shard, segments)
        ][:MAX_RANGES]
        if not ranges:
            return
        request = shards_pb2.GetRequest(
            dataset_id=self._sealed.dataset_id,
            ranges=[
                shards_pb2.SegmentRange(
                    shard_id=shard.entry.shard_id,
                    first=0 if run is None else run.start,
                    count=0 if run is None else len(run),
                )
                for shard, _, run in ranges
            ],
            disclosure=self._declarations.cover(self._relay, ids),
        )
        messages = self._relay.get_segments(request)
        try:
            for shard, file, run in ranges:
                self._receive(messages, shard, file, run)
        finally:
            close = getattr(messages, "close", None)
            if close is not None:
                close()

    def _receive(
        self,
        messages: Iterator[bytes],
        shard: LoadedShard,
        file: CachedShard | None,
        run: range | None,
    ) -> None:
        head = read_head(messages, shard.entry)
        shard.begin(head)
        if file is not None:
            file.write_head(head)
        for index in range(head.segment_count) if run is None else run:
            if self._stopped.is_set():
                raise Interrupted
            sealed = read_segment(messages)
            shard.open_segment(index, sealed)
            self._counters.add(fetched_bytes=len(sealed))
            if file is not None:
                file.write_segment(head, index, sealed)

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Interrupted

    def _ciphertext(self) -> memoryview:
        """A buffer for one sealed segment, of this thread."""
        buffer: memoryview | None = getattr(self._scratch, "buffer", None)
        if buffer is None:
            buffer = memoryview(bytearray((1 << LOG2_SEGMENT_SIZE) + TAG_SIZE))
            self._scratch.buffer = buffer
        return buffer


def _left(work: Sequence[_Work]) -> Iterator[_Work]:
    return ((shard, segments) for shard, segments in work if shard.failed is None)


def _runs(shard: LoadedShard, wanted: Sequence[int] | None) -> list[range | None]:
    """The segments that are missing, as runs; None for a whole shard that nothing is known of."""
    if shard.head is None and wanted is None:
        return [None]
    runs: list[range | None] = []
    for index in shard.missing(wanted):
        last = runs[-1] if runs else None
        if last is not None and last.stop == index:
            runs[-1] = range(last.start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
