"""Memory that is left out of core dumps, and out of swap if the lock limit has room.

Sources: madvise(2), mlock2(2) of the Linux man-pages.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import weakref
from collections import defaultdict, deque
from collections.abc import Callable

ZEROS = bytes(1 << 16)
_MLOCK_ONFAULT = 1
_BLOCK = 1 << 16
_SMALLEST_PLACE = 32

# Free places for secrets, by size. A deque needs no lock, which a garbage collection or a fork
# could find held.
_free: defaultdict[int, deque[tuple[mmap.mmap, int]]] = defaultdict(deque)


def allocate(size: int) -> mmap.mmap:
    """Return zeroed, page-aligned memory private to this process, freed after its last use."""
    if hasattr(mmap, "MAP_PRIVATE"):
        # Forked processes would share a shared mapping, and each would reuse it independently.
        # It would also get no huge pages.
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    else:
        memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_DONTDUMP"):
        memory.madvise(mmap.MADV_DONTDUMP)
    # Unmapping unlocks.
    lock(memory)
    return memory


def lock(memory: mmap.mmap) -> bool:
    """Keep memory out of swap until it is unmapped, if the limit on locked memory allows it.

    Linux locks each page when it is first touched, so unused memory costs nothing.
    """
    first = ctypes.c_char.from_buffer(memory)
    where, length = (
        ctypes.c_void_p(ctypes.addressof(first)),
        ctypes.c_size_t(len(memory)),
    )
    mlock2 = libc_function("mlock2")
    if mlock2 is not None:
        return mlock2(where, length, _MLOCK_ONFAULT) == 0
    mlock = libc_function("mlock")
    return mlock is not None and mlock(where, length) == 0


def place_for_secret(size: int) -> memoryview:
    """Return a writable view of `size` bytes, which are wiped after their last view ends."""
    rounded = max(_SMALLEST_PLACE, 1 << (size - 1).bit_length())
    free = _free[rounded]
    while True:
        try:
            block, offset = free.pop()
            break
        except IndexError:
            fresh = allocate(max(_BLOCK, rounded))
            free.extend((fresh, offset) for offset in range(0, len(fresh), rounded))
    place = (ctypes.c_ubyte * rounded).from_buffer(block, offset)
    # Not at exit, when other threads may still use it; the memory ends with the process.
    weakref.finalize(place, _give_back, block, offset, rounded).atexit = False
    return memoryview(place).cast("B")[:size]


def _give_back(block: mmap.mmap, offset: int, size: int) -> None:
    block[offset : offset + size] = bytes(size)
    _free[size].append((block, offset))


def libc_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None if the library lacks it."""
    if sys.platform == "win32":
        return None
    return getattr(ctypes.CDLL(None), name, None)


def zero_fill(view: memoryview) -> None:
    """Overwrite a buffer with zeros."""
    for start in range(0, len(view), len(ZEROS)):
        size = min(len(ZEROS), len(view) - start)
        view[start : start + size] = ZEROS[:size]
