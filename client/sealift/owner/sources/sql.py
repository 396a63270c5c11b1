"""The result of a query: streamed from one snapshot, and resumed after a cursor's value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pyarrow as pa

from sealift.owner.sources.interface import BEGINNING, Chunk, Part
from sealift.owner.sources.sqlrows import Key, Query
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
_READS = re.compile(
    _BEFORE_FIRST_WORD + r"(?:select|with|values|table)\b", re.IGNORECASE
)


class SqlSource:
    """The rows of one query."""

    kind = "sql"
    rereadable = True

    def __init__(self, query: Query, text: str, cursor_column: str) -> None:
        """Wrap a query whose columns are known.

        Args:
            query: the query.
            text: SQL text of the query.
            cursor_column: a unique, increasing column; empty for none.
        """
        self._query = query
        self._cursor_column = cursor_column
        self.schema: pa.Schema = query.schema
        self.size: int | None = None
        self.resumable = bool(cursor_column)
        # Without a cursor, new rows cannot be recognised: all rows are appended each time.
        name = f"{query.database}\n{text}" if cursor_column else ""
        self._part = Part(name, endless=self.resumable)

    def parts(self) -> Iterator[Part]:
        """Return one part, the query."""
        yield self._part

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read the rows after a mark.

        Raises:
            SourceChanged: the mark is of another cursor column.
            SourceError: the database refuses or disconnects, or the cursor column has a null or a
                repeated value.
        """
        last = Key.of(mark)
        if last is not None and (last.column, last.kind) != self._cursor:
            raise SourceChanged(
                "an earlier push used another cursor column, or one of another type",
                hint="use the earlier cursor column, or push everything again with "
                "`from_start=True`",
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
        """Return nothing: earlier rows are not read again."""
        return b""

    def continues(self, part: Part) -> bool:
        """Return True: rows may follow the cursor's last value."""
        return self.resumable

    @property
    def _cursor(self) -> tuple[str, str]:
        return self._cursor_column, self._query.cursor_kind

    def _check_increase(self, values: pa.Array, last: Key | None, rows: int) -> None:
        """Refuse nulls and repeated values, with which a resumed push would lose rows.

        The database has sorted the rows, text in its own order.
        """
        import pyarrow.compute as pc

        column = self.schema.get_field_index(self._cursor_column) + 1
        if values.null_count:
            raise SourceError(
                f"column {column}, the cursor, is null in some rows",
                column=column,
                hint="choose a column without nulls, or exclude those rows in the query",
            )
        before, after = values[:-1], values[1:]
        wrong = (pc.equal if pa.types.is_string(values.type) else pc.greater_equal)(
            before, after
        )
        again = last is not None and values[0].cast(pa.string()).as_py() == last.value
        if again or pc.any(wrong).as_py():
            row = rows + 1 if again else rows + 2 + pc.index(wrong, True).as_py()
            raise SourceError(
                f"row {row}: column {column}, the cursor, repeats the value of the row before",
                column=column,
                hint="choose a unique column; the earlier rows are kept",
            )


def open_sql(
    url: str,
    query: str,
    *,
    cursor_column: str = "",
    types: Mapping[str, pa.DataType],
    expected: pa.Schema | None = None,
) -> SqlSource:
    """Open a query's result.

    Args:
        url: URL of the database; it may hold a password, but other users then see it in the list
            of processes.
        query: SELECT, WITH, VALUES or TABLE.
        cursor_column: a unique, increasing column of the result.
        types: types by column; they take precedence.
        expected: schema of earlier pushes.

    Raises:
        InvalidArgument: the query is missing or does more than read, or a column is missing.
        SourceError: the database cannot be reached, or refuses.
    """
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise InvalidArgument(
            "a push from a database needs a query",
            hint='give it with `query="SELECT …"`',
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
        raise InvalidArgument(
            "a type is given for a column that the query does not have"
        )
    return SqlSource(found, text, cursor_column)
