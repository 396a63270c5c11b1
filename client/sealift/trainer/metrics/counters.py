"""What reading has done so far, counted by several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Counters:
    """Totals.

    Attributes:
        fetched_bytes: ciphertext that came from the relay.
        cached_bytes: ciphertext that came from the cache.
        cache_misses: shards of which the cache lacked something.
        cache_corrupt: segments and heads in the cache that failed verification.
        refetched: times that the relay was asked again because what it sent was wrong.
        skipped_shards: shards that were left out because it stayed wrong.
        skipped_records: their records.
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
        """Adds to some totals."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def snapshot(self) -> dict[str, int]:
        """All totals by name."""
        with self._lock:
            return {
                f.name: getattr(self, f.name) for f in fields(self) if f.name != "_lock"
            }
