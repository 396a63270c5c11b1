"""CSV of programs that hospitals use (tests/samples/make_csv.py): what comes out of each."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sealift.owner.sources import SourceOptions, open_source
from sealift_protocol.errors import SourceError

SAMPLES = Path(__file__).parents[3] / "samples" / "csv"
TYPES = {
    "mrn": pa.string(),
    "name": pa.string(),
    "visit": pa.date32(),
    "cost": pa.float64(),
    "note": pa.string(),
}
FIRST = {"mrn": "000123", "visit": date(2024, 1, 31), "cost": 1234.5}
SECOND = {"mrn": "004711", "visit": date(2024, 12, 1), "cost": 70.25}
GERMAN = {"name": 'Jonas "Jo" Weiß', "note": ""}
# What stands elsewhere is read as it is, with the same columns and values.
OPTIONS: dict[str, dict[str, Any]] = {"excel-german.csv": {"encoding": "cp1252"}}


def table_of(path: Path, **options: Any) -> pa.Table:
    source = open_source(path, SourceOptions(**options))
    batches = [c.batch for part in source.parts() for c in source.read(part, "")]
    return pa.Table.from_batches(batches, source.schema)


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in SAMPLES.iterdir()
        if path.name not in ("node.csv", "pandas-index.csv", "pandas-no-header.csv")
    ),
)
def test_a_sample_comes_out_as_the_page_says(name: str) -> None:
    table = table_of(SAMPLES / name, **OPTIONS.get(name, {}))
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == TYPES
    first, second = table.to_pylist()
    assert FIRST.items() <= first.items()
    of_database = name.startswith(("psql", "sqlite"))
    expected = SECOND | ({"name": "Jo", "note": "fine"} if of_database else GERMAN)
    assert second == expected
    if name in ("psql-copy.tsv", "sqlite-tabs.tsv"):
        assert first["note"] is None


def test_an_index_without_a_name_gets_one() -> None:
    table = table_of(SAMPLES / "pandas-index.csv")
    assert table.column_names == ["column_1", *TYPES]
    assert table["column_1"].to_pylist() == [0, 1]


def test_a_file_without_names_stops_until_the_owner_says_so() -> None:
    path = SAMPLES / "pandas-no-header.csv"
    with pytest.raises(SourceError, match="looks like a record"):
        table_of(path)
    table = table_of(path, header=False)
    assert (table.num_rows, table.schema.types) == (2, list(TYPES.values()))


def test_values_that_json_quotes() -> None:
    assert table_of(SAMPLES / "node.csv").to_pylist() == [
        {"mrn": "000123", "name": "Lee, Ann", "cost": 1234.5},
        {"mrn": "004711", "name": "Jo", "cost": 70.0},
    ]
