"""Destroys what is to go: shards removed, past retention or never committed, and leftovers."""

from __future__ import annotations

import threading
import time

from sealift_protocol.errors import SealiftError
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.store.blobs import STALE_SECONDS, Blobs
from sealift_relay.store.shards import ShardIndex


class Sweeper:
    """One thread; whatever it leaves behind, the next round finds again."""

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
        """Sweeps from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stops."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def destroy(self, dataset_id: bytes, shard_ids: list[bytes]) -> None:
        """Destroys shards now."""
        for shard_id in shard_ids:
            self._blobs.destroy(dataset_id, shard_id)
            self._shards.mark_destroyed(dataset_id, shard_id, unix_now())

    def sweep(self) -> int:
        """Destroys what is due; returns how many shards."""
        count = 0
        while True:
            now = unix_now()
            doomed = self._shards.doomed(now, now - self._uncommitted_seconds)
            if not doomed:
                break
            for dataset_id, shard_id in doomed:
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
