"""Avro object container files, block by block, by fastavro."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sealift.process.extras import extra
from sealift_protocol.errors import SourceError

_ROWS = 8192
_SIMPLE = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
}


class AvroFiles:
    """Files of records (Avro 1.11 specification, "Object Container Files")."""

    kind = "avro"
    what = "Avro file"
    errors: tuple[type[Exception], ...] = (
        EOFError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
    )

    def __init__(self) -> None:
        with extra("avro", "reading Avro needs fastavro"):
            import cramjam  # noqa: F401 - fastavro needs it for snappy
            import fastavro
        self._library = fastavro

    def schema(self, path: Path) -> pa.Schema:
        """Return the record's fields as columns."""
        with path.open("rb") as stream:
            written = self._library.reader(stream).writer_schema
        if not isinstance(written, dict) or written.get("type") != "record":
            raise SourceError("the Avro file does not hold records", path=path)
        kind = _type_of(written, {}, path)
        return pa.schema(list(kind))

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read the file's blocks."""
        with path.open("rb") as stream:
            rows: list[dict[str, Any]] = []
            for row in self._library.reader(stream):
                if isinstance(row, dict):
                    rows.append(row)
                if len(rows) == _ROWS:
                    yield pa.RecordBatch.from_pylist(rows, schema)
                    rows = []
            if rows:
                yield pa.RecordBatch.from_pylist(rows, schema)


def _type_of(found: Any, named: dict[str, Any], path: Path) -> pa.DataType:
    """Return the Arrow type of an Avro schema."""
    if isinstance(found, list):
        rest = [one for one in found if one != "null"]
        if len(rest) != 1:
            raise _unread("a union of several types", path)
        return _type_of(rest[0], named, path)
    if isinstance(found, str):
        if found in _SIMPLE:
            return _SIMPLE[found]
        if found in named:
            return named[found]
        raise _unread("a type that refers to itself", path)
    kind = _declared(found, named, path)
    if "name" in found:
        named[found["name"]] = kind
    return kind


def _declared(
    found: Mapping[str, Any], named: dict[str, Any], path: Path
) -> pa.DataType:
    logical = found.get("logicalType")
    if logical == "decimal":
        return pa.decimal128(found["precision"], found.get("scale", 0))
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    if logical == "uuid":
        raise _unread("a UUID as a logical type", path)
    match found["type"]:
        case "record":
            return pa.struct(
                [(f["name"], _type_of(f["type"], named, path)) for f in found["fields"]]
            )
        case "array":
            return pa.list_(_type_of(found["items"], named, path))
        case "map":
            return pa.map_(pa.string(), _type_of(found["values"], named, path))
        case "fixed":
            return pa.binary(found["size"])
        case "enum":
            return pa.string()
        case inner:
            return _type_of(inner, named, path)


def _unread(what: str, path: Path) -> SourceError:
    return SourceError(
        f"the Avro file has {what}, which has no column type",
        path=path,
        hint="convert the file to Parquet or JSON Lines, and push that",
    )
