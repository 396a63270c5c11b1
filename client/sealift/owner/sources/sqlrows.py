"""Shared by queries of all databases: the cursor's value, columns, and casts of values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from sealift.owner.sources.interface import BEGINNING
from sealift.process.layouts import FileStruct, Layout
from sealift_protocol.errors import InvalidArgument, MalformedObject, SourceError


class _Mark(FileStruct, frozen=True):
    column: str
    type: str
    value: str


_LAYOUT = Layout(
    "the mark of an earlier push",
    _Mark,
    MalformedObject,
    "push everything again with `from_start=True`",
)


@dataclass(frozen=True, slots=True)
class Key:
    """A value of a query's cursor column.

    Attributes:
        column: name of the column.
        kind: type of the column in the database's terms.
        value: the value as text.
    """

    column: str = field(repr=False)
    kind: str
    value: str = field(repr=False)

    def mark(self) -> str:
        """Return the value as a mark."""
        return json.dumps(
            {"column": self.column, "type": self.kind, "value": self.value}
        )

    @classmethod
    def of(cls, mark: str) -> Key | None:
        """Return the value in a mark; None for the beginning."""
        if mark == BEGINNING:
            return None
        found = _LAYOUT.read_json(mark)
        return cls(found.column, found.type, found.value)


class Query(Protocol):
    """A query that a database can run any number of times.

    Attributes:
        database: host and name, without credentials.
        schema: schema of the result.
        cursor_kind: type of the cursor column in the database's terms; empty without a cursor.
    """

    database: str
    schema: pa.Schema
    cursor_kind: str

    def read(
        self, after: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """Read the rows with a cursor above a value, in its order, and the cursor's values.

        Without a cursor column: all rows, and None.
        """


def check_columns(names: list[str], cursor_column: str) -> None:
    """Refuse two columns of the same name, and a cursor that is not a column.

    Raises:
        SourceError: two columns have the same name.
        InvalidArgument: the result has no column of the cursor's name.
    """
    for column, name in enumerate(names):
        if name in names[:column]:
            raise SourceError(
                f"columns {names.index(name) + 1} and {column + 1} have the same name",
                column=column + 1,
                hint="name them in the query: SELECT a.id AS a_id, b.id AS b_id",
            )
    if cursor_column and cursor_column not in names:
        raise InvalidArgument(
            "the query's result has no column of the cursor's name",
            hint="select that column too; PostgreSQL makes unquoted names lower case",
        )


def unfit_cursor() -> InvalidArgument:
    """Return the error for a cursor column whose values cannot be compared exactly."""
    return InvalidArgument(
        "a push cannot resume from a cursor column of this type",
        hint="use whole numbers, times or dates, or cast it in the query: id::bigint AS id",
    )


def cast(values: pa.Array, kind: pa.DataType, column: int, rows: int) -> pa.Array:
    """Cast values to another type.

    Args:
        values: the values.
        kind: the type.
        column: number of the column, from 1.
        rows: number of rows before.

    Raises:
        SourceError: a value is not of that type.
    """
    if values.type == kind:
        return values
    try:
        return values.cast(kind)
    except pa.ArrowException:
        row = rows + 1 + _first_misfit(values, kind)
        raise misfit(row, column, kind) from None


def misfit(row: int, column: int, kind: pa.DataType) -> SourceError:
    """Return the error for a value that is not of its column's type."""
    return SourceError(
        f"row {row}, column {column}: the value is not {kind}, the type of the column",
        column=column,
        hint="cast the column in the query, or give its type with `types`",
    )


def _first_misfit(values: pa.Array, kind: pa.DataType) -> int:
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        try:
            values[low : middle + 1].cast(kind)
            low = middle + 1
        except pa.ArrowException:
            high = middle
    return low
