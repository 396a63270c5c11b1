"""Records that wait, in memory, until the rest is read: a text may come before its patient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import pyarrow as pa

from sealift.owner.push.transforming import Transform
from sealift.owner.sources import Chunk

WAITING_BYTES = 256 << 20
"""The most bytes of records that wait; beyond it the first are sent."""


class Waiting:
    """Batches that wait for what later ones tell of the people in their texts.

    Attributes:
        size: bytes that wait.
    """

    def __init__(self, transform: Transform, most: int | None = None) -> None:
        """Start without batches.

        Args:
            transform: collects what records tell of people.
            most: bytes that may wait; None for `WAITING_BYTES`.
        """
        self._transform = transform
        self._most = WAITING_BYTES if most is None else most
        self._held: deque[Chunk] = deque()
        self.size = 0

    def add(self, chunk: Chunk) -> Iterator[Chunk]:
        """Take a chunk; yield those for which there is no room any more."""
        self._transform.collect(chunk.batch)
        self._held.append(chunk)
        self.size += chunk.batch.nbytes
        del chunk
        while self._held and self.size > self._most:
            yield self._next()

    def release(self) -> Iterator[Chunk]:
        """Yield all that wait."""
        while self._held:
            yield self._next()

    def _next(self) -> Chunk:
        chunk = self._held.popleft()
        self.size -= chunk.batch.nbytes
        return chunk


def in_turn(
    chunks: Iterator[Chunk], transform: Transform, ends: Callable[[], bool]
) -> Iterator[tuple[Chunk, bool]]:
    """Yield chunks when they may be sent, and whether that is before all was read.

    Args:
        chunks: what is read.
        transform: says whether records wait, and collects what they tell of people.
        ends: says when to stop before the end.
    """
    if not transform.waits:
        # A generator would hold each chunk until the next is asked for.
        return map(_now, chunks)
    return _waited(chunks, transform, ends)


def _now(chunk: Chunk) -> tuple[Chunk, bool]:
    return chunk, False


def _waited(
    chunks: Iterator[Chunk], transform: Transform, ends: Callable[[], bool]
) -> Iterator[tuple[Chunk, bool]]:
    waiting = Waiting(transform)
    for chunk in chunks:
        for ready in waiting.add(chunk):
            yield ready, True
        if ends():
            break
    for ready in waiting.release():
        yield ready, False


def as_chunk(batch: pa.RecordBatch) -> Chunk:
    """Return a batch that has no place in a source."""
    return Chunk(batch, "", "")
