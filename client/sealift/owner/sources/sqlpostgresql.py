"""Queries of PostgreSQL through ADBC: COPY in binary form, straight into Arrow.

Numbers, text, bytes, booleans, dates and times keep their type; numeric(p, s) becomes decimal128;
numeric without bounds, uuid, json and all others become text; arrays of these become lists.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.sources.sqlrows import Key, cast, check_columns, unfit_cursor
from sealift.process.extras import extra
from sealift_protocol.errors import SourceError

_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BATCH_BYTES = 1 << 20
_CONNECT_SECONDS = 20
_TYPE = b"POSTGRESQL:type"
_TYPE_MODIFIER = b"POSTGRESQL:typmod"
_AS_THEY_ARE = {
    *("int2", "int4", "int8", "float4", "float8", "bool", "bytea"),
    *("text", "varchar", "bpchar", "name", "date", "time", "timestamp", "timestamptz"),
}
_TEXT = {"text", "varchar", "bpchar", "name"}
_CURSORS = _TEXT | {
    "int2",
    "int4",
    "int8",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "numeric",
}
# PostgreSQL's times begin in 4713 BC; an earlier one is "infinity" after an overflow.
_FIRST_DAY = -2_451_545
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
_SQLSTATE = re.compile(r"SQLSTATE: (\w{5})")
_LOST = "push again: it continues after the last commit, without `cursor_column` from the start"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the result: its SQL expression, the type received and the type returned."""

    name: str
    stored: str
    expression: str
    comes_as: pa.DataType
    kind: pa.DataType


