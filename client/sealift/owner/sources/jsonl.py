"""JSON Lines files as a stream, with errors that name the line and never a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj

from sealift_protocol.errors import EmptySource, SourceError

# Arrow reads some 32 blocks ahead.
_BLOCK = 1 << 20
_CHECK_LINES = 4096


class JsonLinesSource:
    """One file with a JSON object on each line.

    Columns and types are inferred from the first MiB unless they are given.
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
        self._explicit = pa.schema(list(types.items()))
        try:
            self._reader = pj.open_json(
                self._file,
                read_options=pj.ReadOptions(block_size=_BLOCK, use_threads=False),
                parse_options=pj.ParseOptions(explicit_schema=self._explicit if types else None),
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
        block: list[tuple[int, bytes]] = []
        for line, text in self._objects():
            found = self._check_object(line, text)
            if found is not None:
                # A value of the wrong type on an earlier line comes first.
                return self._find_bad_value(block) or found
            block.append((line, text))
            if len(block) == _CHECK_LINES:
                found = self._find_bad_value(block)
                if found is not None:
                    return found
                block.clear()
        kind = type(error).__name__
        return self._find_bad_value(block) or SourceError(
            f"the JSON Lines file cannot be read ({kind})", path=self._path
        )

    def _check_object(self, line: int, text: bytes) -> SourceError | None:
        try:
            record = json.loads(text)
        except ValueError:
            return SourceError(f"line {line} is not JSON", path=self._path, line=line)
        if not isinstance(record, dict):
            return SourceError(f"line {line} is not an object", path=self._path, line=line)
        if len(self.schema) and not record.keys() <= set(self.schema.names):
            return SourceError(
                f"line {line} has a field that the first records do not have",
                path=self._path,
                line=line,
                hint="name every field with --types, or give the first record all fields",
            )
        return None

    def _find_bad_value(self, block: list[tuple[int, bytes]]) -> SourceError | None:
        schema = self.schema if len(self.schema) else self._explicit
        if not block or _convert([text for _, text in block], schema):
            return None
        line = next(line for line, text in block if not _convert([text], schema))
        return SourceError(
            f"line {line}: a value is not of its column's type", path=self._path, line=line
        )


def _convert(lines: list[bytes], schema: pa.Schema) -> bool:
    """Whether Arrow's JSON reader takes every line under that schema."""
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer")
    try:
        pj.read_json(pa.BufferReader(b"\n".join(lines)), parse_options=options)
    except pa.ArrowException:
        return False
    return True
