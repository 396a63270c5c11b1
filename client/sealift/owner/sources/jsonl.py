"""JSON Lines files as a stream, with errors that name the line and never a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj

from sealift_protocol.errors import EmptySource, SourceError

_BLOCK = 4 << 20


class JsonLinesSource:
    """One file with a JSON object on each line.

    Columns and types are inferred from the first 4 MiB unless they are given.
    """

    def __init__(self, path: Path, types: Mapping[str, pa.DataType]) -> None:
        """Reads the first block.

        Raises:
            EmptySource: the file holds no record.
            SourceError: the first block cannot be read.
        """
        self._path = path
        self.size = path.stat().st_size
        if next(self._objects(), None) is None:
            raise EmptySource("the file holds no record", path=path)
        self._file = pa.OSFile(str(path), "rb")
        self.schema: pa.Schema = pa.schema([])
        explicit = pa.schema(list(types.items())) if types else None
        try:
            self._reader = pj.open_json(
                self._file,
                read_options=pj.ReadOptions(block_size=_BLOCK, use_threads=False),
                parse_options=pj.ParseOptions(explicit_schema=explicit),
            )
            self.schema = self._reader.schema
        except pa.ArrowException as error:
            raise self._explain(error) from None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's records, in order.

        Raises:
            SourceError: a line is not an object of the file's columns and types.
        """
        try:
            yield from self._reader
        except pa.ArrowException as error:
            raise self._explain(error) from None

    def position(self) -> int:
        """Bytes of the file read so far."""
        return 0 if self._file.closed else int(self._file.tell())

    def _objects(self) -> Iterator[tuple[int, bytes]]:
        with self._path.open("rb") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, text

    def _explain(self, error: pa.ArrowException) -> SourceError:
        """What is wrong, found by reading again: Arrow's own text may quote a value."""
        places = {field.name: place for place, field in enumerate(self.schema, start=1)}
        for line, text in self._objects():
            try:
                record = json.loads(text)
            except ValueError:
                return SourceError(f"line {line} is not JSON", path=self._path, line=line)
            if not isinstance(record, dict):
                return SourceError(f"line {line} is not an object", path=self._path, line=line)
            if not places:
                continue
            if not record.keys() <= places.keys():
                return SourceError(
                    f"line {line} has a field that the first records do not have",
                    path=self._path,
                    line=line,
                    hint="name every field with --types, or give the first record all fields",
                )
            if not _converts(text, self.schema):
                return SourceError(
                    f"line {line}: a value is not of its column's type", path=self._path, line=line
                )
        kind = type(error).__name__
        return SourceError(f"the JSON Lines file cannot be read ({kind})", path=self._path)


def _converts(text: bytes, schema: pa.Schema) -> bool:
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    try:
        pj.read_json(pa.BufferReader(text), parse_options=options)
    except pa.ArrowException:
        return False
    return True
