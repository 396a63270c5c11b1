"""How a dataset is read: cache, read-ahead, threads, patience, what happens to corrupt shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from sealift.trainer.metrics.metrics import BatchMetrics
from sealift_protocol.errors import InvalidArgument

OnCorrupt = Literal["raise", "refetch", "skip"]
_ON_CORRUPT = ("raise", "refetch", "skip")


class ReadKeywords(TypedDict, total=False):
    """`ReadOptions` as keywords."""

    cache: Path | str | None
    cache_bytes: int | None
    read_ahead: int
    threads: int
    patience: float
    on_corrupt: OnCorrupt
    metrics: Callable[[BatchMetrics], Any] | None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a dataset is read.

    Attributes:
        cache: folder for ciphertext that was fetched, shared by the processes of this machine;
            "auto" for $SEALIFT_CACHE or the platform's cache folder; None for no cache.
        cache_bytes: limit on its size; by default 16 GiB, or a quarter of the free disk.
        read_ahead: bytes that are opened before the loop asks for them.
        threads: streams and openers in parallel. A stream has 4 MiB under way: more of them help
            where the relay is far.
        patience: seconds without progress after which a relay that cannot be reached is an error.
        on_corrupt: what follows when the relay sends what the owner did not seal: an error at
            once; an error after asking again; or going on without the shard's records, counted.
            It never reaches the loop.
        metrics: called once a batch, in the loop's thread.
    """

    cache: Path | str | None = "auto"
    cache_bytes: int | None = None
    read_ahead: int = 128 << 20
    threads: int = 2
    patience: float = 600.0
    on_corrupt: OnCorrupt = "refetch"
    metrics: Callable[[BatchMetrics], Any] | None = None

    def __post_init__(self) -> None:
        if self.threads < 1 or self.read_ahead < 0 or self.patience < 0:
            raise InvalidArgument("threads, read-ahead and patience cannot be negative")
        if self.on_corrupt not in _ON_CORRUPT:
            raise InvalidArgument(f"on_corrupt is one of {', '.join(_ON_CORRUPT)}")
