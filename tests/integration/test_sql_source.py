"""Queries of a real PostgreSQL server: types, snapshots, cursors, memory, and what goes wrong."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest
from patience import PATIENCE
from queries import chunks, query, refuse, rows
from services.postgresql import postgresql_server

from sealift.owner.sources import BEGINNING
from sealift_protocol.errors import InvalidArgument, SourceError


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database, with a table of 300,000 visits."""
    with postgresql_server() as url:
        url += "/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE visits AS SELECT g AS id, 'ward ' || g % 3 AS ward, "
                "repeat('x', 1000) AS note FROM generate_series(1, 300000) g"
            )
            connection.execute("ALTER TABLE visits ADD PRIMARY KEY (id)")
        yield url


@pytest.fixture
def admin(server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection


# --- types ---------------------------------------------------------------------------------------

MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
IDENTIFIER = "6f1c1f1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("1::int2", pa.int16(), 1),
        ("1::int4", pa.int32(), 1),
        ("-9000000000::int8", pa.int64(), -9_000_000_000),
        ("1.5::float4", pa.float32(), 1.5),
        ("'NaN'::float8 > 1", pa.bool_(), True),
        ("12.50::numeric(12, 2)", pa.decimal128(12, 2), Decimal("12.50")),
        ("12.50::numeric", pa.string(), "12.50"),
        ("1::numeric(60, 0)", pa.string(), "1"),
        ("'é'::text", pa.string(), "é"),
        ("'x'::char(3)", pa.string(), "x  "),
        ("'x'::name", pa.string(), "x"),
        ("'ab'::bytea", pa.binary(), b"ab"),
        (f"'{MOMENT.isoformat()}'::timestamptz", pa.timestamp("us", "UTC"), MOMENT),
        (
            "'2024-01-02T03:04'::timestamp",
            pa.timestamp("us"),
            datetime.datetime(2024, 1, 2, 3, 4),
        ),
        ("'2024-01-02'::date", pa.date32(), datetime.date(2024, 1, 2)),
        ("'03:04'::time", pa.time64("us"), datetime.time(3, 4)),
        ("'03:04+01'::timetz", pa.string(), "03:04:00+01"),
        ("'1 day'::interval", pa.string(), "1 day"),
        ("'{\"a\": 1}'::json", pa.string(), '{"a": 1}'),
        ("'{\"a\":1}'::jsonb", pa.string(), '{"a": 1}'),
        (f"'{IDENTIFIER}'::uuid", pa.string(), IDENTIFIER),
        ("'127.0.0.1'::inet", pa.string(), "127.0.0.1/32"),
        ("'mild'::severity", pa.string(), "mild"),
        ("'[1,2]'::int4range", pa.string(), "[1,3)"),
        ("ARRAY[1, NULL]", pa.list_(pa.int32()), [1, None]),
        ("ARRAY['a']", pa.list_(pa.string()), ["a"]),
        ("ARRAY[1.5]::numeric[]", pa.list_(pa.string()), ["1.5"]),
        (f"ARRAY['{IDENTIFIER}'::uuid]", pa.list_(pa.string()), [IDENTIFIER]),
        ("'{}'::int[]", pa.list_(pa.int32()), []),
        ("NULL::int", pa.int32(), None),
    ],
)
def test_a_value_has_its_type(
    value: str,
    kind: pa.DataType,
    expected: object,
    server: str,
    admin: psycopg.Connection,
) -> None:
    admin.execute(
        "DROP TYPE IF EXISTS severity; CREATE TYPE severity AS ENUM ('mild', 'severe')"
    )
    source = query(server, f'SELECT {value} AS "odd ""name"')
    assert source.schema.names == ['odd "name']
    assert source.schema.types[0].equals(kind)
    assert rows(source) == [{'odd "name': expected}]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("'{{1,2},{3,4}}'::int[]", "arrays of several dimensions"),
        ("'infinity'::timestamptz", "times that Arrow cannot hold"),
        ("'-infinity'::date", "times that Arrow cannot hold"),
        ("ARRAY['infinity'::timestamp]", "times that Arrow cannot hold"),
        ("'NaN'::numeric(5, 2)", "row 1, column 1: the value is not decimal128"),
    ],
)
def test_a_value_that_arrow_would_change_is_refused(
    value: str, what: str, server: str
) -> None:
    assert what in str(refuse(server, f"SELECT {value} AS a"))


