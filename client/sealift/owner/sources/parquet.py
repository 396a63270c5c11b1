"""Parquet files in slices of their row groups, and the columns of a partitioned layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.fileset import Fileset, path_of, unreadable
from sealift.owner.sources.interface import BEGINNING, Chunk, Part
from sealift.owner.sources.unify import as_before, fitted, unify
from sealift_protocol.errors import (
    EmptySource,
    SourceChanged,
    SourceError,
)

_BATCH_ROWS = 32_768
_BATCH_BYTES = 2 << 20
_READ_BUFFER = 64 << 10
_FOOTER_TAIL = 8
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class ParquetSource:
    """Parquet files whose types one schema holds, optionally in folders named KEY=VALUE."""

    kind = "parquet"
    resumable = True
    rereadable = True

    def __init__(self, files: Fileset, expected: pa.Schema | None = None) -> None:
        """Read the footers.

        Args:
            files: the files to read.
            expected: schema of earlier pushes, with the types of the folders' values.

        Raises:
            EmptySource: the only file has no rows.
            SchemaMismatch: a file has other columns than the first.
            SourceError: the first file is not a whole Parquet file.
        """
        self._files = files
        self.size: int | None = files.size
        with _open(files.first) as first:
            if len(files.parts) == 1 and first.metadata.num_rows == 0:
                raise EmptySource("the file holds no record", path=files.first)
            stored = first.schema_arrow
        self._stored = as_before(self._common_schema(stored), expected)
        self._keys = self._partition_types(expected)
        fields = [pa.field(name, kind) for name, kind in self._keys.items()]
        self.schema = pa.schema(
            [*self._stored, *fields], metadata=self._stored.metadata
        )

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's rows, from row `mark` on.

        Raises:
            SchemaMismatch: the file's schema differs from the first file's.
            SourceChanged: the file has fewer rows than were already read.
            SourceError: a row group is damaged.
        """
        path = path_of(part)
        values = self._partition_values(part)
        with _open(path) as file:
            # The file may have changed since the push began.
            unify(self._stored, file.schema_arrow, path)
            total, wanted = file.metadata.num_rows, _row(mark)
            if wanted > total:
                raise SourceChanged(
                    "the file is shorter than the part that was already pushed",
                    path=path,
                )
            row = 0
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row + rows <= wanted:
                    row += rows
                    continue
                for batch in _slices(file, group, row, path):
                    end = row + batch.num_rows
                    if end > wanted:
                        kept = batch.slice(max(0, wanted - row))
                        begin = end - kept.num_rows
                        yield Chunk(
                            self._widen(kept, values, path),
                            str(begin) if begin else BEGINNING,
                            str(end),
                            part.size * end // total,
                        )
                    row = end

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the footer, and of the row groups up to the one with the mark.

        Raises:
            SourceError: the file cannot be read.
        """
        path = path_of(part)
        with _open(path) as file:
            wanted, row, end = _row(mark), 0, 0
            for group in range(file.metadata.num_row_groups):
                if row >= wanted:
                    break
                found = file.metadata.row_group(group)
                row += found.num_rows
                end = max(
                    end, *(_end(found.column(i)) for i in range(found.num_columns)), 0
                )
        groups = self._files.digest(part, end)
        try:
            with path.open("rb") as stream:
                stream.seek(max(0, part.size - _FOOTER_TAIL))
                size = int.from_bytes(stream.read(4), "little")
                stream.seek(max(0, part.size - _FOOTER_TAIL - size))
                content: bytes = blake3(groups + stream.read()).digest(16)
        except OSError as error:
            raise unreadable(path, error) from None
        return content

    def continues(self, part: Part) -> bool:
        """Return False: a Parquet file ends with its footer, and cannot grow."""
        return False

    # --- columns ---------------------------------------------------------------------------------

    def _common_schema(self, first: pa.Schema) -> pa.Schema:
        """Return the schema of all files, from their footers; one is held at a time."""
        schema = first
        for part in self._files.parts[1:]:
            path = path_of(part)
            try:
                with _open(path) as file:
                    found = file.schema_arrow
            except SourceError:
                # The push says so when it comes to this file; those before it are whole.
                continue
            schema = unify(schema, found, path)
        return schema

    def _widen(
        self,
        batch: pa.RecordBatch,
        values: Mapping[str, int | str | None],
        path: Path,
    ) -> pa.RecordBatch:
        columns = fitted(batch, self._stored, path)
        for key, value in values.items():
            columns.append(pa.repeat(pa.scalar(value, self._keys[key]), batch.num_rows))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _partition_types(self, expected: pa.Schema | None) -> Mapping[str, pa.DataType]:
        found: dict[str, set[str]] = {}
        for part in self._files.parts:
            for key, value in self._segments(part).items():
                found.setdefault(key, set()).add(value)
        types = {}
        for key, values in found.items():
            if key in self._stored.names:
                continue
            known = (
                expected.field(key).type if expected and key in expected.names else None
            )
            whole = all(_is_integer(value) for value in values - {_NO_VALUE})
            types[key] = pa.int64() if whole and known != pa.string() else pa.string()
        return types

    def _partition_values(self, part: Part) -> dict[str, int | str | None]:
        segments = self._segments(part)
        values: dict[str, int | str | None] = {}
        for key, kind in self._keys.items():
            text = segments.get(key, _NO_VALUE)
            if text == _NO_VALUE:
                values[key] = None
            else:
                values[key] = int(text) if pa.types.is_integer(kind) else text
        return values

    def _segments(self, part: Part) -> dict[str, str]:
        folders = self._files.relative(part).split("/")[:-1]
        pairs = [folder.partition("=") for folder in folders]
        return {
            unquote(key): unquote(value)
            for key, equals, value in pairs
            if equals and key
        }


def _row(mark: str) -> int:
    return int(mark) if mark else 0


def _slices(
    file: pq.ParquetFile, group: int, row: int, path: Path
) -> Iterator[pa.RecordBatch]:
    """Read a row group's rows in batches of a few MiB, regardless of the rows' width."""
    found = file.metadata.row_group(group)
    width = max(1, found.total_byte_size // max(1, found.num_rows))
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // width))
    batches = file.iter_batches(batch_size=rows, row_groups=[group], use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError):
            raise SourceError(
                f"the Parquet file is damaged after row {row}", path=path
            ) from None
        if batch is None:
            return
        row += batch.num_rows
        yield batch


def _end(column: pq.ColumnChunkMetaData) -> int:
    """Return the offset after a column's pages in a row group."""
    start = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        start = min(start, column.dictionary_page_offset)
    return int(start + column.total_compressed_size)


def _open(path: Path) -> pq.ParquetFile:
    if is_packed(path):
        raise SourceError(
            "a Parquet file cannot be read from inside a compressed or encrypted file",
            path=path,
            hint="unpack the file; Parquet has its own compression",
        )
    try:
        # Read columns in slices, not whole chunks: a row group may be gigabytes.
        return pq.ParquetFile(
            path,
            buffer_size=_READ_BUFFER,
            pre_buffer=False,
            page_checksum_verification=True,
        )
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(path, error) from None
        raise SourceError(
            "this is not a whole Parquet file: its footer cannot be read", path=path
        ) from None


def _is_integer(text: str) -> bool:
    """Return whether a text can be read as a whole number without loss, unlike 02139."""
    return (
        text.removeprefix("-").isdecimal()
        and text.isascii()
        and len(text) < len(str(_SMALLEST)) + 1
        and str(int(text)) == text
        and _SMALLEST <= int(text) <= _LARGEST
    )
