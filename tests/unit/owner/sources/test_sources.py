"""Files of records, and the errors when they cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sealift.cli.hints import hint_of
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError


def read(path: Path, **types: str) -> pa.Table:
    source = open_source(path, SourceOptions(types=types))
    return pa.Table.from_batches(
        [
            chunk.batch
            for part in source.parts()
            for chunk in source.read(part, BEGINNING)
        ],
        schema=source.schema,
    )


def test_csv_types_are_inferred_or_given(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("id,name,when\n1,a,2024-01-01\n2,b,2024-01-02\n")
    assert read(path).schema.types == [pa.int64(), pa.string(), pa.date32()]
    assert read(path, id="float32", when="string").schema.types == [
        pa.float32(),
        pa.string(),
        pa.string(),
    ]
    tabs = tmp_path / "records.tsv"
    tabs.write_text("id\tname\n1\ta,b\n")
    assert read(tabs)["name"].to_pylist() == ["a,b"]


def test_json_lines_and_parquet_are_read_whole(tmp_path: Path) -> None:
    lines = tmp_path / "records.jsonl"
    lines.write_text(
        "".join(json.dumps({"id": i, "tags": ["x"]}) + "\n" for i in range(1000))
    )
    assert read(lines)["id"].to_pylist() == list(range(1000))
    assert read(lines, id="float64")["id"].type == pa.float64()
    table = pa.table({"id": range(1000)})
    pq.write_table(table, tmp_path / "records.parquet", row_group_size=100)
    assert read(tmp_path / "records.parquet").equals(table)


def refuse(
    path: Path, kind: type[SourceError] = SourceError, **types: str
) -> SourceError:
    with pytest.raises(kind) as caught:
        read(path, **types)
    assert caught.value.path == path
    assert path.name not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("bad", "column"),
    [("4,5", 3), ("4,5,6,7", 4), ("4", 2)],
    ids=["short", "long", "one"],
)
@pytest.mark.parametrize("before", [3, 700_000])
def test_a_ragged_row_is_named_by_line_and_column(
    bad: str, column: int, before: int, tmp_path: Path
) -> None:
    path = tmp_path / "records.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * before + bad + "\n" + "7,8,9\n")
    error = refuse(path)
    assert (error.line, error.column) == (before + 2, column)
    assert f"line {before + 2} " in str(error)


@pytest.mark.parametrize("before", [3, 900_000])
def test_a_value_of_another_type_is_named_by_place_and_not_shown(
    before: int, tmp_path: Path
) -> None:
    path = tmp_path / "records.csv"
    path.write_text("a,b\n" + "1,2\n" * before + "1,canary\n" + "1,2\n")
    error = refuse(path, a="int64", b="int64")
    assert (error.line, error.column) == (before + 2, 2)
    assert "canary" not in str(error)
    assert "--types" in hint_of(error)


def test_a_quoted_line_end_counts_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text('a,b\n"x\ny",2\n1\n')
    assert refuse(path).line == 4


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("a,b,a\n1,2,3\n")
    assert refuse(path).column == 3


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{broken", "is not JSON"),
        ("[1]", "is not an object"),
        ('{"id": "canary"}', "the column's type"),
    ],
)
def test_a_broken_json_line_is_named_and_not_shown(
    line: str, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": 1}\n' * 5 + line + "\n")
    error = refuse(path, id="int64")
    assert error.line == 6
    assert what in str(error)
    assert "canary" not in str(error)


def test_a_field_that_appears_late_is_named(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": 1}\n' * 600_000 + '{"id": 1, "canary": 2}\n')
    error = refuse(path)
    assert error.line == 600_001
    assert "canary" not in str(error)


@pytest.mark.parametrize("keep", [10, -1, -100])
def test_a_truncated_parquet_file_is_refused(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    pq.write_table(pa.table({"id": range(10_000)}), path)
    path.write_bytes(path.read_bytes()[:keep])
    assert "whole Parquet file" in str(refuse(path))


def test_a_parquet_file_damaged_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    pq.write_table(pa.table({"id": range(100_000)}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    assert "damaged" in str(refuse(path))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "header.csv"])
def test_a_source_without_records_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"id": pa.array([], pa.int64())}), path)
    else:
        path.write_text("a,b\n" if name == "header.csv" else "")
    refuse(path, EmptySource)


def test_what_no_source_reads_is_refused(tmp_path: Path) -> None:
    assert "no such file" in str(refuse(tmp_path / "missing.csv"))
    path = tmp_path / "records.docx"
    path.write_text("x")
    for name, types in ((path, {}), (tmp_path / "a.parquet", {"a": "int64"})):
        name.write_text("a\n1\n")
        with pytest.raises(InvalidArgument):
            read(name, **types)
    good = tmp_path / "records.csv"
    good.write_text("a\n1\n")
    for types in ({"a": "nonsense"}, {"b": "int64"}):
        with pytest.raises(InvalidArgument):
            read(good, **types)


def test_a_query_is_for_databases(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    for options in (SourceOptions(query="SELECT 1"), SourceOptions(cursor_column="a")):
        with pytest.raises(InvalidArgument, match="does not take a query"):
            open_source(tmp_path / "a.csv", options)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_columns_stay_in_the_files_order_whatever_types_are_given(
    name: str, tmp_path: Path
) -> None:
    text = {"a.csv": "z,y,x\n1,2,3\n", "a.jsonl": '{"z": 1, "y": 2, "x": 3}\n'}[name]
    (tmp_path / name).write_text(text)
    source = open_source(
        tmp_path / name, SourceOptions(types={"x": "float64", "y": "int32"})
    )
    assert source.schema.names == ["z", "y", "x"]
