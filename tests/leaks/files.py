"""Writes a sheet as what an owner pushes: a file, a database, a table or a stream."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leaks import standards
from leaks.sheets import STANDARD, Laid, Sheet
from sealift.owner.sources import SourceOptions

_DELIMITERS = {"csv ,": ",", "csv ;": ";", "csv tab": "\t", "csv |": "|"}


@dataclass(frozen=True, slots=True)
class Ready:
    """What is pushed.

    Attributes:
        records: for `Session.push`.
        reading: how it is read.
        raw: its bytes, where a control looks for what is hidden.
    """

    records: Any
    reading: SourceOptions = field(default_factory=SourceOptions)
    raw: tuple[bytes, ...] = ()


def write(sheet: Sheet, laid: Laid | None, folder: Path) -> Ready:
    """Write a sheet.

    Args:
        sheet: the sheet.
        laid: its columns; None for standards.
        folder: an empty folder.
    """
    if sheet.format in STANDARD:
        planted = {cell.spot.position: cell.seen for cell in sheet.cells}
        path = standards.write(sheet.format, folder, planted, sheet.rows)
        # Without pixels there is no text to look for in them.
        return Ready(path, SourceOptions(kind=sheet.format, pixels=False))
    if laid is None or laid.table is None:
        raise ValueError("the sheet has no columns")
    table = laid.table.slice(laid.begin, laid.rows)
    if sheet.format in ("table", "slice", "nulls"):
        return Ready(table, raw=_buffers(laid.table))
    if sheet.format == "stream":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return Ready(pa.ipc.open_stream(sink.getvalue()))
    if sheet.format == "parquet":
        path = folder / "records.parquet"
        # The names of lists' items are as they were.
        pq.write_table(table, path, use_compliant_nested_type=False)
        return Ready(path)
    if sheet.format == "jsonl":
        path = folder / "records.jsonl"
        lines = [
            json.dumps(row, default=str, ensure_ascii=False) for row in _rows(table)
        ]
        path.write_text("\n".join(lines) + "\n")
        return Ready(path)
    if sheet.format == "sqlite":
        return _database(table, folder / "records.db")
    return _delimited(table, folder / "records.csv", _DELIMITERS[sheet.format])


def _buffers(table: pa.Table) -> tuple[bytes, ...]:
    """Return every byte that a table refers to."""
    sink = pa.BufferOutputStream()
    found: list[bytes] = []
    for column in table.columns:
        for chunk in column.chunks:
            found += _of_array(chunk)
    del sink
    return tuple(found)


def _of_array(array: pa.Array) -> list[bytes]:
    if isinstance(array, pa.ExtensionArray):
        return _of_array(array.storage)
    found = [buffer.to_pybytes() for buffer in array.buffers() if buffer is not None]
    if isinstance(array, pa.DictionaryArray):
        found += _of_array(array.dictionary)
    return found


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()


def _delimited(table: pa.Table, path: Path, delimiter: str) -> Ready:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            writer.writerow(["" if value is None else str(value) for value in row])
    return Ready(path, SourceOptions(kind="csv", delimiter=delimiter))


def _database(table: pa.Table, path: Path) -> Ready:
    kinds = {"int64": "INTEGER", "double": "REAL", "binary": "BLOB"}
    quoted = ['"' + name.replace('"', '""') + '"' for name in table.column_names]
    declared = ", ".join(
        f"{name} {kinds.get(str(column.type), 'TEXT')}"
        for name, column in zip(quoted, table.schema, strict=True)
    )
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE records ({declared})")
        marks = ", ".join("?" * len(quoted))
        database.executemany(
            f"INSERT INTO records VALUES ({marks})",
            [[_plain(v) for v in r] for r in rows],
        )
    database.close()
    options = SourceOptions(kind="sql", query="SELECT * FROM records")
    return Ready(f"sqlite:///{path}", options)


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bytes | str) else str(value)
