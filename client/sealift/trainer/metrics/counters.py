"""Totals of reading so far, counted by several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Counters:
    """Totals of reading.

    Attributes:
        fetched_bytes: ciphertext that came from the relay.
        cached_bytes: ciphertext that came from the cache.
        cache_misses: number of shards that were not fully in the cache.
        cache_corrupt: number of cached segments and heads that failed verification.
        refetched: how often the relay was asked again because it sent wrong data.
        skipped_shards: number of shards left out because they stayed wrong.
        skipped_records: number of records in the skipped shards.
    """

    fetched_bytes: int = 0
    cached_bytes: int = 0
    cache_misses: int = 0
    cache_corrupt: int = 0
    refetched: int = 0
    skipped_shards: int = 0
    skipped_records: int = 0
    _lock: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False
    )

    def add(self, **amounts: int) -> None:
        """Add to some totals."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def snapshot(self) -> dict[str, int]:
        """Return all totals by name."""
        with self._lock:
            return {
                f.name: getattr(self, f.name) for f in fields(self) if f.name != "_lock"
            }
