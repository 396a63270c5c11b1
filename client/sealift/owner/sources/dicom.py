"""DICOM instances: header elements as columns, decoded pixel data, one row an instance.

The schema is the union of the elements in the files' headers.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from sealift.formats.dicom import quiet
from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.dicomcontent import (
    CONTENTS,
    Content,
    contents_of,
    read_content,
)
from sealift.owner.sources.dicomdir import follow_indices
from sealift.owner.sources.dicomelements import (
    Column,
    characters_of,
    element_of,
    known_element,
    read_value,
)
from sealift.owner.sources.dicomfiles import is_directory, read_header
from sealift.owner.sources.dicompixels import (
    PIXEL_FIELDS,
    Pixels,
    decode,
    has_pixels,
    layout_of,
)
from sealift.owner.sources.fileset import Fileset, path_of
from sealift.owner.sources.interface import (
    BEGINNING,
    Chunk,
    LeftOut,
    Part,
    Rejects,
)
from sealift.process.log import log
from sealift_protocol.errors import (
    EmptySource,
    RecordTooLarge,
    SourceChanged,
    SourceError,
)

if TYPE_CHECKING:
    from pydicom import FileDataset

_MAX_RECORD = 63 << 20
# A compressed file is unpacked in memory, since pydicom seeks in it.
_MAX_UNPACKED = 256 << 20
_MAX_READ_WHOLE = 64 << 20
_MAX_REJECTED = 32 << 20

_Columns = dict[str, pa.Array]
_Failed = dict[str, int]


class DicomSource:
    """DICOM files (PS3.10), one instance each: a row, or several if its frames fill a shard.

    Sequences, private elements, overlays and curves are left out, and so is the file meta
    information (group 0002). What reports, structure sets and plans hold in their sequences has
    columns (`dicomcontent`). A DICOMDIR is an index: the files that it lists are read.

    A value that is not of its VR, or not in its character set, is null and counted: it rejects no
    file, since a policy may drop it.

    Attributes:
        left_out: number of elements left out of all files: by keyword for sequences, otherwise
            under "private elements", "overlays and curves" and "unknown elements"; values that
            cannot be read under "unreadable values of" their keyword; files under DICOMDIR, or the
            reason.
    """

    kind = "dicom"
    resumable = True
    rereadable = True

    def __init__(
        self,
        files: Fileset,
        *,
        pixels: bool,
        rejects: Rejects,
        expected: pa.Schema | None = None,
    ) -> None:
        """Read every file's header, since each may have other elements.

        Args:
            files: the files to read.
            pixels: whether pixel data is read.
            rejects: receives files that are damaged or not DICOM.
            expected: schema of earlier pushes; its order is kept.

        Raises:
            EmptySource: no file holds an instance.
            SourceError: a file cannot be read.
        """
        indexed = follow_indices(files, strict=rejects.stops)
        self._files = indexed.files
        self._rejects = rejects
        self._pixels = pixels
        self.size: int | None = self._files.size
        self.left_out: Counter[str] = Counter(indexed.told)
        self.schema: pa.Schema = pa.schema(self._fields(pixels, expected))
        # Headers are looked through once, however often the source is read.
        self.left_out = LeftOut(self.left_out)
        self._nulls = {f.name: pa.nulls(1, f.type) for f in self.schema}
        log.info("left_out_elements", count=self.left_out.total())

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read an instance's row, or its rows from a frame on.

        A file that is damaged or not DICOM goes to the rejects.

        Raises:
            SourceError: the file cannot be read.
            SourceChanged: the file has an element that it did not have when the push began.
        """
        with self._open(path_of(part)) as stream:
            try:
                yield from self._rows(stream, part, mark)
            except SourceChanged:
                raise
            except SourceError as error:
                self._rejects.reject(
                    error, b"" if self._rejects.stops else _content(stream)
                )

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the file, since each row repeats the header; of nothing at the start."""
        return self._files.digest(part, 0 if mark == BEGINNING else None)

    def continues(self, part: Part) -> bool:
        """Return False: an instance does not grow."""
        return False

    # --- the schema ------------------------------------------------------------------------------

    def _find_columns(self) -> tuple[list[Column], list[Content]]:
        found: dict[int, Column] = {}
        contents: set[int] = set()
        readable = False
        for part in self._files.parts:
            path = path_of(part)
            try:
                with self._open(path) as stream:
                    header = read_header(stream, path)
            except SourceError:
                # The file is read again later, and counted there.
                if self._rejects.stops:
                    raise
                continue
            if is_directory(header):
                continue
            readable = True
            held: set[int] = set()
            for content in contents_of(header):
                contents.add(content.tag)
                held |= content.tags
            for tag in header.keys():  # noqa: SIM118  (a Dataset iterates over its elements)
                element = element_of(int(tag))
                if isinstance(element, Column):
                    found[element.tag] = element
                elif element and int(tag) not in held:
                    self.left_out[element] += 1
        if not readable:
            raise EmptySource("no file holds a DICOM instance", path=self._files.root)
        columns = [found[tag] for tag in sorted(found)]
        return columns, [each for each in CONTENTS if each.tag in contents]

    def _fields(self, pixels: bool, expected: pa.Schema | None) -> list[pa.Field]:
        """Return known fields in their order, then new ones."""
        others = {field.name: field for field in PIXEL_FIELDS}
        others |= {content.field.name: content.field for content in CONTENTS}
        old = []
        for name in [] if expected is None else expected.names:
            column = known_element(name)
            field = others.get(name) if column is None else column.field
            # A field that no DICOM file can hold is from another source; reported elsewhere.
            if field is not None:
                old.append(field)
        columns, contents = self._find_columns()
        found = [column.field for column in columns]
        found += [content.field for content in contents]
        found += PIXEL_FIELDS if pixels else ()
        names = {field.name for field in old}
        return [*old, *(field for field in found if field.name not in names)]

    # --- rows ------------------------------------------------------------------------------------

    def _rows(self, stream: BinaryIO, part: Part, mark: str) -> Iterator[Chunk]:
        path = path_of(part)
        # Small files are read whole, large ones frame by frame.
        whole = self._pixels and stream.seek(0, os.SEEK_END) <= _MAX_READ_WHOLE
        header = read_header(stream, path, whole=whole)
        if is_directory(header):
            return
        first = int(mark) if mark else 0
        total = 1
        pieces: Iterator[Pixels | None] = iter([None] if first == 0 else [])
        if self._pixels and has_pixels(stream, header):
            layout = layout_of(header, path)
            total = layout.frames
            pieces = iter(
                decode(stream, header, layout, first, path) if first < total else []
            )
        common, failed = self._common(header, path)
        for name, count in failed.items():
            self.left_out[f"unreadable values of {name}"] += count
        begin = mark
        for pixels in pieces:
            values = common if pixels is None else {**common, **pixels.columns()}
            batch = pa.RecordBatch.from_arrays(
                [values.get(name, self._nulls[name]) for name in self.schema.names],
                schema=self.schema,
            )
            if batch.nbytes > _MAX_RECORD:
                raise RecordTooLarge("an instance is larger than a shard", path=path)
            end = 1 if pixels is None else pixels.first + pixels.frames
            yield Chunk(batch, begin, str(end), part.size * end // total, failed)
            begin, failed = str(end), {}

    def _common(self, header: FileDataset, path: Path) -> tuple[_Columns, _Failed]:
        """Return the header's columns, which all rows share, and what could not be read."""
        columns: _Columns = {}
        failed: _Failed = {}
        with quiet():
            characters = characters_of(header)
            for tag in sorted(header.keys()):
                column = element_of(int(tag))
                if not isinstance(column, Column):
                    continue
                name = column.field.name
                self._check_known(name, path)
                read = read_value(header, column, characters)
                columns[name] = pa.array([read.value], column.field.type)
                if read.failed:
                    failed[name] = read.failed
            for content in contents_of(header):
                name = content.field.name
                self._check_known(name, path)
                read = read_content(header, content)
                columns[name] = pa.array([read.value], content.field.type)
                if read.failed:
                    failed[name] = read.failed
        return columns, failed

    def _check_known(self, name: str, path: Path) -> None:
        if name not in self._nulls:
            raise SourceChanged(
                "the file has an element that it did not have when the push began",
                path=path,
            )

    @contextmanager
    def _open(self, path: Path) -> Iterator[BinaryIO]:
        with self._files.opener.open(path) as stream:
            if not is_packed(path):
                yield stream
                return
            content = stream.read(_MAX_UNPACKED + 1)
            if len(content) > _MAX_UNPACKED:
                raise SourceError(
                    f"a compressed DICOM file is larger than {_MAX_UNPACKED >> 20} MiB unpacked",
                    path=path,
                )
            yield io.BytesIO(content)


def _content(stream: BinaryIO) -> bytes:
    """Return the whole file, or nothing if it is too large to quarantine."""
    stream.seek(0)
    content = stream.read(_MAX_REJECTED + 1)
    return content if len(content) <= _MAX_REJECTED else b""
