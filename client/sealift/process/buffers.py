"""Pooled, page-aligned buffers that return to the pool when nobody looks at them any more.

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
    """Buffers of one size, at least `count` of them kept for reuse.

    `lease` never blocks: a caller that keeps every view gets fresh memory each time, and pays
    for it; one that drops them runs in constant memory.
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
        """A writable view of `size` bytes; its buffer returns to the pool with its last user.

        Raises:
            InvalidArgument: the buffers are smaller than that.
        """
        wanted = self._size if size is None else size
        if wanted > self._size:
            raise InvalidArgument(
                f"a buffer of {wanted} bytes was asked of a smaller pool"
            )
        with self._lock:
            buffer = self._free.pop() if self._free else None
        if buffer is None:
            buffer = _allocate(self._size)
        # Slices of a memoryview keep alive what the first one was made of, not the first one:
        # so that is a fresh Arrow buffer, whose end is the end of the last slice, array or tensor.
        lease = pa.py_buffer(buffer)
        weakref.finalize(lease, self._give_back, buffer)
        return memoryview(lease).cast("B")[:wanted]

    def close(self) -> None:
        """Wipes and frees the buffers that are not in use; the others follow as they return."""
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
    """Buffers of any size: a pool for each power of two, so that small leases are small."""

    def __init__(self, budget: int) -> None:
        """Makes no buffer yet.

        Args:
            budget: bytes of each size that are kept for reuse, more or less.
        """
        self._budget = budget
        self._pools: dict[int, BufferPool] = {}
        self._lock = threading.Lock()

    def lease(self, size: int) -> memoryview:
        """A writable view of `size` bytes; see `BufferPool.lease`."""
        wanted = max(_SMALLEST, 1 << (size - 1).bit_length())
        with self._lock:
            pool = self._pools.get(wanted)
            if pool is None:
                pool = self._pools[wanted] = BufferPool(
                    wanted, max(2, self._budget // wanted)
                )
        return pool.lease(size)

    def close(self) -> None:
        """Wipes and frees the buffers that are not in use; the others follow as they return."""
        for pool in self._pools.values():
            pool.close()


def _allocate(size: int) -> mmap.mmap:
    buffer = allocate(size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # 64 MiB are 32 page faults then, not 16,384.
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


def _wipe(buffer: mmap.mmap) -> None:
    # Not closed: the dying lease may still export it; its memory goes with the last reference.
    with memoryview(buffer) as view:
        zero_fill(view)
