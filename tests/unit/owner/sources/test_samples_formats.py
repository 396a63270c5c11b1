"""Files of other programs' formats (tests/samples/make_formats.py): what comes out of each."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sealift.owner.sources import SourceOptions, open_source
from sealift_protocol.errors import SourceError

SAMPLES = Path(__file__).parents[3] / "samples" / "formats"
DAY = date(2024, 2, 29)
TEXT, INT, REAL, DATE = pa.string(), pa.int64(), pa.float64(), pa.date32()
PLAIN = {"mrn": TEXT, "n": INT, "day": DATE, "w": REAL}
STATISTICS = {"mrn": TEXT, "n": REAL, "w": REAL}
AVRO = {"mrn": TEXT, "n": INT, "day": DATE, "tags": pa.list_(TEXT)}
FIRST = {"mrn": "000123", "n": 1, "day": DAY, "w": 1.5}
SECOND = {"mrn": "000124", "n": 2, "day": None, "w": None}

COMES_OUT: list[tuple[str, str, dict[str, pa.DataType], list[dict[str, Any]]]] = [
    ("visits.xlsx", "",
     {"mrn": TEXT, "n": INT, "w": REAL, "day": DATE, "mixed": TEXT, "empty": pa.null()},
     [{"mrn": "000123", "n": 1, "mixed": "7"}, {"w": 2.0, "mixed": "seven", "empty": None}]),
    ("sheets.xlsx", "second", {"x": pa.null()}, []),
    ("visits.ods", "", {"mrn": TEXT, "n": INT, "day": DATE},
     [{"mrn": "000123", "n": 1, "day": DAY}]),
    ("halves.ods", "", {"w": REAL}, [{"w": 1.5}, {"w": 2.0}]),
    ("visits.sav", "", STATISTICS, [{"mrn": "000123"}, {"n": 2.0, "w": None}]),
    ("missing.sav", "", {"n": REAL, "day": DATE}, [{"n": 1.0, "day": DAY}, {"n": None}]),
    ("visits.xpt", "", STATISTICS, [{"mrn": "000123"}, {"w": None}]),
    ("v8.xpt", "", STATISTICS, [{"mrn": "000123"}, {"w": None}]),
    ("visits.dta", "", STATISTICS, [{"mrn": "000123"}, {"w": None}]),
    ("times.dta", "", {"n": pa.int16(), "at": pa.timestamp("us")},
     [{"n": 1, "at": datetime(2024, 2, 29, 12, 30)}, {"n": 2}]),
    ("visits.feather", "", PLAIN, [FIRST, SECOND]),
    ("visits.arrow", "", PLAIN, [FIRST, SECOND]),
    ("visits.orc", "", PLAIN, [FIRST, SECOND]),
    ("snappy.orc", "", PLAIN, [SECOND]),
    ("visits.avro", "", AVRO, [{"mrn": "000123", "tags": ["a"]}, {"n": None, "day": DAY}]),
    ("snappy.avro", "", AVRO, [{"mrn": "000123", "tags": ["a"]}, {"n": None, "day": DAY}]),
    ("visits.sqlite", "", {"mrn": TEXT, "n": INT}, [{"mrn": "000123", "n": 1}]),
    ("tables.db", "b", {"mrn": TEXT, "n": INT}, [{"mrn": "000123", "n": 1}]),
]  # fmt: skip


def rows(path: Path, table: str = "", mark: str = "") -> list[dict[str, Any]]:
    source = open_source(path, SourceOptions(table=table))
    batches = [c.batch for part in source.parts() for c in source.read(part, mark)]
    found: list[dict[str, Any]] = pa.Table.from_batches(
        batches, source.schema
    ).to_pylist()
    return found


@pytest.mark.parametrize(
    ("name", "table", "columns", "values"), COMES_OUT, ids=[c[0] for c in COMES_OUT]
)
def test_columns_and_values_come_out_as_documented(
    name: str,
    table: str,
    columns: dict[str, pa.DataType],
    values: list[dict[str, Any]],
) -> None:
    source = open_source(SAMPLES / name, SourceOptions(table=table))
    found = rows(SAMPLES / name, table)
    assert {field.name: field.type for field in source.schema} == columns
    assert len(found) == len(values)
    for row, expected in zip(found, values, strict=True):
        assert row | expected == row


@pytest.mark.parametrize(
    "name", [c[0] for c in COMES_OUT if len(c[3]) == 2 and c[0] != "halves.ods"]
)
def test_a_push_continues_at_the_row(name: str) -> None:
    assert rows(SAMPLES / name, mark="1") == rows(SAMPLES / name)[1:]


def test_labels_are_metadata_of_the_columns() -> None:
    field = open_source(SAMPLES / "visits.sav").schema.field("n")
    assert field.metadata == {b"label": b"sex", b"values": b'{"1.0": "f", "2.0": "m"}'}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sheets.xlsx", "the sheets of the workbook: Sheet, second"),
        ("tables.db", "the tables of the file: a, b"),
    ],
)
def test_one_of_several_tables_has_to_be_chosen(name: str, told: str) -> None:
    notes: list[str] = []
    with pytest.raises(SourceError) as caught:
        open_source(SAMPLES / name, SourceOptions(notice=notes.append))
    assert notes == [told]
    assert "table" in caught.value.hint
    assert "second" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(p.name for p in SAMPLES.iterdir()))
def test_a_file_that_is_cut_off_is_refused_by_its_path(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    shutil.copy(SAMPLES / name, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError) as caught:
        rows(path)
    assert caught.value.path == path
