"""A file's bytes as a stream: plain, compressed or encrypted, according to its last suffix."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
from blake3 import blake3

from sealift.owner.sources.interface import Part
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, SourceError

COMPRESSED = (".gz", ".zst")
ENCRYPTED = ".c4gh"
_DIGEST_SIZE = 16
_STEP = 1 << 20


def inner_suffix(path: Path) -> str:
    """Return the suffix before any of compression or encryption: .csv for visits.csv.gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (*COMPRESSED, ENCRYPTED):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_packed(path: Path) -> bool:
    """Return whether the file is compressed or encrypted: content offsets are not file offsets."""
    return path.suffix.lower() in (*COMPRESSED, ENCRYPTED)


class Opener:
    """Opens files as streams of their content.

    Attributes:
        key: the owner's 32-byte Crypt4GH private key, for .c4gh files.
    """

    def __init__(self, key: Secret | None = None) -> None:
        self.key = key

    @contextmanager
    def open(self, path: Path) -> Iterator[BinaryIO]:
        """Open the file's content as a stream.

        Raises:
            SourceError: the file cannot be read, ends too early or is damaged.
        """
        try:
            with ExitStack() as stack:
                yield self._open(path, stack)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError(
                "the compressed file ends too early or is damaged",
                path=path,
                hint="copy the file again and repeat the push: it continues after the last commit",
            ) from None
        except OSError as error:
            raise _unreadable(path, error) from None

    def _open(self, path: Path, stack: ExitStack) -> BinaryIO:
        inner = path
        if path.suffix.lower() == ENCRYPTED:
            stream = stack.enter_context(self._decrypt(path))
            inner = path.with_suffix("")
        else:
            stream = stack.enter_context(path.open("rb"))
        match inner.suffix.lower():
            case ".gz":
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
                return cast("BinaryIO", unpacked)
            case ".zst":
                source = pa.PythonFile(stream, "r")
                unpacked = stack.enter_context(pa.CompressedInputStream(source, "zstd"))
                return cast("BinaryIO", unpacked)
            case _:
                return stream

    def _decrypt(self, path: Path) -> BinaryIO:
        # The package is optional.
        from sealift.owner.sources.crypt4gh import open_crypt4gh

        if self.key is None:
            raise InvalidArgument(
                "the file is encrypted to a Crypt4GH key, and no key was given",
                hint="give your private key with `crypt4gh_key`",
            )
        return open_crypt4gh(path, self.key)


class _Resumed:
    def __init__(self, beginning: bytes, rest: BinaryIO) -> None:
        self._beginning = io.BytesIO(beginning)
        self._rest = rest

    def read(self, size: int) -> bytes:
        return self._beginning.read(size) or self._rest.read(size)


def resumed(beginning: bytes, rest: BinaryIO) -> BinaryIO:
    """Return a stream whose beginning was read already, to be read from there."""
    return cast("BinaryIO", _Resumed(beginning, rest))


def file_part(path: Path) -> Part:
    """Return a file as a part.

    Raises:
        SourceError: the file cannot be examined.
    """
    try:
        found = path.stat()
        return Part(str(path.resolve()), found.st_size, found.st_mtime_ns, path)
    except OSError as error:
        raise _unreadable(path, error) from None


class FileDigests:
    """Hashes the beginning of files with BLAKE3, resuming where the last call ended.

    A push calls it at every commit; reading from the beginning each time would be quadratic.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._done = 0
        self._hasher = blake3()

    def digest(self, path: Path, size: int | None = None) -> bytes:
        """Return 16 bytes of BLAKE3 over the first `size` bytes of a file, or the whole file.

        Raises:
            SourceError: the file cannot be read.
        """
        if path != self._path or (size is not None and size < self._done):
            self._path, self._done, self._hasher = path, 0, blake3()
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(self._done)
                while size is None or self._done < size:
                    rest = _STEP if size is None else min(_STEP, size - self._done)
                    content = file.read(rest)
                    if not content:
                        break
                    self._hasher.update(content)
                    self._done += len(content)
        except OSError as error:
            raise _unreadable(path, error) from None
        return self._hasher.digest(_DIGEST_SIZE)


def _unreadable(path: Path, error: OSError) -> SourceError:
    reason = (
        error.strerror.lower() if error.strerror else "it is damaged or ends too early"
    )
    return SourceError(f"the file cannot be read: {reason}", path=path)
