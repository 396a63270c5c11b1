"""Sealed shards as objects, on local disk or in an object store, through obstore."""

from __future__ import annotations

import errno
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from sealift_protocol.errors import RelayError, RelayStorageFull
from sealift_relay.files import sync
from sealift_relay.store.local import DirectReader, write_durably

_CHUNK = 4 << 20
_STAGING = "staging"
# Longer than an upload may take: clients allow half an hour.
STALE_SECONDS = 3600.0


class Blobs:
    """Durable objects, by dataset and shard.

    An object is written under a staging name and renamed once it is complete, so a broken
    upload leaves nothing that can be read. obstore does not fsync local files, so those are
    written by `local.write_durably`; everything else goes through obstore.
    """

    def __init__(self, url: str) -> None:
        self._folder: Path | None = None
        self._store: ObjectStore
        parts = urlsplit(url)
        if parts.scheme == "file":
            self._folder = Path(unquote(parts.path))
            (self._folder / _STAGING).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store = LocalStore(self._folder, automatic_cleanup=False)
        else:
            self._store = from_url(url)
        # Reads ahead while a segment is sent.
        self._readers = ThreadPoolExecutor(8, thread_name_prefix="relay-read")

    def close(self) -> None:
        """Stops reading ahead."""
        self._readers.shutdown(wait=True, cancel_futures=True)

    def stage(self, pieces: Iterable[bytes | memoryview]) -> str:
        """Stores pieces under a staging name, and returns the name.

        Raises:
            RelayStorageFull: there is no room.
        """
        name = f"{_STAGING}/{uuid.uuid4().hex}"
        failure: Exception | None = None

        def guarded() -> Iterator[bytes | memoryview]:
            nonlocal failure
            try:
                yield from pieces
            except Exception as error:
                # obstore turns what an iterator raises into its own error; keep the original.
                failure = error
                raise

        try:
            if self._folder is not None:
                write_durably(self._folder / name, guarded())
            else:
                obstore.put(
                    self._store, name, guarded(), chunk_size=_CHUNK, max_concurrency=2
                )
        except Exception as error:  # noqa: BLE001 - no error may leave the object behind
            self.discard(name)
            if failure is not None:
                raise failure from None
            raise _storage_error(error) from None
        return name

    def publish(self, staged: str, dataset_id: bytes, shard_id: bytes) -> None:
        """Renames a staged object to its final name, durably.

        Raises:
            RelayStorageFull, RelayError: the store failed.
        """
        name = _name(dataset_id, shard_id)
        try:
            obstore.rename(self._store, staged, name)
            if self._folder is not None:
                # The object's name, and that of its folder, are entries of two folders.
                sync((self._folder / name).parent)
                sync(self._folder / "shards")
        except Exception as error:  # noqa: BLE001 - no error may leave the object behind
            self.discard(staged)
            raise _storage_error(error) from None

    def discard(self, staged: str) -> None:
        """Removes a staged object, if it is there."""
        try:
            obstore.delete(self._store, staged)
        except (FileNotFoundError, OSError):
            return

    def destroy(self, dataset_id: bytes, shard_id: bytes) -> None:
        """Removes a shard's bytes, durably; a shard that is already gone is not an error.

        Raises:
            RelayError: the store failed.
        """
        name = _name(dataset_id, shard_id)
        try:
            obstore.delete(self._store, name)
            if self._folder is not None:
                sync((self._folder / name).parent)
        except FileNotFoundError:
            return
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _storage_error(error) from None

    def discard_stale(self, seconds: float = STALE_SECONDS) -> int:
        """Removes the objects that broken uploads left; returns how many.

        Args:
            seconds: minimum age; a younger object may belong to a running upload of another host.

        Raises:
            RelayError: the store failed.
        """
        before = time.time() - seconds
        try:
            if self._folder is not None:
                # Multipart leftovers have names that obstore does not list.
                staging = self._folder / _STAGING
                paths = list(staging.iterdir()) if staging.is_dir() else []
                stale = [path for path in paths if _modified(path) <= before]
                for path in stale:
                    path.unlink(missing_ok=True)
                return len(stale)
            listed = (
                meta for batch in obstore.list(self._store, _STAGING) for meta in batch
            )
            names = [
                meta["path"]
                for meta in listed
                if meta["last_modified"].timestamp() <= before
            ]
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _storage_error(error) from None
        for name in names:
            self.discard(name)
        return len(names)

    def read(
        self, dataset_id: bytes, shard_id: bytes, ranges: Sequence[tuple[int, int]]
    ) -> Iterator[memoryview]:
        """Yields (offset, size) ranges of an object, reading one ahead.

        Use a range before asking for the next: its memory is reused after that.

        Raises:
            RelayError: the object is not there or cannot be read.
        """
        name = _name(dataset_id, shard_id)
        ahead = None
        try:
            with self._reader(name, max(size for _, size in ranges)) as fetch:
                try:
                    for start, size in ranges:
                        ready, ahead = ahead, self._readers.submit(fetch, start, size)
                        if ready is not None:
                            yield ready.result()
                    if ahead is not None:
                        yield ahead.result()
                finally:
                    # If the consumer stops early, the file must not be closed during a read.
                    if ahead is not None:
                        wait([ahead])
        except (OSError, obstore.exceptions.BaseError) as error:
            raise _storage_error(error) from None

    @contextmanager
    def _reader(
        self, name: str, largest: int
    ) -> Iterator[Callable[[int, int], memoryview]]:
        if self._folder is None:
            yield lambda start, size: memoryview(
                obstore.get_range(self._store, name, start=start, length=size)
            )
            return
        reader = DirectReader(self._folder / name, largest)
        try:
            yield reader.read
        finally:
            reader.close()


def _name(dataset_id: bytes, shard_id: bytes) -> str:
    return f"shards/{dataset_id.hex()}/{shard_id.hex()}"


def _modified(path: Path) -> float:
    """When a file was last changed; infinity if another process has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _storage_error(error: Exception) -> RelayError:
    full = isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
    )
    # obstore keeps the operating system's error as text only.
    texts = (
        "No space left",
        "os error 28",
        "Disk quota",
        "os error 122",
        "os error 27",
    )
    if full or any(text in str(error) for text in texts):
        return RelayStorageFull("the relay's storage is full")
    return RelayError("the relay's storage failed")
