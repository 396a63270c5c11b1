"""Parquet: what is read, where reading continues, and the errors for bad files."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sealift.owner.sources import BEGINNING, open_source
from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.fileset import Fileset, find_files
from sealift.owner.sources.interface import Chunk
from sealift.owner.sources.parquet import ParquetSource
from sealift_protocol.errors import (
    EmptySource,
    SchemaMismatch,
    SourceChanged,
    SourceError,
)


def source(path: Path, expected: pa.Schema | None = None) -> ParquetSource:
    root, paths = find_files(str(path))
    return ParquetSource(Fileset(root, paths, Opener()), expected)


def chunks(opened: ParquetSource, mark: str = BEGINNING) -> Iterator[Chunk]:
    for part in opened.parts():
        yield from opened.read(part, mark)


def table(path: Path) -> pa.Table:
    opened = source(path)
    return pa.Table.from_batches(
        [chunk.batch for chunk in chunks(opened)], opened.schema
    )


def refuse(path: Path, kind: type[SourceError] = SourceError) -> SourceError:
    with pytest.raises(kind) as caught:
        table(path)
    assert "canary" not in str(caught.value) + caught.value.hint
    return caught.value


def write(path: Path, records: pa.Table, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(records, path, **options)
    return path


NUMBERS = pa.table(
    {"id": range(1000), "name": [f"n{number}" for number in range(1000)]}
)


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [1, 7, 100, 1000])
def test_reading_goes_on_at_any_row(group: int, tmp_path: Path) -> None:
    opened = source(write(tmp_path / "v.parquet", NUMBERS, row_group_size=group))
    for mark in (0, 1, 6, 7, 8, 99, 100, 500, 999, 1000):
        read = list(chunks(opened, str(mark) if mark else BEGINNING))
        found = [row for chunk in read for row in chunk.batch["id"].to_pylist()]
        assert found == list(range(mark, 1000))
        if read:
            assert read[0].begin == (str(mark) if mark else BEGINNING)
            assert read[-1].end == "1000"
            assert read[-1].position == (tmp_path / "v.parquet").stat().st_size


def test_reading_goes_on_at_the_end_of_each_chunk(tmp_path: Path) -> None:
    wide = pa.table(
        {"id": range(400), "blob": [os.urandom(20_000) for _ in range(400)]}
    )
    opened = source(write(tmp_path / "v.parquet", wide, row_group_size=300))
    read = list(chunks(opened))
    done = 0
    for chunk in read:
        done += chunk.batch.num_rows
        rest = [
            row
            for later in chunks(opened, chunk.end)
            for row in later.batch["id"].to_pylist()
        ]
        assert rest == list(range(done, 400))
    # However wide rows are, chunks hold a few MiB.
    assert max(chunk.batch.nbytes for chunk in read) < 4 << 20


def test_a_file_with_fewer_rows_than_were_pushed_is_refused(tmp_path: Path) -> None:
    opened = source(write(tmp_path / "v.parquet", NUMBERS))
    with pytest.raises(SourceChanged):
        list(chunks(opened, "1001"))


def test_the_digest_changes_with_any_byte_before_the_mark(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.parquet",
        NUMBERS,
        row_group_size=500,
        use_dictionary=False,
        compression=None,
    )
    part = next(source(path).parts())
    early, late = source(path).digest(part, "500"), source(path).digest(part, "501")
    assert len(early) == 16
    content = bytearray(path.read_bytes())
    # Same size, same statistics: two names in the second group change places.
    one, other = content.index(b"n700"), content.index(b"n701")
    content[one : one + 4], content[other : other + 4] = b"n701", b"n700"
    path.write_bytes(content)
    assert source(path).digest(part, "500") == early
    assert source(path).digest(part, "501") != late
    write(path, NUMBERS.slice(0, 999))
    assert source(path).digest(part, "500") != early
    assert not source(path).continues(part)


# --- several files -------------------------------------------------------------------------------


def test_folders_named_key_equals_value_become_columns(tmp_path: Path) -> None:
    for ward, month, row in (
        ("north", "1", 1),
        ("s%20w", "2", 2),
        ("__HIVE_DEFAULT_PARTITION__", "3", 3),
    ):
        write(
            tmp_path / f"ward={ward}" / f"month={month}" / "v.parquet",
            pa.table({"id": [row]}),
        )
    assert table(tmp_path).to_pylist() == [
        {"id": 3, "ward": None, "month": 3},
        {"id": 1, "ward": "north", "month": 1},
        {"id": 2, "ward": "s w", "month": 2},
    ]


@pytest.mark.parametrize(
    "values", [["02139", "10001"], ["1", "9" * 30], ["1", "x"], ["-0"]]
)
def test_a_key_that_would_lose_something_as_a_number_stays_text(
    values: list[str], tmp_path: Path
) -> None:
    for value in values:
        write(tmp_path / f"zip={value}" / "v.parquet", pa.table({"id": [1]}))
    assert table(tmp_path)["zip"].to_pylist() == sorted(values)


def test_a_key_that_was_text_before_stays_text(tmp_path: Path) -> None:
    write(tmp_path / "zip=10001" / "v.parquet", pa.table({"id": [1]}))
    assert source(tmp_path).schema.field("zip").type == pa.int64()
    expected = pa.schema([("id", pa.int64()), ("zip", pa.string())])
    assert source(tmp_path, expected).schema == expected


def test_a_column_of_the_file_wins_over_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "id=7" / "v.parquet", pa.table({"id": [1]}))
    assert table(tmp_path).to_pylist() == [{"id": 1}]


def test_files_may_have_their_columns_in_another_order(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", pa.table({"a": [1], "b": ["x"]}))
    write(tmp_path / "2.parquet", pa.table({"b": ["y"], "a": [2]}))
    assert table(tmp_path).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("other", "column"),
    [
        (pa.table({"a": [1]}), 2),
        (pa.table({"a": [1], "b": [2]}), 2),
        (pa.table({"a": [1], "b": ["x"], "canary": [1]}), 3),
        (pa.table({"a": pa.array([1.5]), "b": ["x"]}), 1),
    ],
    ids=["missing", "another type", "one more", "floating point"],
)
def test_a_file_of_another_schema_is_refused(
    other: pa.Table, column: int, tmp_path: Path
) -> None:
    write(tmp_path / "1.parquet", pa.table({"a": [1], "b": ["x"]}))
    second = write(tmp_path / "2.parquet", other)
    error = refuse(tmp_path, SchemaMismatch)
    assert (error.path, error.column) == (second, column)


def test_a_file_that_allows_nulls_where_the_first_does_not_is_refused(
    tmp_path: Path,
) -> None:
    strict = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    write(tmp_path / "1.parquet", pa.table({"a": [1]}, schema=strict))
    write(
        tmp_path / "2.parquet",
        pa.table({"a": [None]}, schema=pa.schema([("a", pa.int64())])),
    )
    refuse(tmp_path, SchemaMismatch)


def test_the_descriptions_of_columns_are_kept(tmp_path: Path) -> None:
    field = pa.field("a", pa.int64(), metadata={"unit": "mmHg"})
    write(tmp_path / "v.parquet", pa.table({"a": [1]}, schema=pa.schema([field])))
    assert source(tmp_path).schema.field("a").metadata[b"unit"] == b"mmHg"


def test_files_without_rows_among_others_hold_no_records(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", NUMBERS.slice(0, 0))
    write(tmp_path / "2.parquet", NUMBERS)
    assert table(tmp_path).num_rows == 1000
    refuse(tmp_path / "1.parquet", EmptySource)


# --- bad files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n" * 100])
def test_what_is_no_parquet_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    path.write_bytes(content)
    error = refuse(path)
    assert error.path == path
    assert "whole Parquet file" in str(error)


@pytest.mark.parametrize("place", ["magic", "size", "schema"])
def test_a_damaged_footer_is_refused(place: str, tmp_path: Path) -> None:
    path = write(tmp_path / "v.parquet", NUMBERS)
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    at = {"magic": -1, "size": -6, "schema": footer}[place]
    for byte in range(at, min(at + 40, 0 if at < 0 else at + 40)):
        content[byte] ^= 0xFF
    path.write_bytes(content)
    assert refuse(path).path == path


def test_a_damaged_row_group_is_named_by_the_rows_before_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.parquet", NUMBERS, row_group_size=250, compression="zstd"
    )
    column = pq.read_metadata(path).row_group(2).column(1)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = os.urandom(
        column.total_compressed_size
    )
    path.write_bytes(content)
    read = chunks(source(path))
    assert [next(read).end, next(read).end] == ["250", "500"]
    with pytest.raises(SourceError, match="damaged after row 500"):
        next(read)


def test_a_flipped_bit_is_found_where_pages_have_checksums(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.parquet",
        NUMBERS,
        compression=None,
        use_dictionary=False,
        write_page_checksum=True,
    )
    content = bytearray(path.read_bytes())
    content[content.index(b"n700") + 1] ^= 1
    path.write_bytes(content)
    assert "damaged" in str(refuse(path))


def test_a_packed_parquet_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "v.parquet", NUMBERS)
    packed = tmp_path / "w.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(SourceError) as caught:
        open_source(packed)
    assert "unpack" in caught.value.hint


def test_a_file_that_goes_away_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "v.parquet", NUMBERS)
    opened = source(path)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read") as caught:
        list(chunks(opened))
    assert caught.value.path == path


def test_nested_columns_are_read(tmp_path: Path) -> None:
    records = pa.table({"a": [[{"b": 1, "c": ["x"]}], None, []]})
    assert table(write(tmp_path / "v.parquet", records)).equals(records)
