"""Measure how long a loop waits for its batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from sealift.trainer.forms.columns import Ragged
from sealift.trainer.metrics.counters import Counters
from sealift.trainer.metrics.metrics import BatchMetrics

_AMOUNTS = (
    "fetched_bytes",
    "cached_bytes",
    "cache_misses",
    "refetched",
    "skipped_records",
)


def metered(
    batches: Iterator[Any],
    counters: Counters,
    told: Callable[[BatchMetrics], Any] | None,
    *,
    epoch: int,
) -> Iterator[Any]:
    """Yield the same batches; call `told` with each one's metrics before the loop gets it."""
    if told is None:
        yield from batches
        return
    number = 0
    before = counters.snapshot()
    given = time.perf_counter()
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        here = time.perf_counter()
        now = counters.snapshot()
        told(
            BatchMetrics(
                records=rows_of(batch),
                bytes=bytes_of(batch),
                wait_seconds=here - asked,
                busy_seconds=asked - given,
                epoch=epoch,
                batch=number,
                **{name: now[name] - before[name] for name in _AMOUNTS},
            )
        )
        before, number = now, number + 1
        given = time.perf_counter()
        yield batch
        del batch


def rows_of(batch: Any) -> int:
    """Return the number of records in a batch of any form."""
    if isinstance(batch, pa.RecordBatch):
        return int(batch.num_rows)
    return len(next(iter(batch.values()))) if batch else 0


def bytes_of(batch: Any) -> int:
    """Return the bytes of a batch's numbers and byte strings in memory."""
    if isinstance(batch, pa.RecordBatch):
        return int(batch.nbytes)
    return sum(_size(value) for value in batch.values())


def _size(value: Any) -> int:
    if isinstance(value, Ragged):
        return _size(value.values) + _size(value.offsets)
    if isinstance(value, list):
        return sum(
            len(item) for item in value if isinstance(item, bytes | memoryview | str)
        )
    return int(getattr(value, "nbytes", 0))