def test_types_are_given(server: str) -> None:
    source = query(
        server,
        "SELECT 1.5::numeric AS a, 7 AS b",
        types={"a": "decimal128(9,3)", "b": "string"},
    )
    assert rows(source) == [{"a": Decimal("1.500"), "b": "7"}]
    error = refuse(server, "SELECT 'canary' AS a", types={"a": "int64"})
    assert "row 1, column 1" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "VALUES (1), (2)",
        "TABLE two",
        "WITH x AS (TABLE two) SELECT * FROM x -- why",
        "(SELECT * FROM two);",
    ],
)
def test_every_kind_of_query_is_read(
    text: str, server: str, admin: psycopg.Connection
) -> None:
    admin.execute("DROP TABLE IF EXISTS two; CREATE TABLE two AS VALUES (1), (2)")
    assert rows(query(server, text)) == [{"column1": 1}, {"column1": 2}]


# --- going on ------------------------------------------------------------------------------------


def test_reading_goes_on_behind_the_cursor(
    server: str, admin: psycopg.Connection
) -> None:
    admin.execute("DROP TABLE IF EXISTS drips; CREATE TABLE drips (id int8, note text)")
    admin.execute(
        "INSERT INTO drips SELECT g, repeat('x', 500) FROM generate_series(1, 9000) g"
    )
    text = "SELECT * FROM drips WHERE id % 2 = 0"
    source = query(server, text, cursor_column="id")
    (part,) = source.parts()
    assert source.resumable
    assert part.endless
    assert "relay" not in part.name
    read = list(chunks(source))
    assert len(read) > 2
    done = 0
    for chunk in read:
        done += chunk.batch.num_rows
        assert [row["id"] for row in rows(source, chunk.end)] == list(
            range(2, 9001, 2)
        )[done:]
    admin.execute("INSERT INTO drips VALUES (9001), (9002), (0)")
    later = query(server, text, cursor_column="id", expected=source.schema)
    assert [row["id"] for row in rows(later, read[-1].end)] == [9002]
    assert [part.name for part in later.parts()] == [part.name]


@pytest.mark.parametrize(
    "values",
    [
        ["-5::int2", "7::int2"],
        ["''::text", "'A'", "'a'", "'a''b\\'", "'b'", "'ä'"],
        [
            "'2024-01-02 03:04:05.000001+01'::timestamptz",
            "'2024-01-02 03:04:05.000002+01'",
        ],
        ["'2024-01-02 03:04'::timestamp", "'2024-01-02 03:05'"],
        ["'1900-01-02'::date", "'2024-01-02'"],
        [f"'{IDENTIFIER}'::uuid", f"'{IDENTIFIER[:-1]}a'"],
        ["-1.50::numeric(9, 2)", "1.05::numeric(9, 2)"],
    ],
)
def test_any_exact_type_can_be_a_cursor(values: list[str], server: str) -> None:
    kind = values[0].partition("::")[2]
    listed = ", ".join(f"({value})" for value in reversed(values))
    text = f"SELECT v.key::{kind} AS key FROM (VALUES {listed}) v (key)"
    source = query(server, text, cursor_column="key")
    whole = rows(source)
    assert len(whole) == len(values)
    for place, value in enumerate(values):
        (chunk,) = chunks(
            query(server, f"{text} WHERE v.key = {value}", cursor_column="key")
        )
        assert rows(source, chunk.end) == whole[place + 1 :]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SELECT id / 2 AS id FROM visits", "row 3: column 1"),
        ("SELECT nullif(id, 7) AS id FROM visits", "is null in some rows"),
    ],
)
def test_a_cursor_that_would_lose_rows_is_refused(
    text: str, what: str, server: str
) -> None:
    assert what in str(refuse(server, text, cursor_column="id"))


def test_a_row_without_a_cursor_is_found_when_reading_goes_on(server: str) -> None:
    whole = query(server, "SELECT id FROM visits WHERE id < 9", cursor_column="id")
    *_, last = chunks(whole)
    holed = query(server, "SELECT nullif(id, 7) AS id FROM visits", cursor_column="id")
    with pytest.raises(SourceError, match="is null in some rows"):
        rows(holed, last.end)


@pytest.mark.parametrize("value", ["1.5::float8", "1::numeric", "true", "'{}'::jsonb"])
def test_a_cursor_that_is_not_exact_is_refused(value: str, server: str) -> None:
    with pytest.raises(InvalidArgument, match="cursor column"):
        query(server, f"SELECT {value} AS id", cursor_column="id")


# --- snapshots and memory ------------------------------------------------------------------------


def test_a_query_sees_one_moment_and_changes_nothing(
    server: str, admin: psycopg.Connection
) -> None:
    read = chunks(query(server, "SELECT id, note FROM visits ORDER BY id"))
    count = next(read).batch.num_rows
    admin.execute("INSERT INTO visits VALUES (300001)")
    try:
        assert count + sum(chunk.batch.num_rows for chunk in read) == 300_000
    finally:
        admin.execute("DELETE FROM visits WHERE id = 300001")
    admin.execute("CREATE SEQUENCE IF NOT EXISTS counter")
    error = refuse(server, "SELECT nextval('counter')")
    assert "would change the database" in str(error)


