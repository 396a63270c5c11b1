"""Queries of any database with an SQLAlchemy driver, row by row: SQLite, MySQL, ...

Types are inferred from the first rows, since not every database reports them. Decimals, UUIDs and
JSON become text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from sealift.owner.sources.bisection import first_bad
from sealift.owner.sources.sqlrows import Key, cast, check_columns, misfit, unfit_cursor
from sealift.process.extras import extra
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine

_BATCH_BYTES = 1 << 20
_FIRST_ROWS = 64
_MAX_ROWS = 16_384
_SAMPLE_ROWS = 10_000
_UTC = pa.timestamp("us", "UTC")
_KINDS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    Decimal: pa.string(),
    UUID: pa.string(),
    dict: pa.string(),
    list: pa.string(),
    bytes: pa.binary(),
    bytearray: pa.binary(),
    memoryview: pa.binary(),
    datetime: pa.timestamp("us"),
    date: pa.date32(),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
}
_TEXT_OF: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys((int, float, bool, Decimal, UUID, date, datetime), str),
    **dict.fromkeys((dict, list), json.dumps),
}
# Each database's statement for a read-only snapshot.
_BEGIN = {
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "mariadb": "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}
_PYMYSQL = ("mysql+pymysql:", "mariadb+pymysql:")
_MYSQL = ("mysql", "mariadb")
_INT64_MAX = 2**63 - 1
_LOST = "push again: it continues after the last commit, without `cursor_column` from the start"


class OtherQuery:
    """A query through SQLAlchemy; see `Query`."""

    def __init__(
        self, url: str, query: str, cursor_column: str, types: Mapping[str, pa.DataType]
    ) -> None:
        """Read the first rows.

        Raises:
            EmptySource: there is no row, and the columns are unknown.
            InvalidArgument: SQLAlchemy or the database's driver is not installed, the URL is not
                valid, or the cursor column is not suitable.
            SourceError: the database cannot be reached, or refuses.
        """
        self._engine = _engine(url)
        self._dialect = self._engine.dialect
        self._text = query
        found = self._engine.url
        host = f"{found.host or ''}:{found.port or ''}"
        self.database = f"{found.get_backend_name()}://{host}/{_place(url)}"
        self._cursor_column = ""
        with self._running(self._select(None)) as result:
            names = list(result.keys())
            check_columns(names, cursor_column)
            with _named_errors("the query failed"):
                rows = _first_rows(result)
        if not rows and not set(names) <= types.keys():
            raise EmptySource("the query returns no rows")
        columns = _columns(rows, len(names))
        kinds = [
            types.get(n) or _infer(c, i)
            for i, (n, c) in enumerate(zip(names, columns, strict=True), start=1)
        ]
        self.schema = pa.schema(list(zip(names, kinds, strict=True)))
        self.cursor_kind = ""
        if cursor_column:
            self._cursor_column = cursor_column
            self._place = names.index(cursor_column)
            kind = kinds[self._place]
            self.cursor_kind = str(kind)
            if not self._is_fit(kind):
                raise unfit_cursor()

    def read(
        self, after: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """Read the rows with a cursor above a value, and the cursor's values."""
        if after is not None:
            self._check_nulls()
        with self._running(self._select(after)) as result:
            count, rows = _FIRST_ROWS, 0
            while True:
                with _named_errors(f"the query failed after row {rows}"):
                    found = result.fetchmany(count)
                if not found:
                    return
                batch = self._convert(found, rows)
                rows += len(found)
                # As many rows as fill a batch, regardless of their width.
                wide = max(1, batch.nbytes // len(found))
                count = max(1, min(_MAX_ROWS, 2 * count, _BATCH_BYTES // wide))
                yield batch, batch.column(self._place) if self._cursor_column else None

    def _convert(self, rows: Sequence[Sequence[Any]], before: int) -> pa.RecordBatch:
        arrays = [
            _array(values, field.type, column, before)
            for column, (values, field) in enumerate(
                zip(_columns(rows, len(self.schema)), self.schema, strict=True), start=1
            )
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    # --- SQL -------------------------------------------------------------------------------------

    def _select(self, after: Key | None) -> str:
        if not self._cursor_column:
            return self._text
        name = self._cursor_name()
        condition = "" if after is None else f" WHERE {name} > {self._literal(after)}"
        return f"SELECT * FROM ({self._text}\n) q{condition} ORDER BY {name}"  # noqa: S608

    def _cursor_name(self) -> str:
        name = "q." + self._dialect.identifier_preparer.quote_identifier(
            self._cursor_column
        )
        if self._dialect.name == "sqlite" and pa.types.is_string(
            self.schema[self._place].type
        ):
            # A column may be compared regardless of case: 'a' would hide 'A'.
            return f"{name} COLLATE BINARY"
        return name

    def _literal(self, key: Key) -> str:
        from sqlalchemy import literal

        kind = self.schema.field(self._place).type
        value = pa.array([key.value]).cast(kind)[0].as_py()
        text = literal(value).compile(
            dialect=self._dialect, compile_kwargs={"literal_binds": True}
        )
        return str(text)

    def _is_fit(self, kind: pa.DataType) -> bool:
        """Return whether values of a type compare exactly, and survive a round trip as text."""
        if pa.types.is_string(kind):
            return self._dialect.name == "sqlite"
        # Python's dates represent the stored value, which is text in SQLite.
        timed = (pa.types.is_timestamp(kind) and kind.tz is None) or pa.types.is_date(
            kind
        )
        return bool(
            pa.types.is_integer(kind) or (timed and self._dialect.name != "sqlite")
        )

    def _check_nulls(self) -> None:
        """Refuse rows with a null cursor, which no comparison finds."""
        name = self._cursor_name()
        text = f"SELECT COUNT(*) FROM ({self._text}\n) q WHERE {name} IS NULL"  # noqa: S608
        with self._running(text) as result, _named_errors("the query failed"):
            count = result.scalar_one()
        if count:
            column = self._place + 1
            raise SourceError(
                f"column {column}, the cursor, is null in some rows",
                column=column,
                hint="choose a column without nulls, or exclude those rows in the query",
            )

    @contextmanager
    def _running(self, text: str) -> Iterator[CursorResult[Any]]:
        """Run a query in its own read-only transaction."""
        with _named_errors("the database cannot be reached"):
            connection: Connection = self._engine.connect()
        try:
            begin = _BEGIN.get(self._dialect.name)
            number = 0
            with _named_errors("the query cannot be run"):
                if begin:
                    connection.exec_driver_sql(begin)
                if self._dialect.name in _MYSQL:
                    found = connection.exec_driver_sql("SELECT CONNECTION_ID()")
                    number = found.scalar_one()
                if self._dialect.paramstyle in ("format", "pyformat"):
                    text = text.replace("%", "%%")
                result = connection.execution_options(
                    stream_results=True, max_row_buffer=_FIRST_ROWS
                ).exec_driver_sql(text)
            if not result.returns_rows:
                raise InvalidArgument(
                    "the query does not return rows", hint="a push only reads"
                )
            try:
                yield result
            finally:
                if number and result.cursor is not None and not connection.invalidated:
                    self._stop(number, result)
        finally:
            with _named_errors("the connection cannot be closed"):
                connection.close()

    def _stop(self, number: int, result: CursorResult[Any]) -> None:
        """End the query of a connection, whose driver would else read all of it to close."""
        from sqlalchemy.exc import SQLAlchemyError

        with suppress(SQLAlchemyError):
            with self._engine.connect() as other:
                other.exec_driver_sql(f"KILL QUERY {int(number)}")
            while result.fetchmany(_FIRST_ROWS):
                pass


def _engine(url: str) -> Engine:
    with extra("sql", "reading this database needs SQLAlchemy"):
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import NullPool

    try:
        scheme, _, rest = url.partition("://")
        if scheme in _MYSQL:
            url = f"{scheme}+pymysql://{rest}"
        if url.startswith(_PYMYSQL):
            with extra("mysql", "reading MySQL or MariaDB needs PyMySQL"):
                return create_engine(url, poolclass=NullPool, hide_parameters=True)
        if not url.startswith("sqlite:"):
            return create_engine(url, poolclass=NullPool, hide_parameters=True)
        path = Path(_place(url))
        if not path.is_file():
            raise SourceError(
                "there is no such file",
                path=path,
                hint="check the path; a relative path is written sqlite:///relative.db",
            )
        uri = f"{path.resolve().as_uri()}?mode=ro"
        return create_engine(
            "sqlite://",
            poolclass=NullPool,
            creator=lambda: sqlite3.connect(uri, uri=True),
        )
    except ImportError:
        raise InvalidArgument(
            "the SQLAlchemy driver for this database is not installed",
            hint="install the driver that SQLAlchemy names, such as oracledb or pyodbc",
        ) from None
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InvalidArgument(
            "the database's URL is not valid", hint="scheme://user@host:port/database"
        ) from None


def _place(url: str) -> str:
    """Return the database that a URL names; for SQLite, a path."""
    from sqlalchemy import make_url

    return make_url(url).database or ""


# --- values --------------------------------------------------------------------------------------


def _first_rows(result: CursorResult[Any]) -> list[Sequence[Any]]:
    """Read the rows from which types are inferred: some thousand, or fewer if they are wide."""
    rows: list[Sequence[Any]] = []
    size = 0
    while len(rows) < _SAMPLE_ROWS and size < _BATCH_BYTES:
        found = result.fetchmany(_FIRST_ROWS)
        if not found:
            break
        rows += found
        size += sum(
            len(v) if isinstance(v, str | bytes) else 8 for row in found for v in row
        )
    return rows


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * count


def _infer(values: Sequence[Any], column: int) -> pa.DataType:
    found = set(map(type, values)) - {type(None)}
    if found == {int, float}:
        return pa.float64()
    if datetime in found and any(value.tzinfo for value in values if value is not None):
        return _UTC
    kinds = {_KINDS.get(kind) for kind in found}
    if not kinds:
        return pa.string()
    if len(kinds) > 1 or None in kinds:
        raise SourceError(
            f"column {column} has values of several types, or of an unknown type",
            column=column,
            hint="cast the column in the query: CAST(column AS TEXT) AS column",
        )
    if found == {int} and max(v for v in values if v is not None) > _INT64_MAX:
        return pa.uint64()
    return kinds.pop()


def _array(
    values: Sequence[Any], kind: pa.DataType, column: int, before: int
) -> pa.Array:
    """Convert a column's values to a type.

    Raises:
        SourceError: a value is not of that type.
    """
    found = set(map(type, values))
    exact = pa.types.is_decimal(kind) or Decimal in found
    if (exact or pa.types.is_string(kind)) and found & _TEXT_OF.keys():
        values = [_TEXT_OF.get(type(value), _same)(value) for value in values]
        found = set(map(type, values))
    if found & {bytearray, memoryview}:
        values = [
            bytes(v) if isinstance(v, bytearray | memoryview) else v for v in values
        ]
    if found <= {str, type(None)} and not pa.types.is_string(kind):
        return cast(pa.array(values, pa.string()), kind, column, before)
    array = _try(values, kind)
    if array is None:
        place = first_bad(values, lambda some: _try(some, kind) is not None) or 0
        raise misfit(before + place + 1, column, kind)
    return array


def _same(value: Any) -> Any:
    return value


def _try(values: Sequence[Any], kind: pa.DataType) -> pa.Array | None:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return None


# By the server's and the driver's error numbers, which MySQL and MariaDB share.
_REJECTED = (
    "the database does not accept the user or the password",
    "check ~/.my.cnf and `?read_default_file=~/.my.cnf` in the URL",
)
_FORBIDDEN = (
    "the database does not allow the query",
    "ask the database's administrator for SELECT on the tables in the query",
)
_UNREACHABLE = (
    "the server does not answer",
    "check host and port, and that the server runs",
)
_MYSQL_ERRORS = {
    1044: _FORBIDDEN,
    1045: _REJECTED,
    1049: ("there is no such database", "check the URL"),
    1054: ("the query names a column that does not exist", "check the query"),
    1142: _FORBIDDEN,
    1143: _FORBIDDEN,
    1146: ("the query names a table that does not exist", "check the query"),
    1227: _FORBIDDEN,
    1698: _REJECTED,
    2002: _UNREACHABLE,
    2003: _UNREACHABLE,
}


def _number(error: BaseException | None) -> int:
    """Return a driver's error number; 0 where it gives none."""
    first = error.args[0] if error is not None and error.args else 0
    return first if isinstance(first, int) else 0


@contextmanager
def _named_errors(what: str) -> Iterator[None]:
    """Replace drivers' errors, whose texts quote values, by one that says what to do."""
    from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise SourceError(
                f"{what}: the database dropped the connection", hint=_LOST
            ) from None
        known = _MYSQL_ERRORS.get(_number(error.orig))
        if known:
            raise SourceError(f"{what}: {known[0]}", hint=known[1]) from None
        text = str(error.orig).lower()
        if "readonly" in text or "read only" in text or "read-only" in text:
            said = "the query would change the database, but a push only reads"
        elif (
            isinstance(error, ProgrammingError) or "no such" in text or "syntax" in text
        ):
            said = "a table or column does not exist, or the query is not correct"
        else:
            said = type(error).__name__
        hint = "try the query with the database's own client"
        raise SourceError(f"{what}: {said}", hint=hint) from None
    except (SQLAlchemyError, sqlite3.Warning) as error:
        raise SourceError(f"{what}: {type(error).__name__}", hint=_LOST) from None
