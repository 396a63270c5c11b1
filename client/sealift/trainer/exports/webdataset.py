"""Write an opened dataset to WebDataset tar files: all of them, or none.

A record is a run of members that share a key, the record's number in ten digits:

| column | member | read back by `webdataset` as |
|---|---|---|
| text | `KEY.COLUMN.txt` | str |
| binary, named as media: `jpg`, `image.jpg` (`MEDIA`) | `KEY.jpg`, `KEY.image.jpg` | bytes |
| other binary | `KEY.COLUMN.bin` | bytes |
| lists and tensors of numbers | `KEY.COLUMN.npy` | NumPy array |
| whole numbers in a column `label` | `KEY.cls`, besides `KEY.json` | int |
| all others | `KEY.json`, one object with the columns' own names | dict |

COLUMN is the name in lower case, with `_` for everything but a-z, 0-9, `_` and `-`; a second
column of that name ends in `_2`. Nulls have no member, and are null in `KEY.json`; a list that
contains a null goes there too. Values in `KEY.json` are those of
`sealift.trainer.exports.json_values`.

The end of a member's name decides how readers decode it. Some readers execute what they decode
(pickles), so owners cannot choose the end. Source: webdataset 1.0, autodecode.py.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from sealift.formats.arrowtypes import is_bytes, is_sequence, is_text, is_wrapped
from sealift.trainer.exports.interface import Export, Exportable, Progress
from sealift.trainer.exports.json_values import Room, check_names, json_value, text_of
from sealift.trainer.exports.parts import (
    Part,
    no_progress,
    write_parts,
)
from sealift.trainer.exports.tar import BLOCK, END, tar_header

MEDIA = frozenset((
    "avi", "bmp", "dcm", "flac", "gif", "jp2", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4",
    "ogg", "opus", "pbm", "pdf", "pgm", "png", "pnm", "ppm", "tif", "tiff", "wav", "webm", "webp",
))  # fmt: skip
"""Name endings of binary columns that are kept: no reader executes such members."""

_MAX_NAME = 60
_PADDING = bytes(BLOCK)


class _Form(Enum):
    TEXT = "txt"
    BYTES = "bin"
    ARRAY = "npy"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Member:
    """The member that a column is written to.

    Attributes:
        column: the column's name.
        form: how its values are written.
        suffix: the member's suffix, after the key and a dot; empty for what goes into `json`.
        is_class: whether it is also the record's class.
        wrapped: whether its scalars wrap another value.
    """

    column: str
    form: _Form
    suffix: str
    is_class: bool = False
    wrapped: bool = False


def write_webdataset(
    dataset: Exportable,
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write one tar file for each shard into a new folder; return the files.

    The folder takes its name only when every shard was verified and written. The same records
    give the same bytes.

    Args:
        dataset: the dataset to write.
        folder: the new folder; it must not exist, or be empty.
        columns: names of the columns to write, in this order; all by default.
        progress: called with the records and bytes in memory written so far.

    Raises:
        InvalidArgument: the folder is not empty, its parent does not exist, or a column is
            missing.
        MalformedObject: two columns have the same name, or a record is larger than a shard.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    first = 0

    @contextmanager
    def open_part(path: Path, schema: pa.Schema) -> Iterator[Part]:
        nonlocal first
        with path.open("wb") as file:
            part = _Tar(file, members_of(schema), first)
            yield part
            part.end()
            first = part.next

    return write_parts(
        dataset, folder, ".tar", open_part, columns=columns, progress=progress
    )


def members_of(schema: pa.Schema) -> list[Member]:
    """Return the member for each column of a schema.

    Raises:
        MalformedObject: two columns have the same name.
    """
    check_names(schema)
    members = []
    taken: set[str] = set()
    for field in schema:
        form = _form_of(field.type)
        suffix = "" if form is _Form.JSON else _free(field.name, form, taken)
        taken.add(suffix)
        is_class = field.name == "label" and pa.types.is_integer(field.type)
        members.append(
            Member(field.name, form, suffix, is_class, is_wrapped(field.type))
        )
    return members


def _form_of(kind: pa.DataType) -> _Form:
    if isinstance(kind, pa.FixedShapeTensorType):
        return _Form.ARRAY
    if isinstance(kind, pa.BaseExtensionType):
        return _form_of(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _form_of(kind.value_type)
    if is_text(kind):
        return _Form.TEXT
    if is_bytes(kind):
        return _Form.BYTES
    numbers = (
        is_sequence(kind) and not pa.types.is_map(kind) and _is_number(kind.value_type)
    )
    return _Form.ARRAY if numbers else _Form.JSON


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _free(column: str, form: _Form, taken: set[str]) -> str:
    """Return a unique suffix for a column's member."""
    name, _, ending = column.lower().rpartition(".")
    if form is not _Form.BYTES or ending not in MEDIA:
        name, ending = column.lower(), form.value
    name = re.sub(r"[^a-z0-9_-]", "_", name)[:_MAX_NAME]
    if not name and ending == form.value:
        name = "column"
    suffix, number = f"{name}.{ending}".lstrip("."), 1
    while suffix in taken:
        number += 1
        suffix = f"{name or 'column'}_{number}.{ending}"
    return suffix


