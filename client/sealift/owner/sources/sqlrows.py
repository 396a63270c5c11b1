"""What queries of all databases share: the cursor's value, columns, and values as other types."""

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
    "push everything again with --from-start",
)


@dataclass(frozen=True, slots=True)
class Key:
    """A value of a query's cursor column.

    Attributes:
        column: its name.
        kind: the column's type, as the database calls it.
        value: as text.
    """

    column: str = field(repr=False)
    kind: str
    value: str = field(repr=False)

    def mark(self) -> str:
        """The value as a mark."""
        return json.dumps(
            {"column": self.column, "type": self.kind, "value": self.value}
        )

    @classmethod
    def of(cls, mark: str) -> Key | None:
        """The value that a mark names; None for the beginning."""
        if mark == BEGINNING:
            return None
        found = _LAYOUT.read_json(mark)
        return cls(found.column, found.type, found.value)


class Query(Protocol):
    """A query that a database can run any number of times.

    Attributes:
        database: host and name, without credentials.
        schema: of the result.
        cursor_kind: the type of the cursor column, as the database calls it; empty without one.
    """

    database: str
    schema: pa.Schema
    cursor_kind: str

    def read(
        self, after: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """The rows with a cursor above a value, in its order, and the cursor's values.

        Without a cursor column: all rows, and None.
        """


def check_columns(names: list[str], cursor_column: str) -> None:
    """Refuses columns that could not be told apart, and a cursor that is not among them.

    Raises:
        SourceError: two have the same name.
        InvalidArgument: there is no such cursor.
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
            hint="select it too; PostgreSQL makes names lower case unless they are quoted",
        )


def unfit_cursor() -> InvalidArgument:
    """The error of a cursor column whose values cannot be compared exactly."""
    return InvalidArgument(
        "the cursor column is not of a type that can be continued from",
        hint="use whole numbers, times or dates, or cast it in the query: id::bigint AS id",
    )


def cast(values: pa.Array, kind: pa.DataType, column: int, rows: int) -> pa.Array:
    """Values as another type.

    Args:
        values: to cast.
        kind: to what.
        column: its number, from 1.
        rows: how many came before.

    Raises:
        SourceError: one is not of that type.
    """
    if values.type == kind:
        return values
    try:
        return values.cast(kind)
    except pa.ArrowException:
        row = rows + 1 + _first_misfit(values, kind)
        raise misfit(row, column, kind) from None


def misfit(row: int, column: int, kind: pa.DataType) -> SourceError:
    """The error of a value that is not of its column's type."""
    return SourceError(
        f"row {row}, column {column}: the value is not {kind}, the type of the column",
        column=column,
        hint="cast it in the query, or give the column's type with `types`",
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
