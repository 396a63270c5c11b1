"""Load sealed shards into memory: from the cache if possible, otherwise from the relay.

Every segment is verified before a byte of it is opened. What the cache lacks, or holds
corrupted, is fetched; a stream that breaks is resumed at the segment where it broke.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sealift.crypto.epochkeys import EpochKeys
from sealift.crypto.signing import Identity
from sealift.history.disclosures import Fetch, declare
from sealift.process.buffers import BufferPools
from sealift.process.clock import Clock, unix
from sealift.process.log import log
from sealift.process.retrying import Retries, RetryPolicy
from sealift.relay.fetching import LoadedShard, receive
from sealift.relay.transport import RelayClient, is_passing, note_retry
from sealift.trainer.engine.cache import CachedShard, ShardCache
from sealift.trainer.metrics.counters import Counters
from sealift.trainer.options import OnCorrupt
from sealift_protocol.errors import (
    CorruptShard,
    DisclosureRequired,
    SealiftError,
    VerificationError,
)
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, TAG_SIZE, ShardHead
from sealift_protocol.objects.commits import ShardEntry
from sealift_protocol.wire import MAX_RANGES

# A relay accepts a disclosure for a day.
_DISCLOSURE_SECONDS = 20 * 3600
_REFETCHES = 3
_FIRST_DELAY, _MAX_DELAY = 0.2, 5.0


class Interrupted(Exception):
    """What a thread was reading is no longer needed; never leaves this package."""


@dataclass(frozen=True, slots=True)
class SealedDataset:
    """What is needed to fetch and open one dataset's shards, here or in a worker process.

    Attributes:
        fetch: what disclosures declare.
        shards: the live shards in dataset order.
        epoch_keys: epoch keys by key epoch.
        identity: the identity of the member who fetches.
        now: the clock.
    """

    fetch: Fetch
    shards: tuple[ShardEntry, ...]
    epoch_keys: EpochKeys
    identity: Identity
    now: Clock

    @property
    def dataset_id(self) -> bytes:
        """16 bytes."""
        return self.fetch.dataset_id

    def shard(self, entry: ShardEntry, pools: BufferPools) -> LoadedShard:
        """Return one of the shards, with nothing opened yet."""
        return LoadedShard(entry, self.dataset_id, self.epoch_keys, pools.lease)


class Declarations:
    """The disclosures that this process has logged for one dataset.

    Attributes:
        digests: digests of all of them, oldest first.
        whole: digest and Unix seconds of the newest disclosure of the whole dataset.
    """

    def __init__(
        self, sealed: SealedDataset, whole: tuple[bytes, int] | None = None
    ) -> None:
        """Start with what another process declared, if anything.

        Args:
            sealed: the dataset.
            whole: digest and Unix seconds of a disclosure of the whole dataset.
        """
        self._sealed = sealed
        self._lock = threading.Lock()
        self.whole = whole
        self._some: dict[bytes, tuple[bytes, int]] = {}
        self.digests: list[bytes] = []

    def cover(self, relay: RelayClient, shard_ids: Sequence[bytes] = ()) -> bytes:
        """Return the digest of a disclosure that covers some shards, or all; log one if needed."""
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
        """Make the next call declare again: the relay does not accept the current disclosures."""
        with self._lock:
            self.whole = None
            self._some.clear()


_Work: TypeAlias = tuple[LoadedShard, Sequence[int] | None]


class ShardLoader:
    """Load shards of one dataset. Several threads may use it at the same time."""

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
        """Create a loader.

        Args:
            relay: the relay to fetch from.
            sealed: the dataset.
            declarations: the disclosures already logged for it.
            cache: the cache of ciphertext.
            counters: totals to update.
            patience: see `ReadOptions`.
            on_corrupt: see `ReadOptions`.
            stopped: set when the shards are no longer needed.
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
        """Open the segments of some shards that are not open yet.

        Args:
            shards: the shards to load.
            wanted: for each shard, which segments; None for all.
            declare: the shards that the disclosure names; by default the whole dataset.

        Raises:
            VerificationError: the relay does not send what the owner sealed.
            SealiftError: the relay refused, or was unreachable.
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
                # Another process may have fetched it while this one waited for the lock.
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
        corrupt = redeclared = 0
        policy = RetryPolicy(
            patience=self._patience, first_delay=_FIRST_DELAY, max_delay=_MAX_DELAY
        )
        retries = Retries(policy, sleep=self._sleep)
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
                    retries.progressed()
                if not is_passing(error):
                    raise
                retries.wait_or_raise(error, noted=note_retry("retry_fetch"))
            if not any(shard.missing(segments) for shard, segments in _left(work)):
                return

    def leave_out(self, error: VerificationError) -> None:
        """Raise the error, unless corrupt shards are to be skipped."""
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
        # The first incomplete shard is the one whose bytes were wrong.
        left = next(shard for shard, segments in _left(work) if shard.missing(segments))
        left.failed = error
        log.error("skip_shard", reason=error.reason)

    def _stream(
        self,
        work: Sequence[_Work],
        files: Sequence[CachedShard | None],
        ids: Sequence[bytes],
    ) -> None:
        left = list(_left(work))
        wanted = deque(
            itertools.islice(
                ((shard, run) for shard, want in left for run in shard.runs(want)),
                MAX_RANGES,
            )
        )
        if not wanted:
            return
        kept = {id(shard): file for (shard, _), file in zip(work, files, strict=True)}
        streamed = receive(
            self._relay,
            self._sealed.dataset_id,
            wanted,
            disclosure=self._declarations.cover(self._relay, ids),
            arrivals=_Kept(kept, self._counters, self._stopped),
        )
        for _ in streamed:
            pass

    def _sleep(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Interrupted

    def _ciphertext(self) -> memoryview:
        """Return this thread's buffer for one sealed segment."""
        buffer: memoryview | None = getattr(self._scratch, "buffer", None)
        if buffer is None:
            buffer = memoryview(bytearray((1 << LOG2_SEGMENT_SIZE) + TAG_SIZE))
            self._scratch.buffer = buffer
        return buffer


class _Kept:
    """Store what arrives in the cache, and count it."""

    def __init__(
        self,
        files: Mapping[int, CachedShard | None],
        counters: Counters,
        stopped: threading.Event,
    ) -> None:
        self._files = files
        self._counters = counters
        self._stopped = stopped

    def head(self, shard: LoadedShard, head: ShardHead) -> None:
        file = self._files[id(shard)]
        if file is not None:
            file.write_head(head)
        self._check()

    def segment(self, shard: LoadedShard, index: int, sealed: memoryview) -> None:
        self._counters.add(fetched_bytes=len(sealed))
        file = self._files[id(shard)]
        if file is not None and shard.head is not None:
            file.write_segment(shard.head, index, sealed)
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Interrupted


def _left(work: Sequence[_Work]) -> Iterator[_Work]:
    return ((shard, segments) for shard, segments in work if shard.failed is None)
