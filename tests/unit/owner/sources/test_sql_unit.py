"""Queries: what runs without a server."""

from __future__ import annotations

import datetime
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from queries import chunks, rows

from sealift.owner.sources import BEGINNING, Source, SourceOptions, open_source
from sealift.owner.sources.sql import SqlSource
from sealift.owner.sources.sqlpostgresql import _hosts, _literal
from sealift.owner.sources.sqlrows import Key
from sealift_protocol.errors import (
    EmptySource,
    InvalidArgument,
    SourceChanged,
    SourceError,
)


class Database:
    """An SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def run(self, text: str, rows: Sequence[tuple[object, ...]] | None = None) -> None:
        with sqlite3.connect(self.path) as connection:
            if rows is None:
                connection.executescript(text)
            else:
                connection.executemany(text, rows)
        connection.close()

    def open(self, query: str, **options: object) -> Source:
        return open_source(self.url, SourceOptions(query=query, **options))  # type: ignore[arg-type]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(tmp_path / "canary.db")
    made.run(
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, ward TEXT, weight REAL, scan BLOB)"
    )
    made.run(
        "INSERT INTO visits VALUES (?, ?, ?, ?)",
        [
            (number, f"ward {number % 3}", number / 2, bytes([number % 256]))
            for number in range(50_000)
        ],
    )
    return made


def refuse(database: Database, query: str, **options: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows(database.open(query, **options))
    assert "canary" not in str(caught.value) + caught.value.hint
    return caught.value


# --- what is read --------------------------------------------------------------------------------


def test_a_query_is_read_whole_and_once_more(database: Database) -> None:
    source = database.open("SELECT * FROM visits ORDER BY id DESC;")
    assert source.schema == pa.schema(
        [
            ("id", pa.int64()),
            ("ward", pa.string()),
            ("weight", pa.float64()),
            ("scan", pa.binary()),
        ]
    )
    read = list(chunks(source))
    assert read[0].batch["id"][0].as_py() == 49_999
    assert sum(chunk.batch.num_rows for chunk in read) == 50_000
    assert len(rows(source)) == 50_000
    assert not source.resumable
    assert source.rereadable
    # Without a cursor nothing says what is new: the part has no name, and is appended each time.
    assert [part.name for part in source.parts()] == [""]
    assert {(chunk.begin, chunk.end) for chunk in read} == {(BEGINNING, BEGINNING)}


def test_rows_of_any_width_come_in_batches_of_a_few_mebibytes(
    database: Database,
) -> None:
    query = "SELECT id, zeroblob(200000) AS scan FROM visits LIMIT 400"
    assert max(chunk.batch.nbytes for chunk in chunks(database.open(query))) < 16 << 20
    query = "SELECT id, 'x' AS name FROM visits"
    sizes = [chunk.batch.num_rows for chunk in chunks(database.open(query))]
    assert max(sizes) > 10_000


def test_types_are_given_or_kept_from_earlier_pushes(database: Database) -> None:
    query = "SELECT id, '2024-01-02' AS day, 1.5 AS cost FROM visits LIMIT 2"
    types = {"id": "string", "day": "date32", "cost": "decimal128(12, 2)"}
    (first, _) = rows(database.open(query, types=types))
    assert first["id"] == "0"
    assert first["day"] == datetime.date(2024, 1, 2)
    assert str(first["cost"]) == "1.50"
    expected = pa.schema(
        [("id", pa.int32()), ("day", pa.string()), ("cost", pa.float32())]
    )
    assert database.open(query, expected=expected).schema == expected
    with pytest.raises(InvalidArgument):
        database.open(query, types={"canary": "int64"})


def test_a_column_of_nulls_is_text_and_whole_numbers_may_be_fractions(
    database: Database,
) -> None:
    source = database.open("SELECT NULL AS a, 1 AS b UNION ALL SELECT NULL, 2.5")
    assert source.schema.types == [pa.string(), pa.float64()]
    assert rows(source) == [{"a": None, "b": 1.0}, {"a": None, "b": 2.5}]


def test_values_of_other_databases_have_a_type_each() -> None:
    from decimal import Decimal
    from uuid import UUID

    from sealift.owner.sources.sqlothers import _array, _infer

    berlin = datetime.timezone(datetime.timedelta(hours=1))
    for value, kind, stored in (
        (Decimal("1.50"), pa.string(), "1.50"),
        (UUID(int=1), pa.string(), "00000000-0000-0000-0000-000000000001"),
        ({"a": [1]}, pa.string(), '{"a": [1]}'),
        (Decimal("1.50"), pa.decimal128(9, 3), Decimal("1.500")),
        (Decimal("1.50"), pa.float64(), 1.5),
        (memoryview(b"x"), pa.binary(), b"x"),
        (datetime.date(2024, 1, 2), pa.date32(), None),
        (datetime.time(1, 2), pa.time64("us"), None),
        (datetime.timedelta(days=1), pa.duration("us"), None),
        (datetime.datetime(2024, 1, 2), pa.timestamp("us"), None),
        (datetime.datetime(2024, 1, 2, tzinfo=berlin), pa.timestamp("us", "UTC"), None),
    ):
        assert _infer([None, value], 1) in (kind, pa.string())
        assert _array([None, value], kind, 1, 0)[1].as_py() == (
            value if stored is None else stored
        )


# --- going on ------------------------------------------------------------------------------------


def test_reading_goes_on_behind_the_cursor(database: Database) -> None:
    query = "SELECT id, ward FROM visits WHERE id % 2"
    source = database.open(query, cursor_column="id")
    (part,) = source.parts()
    assert source.resumable
    assert part.endless
    assert source.continues(part)
    done = 0
    for chunk in chunks(source):
        if not done:
            assert chunk.begin == BEGINNING
        done += chunk.batch.num_rows
        if done < 5_000 or done > 24_000:
            found = [row["id"] for row in rows(source, chunk.end)]
            assert found == list(range(1, 50_000, 2))[done:]
    assert json.loads(chunk.end) == {"column": "id", "type": "int64", "value": "49999"}
    database.run(
        "INSERT INTO visits VALUES (-1, '', 0, ''), (50001, 'new', 0, ''), (50003, '', 0, '')"
    )
    later = database.open(query, cursor_column="id", expected=source.schema)
    assert [row["id"] for row in rows(later, chunk.end)] == [50_001, 50_003]
    assert [row["id"] for row in rows(later, chunk.end)] == [50_001, 50_003]


def test_a_query_has_the_same_name_in_every_push(database: Database) -> None:
    def name(query: str, column: str = "id") -> str:
        (part,) = database.open(query, cursor_column=column).parts()
        return part.name

    assert name("SELECT id FROM visits") == name(" SELECT id FROM visits ; ")
    assert name("SELECT id FROM visits") != name("SELECT id FROM visits WHERE id > 1")


def test_text_and_its_quotes_can_be_a_cursor(database: Database) -> None:
    database.run('CREATE TABLE people (name TEXT COLLATE NOCASE, "odd ""one" TEXT)')
    names = ["", "A", "a", "a'b", 'a"b\\', "b", "ä"]
    database.run("INSERT INTO people VALUES (?, ?)", [(name, name) for name in names])
    for column in ("name", 'odd "one'):
        source = database.open("SELECT * FROM people", cursor_column=column)
        assert [row[column] for row in rows(source)] == sorted(names)
        for place, name in enumerate(sorted(names)):
            mark = Key(column, "string", name).mark()
            assert [row[column] for row in rows(source, mark)] == sorted(names)[
                place + 1 :
            ]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT id / 2 AS id FROM visits", "the value of the row before"),
        ("SELECT nullif(id, 7) AS id FROM visits", "is null in some rows"),
    ],
)
def test_a_cursor_that_would_lose_rows_is_refused(
    query: str, what: str, database: Database
) -> None:
    assert what in str(refuse(database, query, cursor_column="id"))


def test_a_row_without_a_cursor_that_comes_later_is_not_lost(
    database: Database,
) -> None:
    query = "SELECT nullif(id, 50000) AS id FROM visits"
    source = database.open(query, cursor_column="id")
    *_, last = chunks(source)
    database.run("INSERT INTO visits VALUES (50000, '', 0, ''), (50001, '', 0, '')")
    with pytest.raises(SourceError, match="is null in some rows"):
        rows(source, last.end)


class Batches:
    """A database that gives what a test wants it to."""

    database = "made up"
    schema = pa.schema([("id", pa.int64())])
    cursor_kind = "int8"

    def __init__(self, *batches: list[int | None]) -> None:
        self._batches = batches

    def read(
        self, after: Key | None
    ) -> Iterator[tuple[pa.RecordBatch, pa.Array | None]]:
        for values in self._batches:
            batch = pa.RecordBatch.from_arrays(
                [pa.array(values, pa.int64())], schema=self.schema
            )
            yield batch, batch.column(0)


@pytest.mark.parametrize(
    ("batches", "row"),
    [(([1, 2], [2, 3]), 3), (([1], [3, 4, 4]), 4), (([3, 2],), 2)],
)
def test_a_value_that_comes_again_is_named_by_its_row(
    batches: tuple[list[int | None], ...], row: int
) -> None:
    source = SqlSource(Batches(*batches), "SELECT", "id")
    with pytest.raises(SourceError, match=f"row {row}: column 1"):
        rows(source)


def test_a_mark_of_another_cursor_is_refused(database: Database) -> None:
    source = database.open("SELECT id FROM visits", cursor_column="id")
    for mark in (Key("ward", "int64", "1"), Key("id", "string", "1")):
        with pytest.raises(SourceChanged):
            rows(source, mark.mark())


@pytest.mark.parametrize(
    "query", ["SELECT weight AS id FROM visits", "SELECT scan AS id FROM visits"]
)
def test_a_cursor_that_cannot_be_compared_exactly_is_refused(
    query: str, database: Database
) -> None:
    with pytest.raises(InvalidArgument, match="cursor column"):
        database.open(query, cursor_column="id")


def test_a_cursor_that_is_not_selected_is_refused(database: Database) -> None:
    with pytest.raises(InvalidArgument, match="no column of the cursor's name"):
        database.open("SELECT ward FROM visits", cursor_column="id")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ;",
        "DELETE FROM visits",
        "-- SELECT\nDROP TABLE visits",
        "/* SELECT */ UPDATE visits SET id = 1",
    ],
)
def test_what_is_no_query_is_refused(query: str, database: Database) -> None:
    with pytest.raises(InvalidArgument):
        database.open(query)


@pytest.mark.parametrize(
    "query",
    [
        "(SELECT 1 AS a)",
        "-- why\n/* it * is */ select 1 AS a",
        "with x as (select 1 AS a) SELECT * FROM x",
    ],
)
def test_what_only_reads_is_taken(query: str, database: Database) -> None:
    from sealift.owner.sources.sql import _READS

    assert _READS.match(query)
    assert not _READS.match("selected")


def test_a_comment_that_never_ends_takes_no_time() -> None:
    from sealift.owner.sources.sql import _READS

    assert not _READS.match("/*" + "*" * 50_000 + "(" * 50_000)


def test_a_query_cannot_change_the_database(database: Database) -> None:
    query = "WITH x AS (SELECT 1) INSERT INTO visits SELECT 'canary', '', 0, '' FROM x"
    assert "only reads" in str(refuse(database, query))
    assert len(rows(database.open("SELECT id FROM visits"))) == 50_000


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM canary",
        "SELECT canary FROM visits",
        "SELECT FROM",
        "SELECT 1; SELECT 2",
    ],
)
def test_a_query_that_is_wrong_is_refused(query: str, database: Database) -> None:
    assert "cannot be run" in str(refuse(database, query))


def test_columns_of_one_name_are_refused(database: Database) -> None:
    assert refuse(database, "SELECT id, ward, id FROM visits").column == 3


def test_a_value_of_another_type_is_named_by_row_and_column(database: Database) -> None:
    database.run("INSERT INTO visits VALUES (60000, 'x', 'canary', '')")
    error = refuse(database, "SELECT id, weight FROM visits")
    assert error.column == 2
    assert str(error).startswith("row 50001, column 2:")
    error = refuse(
        database, "SELECT id, 'canary' AS day FROM visits", types={"day": "date32"}
    )
    assert str(error).startswith("row 1, column 2:")
    assert refuse(database, "SELECT 1 AS a UNION ALL SELECT 'canary'").column == 1


def test_a_result_without_rows_is_empty_unless_its_columns_are_known(
    database: Database,
) -> None:
    query = "SELECT id FROM visits WHERE id < 0"
    with pytest.raises(EmptySource):
        database.open(query)
    assert rows(database.open(query, expected=pa.schema([("id", pa.int64())]))) == []


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/canary.db", "sqlite://"):
        with pytest.raises(SourceError, match="no such file"):
            open_source(url, SourceOptions(query="SELECT 1"))
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "canary.db"
    path.write_bytes(b"canary" * 1000)
    with pytest.raises(SourceError) as caught:
        open_source(f"sqlite:///{path}", SourceOptions(query="SELECT 1 FROM canary"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["mysql+mysqldb://u:canary@h/d", "mssql://u:canary@h:x/d", "oracle+canary://h"],
)
def test_a_database_without_a_driver_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        open_source(url, SourceOptions(query="SELECT 1"))
    assert "canary" not in str(caught.value) + caught.value.hint + repr(caught.value)


# --- PostgreSQL's URLs and literals --------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://user:canary@db.example:5433/clinic", "db.example:5433"),
        ("postgresql://user@db/clinic?password=canary&host=/run", "db,host=/run"),
        ("postgresql:///clinic?service=clinic&user=canary", ",service=clinic"),
    ],
)
def test_the_name_of_a_database_holds_no_credentials(
    url: str, hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert _hosts(url) == hosts


def test_a_cursors_value_cannot_leave_its_quotes() -> None:
    assert _literal(Key("a", "text", "x'; DROP --\\")) == "E'x''; DROP --\\\\'::text"
    assert _literal(Key("a", "int8", "5")) == "E'5'::int8"
    assert Key.of(Key("a", "text", 'é"\\').mark()) == Key("a", "text", 'é"\\')
