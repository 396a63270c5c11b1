"""Files of any kind, unchanged: path, media type, size and bytes; large ones in pieces."""

from __future__ import annotations

import io
import mimetypes
import os
import struct
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from sealift.owner.sources.bytestreams import ENCRYPTED
from sealift.owner.sources.fileset import Fileset, path_of, unreadable
from sealift.owner.sources.interface import BEGINNING, Chunk, Part
from sealift.process.buffers import BufferPool
from sealift_protocol.errors import SourceChanged, SourceError

MAX_WHOLE = 32 << 20
"""The most bytes of a file that is one record."""
PIECE = 8 << 20
"""Bytes of a larger file in one record; seven such records fill a shard."""

SCHEMA = pa.schema(
    [
        pa.field(
            "path",
            pa.string(),
            metadata={"description": "below the folder, with slashes"},
        ),
        pa.field(
            "media_type", pa.string(), metadata={"description": "by the file's suffix"}
        ),
        pa.field(
            "size", pa.int64(), metadata={"unit": "byte", "description": "of the file"}
        ),
        pa.field("modified", pa.timestamp("us", "UTC")),
        pa.field(
            "offset",
            pa.int64(),
            metadata={"unit": "byte", "description": "of the content"},
        ),
        pa.field("content", pa.large_binary()),
    ],
    metadata={"sealift.kind": "files"},
)
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".pdf", ".txt"),
    *(".mcap", ".bag", ".wav", ".mp4", ".npy", ".bin", ".bam", ".cram", ".bcf", ".nii"),
)
"""Suffixes of files that are read as this kind without an option."""

# A pooled buffer saves page faults for large files, and would waste memory for small ones.
_POOLED = 1 << 20
_UNKNOWN = "application/octet-stream"
_OWN_TYPES = {
    ".mcap": "application/x-mcap",
    ".bag": "application/x-rosbag",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".dcm": "application/dicom",
    ".parquet": "application/vnd.apache.parquet",
    ".bam": "application/x-bam",
    ".cram": "application/x-cram",
    ".nii": "application/x-nifti",
    ".zst": "application/zstd",
}
_ENCODINGS = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
}
# Ignore the machine's own tables, which differ between machines.
_TYPES = mimetypes.MimeTypes()


class FilesSource:
    """A file, or the files of a folder, each as one record or as several pieces.

    A Crypt4GH file is decrypted if its key was given, and loses its suffix; otherwise it is treated
    like any other file.
    """

    kind = "files"
    resumable = True
    rereadable = True
    schema: pa.Schema = SCHEMA

    def __init__(self, files: Fileset) -> None:
        """Check the names.

        Raises:
            SourceError: a name is not UTF-8, has a backslash or a control character, or equals
                another apart from case.
        """
        self._files = files
        self.size: int | None = files.size
        seen: set[str] = set()
        for part in files.parts:
            path = path_of(part)
            name = self._name(part)
            _check_name(name, path)
            folded = unicodedata.normalize("NFC", name).casefold()
            if folded in seen:
                raise SourceError(
                    "two files have names that differ only in upper and lower case",
                    path=path,
                    hint="rename one of them: some file systems cannot hold both",
                )
            seen.add(folded)

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's pieces from an offset on.

        Raises:
            SourceError: the file cannot be read.
            SourceChanged: the file's size has changed since the push began.
        """
        path = path_of(part)
        size = self._content_size(part)
        offset = int(mark) if mark else 0
        row = _Row(self._name(part), size, part.modified)
        with (
            BufferPool(max(1, min(size, MAX_WHOLE)), 3) as pool,
            self._open(path) as stream,
        ):
            _move(stream, offset)
            begin = mark
            while begin == BEGINNING or offset < size:
                length = size if size <= MAX_WHOLE else min(PIECE, size - offset)
                content = (
                    memoryview(bytearray(length))
                    if length < _POOLED
                    else pool.lease(length)
                )
                if _fill(stream, content) != length:
                    raise _changed(path)
                batch = row.batch(offset, content)
                # From now on only the batch keeps the buffer, so that it returns to the pool.
                del content
                offset += length
                if offset == size and stream.read(1):
                    raise _changed(path)
                yield Chunk(batch, begin, str(offset), offset)
                del batch
                begin = str(offset)

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the bytes before an offset; of the whole file if it is encrypted."""
        return self._files.digest(part, int(mark) if mark else 0)

    def continues(self, part: Part) -> bool:
        """Return False: a file that has grown is another file."""
        return False

    def _is_opened(self, path: Path) -> bool:
        return path.suffix.lower() == ENCRYPTED and self._files.opener.key is not None

    def _name(self, part: Part) -> str:
        name = self._files.relative(part)
        return name[: -len(ENCRYPTED)] if self._is_opened(path_of(part)) else name

    def _content_size(self, part: Part) -> int:
        path = path_of(part)
        key = self._files.opener.key
        if key is None or not self._is_opened(path):
            return part.size
        # The package is optional.
        from sealift.owner.sources.crypt4gh import content_size

        return content_size(path, key)

    def _open(self, path: Path) -> AbstractContextManager[BinaryIO]:
        # A compressed file stays compressed: this source pushes files as they are.
        return (
            self._files.opener.open(path)
            if self._is_opened(path)
            else _open_plain(path)
        )


