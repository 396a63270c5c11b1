"""Local files, written durably, and both written and read past the page cache.

Shards are streamed, far more of them than memory holds, so caching them only costs: buffered
writes with fsync ran at a sixth of the speed of direct ones where it was measured
(docs/why/adr/0003).
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 4 << 20
_ALIGNMENT = 4096
_DIRECT = getattr(os, "O_DIRECT", 0)


def write_durably(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes a new file; its content is on disk when this returns, its name not yet.

    Raises:
        OSError: no room, or a failing disk. The file is left for the caller to remove.
    """
    descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with mmap.mmap(-1, _BLOCK) as block:
            size = _write_blocks(descriptor, block, pieces)
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DirectReader:
    """Reads ranges of one file into two alternating buffers.

    A returned range stays valid until the next but one is read.
    """

    def __init__(self, path: Path, largest: int) -> None:
        """Opens the file; no range may have more than `largest` bytes."""
        self._descriptor = _open(path, os.O_RDONLY)
        room = _aligned_up(largest) + 2 * _ALIGNMENT
        self._blocks = [memoryview(mmap.mmap(-1, room)) for _ in range(2)]

    def read(self, start: int, size: int) -> memoryview:
        """`size` bytes from `start` on; fewer if the file ends before.

        Raises:
            OSError: the disk fails.
        """
        block = self._blocks.pop(0)
        self._blocks.append(block)
        first = start // _ALIGNMENT * _ALIGNMENT
        wanted = _aligned_up(start + size) - first
        got = 0
        while got < wanted:
            count = os.preadv(self._descriptor, [block[got:wanted]], first + got)
            got += count
            if count == 0 or got % _ALIGNMENT:
                break  # the end of the file
        return block[start - first : min(start - first + size, got)]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def _aligned_up(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | _DIRECT, 0o600)
    except OSError as error:
        # Some file systems, tmpfs among them, have no direct input and output.
        if error.errno != errno.EINVAL:
            raise
    if flags & os.O_CREAT:
        path.unlink(missing_ok=True)
    return os.open(path, flags, 0o600)


def _write_blocks(
    descriptor: int, block: mmap.mmap, pieces: Iterable[bytes | memoryview]
) -> int:
    """Writes whole blocks, the last one padded to the alignment; returns the size without it."""
    filled = total = 0
    with memoryview(block) as view:
        for piece in pieces:
            source = memoryview(piece)
            total += len(source)
            while source:
                taken = min(len(source), _BLOCK - filled)
                view[filled : filled + taken] = source[:taken]
                filled += taken
                source = source[taken:]
                if filled == _BLOCK:
                    _write_all(descriptor, view)
                    filled = 0
        if filled:
            _write_all(descriptor, view[: _aligned_up(filled)])
    return total


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
