"""Queries of a real MariaDB server, through PyMySQL: types, cursors, memory, what goes wrong."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from queries import chunks, query, refuse, rows
from services.mariadb import mariadb_server

from sealift.owner.sources import BEGINNING
from sealift_protocol.errors import InvalidArgument, SourceError

pymysql = pytest.importorskip("pymysql")

ROWS = 20_000
MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database with a table of 20,000 visits, a kilobyte each."""
    with mariadb_server() as url:
        run(
            url,
            "CREATE TABLE visits (id INT PRIMARY KEY, note TEXT)",
            f"INSERT INTO visits SELECT seq, REPEAT('x', 1000) FROM seq_1_to_{ROWS}",
            "CREATE USER guarded@localhost IDENTIFIED BY 'canary'",
            "CREATE USER guarded@'127.0.0.1' IDENTIFIED BY 'canary'",
        )
        yield url


def run(url: str, *texts: str) -> list[tuple[object, ...]]:
    port = int(url.rpartition(":")[2].partition("/")[0])
    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="test", autocommit=True
    )
    with connection, connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text)
        return list(cursor.fetchall())


# --- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "value", "kind", "expected"),
    [
        ("INT", "-7", pa.int64(), -7),
        ("BIGINT UNSIGNED", "18446744073709551615", pa.uint64(), 2**64 - 1),
        ("BIGINT", "-9223372036854775808", pa.int64(), -(2**63)),
        ("BOOLEAN", "TRUE", pa.int64(), 1),
        ("YEAR", "2024", pa.int64(), 2024),
        ("DECIMAL(12, 2)", "'12.50'", pa.string(), "12.50"),
        ("DOUBLE", "0.1", pa.float64(), 0.1),
        ("FLOAT", "16777215", pa.float64(), 16777200.0),
        ("DATE", "'2024-01-02'", pa.date32(), datetime.date(2024, 1, 2)),
        ("DATE", "'0000-00-00'", pa.string(), "0000-00-00"),
        ("DATETIME(6)", f"'{MOMENT}'", pa.timestamp("us"), MOMENT),
        (
            "TIME(3)",
            "'-100:01:02.5'",
            pa.duration("us"),
            -datetime.timedelta(hours=100, minutes=1, seconds=2.5),
        ),
        ("JSON", "'{\"a\": [1]}'", pa.string(), '{"a": [1]}'),
        ("BLOB", "x'00ff'", pa.binary(), b"\0\xff"),
        ("BINARY(3)", "'ab'", pa.binary(), b"ab\0"),
        ("BIT(10)", "b'1000000001'", pa.binary(), b"\2\1"),
        ("ENUM('a', 'é')", "'é'", pa.string(), "é"),
        ("SET('x', 'y')", "'y,x'", pa.string(), "x,y"),
        ("TEXT", "'😀 é 100%'", pa.string(), "😀 é 100%"),
        ("INT", "NULL", pa.string(), None),
        ("DOUBLE", "1 / 0", pa.string(), None),
    ],
)
def test_a_value_has_its_type(
    stored: str, value: str, kind: pa.DataType, expected: object, server: str
) -> None:
    run(
        server,
        "SET sql_mode = ''",
        f"CREATE OR REPLACE TABLE one (a {stored}) CHARACTER SET utf8mb4",
        f"INSERT INTO one VALUES ({value})",
    )
    source = query(server, "SELECT a FROM one")
    assert source.schema.types == [kind]
    assert rows(source) == [{"a": expected}]


def test_types_are_given_and_cast(server: str) -> None:
    run(
        server,
        "SET sql_mode = ''",
        "CREATE OR REPLACE TABLE days (id INT, d DATE, m DATETIME, f FLOAT, b BIT(10))",
        "INSERT INTO days VALUES (1, '2024-01-02', '2024-01-02 03:04:05', 16777215, 513), "
        "(2, '0000-00-00', '0000-00-00', 0, 0)",
    )
    ordered = "FROM days ORDER BY id"
    assert "values of several types" in str(refuse(server, f"SELECT d {ordered}"))
    kept = query(server, f"SELECT d, m {ordered}", types={"d": "string", "m": "string"})
    assert rows(kept) == [
        {"d": "2024-01-02", "m": "2024-01-02 03:04:05"},
        {"d": "0000-00-00", "m": "0000-00-00 00:00:00"},
    ]
    replaced = query(server, f"SELECT NULLIF(d, 0) AS d {ordered}")
    assert replaced.schema.types == [pa.date32()]
    assert rows(replaced)[1] == {"d": None}
    (exact, _) = rows(query(server, f"SELECT CAST(f AS DOUBLE) f, b + 0 b {ordered}"))
    assert exact == {"f": 16777215.0, "b": 513}
    (money,) = rows(
        query(server, "SELECT 12.50 AS a", types={"a": "decimal128(12, 2)"})
    )
    assert money == {"a": Decimal("12.50")}
    late = "SELECT IF(id < 9000, id, 'canary') AS a FROM visits ORDER BY id"
    assert "row " in str(refuse(server, late, types={"a": "int64"}))


