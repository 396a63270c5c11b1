"""Pooled, page-aligned buffers that return to the pool when no view of them is left.

Fresh memory costs a page fault for every 4 KiB, several times the cost of decryption, so buffers
are reused. A view that a caller still holds (an Arrow array, a tensor) keeps its buffer out of the
pool: reuse can never change data under a reader.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from types import TracebackType
from typing import Self

import pyarrow as pa

from sealift.process.memory import allocate, zero_fill
from sealift_protocol.errors import InvalidArgument

_SMALLEST = 1 << 16


class BufferPool:
    """Buffers of one size, of which at least `count` are kept for reuse.

    `lease` never blocks. A caller that keeps every view gets fresh memory each time, at the cost
    of its page faults; a caller that drops its views runs in constant memory.
    """

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._count = count
        self._free: list[mmap.mmap] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def lease(self, size: int | None = None) -> memoryview:
        """Return a writable view of `size` bytes, whose buffer is reused after its last view.

        Raises:
            InvalidArgument: `size` is larger than the pool's buffers.
        """
        wanted = self._size if size is None else size
        if wanted > self._size:
            raise InvalidArgument(
                f"a buffer of {wanted} bytes was asked of a pool of smaller buffers"
            )
        with self._lock:
            buffer = self._free.pop() if self._free else None
        if buffer is None:
            buffer = _allocate(self._size)
        # A slice of a memoryview keeps the underlying object alive, not the first view. That
        # object is a fresh Arrow buffer, which lives as long as the last slice, array or tensor.
        lease = pa.py_buffer(buffer)
        weakref.finalize(lease, self._give_back, buffer)
        return memoryview(lease).cast("B")[:wanted]

    def close(self) -> None:
        """Wipe and free the unused buffers now, and the leased ones as they return."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for buffer in free:
            _wipe(buffer)

    def _give_back(self, buffer: mmap.mmap) -> None:
        with self._lock:
            if not self._closed and len(self._free) < self._count:
                self._free.append(buffer)
                return
        _wipe(buffer)


class BufferPools:
    """Buffers of any size: one pool per power of two, so that a small lease costs little."""

    def __init__(self, budget: int) -> None:
        """Start without buffers.

        Args:
            budget: roughly how many bytes to keep for reuse, per buffer size.
        """
        self._budget = budget
        self._pools: dict[int, BufferPool] = {}
        self._lock = threading.Lock()

    def lease(self, size: int) -> memoryview:
        """Return a writable view of `size` bytes; see `BufferPool.lease`."""
        wanted = max(_SMALLEST, 1 << (size - 1).bit_length())
        with self._lock:
            pool = self._pools.get(wanted)
            if pool is None:
                pool = self._pools[wanted] = BufferPool(
                    wanted, max(2, self._budget // wanted)
                )
        return pool.lease(size)

    def close(self) -> None:
        """Wipe and free the unused buffers now, and the leased ones as they return."""
        for pool in self._pools.values():
            pool.close()


def _allocate(size: int) -> mmap.mmap:
    buffer = allocate(size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # 64 MiB then cost 32 page faults instead of 16,384.
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


def _wipe(buffer: mmap.mmap) -> None:
    # Not closed: the ending lease may still export it. The last reference frees its memory.
    with memoryview(buffer) as view:
        zero_fill(view)
