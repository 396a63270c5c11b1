"""Folders as data frameworks write them: which files are read, and what is said of the others."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sealift.owner.sources import Source, SourceOptions, open_source
from sealift.owner.sources.unify import common_type
from sealift_protocol.errors import SchemaMismatch, SourceError, UnclearSource


def rows(source: Source) -> list[dict[str, object]]:
    batches = [
        chunk.batch for part in source.parts() for chunk in source.read(part, "")
    ]
    found: list[dict[str, object]] = pa.Table.from_batches(
        batches, source.schema
    ).to_pylist()
    return found


def write(path: Path, **columns: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_what_spark_writes_beside_the_records_is_left_out_and_told(
    tmp_path: Path,
) -> None:
    write(tmp_path / "part-00000.snappy.parquet", id=[1])
    write(tmp_path / "_day=3" / "part.parquet", id=[2])
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".part-00000.crc").touch()
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "gone.parquet").symlink_to(tmp_path / "nowhere")
    told: list[str] = []
    source = open_source(tmp_path, SourceOptions(notice=told.append))
    assert [row["id"] for row in rows(source)] == [2, 1]
    assert told == [
        "left out, by names that begin with . or _: .part-00000.crc, _SUCCESS",
        "left out, as links that lead to no file: gone.parquet",
        "left out, as pipes, sockets or devices: pipe.parquet",
    ]


def test_a_link_beside_its_target_does_not_take_its_name(tmp_path: Path) -> None:
    (tmp_path / "b.bin").write_bytes(b"x")
    for link in ("a.bin", "c.bin"):
        (tmp_path / link).symlink_to("b.bin")
    source = open_source(tmp_path, SourceOptions(kind="files"))
    assert [row["path"] for row in rows(source)] == ["b.bin"]


def delta(folder: Path, *versions: list[dict[str, object]]) -> None:
    (folder / "_delta_log").mkdir(parents=True)
    for number, actions in enumerate(versions):
        text = "\n".join(json.dumps(action) for action in actions)
        (folder / "_delta_log" / f"{number:020}.json").write_text(text)


def test_files_that_a_delta_table_removed_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "old.parquet", id=[1])
    write(tmp_path / "day=a b" / "new.parquet", id=[2])
    delta(
        tmp_path,
        [{"metaData": {"configuration": {}}}, {"add": {"path": "old.parquet"}}],
        [
            {"remove": {"path": "old.parquet"}},
            {"add": {"path": "day=a%20b/new.parquet"}},
        ],
    )
    told: list[str] = []
    source = open_source(tmp_path, SourceOptions(notice=told.append))
    assert rows(source) == [{"id": 2, "day": "a b"}]
    assert told == ["left out, as removed from the Delta table: old.parquet"]
    (tmp_path / "day=a b" / "new.parquet").unlink()
    with pytest.raises(SourceError, match="missing"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    "action",
    [
        {"add": {"path": "a.parquet", "deletionVector": {"storageType": "u"}}},
        {"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}},
        {"add": {"path": "s3://elsewhere/a.parquet"}},
    ],
)
def test_a_delta_table_of_more_than_whole_files_is_refused(
    action: dict[str, object], tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet", id=[1])
    delta(tmp_path, [action])
    with pytest.raises(SourceError, match="Delta table") as caught:
        open_source(tmp_path)
    assert "Parquet" in caught.value.hint


def test_a_delta_log_that_begins_later_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", id=[1])
    delta(tmp_path, [], [])
    (tmp_path / "_delta_log" / f"{0:020}.json").unlink()
    with pytest.raises(SourceError, match="version 0"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.string(), pa.string_view(), pa.string()),
        (pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.string()),
        (pa.null(), pa.int32(), pa.int32()),
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.uint32(), pa.int32(), pa.int64()),
        (pa.uint64(), pa.int64(), None),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.int64(), pa.float64(), None),
        (pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.timestamp("us", "UTC"), pa.timestamp("us"), None),
        (pa.list_(pa.null()), pa.list_(pa.string()), pa.list_(pa.string())),
        (pa.struct({"a": pa.int32()}), pa.struct({"a": pa.int64()}), pa.struct({"a": pa.int64()})),
        (pa.string(), pa.int64(), None),
    ],
)  # fmt: skip
def test_types_have_the_one_in_common_that_changes_no_value(
    one: pa.DataType, other: pa.DataType, common: pa.DataType | None
) -> None:
    assert common_type(one, other) == common
    assert common_type(other, one) == common


def test_files_are_read_in_the_types_that_they_have_in_common(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC).replace(tzinfo=None)
    write(
        tmp_path / "a.parquet",
        name=pa.array(["x"]),
        note=pa.nulls(1),
        at=pa.array([moment], pa.timestamp("us")),
    )
    write(
        tmp_path / "b.parquet",
        name=pa.array(["y"], pa.large_string()),
        note=pa.array(["n"]),
        at=pa.array([moment], pa.timestamp("ns")),
    )
    source = open_source(tmp_path)
    assert source.schema.types == [pa.large_string(), pa.string(), pa.timestamp("ns")]
    assert [row["note"] for row in rows(source)] == [None, "n"]
    # A later file alone keeps the types of the dataset.
    (tmp_path / "b.parquet").unlink()
    later = open_source(tmp_path, SourceOptions(expected=source.schema))
    assert later.schema.types == source.schema.types


def test_a_moment_outside_the_common_type_is_refused_and_not_changed(
    tmp_path: Path,
) -> None:
    write(
        tmp_path / "a.parquet", at=pa.array([datetime(2999, 1, 1)], pa.timestamp("us"))
    )
    write(tmp_path / "b.parquet", at=pa.array([0], pa.timestamp("ns")))
    with pytest.raises(SourceError, match="does not fit"):
        rows(open_source(tmp_path))


def test_a_file_of_other_columns_is_refused_before_any_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", id=[1])
    write(tmp_path / "b.parquet", id=["x"])
    with pytest.raises(SchemaMismatch) as caught:
        open_source(tmp_path)
    assert caught.value.path == tmp_path / "b.parquet"


def test_several_paths_and_patterns_are_one_source(tmp_path: Path) -> None:
    for name, text in (("a.csv", "1"), ("b.csv", "2"), ("c.csv", "3"), ("d.txt", "")):
        (tmp_path / name).write_text(f"id\n{text}\n")
    several = SourceOptions(more=(str(tmp_path / "c.csv"),))
    assert [row["id"] for row in rows(open_source(tmp_path / "a.csv", several))] == [
        1,
        3,
    ]
    chosen = SourceOptions(include=("*.csv",), exclude=("b*",))
    assert [row["id"] for row in rows(open_source(tmp_path, chosen))] == [1, 3]


def test_a_mixed_folder_names_the_files_and_the_way_out(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(UnclearSource, match="no files"):
        open_source(tmp_path)
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.unheard").touch()
    with pytest.raises(UnclearSource) as caught:
        open_source(tmp_path, SourceOptions(notice=told.append))
    assert told == [
        "of kind unknown: 1, such as b.unheard",
        "of kind csv: 1, such as a.csv",
    ]
    assert "include" in caught.value.hint
    assert "unheard" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.docx", "Word"), ("a.mdb", "Access"), ("a.rds", "R object"), ("a.h5", "HDF5")],
)  # fmt: skip
def test_what_is_not_read_is_named_with_the_way_to_convert_it(
    name: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UnclearSource, match=says) as caught:
        open_source(tmp_path / name)
    assert caught.value.path == tmp_path / name
    assert caught.value.hint