def test_reading_may_stop_at_any_time(server: str, admin: psycopg.Connection) -> None:
    read = chunks(query(server, "SELECT * FROM visits"))
    next(read)
    read.close()  # type: ignore[attr-defined]

    def left() -> int:
        (count,) = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' "
            "AND pid <> pg_backend_pid()"
        ).fetchone() or (0,)
        return int(count)

    # The server notices after a moment.
    deadline = time.monotonic() + 30
    while left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left() == 0


READ = """
import resource, sys
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
options = SourceOptions(query=sys.argv[2], cursor_column=sys.argv[3])
source = open_source(sys.argv[1], options)
(part,) = source.parts()
count = 0
for chunk in source.read(part, BEGINNING):
    if not count:
        begun = peak()
    count += chunk.batch.num_rows
print(count, peak() - begun)
"""


@pytest.mark.parametrize("cursor_column", ["", "id"])
def test_300_megabytes_are_read_in_a_few(cursor_column: str, server: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, server, "SELECT * FROM visits", cursor_column],
        check=True,
        capture_output=True,
        text=True,
    )
    count, grown = map(int, done.stdout.split())
    assert count == 300_000
    assert grown < 64


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SELECT * FROM canary", "a table that does not exist"),
        ("SELECT canary FROM visits", "a column that does not exist"),
        ("SELECT 'canary' FROM", "not correct SQL"),
        ("SELECT 1; SELECT 'canary'", "not correct SQL"),
        ("SELECT 'canary'::int", "computes an invalid value"),
        (
            "WITH x AS (DELETE FROM visits RETURNING 'canary') SELECT * FROM x",
            "refuses",
        ),
        ("SELECT 1 AS a, 2 AS a", "columns 1 and 2 have the same name"),
    ],
)
def test_a_wrong_query_is_refused(text: str, what: str, server: str) -> None:
    assert what in str(refuse(server, text))


def test_a_query_that_fails_on_the_way_is_refused(server: str) -> None:
    error = refuse(server, "SELECT 'canary' AS a, 1 / (200000 - id) AS b FROM visits")
    assert "the query failed after row" in str(error)


def test_a_server_that_is_not_there_is_named(server: str) -> None:
    url = urlsplit(server)
    nobody = url._replace(netloc="relay:canary@127.0.0.1:1").geturl()
    assert "cannot be reached" in str(refuse(nobody, "SELECT 1"))
    assert "no such database" in str(refuse(server + "canary", "SELECT 1"))


@pytest.fixture
def guarded(server: str, admin: psycopg.Connection) -> str:
    """The URL of a user who needs a password: 'canary'."""
    admin.execute(
        "DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN PASSWORD 'canary'"
    )
    found = admin.execute("SHOW hba_file").fetchone()
    assert found is not None
    rules = Path(found[0])
    rule = "host all guarded 127.0.0.1/32 scram-sha-256\n"
    if rule not in rules.read_text():
        rules.write_text(rule + rules.read_text())
    admin.execute("SELECT pg_reload_conf()")
    return server.replace("relay@", "guarded@")


def test_passwords_come_from_where_libpq_looks_for_them(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    text = "SELECT 1 AS a"
    assert "password" in str(refuse(guarded, text))
    monkeypatch.setenv("PGPASSWORD", "not the canary")
    assert "does not accept the password" in str(refuse(guarded, text))
    monkeypatch.setenv("PGPASSWORD", "canary")
    assert rows(query(guarded, text)) == [{"a": 1}]
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.write_text("127.0.0.1:*:*:guarded:canary\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert rows(query(guarded, text)) == [{"a": 1}]
    inside = guarded.replace("guarded@", "guarded:canary@")
    assert rows(query(inside, text)) == [{"a": 1}]
    assert "a table that does not exist" in str(refuse(inside, "SELECT * FROM nowhere"))
    denied = refuse(guarded, "SELECT * FROM visits")
    assert "does not allow" in str(denied)


def test_a_connection_that_is_dropped_is_named_and_reading_goes_on(
    server: str, admin: psycopg.Connection
) -> None:
    source = query(server, "SELECT * FROM visits", cursor_column="id")
    (part,) = source.parts()
    read = source.read(part, BEGINNING)
    found = [next(read), next(read)]
    dropped = threading.Event()

    def drop() -> None:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'COPY%' AND pid <> pg_backend_pid()"
        )
        dropped.set()

    threading.Thread(target=drop).start()
    dropped.wait(PATIENCE)
    with pytest.raises(SourceError, match="dropped the connection") as caught:
        found.extend(read)
    assert caught.value.exit_code == 3
    assert "it continues after the last commit" in caught.value.hint
    before = sum(chunk.batch.num_rows for chunk in found)
    assert 0 < before < 300_000
    after = sum(chunk.batch.num_rows for chunk in source.read(part, found[-1].end))
    assert before + after == 300_000
