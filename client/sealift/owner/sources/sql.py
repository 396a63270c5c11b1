"""The result of a query: read in one snapshot, streamed, and continued behind a cursor's value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.sources.interface import BEGINNING, Chunk, Part
from sealift_protocol.errors import InvalidArgument, SourceChanged, SourceError

POSTGRESQL = ("postgresql", "postgres")
OTHERS = (
    "sqlite",
    "mysql",
    "mysql+pymysql",
    "mysql+mysqldb",
    "mariadb",
    "mariadb+pymysql",
    "mssql",
    "mssql+pyodbc",
    "mssql+pymssql",
    "oracle",
    "oracle+oracledb",
)
SCHEMES = (*POSTGRESQL, *OTHERS)

_BEFORE_FIRST_WORD = r"(?:\s|\(|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*"
_READS = re.compile(_BEFORE_FIRST_WORD + r"(?:select|with|values|table)\b", re.IGNORECASE)


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
        return json.dumps({"column": self.column, "type": self.kind, "value": self.value})

    @classmethod
    def of(cls, mark: str) -> Key | None:
        """The value that a mark names; None for the beginning."""
        if mark == BEGINNING:
            return None
        found = json.loads(mark)
        return cls(found["column"], found["type"], found["value"])


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

    def read(self, after: Key | None) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """The rows with a cursor above a value, in its order, and the cursor's values.

        Without a cursor column: all rows, and None.
        """


class SqlSource:
    """The rows of one query."""

    kind = "sql"
    rereadable = True

    def __init__(self, query: Query, text: str, cursor_column: str) -> None:
        """Takes a query that was looked at.

        Args:
            query: reads.
            text: of the query.
            cursor_column: unique and increasing; empty if there is none.
        """
        self._query = query
        self._cursor_column = cursor_column
        self.schema: pa.Schema = query.schema
        self.size: int | None = None
        self.resumable = bool(cursor_column)
        # Without a cursor, nothing says what is new: all rows are appended each time.
        name = f"{query.database}\n{text}" if cursor_column else ""
        self._part = Part(name, endless=self.resumable)

    def parts(self) -> Iterator[Part]:
        """The query."""
        yield self._part

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """The rows behind a mark.

        Raises:
            SourceChanged: the mark is of another cursor column.
            SourceError: the database refuses or goes away, or the cursor column has no value or
                one twice.
        """
        last = Key.of(mark)
        if last is not None and (last.column, last.kind) != self._cursor:
            raise SourceChanged(
                "an earlier push went by another cursor column, or one of another type",
                hint="push with the column of before, or everything anew with --from-start",
            )
        rows = 0
        for batch, values in self._query.read(last):
            begin, end = mark, BEGINNING
            if values is not None:
                self._check_increase(values, last, rows)
                last = Key(*self._cursor, values[-1].cast(pa.string()).as_py())
                end = mark = last.mark()
            rows += batch.num_rows
            yield Chunk(batch, begin, end, 0)

    def digest(self, part: Part, mark: str) -> bytes:
        """Nothing: rows that were read before are not looked at again."""
        return b""

    def continues(self, part: Part) -> bool:
        """Rows may come behind the cursor's last value."""
        return self.resumable

    @property
    def _cursor(self) -> tuple[str, str]:
        return self._cursor_column, self._query.cursor_kind

    def _check_increase(self, values: pa.Array, last: Key | None, rows: int) -> None:
        """Refuses nulls and repeated values: a push that continues would lose rows.

        The database has sorted them, text in an order of its own.
        """
        column = self.schema.get_field_index(self._cursor_column) + 1
        if values.null_count:
            raise SourceError(
                f"column {column}, the cursor, has no value in some rows",
                column=column,
                hint="choose a column that every row has, or leave such rows out in the query",
            )
        before, after = values[:-1], values[1:]
        wrong = (pc.equal if pa.types.is_string(values.type) else pc.greater_equal)(before, after)
        again = last is not None and values[0].cast(pa.string()).as_py() == last.value
        if again or pc.any(wrong).as_py():
            row = rows + 1 if again else rows + 2 + pc.index(wrong, True).as_py()
            raise SourceError(
                f"row {row}: column {column}, the cursor, has the value of the row before",
                column=column,
                hint="choose a unique column; the rows before are kept",
            )


def open_sql(
    url: str,
    query: str,
    *,
    cursor_column: str = "",
    types: Mapping[str, pa.DataType],
    expected: pa.Schema | None = None,
) -> SqlSource:
    """Opens a query's result.

    Args:
        url: of the database; a password in it is taken, but others see it in the list of
            processes.
        query: SELECT, WITH, VALUES or TABLE.
        cursor_column: of the result; unique and increasing.
        types: by column; they win over everything else.
        expected: the schema that earlier pushes had.

    Raises:
        InvalidArgument: the query is missing or does not only read, or a column is not there.
        SourceError: the database cannot be reached, or refuses.
    """
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise InvalidArgument(
            "a database is read by a query", hint="say it with --query 'SELECT …'"
        )
    if not _READS.match(text):
        raise InvalidArgument(
            "the query does not begin with SELECT, WITH, VALUES or TABLE",
            hint="a push only reads; change the database by other means",
        )
    known = {**{column.name: column.type for column in expected or []}, **types}
    found: Query
    if url.partition("://")[0] in POSTGRESQL:
        from sealift.owner.sources.sqlpostgresql import PostgresqlQuery

        found = PostgresqlQuery(url, text, cursor_column, known)
    else:
        from sealift.owner.sources.sqlothers import OtherQuery

        found = OtherQuery(url, text, cursor_column, known)
    if not types.keys() <= set(found.schema.names):
        raise InvalidArgument("a type is given for a column that the query does not have")
    return SqlSource(found, text, cursor_column)


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
        hint="cast it in the query, or give the column's type with --types NAME=string",
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