class _Tar:
    """A tar file of records; its headers hold only names and sizes."""

    def __init__(self, file: IO[bytes], members: Sequence[Member], first: int) -> None:
        self._file = file
        self._members = members
        self.next = first

    def write_batch(self, batch: pa.RecordBatch) -> None:
        for row in range(batch.num_rows):
            self._write_record([column[row] for column in batch.columns])

    def end(self) -> None:
        self._file.write(END)

    def _write_record(self, values: Sequence[pa.Scalar]) -> None:
        key = f"{self.next:010d}"
        self.next += 1
        room = Room()
        rest: dict[str, object] = {}
        written = 0
        for member, value in zip(self._members, values, strict=True):
            bare = _unwrapped(value) if member.wrapped else value
            if member.form is _Form.JSON or _has_gaps(member.form, bare):
                rest[member.column] = json_value(bare, room)
            elif bare.is_valid:
                self._add(
                    f"{key}.{member.suffix}",
                    _content(member.form, bare, value.type, room),
                )
                written += 1
            if member.is_class and bare.is_valid:
                self._add(f"{key}.cls", str(bare.as_py()).encode())
        # A record that has only nulls is still a record.
        if rest or not written:
            self._add(f"{key}.json", json.dumps(rest).encode())

    def _add(self, name: str, data: bytes | memoryview) -> None:
        self._file.write(tar_header(name, len(data)))
        self._file.write(data)
        self._file.write(_PADDING[: -len(data) % BLOCK])


def _unwrapped(value: pa.Scalar) -> pa.Scalar:
    """Return the value that an extension, dictionary or run wraps, which may be null."""
    while value.is_valid and is_wrapped(value.type):
        value = value.value
    return value


def _has_gaps(form: _Form, value: pa.Scalar) -> bool:
    """Return whether it is a list of numbers with a null inside, which an array cannot hold."""
    return bool(form is _Form.ARRAY and value.is_valid and value.values.null_count)


def _content(
    form: _Form, value: pa.Scalar, kind: pa.DataType, room: Room
) -> bytes | memoryview:
    """Return a member's content; `kind` is the column's type, which has a tensor's shape."""
    if form is _Form.TEXT:
        return text_of(value, room).encode()
    if form is _Form.BYTES:
        data = value.as_buffer()
        room.take(data.size)
        return memoryview(data)
    array = value.values.to_numpy(zero_copy_only=False)
    room.take(array.nbytes)
    if isinstance(kind, pa.FixedShapeTensorType):
        array = array.reshape(kind.shape)
        array = array.transpose(kind.permutation) if kind.permutation else array
    content: bytes = array.tobytes()
    return _npy_header(array.dtype, array.shape) + content


@lru_cache(maxsize=1024)
def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a `.npy` file for an array in C order."""
    file = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


EXPORT = Export(
    "webdataset", "WebDataset tar files, one for each shard", write_webdataset
)
