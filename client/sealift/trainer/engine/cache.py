"""A cache of sealed shards on this machine: ciphertext only, verified on every use.

See docs/spec/cache.md. There is one file for each shard: the shard as the relay stores it, then
its digest list. A segment that was not fetched yet is a hole. No record says which segments are
present: readers compare digests, so that a torn write, a bad disk and an attacker all look like
a missing segment. Processes share the folder without communicating.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Set
from pathlib import Path
from types import TracebackType
from typing import Self

from sealift.process.log import log
from sealift_protocol.errors import InvalidArgument, VerificationError
from sealift_protocol.layout import (
    DIGEST_SIZE,
    HEADER_SIZE,
    TAG_SIZE,
    ShardHead,
    ShardHeader,
    plaintext_size,
    segment_count,
)
from sealift_protocol.objects.commits import ShardEntry

FOLDER_VARIABLE = "SEALIFT_CACHE"
DEFAULT_BYTES = 16 << 30
_LOCK_POLL_SECONDS = 0.01


def default_folder() -> Path:
    """Return the cache folder: $SEALIFT_CACHE, or the platform's cache folder."""
    import platformdirs

    chosen = os.environ.get(FOLDER_VARIABLE)
    return (
        Path(chosen) if chosen else platformdirs.user_cache_path("sealift") / "shards"
    )


class ShardCache:
    """A folder of sealed shards with a size limit."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        """Open the folder, or create it, readable by this user only.

        Args:
            folder: folder of the files; shared by all processes that use it.
            limit: bytes on disk; by default 16 GiB, or a quarter of the free space if that is
                less. It can be exceeded briefly, by what is written between two checks: a 16th
                of it per process.

        Raises:
            InvalidArgument: the folder cannot be created, or belongs to another user.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = folder.stat().st_uid
            free = shutil.disk_usage(folder).free
        except OSError as error:
            reason = (error.strerror or "unknown").lower()
            raise InvalidArgument(
                f"cannot use the cache folder: {reason}",
                hint="give another folder, or cache=None for no cache",
            ) from None
        if owner != os.getuid():
            raise InvalidArgument(
                "the cache folder belongs to another user",
                hint="give a folder of your own",
            )
        self.folder = folder
        self.limit = min(DEFAULT_BYTES, free // 4) if limit is None else limit
        self._lock = threading.Lock()
        # The first write checks the size.
        self._written = self.limit

    def open(
        self, dataset_id: bytes, entry: ShardEntry, *, write: bool
    ) -> CachedShard | None:
        """Open a shard's file; None if there is none or, for writing, if the disk refuses it."""
        path = self.folder / dataset_id.hex() / entry.shard_id.hex()
        try:
            if not write:
                return CachedShard(
                    os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), entry
                )
            self._make_room(entry.stored_size)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            return CachedShard(os.open(path, flags, 0o600), entry)
        except FileNotFoundError:
            return None
        except OSError as error:
            # Without a usable cache, reading is slower, not wrong.
            log.warning("leave_cache", errno=error.errno)
            return None

    def keep_only(self, dataset_id: bytes, shard_ids: Set[bytes]) -> int:
        """Delete all shards of a dataset except some; return how many were deleted."""
        keep = {shard_id.hex() for shard_id in shard_ids}
        gone = 0
        with contextlib.suppress(FileNotFoundError):
            for file in os.scandir(self.folder / dataset_id.hex()):
                if file.name not in keep:
                    with contextlib.suppress(FileNotFoundError):
                        Path(file.path).unlink()
                        gone += 1
        return gone

    def size(self) -> int:
        """Return the bytes on disk."""
        return sum(blocks for _, blocks, _ in self._files())

    def _make_room(self, size: int) -> None:
        with self._lock:
            self._written += size
            if self._written < self.limit // 16:
                return
            self._written = 0
        with self._only_process() as alone:
            if alone:
                self._evict(self.limit - min(self.limit, size + self.limit // 16))

    def _evict(self, wanted: int) -> None:
        """Remove the least recently used files until `wanted` bytes are left."""
        files = sorted(self._files())
        total = sum(blocks for _, blocks, _ in files)
        for _, blocks, path in files:
            if total <= wanted:
                return
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            total -= blocks

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Yield when each file was last used, its bytes on disk, and its path."""
        for folder in os.scandir(self.folder):
            if not folder.is_dir(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):
                for file in os.scandir(folder.path):
                    with contextlib.suppress(FileNotFoundError):
                        status = file.stat(follow_symlinks=False)
                        yield (
                            status.st_mtime_ns,
                            status.st_blocks * 512,
                            Path(file.path),
                        )

    @contextlib.contextmanager
    def _only_process(self) -> Iterator[bool]:
        """Yield whether only this process evicts now; never waits. Its end frees the lock."""
        import fcntl

        lock = os.open(
            self.folder / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(lock)


class CachedShard:
    """One shard's file; a context manager."""

    def __init__(self, descriptor: int, entry: ShardEntry) -> None:
        self._descriptor = descriptor
        self._entry = entry
        # Mark it as used now.
        os.utime(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def lock(self, seconds: float) -> bool:
        """Wait until no other process or thread fetches this shard; False if that takes too long.

        The lock ends with the file or the process.
        """
        import fcntl

        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                return True

    def read_head(self) -> ShardHead | None:
        """Return header and digest list of one possible shard, unverified; None if malformed."""
        header = os.pread(self._descriptor, HEADER_SIZE, 0)
        if len(header) < HEADER_SIZE or not any(header):
            return None
        stored_size = self._entry.stored_size
        try:
            size = ShardHeader.unpack(header).segment_size
            count = segment_count(plaintext_size(stored_size, size), size)
            digests = os.pread(self._descriptor, DIGEST_SIZE * count, stored_size)
            return ShardHead.parse(header, digests, stored_size)
        except VerificationError:
            return None

    def write_head(self, head: ShardHead) -> None:
        """Store header and digest list."""
        self._write(head.segment_digests, head.stored_size)
        self._write(head.header_bytes, 0)

    def read_segment(
        self, head: ShardHead, index: int, into: memoryview
    ) -> memoryview | None:
        """Read one ciphertext segment, unverified, to the start of `into`; None if it is a hole."""
        size = head.sealed_segment_size(index)
        segment = into[:size]
        if os.preadv(self._descriptor, [segment], head.segment_offset(index)) < size:
            return None
        # Written in order, so a segment that another process is writing has no tag yet, either.
        return segment if any(segment[-TAG_SIZE:]) else None

    def write_segment(self, head: ShardHead, index: int, segment: memoryview) -> None:
        """Store one ciphertext segment."""
        self._write(segment, head.segment_offset(index))

    def _write(self, content: bytes | memoryview, offset: int) -> None:
        try:
            view = memoryview(content)
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            # The disk is full: what is missing is fetched again next time.
            log.warning("leave_cache", errno=error.errno)