class PostgresqlQuery:
    """A query of a PostgreSQL server; see `Query`."""

    def __init__(
        self, url: str, query: str, cursor_column: str, types: Mapping[str, pa.DataType]
    ) -> None:
        """Ask the server for the result's columns.

        Raises:
            InvalidArgument: ADBC is not installed, or the cursor column is not suitable.
            SourceError: the server cannot be reached, or refuses.
        """
        self._url = url
        self._text = query
        with self._connected() as cursor:
            with _named_errors("the query cannot be run"):
                found = cursor.adbc_execute_schema(query)
                cursor.execute("SELECT current_database()")
                name = cursor.fetchall()[0][0]
            check_columns(found.names, cursor_column)
        self.database = f"postgresql://{_hosts(url)}/{name}"
        self._columns = [_column(column, types) for column in found]
        self.schema = pa.schema(
            [(column.name, column.kind) for column in self._columns]
        )
        self._cursor = next((c for c in self._columns if c.name == cursor_column), None)
        self.cursor_kind = self._cursor.stored if self._cursor else ""
        if self._cursor and not _is_fit(self._cursor):
            raise unfit_cursor()

    def read(
        self, after: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        """Read the rows with a cursor above a value, and the cursor's values."""
        with self._connected() as cursor:
            if after is not None:
                self._check_nulls(cursor)
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
            )
            with _named_errors("the query cannot be run"):
                cursor.execute(self._select(after))
                batches = cursor.fetch_record_batch()
            rows = 0
            with batches:
                while True:
                    with _named_errors(f"the query failed after row {rows}"):
                        batch = next(batches, None)
                    if batch is None:
                        return
                    if batch.num_rows:
                        yield self._convert(batch, rows)
                    rows += batch.num_rows

    def _select(self, after: Key | None) -> str:
        columns = [f"{c.expression} AS {_quoted(c.name)}" for c in self._columns]
        # Arrays of several dimensions arrive flattened, so the number of dimensions is checked.
        columns += [
            f"array_ndims(q.{_quoted(c.name)})"
            for c in self._columns
            if c.stored[0] == "_"
        ]
        text = f"SELECT {', '.join(columns)} FROM ({self._text}\n) AS q"  # noqa: S608
        if self._cursor:
            # The order of bytes is the same everywhere; that of languages is not.
            order = ' COLLATE "C"' if self._cursor.stored in _TEXT else ""
            name = f"q.{_quoted(self._cursor.name)}{order}"
            if after is not None:
                text += f" WHERE {name} > {_literal(after)}"
            text += f" ORDER BY {name}"
        return text

    def _check_nulls(self, cursor: Any) -> None:
        """Refuse rows with a null cursor, which no comparison finds."""
        if self._cursor is None:
            return
        text = (
            f"SELECT 1 FROM ({self._text}\n) AS q "  # noqa: S608
            f"WHERE q.{_quoted(self._cursor.name)} IS NULL LIMIT 1"
        )
        with _named_errors("the query cannot be run"):
            cursor.execute(text)
            found = cursor.fetchall()
        if found:
            column = self._columns.index(self._cursor) + 1
            raise SourceError(
                f"column {column}, the cursor, is null in some rows",
                column=column,
                hint="choose a column without nulls, or exclude those rows in the query",
            )

    def _convert(
        self, batch: pa.RecordBatch, rows: int
    ) -> tuple[pa.RecordBatch, pa.Array | None]:
        arrays, keys = [], None
        dimensions = iter(batch.columns[len(self._columns) :])
        for place, column in enumerate(self._columns):
            values = batch.column(place)
            if column.stored[0] == "_" and (pc.max(next(dimensions)).as_py() or 0) > 1:
                raise SourceError(
                    f"column {place + 1} has arrays of several dimensions",
                    column=place + 1,
                    hint="select to_json(column) instead",
                )
            _check_times(values, place + 1)
            if column is self._cursor:
                keys = values
            arrays.append(cast(values, column.kind, place + 1, rows))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema), keys

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Open a cursor in a read-only snapshot."""
        with extra("sql", "reading PostgreSQL needs adbc_driver_postgresql"):
            from adbc_driver_postgresql import dbapi

        with _named_errors("", connecting=True):
            connection = dbapi.connect(_with_timeout(self._url), autocommit=False)
        try:
            cursor = connection.cursor()
            try:
                with _named_errors("the transaction cannot be started"):
                    cursor.execute(_BEGIN)
                yield cursor
            finally:
                _close(cursor)
        finally:
            _close(connection)


def _close(resource: Any) -> None:
    """Close a connection that may be broken; its own error has then been raised."""
    from adbc_driver_manager import dbapi

    try:
        resource.close()
    except (dbapi.Error, OSError, RuntimeError):
        return


# --- types ---------------------------------------------------------------------------------------


def _column(found: pa.Field, types: Mapping[str, pa.DataType]) -> _Column:
    metadata = found.metadata or {}
    stored = metadata.get(_TYPE, b"").decode() or "unknown"
    name = f"q.{_quoted(found.name)}"
    comes_as, kind = found.type, found.type
    if stored.removeprefix("_") not in _AS_THEY_ARE:
        comes_as = kind = pa.list_(pa.string()) if stored[0] == "_" else pa.string()
        name += "::text[]" if stored[0] == "_" else "::text"
    if stored == "numeric":
        kind = _decimal(int(metadata.get(_TYPE_MODIFIER, -1)))
    return _Column(found.name, stored, name, comes_as, types.get(found.name, kind))


def _decimal(modifier: int) -> pa.DataType:
    """Return the type of numeric(p, s); without bounds, no Arrow type holds every value."""
    precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    if modifier < 4 or precision > 38 or scale > precision:
        return pa.string()
    return pa.decimal128(precision, scale)


def _is_fit(column: _Column) -> bool:
    # Without bounds, 1.0 and 1.00 are one number, but two texts.
    unbounded = column.stored == "numeric" and pa.types.is_string(column.kind)
    return column.stored in _CURSORS and not unbounded


def _check_times(values: pa.Array, column: int) -> None:
    while pa.types.is_list(values.type):
        values = values.flatten()
    if pa.types.is_date32(values.type):
        first, numbers = _FIRST_DAY, values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        first, numbers = _FIRST_MICROSECOND, values.cast(pa.int64())
    else:
        return
    if (pc.min(numbers).as_py() or 0) < first:
        raise SourceError(
            f"column {column} has times that Arrow cannot hold, such as infinity",
            column=column,
            hint="replace them in the query: NULLIF(column, 'infinity')",
        )


# --- text ----------------------------------------------------------------------------------------


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(key: Key) -> str:
    text = key.value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{text}'::{'text' if key.kind in _TEXT else key.kind}"


def _hosts(url: str) -> str:
    """Return a URL's host and database, without user and password."""
    parts = urlsplit(url)
    named = {
        k: v
        for k, v in parse_qsl(parts.query)
        if k in ("host", "hostaddr", "port", "service")
    }
    place = parts.netloc.rpartition("@")[2] or os.environ.get("PGHOST", "")
    return ",".join([place, *(f"{key}={named[key]}" for key in sorted(named))])