class _Row:
    """The values that all pieces of a file share."""

    def __init__(self, name: str, size: int, modified: int) -> None:
        self._common = [
            pa.array([name], pa.string()),
            pa.array([media_type(name)], pa.string()),
            pa.array([size], pa.int64()),
            pa.array([modified // 1000], SCHEMA.field("modified").type),
        ]

    def batch(self, offset: int, content: memoryview) -> pa.RecordBatch:
        """Return one piece as a record, without a copy."""
        buffers = [
            None,
            pa.py_buffer(struct.pack("=qq", 0, len(content))),
            pa.py_buffer(content),
        ]
        bytes_ = pa.Array.from_buffers(pa.large_binary(), 1, buffers)
        columns = [*self._common, pa.array([offset], pa.int64()), bytes_]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def media_type(name: str) -> str:
    """Return a file's media type by its suffix, the same on every machine."""
    own = _OWN_TYPES.get(os.path.splitext(name)[1].lower())  # noqa: PTH122
    if own is not None:
        return own
    found, encoding = _TYPES.guess_type(name)
    if encoding is not None:
        return _ENCODINGS.get(encoding, _UNKNOWN)
    return found or _UNKNOWN


def _check_name(name: str, path: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise SourceError(
            "a file's name is not UTF-8",
            path=path,
            hint="rename the file; convmv converts whole folders",
        ) from None
    if "\\" in name or any(
        unicodedata.category(character) == "Cc" for character in name
    ):
        raise SourceError(
            "a file's name has a backslash or a control character",
            path=path,
            hint="rename the file: a trainer's machine would refuse to write it",
        )


@contextmanager
def _open_plain(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb", buffering=0) as stream:
            yield cast("BinaryIO", stream)
    except OSError as error:
        raise unreadable(path, error) from None


def _move(stream: BinaryIO, offset: int) -> None:
    """Skip to an offset, also in a forward-only stream."""
    if stream.seekable():
        stream.seek(offset)
        return
    while offset:
        content = stream.read(min(offset, _POOLED))
        if not content:
            return
        offset -= len(content)


def _fill(stream: BinaryIO, content: memoryview) -> int:
    """Fill a buffer; returns the number of bytes read."""
    filled = 0
    while filled < len(content):
        count = cast("io.RawIOBase", stream).readinto(content[filled:])
        if not count:
            break
        filled += count
    return filled


def _changed(path: Path) -> SourceChanged:
    return SourceChanged(
        "the file's size has changed since the push began",
        path=path,
        hint="wait until the file is complete, and push again",
    )
