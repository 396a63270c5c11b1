"""Destroys shards that were removed, expired or never committed, and leftovers of uploads."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from sealift_protocol.errors import SealiftError
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.store.blobs import STALE_SECONDS, Blobs
from sealift_relay.store.shards import ShardIndex

_BATCH = 256


class Sweeper:
    """One thread that sweeps at intervals; each round finds what the last one missed."""

    def __init__(
        self,
        shards: ShardIndex,
        blobs: Blobs,
        *,
        every_seconds: int,
        uncommitted_seconds: int,
    ) -> None:
        self._shards = shards
        self._blobs = blobs
        self._every_seconds = every_seconds
        self._uncommitted_seconds = uncommitted_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="relay-sweeper", daemon=True
        )

    def start(self) -> None:
        """Starts to sweep."""
        self._thread.start()

    def close(self) -> None:
        """Stops sweeping, and waits for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def destroy(self, dataset_id: bytes, shard_ids: Sequence[bytes]) -> None:
        """Destroys shards of one dataset now.

        Args:
            dataset_id: 16 bytes.
            shard_ids: shards that nothing else uses while they are destroyed.
        """
        for start in range(0, len(shard_ids), _BATCH):
            batch = shard_ids[start : start + _BATCH]
            for shard_id in batch:
                self._blobs.destroy(dataset_id, shard_id)
            self._shards.mark_destroyed(dataset_id, batch, unix_now())

    def sweep(self) -> int:
        """Destroys the shards that are due; returns how many."""
        count = 0
        while True:
            now = unix_now()
            doomed = self._shards.doomed(now, now - self._uncommitted_seconds)
            if not doomed:
                break
            for dataset_id, shard_id in doomed:
                # One at a time: a shard that no commit names yet may still be asked for.
                self.destroy(dataset_id, [shard_id])
            count += len(doomed)
        if count:
            log.info("destroy_shards", shards=count)
        return count

    def _run(self) -> None:
        looked = float("-inf")
        while True:
            try:
                self.sweep()
                if time.monotonic() - looked >= STALE_SECONDS:
                    looked = time.monotonic()
                    self._blobs.discard_stale()
            except SealiftError as error:
                log.error("fail_sweep", error=type(error).__name__)
            if self._stop.wait(self._every_seconds):
                return