def _with_timeout(url: str) -> str:
    """Add a connection timeout to a URL, for servers that do not answer."""
    if "connect_timeout" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}connect_timeout={_CONNECT_SECONDS}"


# --- errors --------------------------------------------------------------------------------------

_PERMISSION = "ask the database's administrator for SELECT on the tables in the query"
_CODES = {
    "42P01": (
        "the query names a table that does not exist",
        "check the query and the database",
    ),
    "42703": ("the query names a column that does not exist", "check the query"),
    "42601": ("the query is not correct SQL", "try the query with psql"),
    "42501": ("the database does not allow the query", _PERMISSION),
    "25006": ("the query would change the database", "a push only reads"),
    "57014": ("the database stopped the query", "raise the server's statement_timeout"),
    "28P01": (
        "the database does not accept the password",
        "set PGPASSWORD, or ~/.pgpass",
    ),
    "3D000": ("there is no such database", "check the URL"),
}
_CLASSES = {
    "08": ("the database dropped the connection", _LOST),
    "22": (
        "the query computes an invalid value",
        "check its divisions by zero and casts",
    ),
    "28": (
        "the database rejects this user",
        "check the user, PGPASSWORD and ~/.pgpass",
    ),
    "42": ("the database does not understand the query", "try the query with psql"),
    "53": ("the database lacks memory, disk or connections", _LOST),
    "57": ("the database dropped the connection", _LOST),
}
# The client library's own messages, for when the server could not answer.
_SIGNS_OF_LOSS = ("connection", "closed", "pqgetcopydata", "ssl", "timed out")
_CONNECTING = (
    ("password", *_CODES["28P01"]),
    ("does not exist", "there is no such database or user", "check the URL"),
    ("pg_hba.conf", *_CLASSES["28"]),
    (
        "",
        "the database cannot be reached",
        "check host and port, and that the server runs",
    ),
)


@contextmanager
def _named_errors(what: str, *, connecting: bool = False) -> Iterator[None]:
    """Replace the driver's errors, whose texts quote values, by ones that say what to do."""
    from adbc_driver_manager import dbapi

    try:
        yield
    except (dbapi.Error, OSError, pa.ArrowException) as error:
        text = str(error)
        if connecting:
            said, hint = next((w, h) for sign, w, h in _CONNECTING if sign in text)
            raise SourceError(said, hint=hint) from None
        found = _SQLSTATE.search(text)
        state = getattr(error, "sqlstate", None) or (found[1] if found else "")
        said, hint = _said(state, text)
        raise SourceError(f"{what}: {said}", hint=hint) from None


def _said(state: str, text: str) -> tuple[str, str]:
    known = _CODES.get(state) or _CLASSES.get(state[:2])
    if known:
        return known
    if state:
        return f"the database refuses (SQLSTATE {state})", "try the query with psql"
    if any(sign in text.lower() for sign in _SIGNS_OF_LOSS):
        return _CLASSES["08"]
    if "read-only" in text:
        return _CODES["25006"]
    if "FATAL" in text or "ERROR" in text:
        return (
            "the database ended the query",
            f"try the query with psql; if the connection was lost, {_LOST}",
        )
    return "its result cannot be read", "cast unusual columns to text in the query"
