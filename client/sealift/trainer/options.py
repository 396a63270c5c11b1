"""How a dataset is read: cache, read-ahead, threads, patience, handling of corrupt shards."""

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
        cache: folder for fetched ciphertext, shared by the processes of this machine; "auto" for
            $SEALIFT_CACHE or the platform's cache folder; None for no cache.
        cache_bytes: limit on its size; by default 16 GiB, or a quarter of the free disk space.
        read_ahead: bytes that are opened before the loop asks for them.
        threads: number of parallel streams and openers. A stream has 4 MiB in transit: more
            streams help if the relay is far away.
        patience: seconds without progress before an unreachable relay is an error.
        on_corrupt: what to do if the relay sends what the owner did not seal: raise an error at
            once; raise one after asking again; or skip the shard's records and count them.
            Corrupt data never reaches the loop.
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
            raise InvalidArgument(f"on_corrupt must be one of {', '.join(_ON_CORRUPT)}")