# --- cursors, memory, connections ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("BIGINT UNSIGNED", ["7", "18446744073709551614", "18446744073709551615"]),
        ("DATE", ["'1999-12-31'", "'2024-01-02'"]),
        ("DATETIME(6)", [f"'{MOMENT}'", "'2024-01-02 03:04:05.678902'"]),
    ],
)
def test_reading_goes_on_behind_the_cursor(
    kind: str, values: list[str], server: str
) -> None:
    listed = ", ".join(f"({value})" for value in reversed(values))
    run(
        server,
        f"CREATE OR REPLACE TABLE keyed (k {kind} PRIMARY KEY)",
        f"INSERT INTO keyed VALUES {listed}",
    )
    text = "SELECT k FROM keyed"
    source = query(server, text, cursor_column="k")
    whole = rows(source)
    assert [row["k"] for row in whole] == sorted(row["k"] for row in whole)  # type: ignore[type-var]
    for place, value in enumerate(values):
        upto = query(
            server,
            f"{text} WHERE k <= {value}",
            cursor_column="k",
            expected=source.schema,
        )
        *_, last = chunks(upto)
        assert rows(source, last.end) == whole[place + 1 :]
    with pytest.raises(InvalidArgument, match="cursor column of this type"):
        query(server, "SELECT 'a' AS k", cursor_column="k")


def test_a_large_result_is_streamed_and_may_stop_at_any_time(server: str) -> None:
    tracemalloc.start()
    source = query(server, "SELECT * FROM visits", cursor_column="id")
    count = sum(chunk.batch.num_rows for chunk in chunks(source))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == ROWS
    assert peak < 8 << 20
    # Thousands of times the rows: the driver would read for minutes before it closes.
    begun = time.process_time()
    endless = query(server, "SELECT a.* FROM visits a, visits b")
    read = chunks(endless)
    next(read)
    read.close()  # type: ignore[attr-defined]
    assert time.process_time() - begun < 10


# The driver's finalisers fail on a connection that is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_that_is_lost_is_named_and_reading_goes_on(server: str) -> None:
    source = query(server, "SELECT * FROM visits", cursor_column="id")
    (part,) = source.parts()
    read = source.read(part, BEGINNING)
    found = [next(read), next(read)]
    listed = "SELECT id FROM information_schema.processlist WHERE info LIKE '%q.`id`%'"
    others = [row[0] for row in run(server, f"{listed} AND id <> CONNECTION_ID()")]
    run(server, *(f"KILL {number}" for number in others))
    with pytest.raises(SourceError, match="dropped the connection") as caught:
        found.extend(read)
    assert "continues after the last commit" in caught.value.hint
    before = sum(chunk.batch.num_rows for chunk in found)
    assert 0 < before < ROWS
    after = sum(chunk.batch.num_rows for chunk in source.read(part, found[-1].end))
    assert before + after == ROWS


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("SELECT * FROM canary", "a table that does not exist"),
        ("SELECT canary FROM visits", "a column that does not exist"),
        ("SELECT 'canary' FROM", "is not correct"),
        ("SELECT 1; SELECT 'canary'", "is not correct"),
        ("SELECT NEXT VALUE FOR canary", "would change the database"),
        ("SELECT 1 AS a, 2 AS a", "columns 1 and 2 have the same name"),
    ],
)
def test_a_wrong_query_is_refused(text: str, what: str, server: str) -> None:
    run(server, "CREATE SEQUENCE IF NOT EXISTS canary_numbers")
    text = text.replace("FOR canary", "FOR canary_numbers")
    assert what in str(refuse(server, text))


def test_passwords_come_from_the_drivers_own_file(server: str, tmp_path: Path) -> None:
    file = tmp_path / "my.cnf"
    file.write_text("[client]\nuser = guarded\npassword = canary\n")
    place = server.replace("root@", "").replace("/test", "/information_schema")
    guarded = f"{place}?read_default_file={file}"
    assert rows(query(guarded, "SELECT 1 AS a")) == [{"a": 1}]
    assert "does not allow" in str(refuse(guarded, "SELECT * FROM mysql.user"))
    file.write_text("[client]\nuser = guarded\npassword = other\n")
    assert "does not accept" in str(refuse(guarded, "SELECT 1 AS a"))
    wrong = server.replace("root@", "guarded:canary1@")
    assert "does not accept" in str(refuse(wrong, "SELECT 1 AS a"))
    assert "no such database" in str(refuse(f"{server}canary", "SELECT 1 AS a"))
    nobody = "mysql://guarded:canary@127.0.0.1:1/test"
    assert "does not answer" in str(refuse(nobody, "SELECT 1 AS a"))


def test_moments_are_in_the_sessions_zone(server: str) -> None:
    text = "SELECT FROM_UNIXTIME(0) AS a"
    zone = "SET time_zone='%2B02:00'"
    (row,) = rows(query(f"{server}?init_command={zone}", text))
    assert row == {"a": datetime.datetime(1970, 1, 1, 2)}


def test_a_driver_that_is_missing_is_named_with_its_extra() -> None:
    script = (
        "import sys; sys.modules['pymysql'] = None\n"
        "from sealift.owner.sources import SourceOptions, open_source\n"
        "from sealift_protocol.errors import InvalidArgument\n"
        "try: open_source('mysql://h/d', SourceOptions(query='SELECT 1'))\n"
        "except InvalidArgument as error: print(error, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert "PyMySQL" in done.stdout
    assert "sealift[mysql]" in done.stdout
