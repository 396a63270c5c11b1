"""Where records come from: each source yields Arrow batches in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sealift.owner.sources.csv import CsvSource
from sealift.owner.sources.jsonl import JsonLinesSource
from sealift.owner.sources.parquet import ParquetSource
from sealift_protocol.errors import InvalidArgument, SourceError

SUFFIXES = {
    ".parquet": "Parquet",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}


class Source(Protocol):
    """A source of records.

    Attributes:
        schema: of every batch.
        size: bytes of the file, for progress.
    """

    schema: pa.Schema
    size: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The records, once, in order."""

    def position(self) -> int:
        """Bytes of the file read so far, roughly."""


def open_source(path: Path, types: Mapping[str, str] | None = None) -> Source:
    """The source for a file, chosen by its suffix.

    Args:
        path: the file.
        types: Arrow type names by column, for CSV and JSON Lines; the others are inferred.

    Raises:
        SourceError: the file is not there, is empty, or cannot be read.
        InvalidArgument: no source reads that suffix, or a type's name is not one.
    """
    if not path.is_file():
        raise SourceError("there is no such file", path=path, hint="check the path")
    column_types = {name: parse_type(text) for name, text in (types or {}).items()}
    match SUFFIXES.get(path.suffix.lower()):
        case "Parquet" if not column_types:
            return ParquetSource(path)
        case "Parquet":
            raise InvalidArgument("a Parquet file has its own types; leave --types out")
        case "CSV":
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            return CsvSource(path, column_types, delimiter)
        case "JSON Lines":
            return JsonLinesSource(path, column_types)
        case _:
            raise InvalidArgument(
                "no source reads files of that kind",
                hint="a file's suffix must be one of " + " ".join(sorted(SUFFIXES)),
            )


def parse_type(text: str) -> pa.DataType:
    """An Arrow type by name, such as int64, float, string, date32, timestamp[s].

    Raises:
        InvalidArgument: there is none of that name.
    """
    try:
        return pa.type_for_alias(text)
    except ValueError:
        raise InvalidArgument(
            "a type given for a column is not known",
            hint="use Arrow's names: int64, float32, string, bool, date32, timestamp[s]",
        ) from None
