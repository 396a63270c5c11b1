"""Write the files of a dataset back to a folder: all of them, whole, or none.

The owner is authenticated, not trusted. A path is refused unless it stays inside the folder on
every system; a file is refused unless each of its bytes is present exactly once.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from sealift.trainer.exports.interface import Export, Exportable, Progress
from sealift.trainer.exports.staging import new_folder
from sealift_protocol.errors import InvalidArgument, MalformedObject

_COLUMNS = {
    "path": pa.string(),
    "size": pa.int64(),
    "offset": pa.int64(),
    "content": pa.large_binary(),
}
_MAX_NAME = 255
_MAX_PATH = 2048
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.I
)
_DRIVE = re.compile(r"[A-Za-z]:")
# Line and paragraph separators, and characters that change the direction of later text.
_DECEPTIVE = frozenset(
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


@dataclass(slots=True)
class _File:
    """A file while its pieces arrive.

    Attributes:
        size: size of the whole file in bytes.
        pieces: where each piece begins and ends.
    """

    size: int
    pieces: list[tuple[int, int]] = field(default_factory=list)


def _export_files(
    dataset: Exportable,
    folder: Path,
    *,
    columns: Sequence[str] | None,
    progress: Progress,
) -> list[Path]:
    if columns is not None:
        raise InvalidArgument(
            "files are written whole: columns cannot be chosen",
            hint="write them with `write_parquet`",
        )
    return write_files(dataset, folder, progress=progress)


EXPORT = Export(
    "files", "the files that were pushed, under their own names", _export_files
)


def holds_files(schema: pa.Schema) -> bool:
    """Return whether a dataset's records are files, as noted by the owner's source."""
    return (schema.metadata or {}).get(b"sealift.kind") == b"files"


def write_files(
    dataset: Exportable,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> list[Path]:
    """Write the files that a source of kind `files` read into a new folder; return them.

    The folder takes its name only when every file is present and whole. Only this user can read
    the files and folders; times and permissions of the originals are not kept.

    Args:
        dataset: the dataset to write.
        folder: the new folder; it must not exist, or be empty.
        progress: called with the records and bytes written so far.

    Raises:
        InvalidArgument: the dataset does not hold files, the folder is not empty, its parent
            does not exist, or nothing can be written there.
        MalformedObject: a path would leave the folder, cannot be written on every system or
            occurs twice, or a file is not whole; nothing is left behind.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    _check_schema(dataset.schema)
    try:
        with new_folder(folder) as staging:
            names = _write_all(dataset, staging, progress)
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise InvalidArgument(f"cannot write to the output folder: {reason}") from None
    return [folder / name for name in names]


def _check_schema(schema: pa.Schema) -> None:
    for name, kind in _COLUMNS.items():
        if schema.get_field_index(name) < 0 or schema.field(name).type != kind:
            raise InvalidArgument(
                "the dataset does not hold files", hint="write it as Parquet instead"
            )


def _write_all(
    dataset: Exportable, folder: Path, progress: Callable[[int, int], None]
) -> list[str]:
    files: dict[str, _File] = {}
    places = _Places()
    records = written = 0
    for batch in dataset.batches():
        columns = [batch.column(name) for name in _COLUMNS]
        if any(column.null_count for column in columns):
            raise MalformedObject(
                "a record of a file has no path, size, offset or content"
            )
        names, sizes, offsets = (column.to_pylist() for column in columns[:3])
        for name, size, offset, content in zip(
            names, sizes, offsets, columns[3], strict=True
        ):
            file = files.get(name)
            if file is None:
                places.take(name)
                file = files[name] = _File(size)
            data = memoryview(content.as_buffer())
            _check_piece(file, size, offset, len(data))
            _write_piece(folder, name, offset, data, first=not file.pieces)
            file.pieces.append((offset, offset + len(data)))
            written += len(data)
        records += batch.num_rows
        progress(records, written)
        del batch, columns
    for file in files.values():
        _check_whole(file)
    return list(files)


def _check_piece(file: _File, size: int, offset: int, length: int) -> None:
    if size != file.size:
        raise MalformedObject("the records of one file give different sizes for it")
    if offset < 0 or offset + length > size or (length == 0) != (size == 0):
        raise MalformedObject("a piece of a file is outside the file")


def _check_whole(file: _File) -> None:
    """Check that every byte is present exactly once; an empty file is one empty piece."""
    end = 0
    for begin, after in sorted(file.pieces):
        if begin != end:
            missing = begin > end
            raise MalformedObject(
                "a piece of a file is missing"
                if missing
                else "a part of a file occurs twice"
            )
        end = after
    if end != file.size or (file.size == 0 and len(file.pieces) != 1):
        raise MalformedObject(
            "a piece of a file is missing"
            if end != file.size
            else "a file occurs twice"
        )


def _write_piece(
    folder: Path, name: str, offset: int, data: memoryview, *, first: bool
) -> None:
    target = folder / name
    if first:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_CREAT | os.O_EXCL if first else 0
    descriptor = os.open(target, flags, 0o600)
    try:
        while data:
            count = os.pwrite(descriptor, data, offset)
            data = data[count:]
            offset += count
    finally:
        os.close(descriptor)


class _Places:
    """The paths already used, compared as a case-insensitive system does."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        # Folders by their folded path, as first written.
        self._folders: dict[str, str] = {}

    def take(self, path: str) -> None:
        """Reserve a path for a file.

        Raises:
            MalformedObject: the path is not allowed, or conflicts with another one.
        """
        check_path(path)
        folded = _fold(path)
        if folded in self._files or folded in self._folders:
            raise MalformedObject(
                "two paths of the dataset are the same on some systems"
            )
        self._files.add(folded)
        parts = path.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            key = _fold(above)
            if key in self._files or self._folders.setdefault(key, above) != above:
                raise MalformedObject(
                    "two paths of the dataset are the same on some systems"
                )


def check_path(path: str) -> None:
    """Refuse a path that leaves its folder on some system, or that misleads its reader.

    Raises:
        MalformedObject: it is such a path.
    """
    if len(path.encode()) > _MAX_PATH:
        raise MalformedObject("a path of the dataset is too long")
    if "\\" in path or any(_is_control(character) for character in path):
        raise MalformedObject(
            "a path of the dataset has a backslash or a control character"
        )
    for name in path.split("/"):
        # An absolute path begins with an empty name.
        if name in ("", ".", ".."):
            raise MalformedObject("a path of the dataset would leave the output folder")
        if _DRIVE.match(name):
            raise MalformedObject("a path of the dataset names a drive")
        if _RESERVED.fullmatch(name) or name[-1] in ". " or name[0] == " ":
            raise MalformedObject(
                "a path of the dataset has a name that some systems reserve"
            )
        if len(name.encode()) > _MAX_NAME:
            raise MalformedObject("a path of the dataset is too long")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" or character in _DECEPTIVE


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
