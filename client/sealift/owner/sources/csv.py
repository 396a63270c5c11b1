"""CSV files as a stream, with errors that name line and column and never a value."""

from __future__ import annotations

import csv as stdlib_csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError

# Arrow reads some 32 blocks ahead.
_BLOCK = 1 << 20
_CHECK_ROWS = 4096


class CsvSource:
    """One CSV file with a header line.

    Types are inferred from the first MiB unless they are given.
    """

    def __init__(self, path: Path, types: Mapping[str, pa.DataType], delimiter: str) -> None:
        """Reads the header and the first block.

        Raises:
            EmptySource: the file holds no record.
            SourceError: the first block cannot be read.
            InvalidArgument: a type is given for a column that the file does not have.
        """
        self._path = path
        self._delimiter = delimiter
        self.size = path.stat().st_size
        self._check_header(types)
        self._file = pa.OSFile(str(path), "rb")
        self._types = dict(types)
        self.schema: pa.Schema = pa.schema([])
        try:
            self._reader = pc.open_csv(
                self._file,
                read_options=pc.ReadOptions(block_size=_BLOCK, use_threads=False),
                parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pc.ConvertOptions(column_types=self._types),
            )
            self.schema = self._reader.schema
        except pa.ArrowException as error:
            raise self._explain(error) from None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's rows, in order.

        Raises:
            SourceError: a row is ragged, or a value is not of its column's type.
        """
        try:
            yield from self._reader
        except pa.ArrowException as error:
            raise self._explain(error) from None

    def position(self) -> int:
        """Bytes of the file read so far."""
        return 0 if self._file.closed else int(self._file.tell())

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        with self._path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = stdlib_csv.reader(file, delimiter=self._delimiter)
            for row in reader:
                if row:
                    yield reader.line_num, row

    def _check_header(self, types: Mapping[str, pa.DataType]) -> None:
        rows = self._rows()
        _, header = next(rows, (0, []))
        if not header or next(rows, None) is None:
            raise EmptySource("the file holds no record", path=self._path)
        seen: dict[str, int] = {}
        for column, name in enumerate(header, start=1):
            if name in seen:
                raise SourceError(
                    f"columns {seen[name]} and {column} have the same name",
                    path=self._path,
                    line=1,
                    column=column,
                )
            seen[name] = column
        if not set(types) <= set(header):
            raise InvalidArgument("a type is given for a column that the file does not have")

    def _explain(self, error: pa.ArrowException) -> SourceError:
        """What is wrong, found by reading again: Arrow's own text quotes the offending value."""
        width = 0
        block: list[tuple[int, list[str]]] = []
        for line, row in self._rows():
            if width == 0:
                width = len(row)
                continue
            if len(row) != width:
                return SourceError(
                    f"line {line} has {len(row)} columns where the header has {width}",
                    path=self._path,
                    line=line,
                    column=min(len(row), width) + 1,
                )
            block.append((line, row))
            if len(block) == _CHECK_ROWS:
                found = self._find_bad_value(block)
                if found is not None:
                    return found
                block.clear()
        found = self._find_bad_value(block)
        if found is not None:
            return found
        kind = type(error).__name__
        return SourceError(f"the CSV file cannot be read ({kind})", path=self._path)

    def _find_bad_value(self, block: list[tuple[int, list[str]]]) -> SourceError | None:
        for column, field in enumerate(self.schema or self._given_types()):
            values = [row[column] for _, row in block]
            if _convert(values, field.type):
                continue
            place = next(i for i, value in enumerate(values) if not _convert([value], field.type))
            line = block[place][0]
            return SourceError(
                f"line {line}, column {column + 1}: the value is not {field.type}, the "
                "type that the column began with",
                path=self._path,
                line=line,
                column=column + 1,
                hint="mend the value, or give the column's type with --types NAME=string",
            )
        return None

    def _given_types(self) -> pa.Schema:
        _, header = next(self._rows())
        return pa.schema([(name, self._types.get(name, pa.string())) for name in header])


def _convert(values: list[str], kind: pa.DataType) -> bool:
    """Whether Arrow's CSV reader takes every value for one of that type."""
    if pa.types.is_string(kind):
        return True
    lines = ['"v"', *('"' + value.replace('"', '""') + '"' for value in values)]
    options = pc.ConvertOptions(column_types={"v": kind}, quoted_strings_can_be_null=True)
    try:
        pc.read_csv(pa.BufferReader("\n".join(lines).encode()), convert_options=options)
    except pa.ArrowException:
        return False
    return True
