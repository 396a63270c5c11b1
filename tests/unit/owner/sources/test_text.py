"""CSV and JSON Lines: what is read, where reading continues, and the errors for bad text."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift.cli.hints import hint_of
from sealift.owner.sources import BEGINNING, Source, SourceOptions, open_source
from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.csvblocks import _is_surely_bad, _reads
from sealift.owner.sources.delimited import CsvSource
from sealift.owner.sources.dialects import Dialect
from sealift.owner.sources.fileset import Fileset, find_files
from sealift.owner.sources.interface import Chunk, Rejects, StopAtRejects
from sealift.owner.sources.jsonl import JsonLinesSource
from sealift.owner.sources.lines import BLOCK, TextFormat, blocks_of, check_encoding
from sealift_protocol.errors import (
    EmptySource,
    InvalidArgument,
    SchemaMismatch,
    SourceChanged,
    SourceError,
)


class Kept:
    """Rejects that are left out and looked at."""

    stops = False

    def __init__(self) -> None:
        self.count = 0
        self.errors: list[SourceError] = []
        self.contents: list[bytes] = []

    def reject(self, error: SourceError, content: bytes) -> None:
        self.count += 1
        self.errors.append(error)
        self.contents.append(content)

    def forget(self) -> None:
        self.count = 0


def files(path: Path) -> Fileset:
    root, paths = find_files(str(path))
    return Fileset(root, paths, Opener())


def csv_source(
    path: Path,
    *,
    rejects: Rejects | None = None,
    types: dict[str, pa.DataType] | None = None,
    block_size: int = BLOCK,
    expected: pa.Schema | None = None,
) -> CsvSource:
    return CsvSource(
        files(path),
        types=types or {},
        said=Dialect(delimiter=","),
        encoding="utf-8",
        rejects=rejects or StopAtRejects(),
        expected=expected,
        block_size=block_size,
    )


def jsonl_source(
    path: Path,
    *,
    rejects: Rejects | None = None,
    types: dict[str, pa.DataType] | None = None,
    block_size: int = BLOCK,
    expected: pa.Schema | None = None,
) -> JsonLinesSource:
    return JsonLinesSource(
        files(path),
        types=types or {},
        rejects=rejects or StopAtRejects(),
        expected=expected,
        block_size=block_size,
    )


def chunks(source: Source, mark: str = BEGINNING) -> Iterator[Chunk]:
    for part in source.parts():
        yield from source.read(part, mark)


def rows(source: Source, mark: str = BEGINNING) -> list[dict[str, object]]:
    return [row for chunk in chunks(source, mark) for row in chunk.batch.to_pylist()]


def table(path: Path, **options: object) -> pa.Table:
    source = open_source(path, SourceOptions(**options))  # type: ignore[arg-type]
    return pa.Table.from_batches(
        [chunk.batch for chunk in chunks(source)], source.schema
    )


def refuse(
    path: Path, kind: type[SourceError] = SourceError, **options: object
) -> SourceError:
    with pytest.raises(kind) as caught:
        table(path, **options)
    assert "canary" not in str(caught.value) + caught.value.hint
    return caught.value


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_compressed_text_is_read_like_plain_text(suffix: str, tmp_path: Path) -> None:
    text = b"id,name\n" + b"".join(b"%d,a\n" % number for number in range(300_000))
    packed = {
        "": text,
        ".gz": gzip.compress(text),
        ".zst": pa.compress(text, "zstd", asbytes=True),
    }[suffix]
    path = written(tmp_path / f"visits.csv{suffix}", packed)
    source = csv_source(path)
    read = list(chunks(source))
    assert sum(chunk.batch.num_rows for chunk in read) == 300_000
    assert len(read) > 1
    assert rows(source, read[1].end)[0] == {
        "id": sum(c.batch.num_rows for c in read[:2]),
        "name": "a",
    }
    assert source.continues(next(source.parts())) == (suffix == "")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_text_that_ends_too_early_is_refused(
    suffix: str, tmp_path: Path
) -> None:
    text = os.urandom(1 << 20).hex().encode()
    text = b"a\n" + b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    packed = (
        gzip.compress(text)
        if suffix == ".gz"
        else pa.compress(text, "zstd", asbytes=True)
    )
    path = written(tmp_path / f"visits.csv{suffix}", packed[:-100])
    error = refuse(path, types={"a": "string"})
    assert error.path == path
    assert (
        "ends too early" in str(error)
        or "damaged" in str(error)
        or "cannot be read" in str(error)
    )


def test_gzip_members_one_after_the_other_are_one_text(tmp_path: Path) -> None:
    path = written(
        tmp_path / "visits.csv.gz", gzip.compress(b"a\n1\n") + gzip.compress(b"2\n")
    )
    assert table(path)["a"].to_pylist() == [1, 2]


def test_tabs_quotes_line_ends_a_byte_order_mark_and_nulls_are_read(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path / "visits.tsv", '\ufeff"na\tme"\tb\r\n"x\r\n""y"""\t\r\n\r\nz,\t2\r\n'
    )
    assert table(path).to_pylist() == [
        {"na\tme": 'x\r\n"y"', "b": None},
        {"na\tme": "z,", "b": 2},
    ]


@pytest.mark.parametrize(
    ("separator", "option"),
    [
        ("^", "--delimiter '^'"),
        ("~", "--delimiter '~'"),
        ("\x01", "--delimiter 01"),
    ],
)
def test_a_header_that_another_character_separates_is_refused_with_what_reads_it(
    separator: str, option: str, tmp_path: Path
) -> None:
    text = separator.join(["id", "Ward, B", "weight"]) + "\n"
    text += separator.join(["1", "A", "70"]) + "\n"
    path = written(tmp_path / "visits.csv", text)
    with pytest.raises(SourceError, match="3 if") as caught:
        open_source(str(path), SourceOptions())
    assert option in hint_of(caught.value)
    assert "weight" not in str(caught.value)
    read = open_source(str(path), SourceOptions(delimiter=separator))
    assert read.schema.names == ["id", "Ward, B", "weight"]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_header_of_one_column_that_other_characters_could_cut_is_not_taken_as_one(
    separator: str, tmp_path: Path
) -> None:
    odd = written(tmp_path / "odd.csv", f"a{separator}b\n1\n2\n")
    with pytest.raises(SourceError, match="2 if"):
        open_source(str(odd), SourceOptions())
    # The owner says that it is right.
    assert len(open_source(str(odd), SourceOptions(delimiter=",")).schema) == 1
    few = written(tmp_path / "few.csv", f"a{separator}b,c,d\n1,2,3\n")
    assert len(open_source(str(few), SourceOptions()).schema) == 3


@pytest.mark.parametrize("delimiter", ["ab", '"', "x", "\n", "ä"])
def test_what_cannot_separate_columns_is_refused(
    delimiter: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "visits.csv", "a,b\n1,2\n")
    with pytest.raises(InvalidArgument, match="delimiter"):
        open_source(str(path), SourceOptions(delimiter=delimiter))


def test_a_row_of_blanks_is_a_row(tmp_path: Path) -> None:
    tabs = written(tmp_path / "visits.tsv", "a\tb\n1\t2\n" + "\t\n" * 3)
    assert table(tabs).num_rows == 4
    tabs.write_text("a\tb\n\t\n\t\n")
    assert table(tabs).to_pylist() == [{"a": "", "b": ""}] * 2
    spaces = written(tmp_path / "visits.csv", "a\n  \n \n")
    assert table(spaces)["a"].to_pylist() == ["  ", " "]


def test_blank_lines_before_the_header_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "visits.csv", "\n\r\na,b\n\n1,x\n")
    assert table(path).to_pylist() == [{"a": 1, "b": "x"}]
    path.write_text("\n\na,b\n1\n")
    assert refuse(path).line == 4


def test_a_quote_inside_a_field_is_text(tmp_path: Path) -> None:
    text = 'size,note\n5" pipe,"a\nb"\n' + '6" pipe,plain\n' * 3
    path = written(tmp_path / "visits.csv", text)
    for size in (1, 4, 16, BLOCK):
        assert rows(csv_source(path, block_size=size))[0] == {
            "size": '5" pipe',
            "note": "a\nb",
        }
        assert len(rows(csv_source(path, block_size=size))) == 4


def test_a_row_longer_than_a_block_is_read(tmp_path: Path) -> None:
    long = "x" * (3 * BLOCK)
    path = written(tmp_path / "visits.csv", f'a,b\n"{long}\n",1\ny,2\n')
    assert [len(str(row["a"])) for row in rows(csv_source(path))] == [len(long) + 1, 1]
    lines = written(
        tmp_path / "visits.jsonl", json.dumps({"a": long}) + '\n{"a": "y"}\n'
    )
    assert [len(str(row["a"])) for row in rows(jsonl_source(lines))] == [len(long), 1]


def test_nul_bytes_are_text_in_csv_and_refused_in_json(tmp_path: Path) -> None:
    assert table(written(tmp_path / "v.csv", "a,b\nx\0y,1\n"))["a"].to_pylist() == [
        "x\0y"
    ]
    error = refuse(written(tmp_path / "v.jsonl", '{"a": "x"}\n{"a": "x\0y"}\n'))
    assert error.line == 2


def test_the_last_line_needs_no_line_end(tmp_path: Path) -> None:
    assert table(written(tmp_path / "v.csv", "a\n1\n2"))["a"].to_pylist() == [1, 2]
    assert table(written(tmp_path / "v.jsonl", '{"a":1}\n{"a":2}'))[
        "a"
    ].to_pylist() == [1, 2]


def test_a_column_that_begins_with_nulls_becomes_text(tmp_path: Path) -> None:
    text = "a,b\n" + ",1\n" * (BLOCK // 2) + "canary,1\n"
    assert table(written(tmp_path / "v.csv", text))["a"].to_pylist()[-1] == "canary"
    lines = '{"a": null, "b": [], "c": {"d": null}}\n' * 40_000
    lines += '{"a": "x", "b": ["y"], "c": {"d": "z"}}\n'
    found = table(written(tmp_path / "v.jsonl", lines))
    assert found.slice(40_000).to_pylist() == [{"a": "x", "b": ["y"], "c": {"d": "z"}}]


def test_dates_of_json_are_given_by_type(tmp_path: Path) -> None:
    path = written(tmp_path / "v.jsonl", '{"d": "2024-01-02"}\n{"d": null}\n')
    assert table(path, types={"d": "date32"}).schema.types == [pa.date32()]
    with pytest.raises(InvalidArgument):
        table(path, types={"d": "time32[s]"})
    path.write_text('{"d": "2024-01-02"}\n{"d": "canary"}\n')
    error = refuse(path, types={"d": "date32"})
    assert (error.line, error.column) == (2, 1)


def test_decimals_are_given_by_type(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a\n1.25\n")
    assert table(path, types={"a": "decimal128(12, 2)"}).schema.types == [
        pa.decimal128(12, 2)
    ]


# --- encodings -----------------------------------------------------------------------------------


def test_text_of_another_encoding_is_named_by_line(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a,b\nx,1\n\ncanaryé,2\n".encode("latin-1"))
    error = refuse(path)
    assert error.line == 4
    assert "--encoding" in hint_of(error)
    found = table(path, encoding="latin-1")
    assert found["a"].to_pylist() == ["x", "canaryé"]
    lines = written(tmp_path / "v.jsonl", '{"a": "x"}\n{"a": "é"}\n'.encode("latin-1"))
    assert refuse(lines).line == 2


def test_marks_count_the_bytes_of_the_file_in_any_encoding(tmp_path: Path) -> None:
    text = "é,b\n" + "".join(f"ü{number},1\n" for number in range(100))
    path = written(tmp_path / "v.csv", text.encode("latin-1"))
    options = {
        "types": {},
        "said": Dialect(),
        "encoding": "latin-1",
        "rejects": StopAtRejects(),
    }
    source = CsvSource(files(path), block_size=64, **options)  # type: ignore[arg-type]
    whole = rows(source)
    done = 0
    for chunk in chunks(source):
        assert rows(source, chunk.begin) == whole[done:]
        done += chunk.batch.num_rows
        assert rows(source, chunk.end) == whole[done:]


def test_utf_16_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a,b\n1,2\n".encode("utf-16"))
    assert "iconv" in refuse(path).hint
    with pytest.raises(SourceError, match="UTF-16"):
        csv_source(path, rejects=Kept())


@pytest.mark.parametrize("name", ["utf-16", "utf-7", "nonsense", "cp037", "hz", "hex"])
def test_an_encoding_in_which_a_line_end_is_not_one_byte_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_encoding(name)


@pytest.mark.parametrize(
    "name", ["utf-8", "UTF8", "latin-1", "cp1252", "shift_jis", "gb18030"]
)
def test_an_encoding_that_holds_ascii_is_taken(name: str) -> None:
    check_encoding(name)


def test_only_the_rows_of_another_encoding_are_rejected(tmp_path: Path) -> None:
    rejects = Kept()
    path = written(tmp_path / "v.csv", b'a,b\nx,1\n"y\n\xff",2\nz,3\n')
    assert [row["a"] for row in rows(csv_source(path, rejects=rejects))] == ["x", "z"]
    assert [error.line for error in rejects.errors] == [4]
    assert rejects.contents == [b'"y\n\xff",2\n']
    rejects = Kept()
    path = written(tmp_path / "v.jsonl", b'{"a":"x"}\n{"a":"\xff"}\n{"a":"z"}\n')
    assert [row["a"] for row in rows(jsonl_source(path, rejects=rejects))] == ["x", "z"]
    assert [error.line for error in rejects.errors] == [2]


# --- bad rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 64, BLOCK])
def test_rejected_rows_are_left_out_and_their_bytes_kept(
    size: int, tmp_path: Path
) -> None:
    path = written(
        tmp_path / "v.csv", 'a,b\n1,x\n2\n"3","y\nz"\ncanary,w\n5,u,v\n6,t\n'
    )
    rejects = Kept()
    source = csv_source(
        path,
        rejects=rejects,
        types={"a": pa.int64(), "b": pa.string()},
        block_size=size,
    )
    assert [row["a"] for row in rows(source)] == [1, 3, 6]
    assert rejects.contents == [b"2\n", b"canary,w\n", b"5,u,v\n"]
    assert [(error.line, error.column) for error in rejects.errors] == [
        (3, 2),
        (6, 1),
        (7, 3),
    ]


@pytest.mark.parametrize("size", [8, 64])
def test_rejected_lines_are_left_out_and_their_bytes_kept(
    size: int, tmp_path: Path
) -> None:
    good = ['{"a":1,"b":{"c":2}}', '{"b":null}', '{"a":4}']
    bad = [
        "{broken",
        "[1]",
        '{"a":"canary"}',
        '{"a":1,"a":2}',
        '{"z":1}',
        '{"b":{"c":1,"d":2}}',
        '{"a":5}{"a":6}',
        '{"a":' + "[" * 300_000 + "]" * 300_000 + "}",
    ]
    path = written(
        tmp_path / "v.jsonl", "\n".join([good[0], *bad[:4], good[1], *bad[4:], good[2]])
    )
    rejects = Kept()
    types = {"a": pa.int64(), "b": pa.struct([("c", pa.int64())])}
    source = jsonl_source(path, rejects=rejects, types=types, block_size=size)
    rejects.forget()
    assert rows(source) == [
        {"a": 1, "b": {"c": 2}},
        {"a": None, "b": None},
        {"a": 4, "b": None},
    ]
    assert rejects.contents == [text.encode() + b"\n" for text in bad]
    assert [error.line for error in rejects.errors] == [2, 3, 4, 5, 7, 8, 9, 10]
    assert not any("canary" in str(error) for error in rejects.errors)


def test_a_row_that_is_rejected_does_not_decide_about_types(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a,b\nx\n1,2\n3,4\n")
    assert csv_source(path, rejects=Kept()).schema.types == [pa.int64(), pa.int64()]
    lines = [
        '{"a":1,"b":"x"}',
        '{"a":"canary"}',
        '{"a":2.5}',
        "{broken",
        '{"b":7}',
        '{"a":[1]}',
    ]
    path = written(tmp_path / "v.jsonl", "\n".join(lines))
    rejects = Kept()
    source = jsonl_source(path, rejects=rejects)
    assert source.schema == pa.schema([("a", pa.float64()), ("b", pa.string())])
    assert rows(source) == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]
    assert [error.line for error in rejects.errors] == [2, 4, 5, 6]


def test_the_first_bad_line_of_a_first_block_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "v.jsonl", '{"a":1}\n{"a":"canary"}\n{broken\n')
    error = refuse(path)
    assert (error.line, error.column) == (2, 1)


def test_what_misfits_late_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a,b\n" + "x,1\n" * 400_000 + "x,1.5\n")
    error = refuse(path)
    assert (error.line, error.column) == (400_002, 2)
    assert "--types" in hint_of(error)


def test_a_nested_field_that_appears_late_is_refused(tmp_path: Path) -> None:
    lines = '{"a":{"b":1}}\n' * 100_000 + '{"a":{"b":1,"canary":2}}\n'
    error = refuse(written(tmp_path / "v.jsonl", lines))
    assert (error.line, error.column) == (100_001, 1)


def test_json_that_is_not_one_object_a_line_is_refused(tmp_path: Path) -> None:
    for text in (
        '[{"a":1},\n{"a":2}]\n',
        '{\n "a": 1\n}\n',
        '{"a":1}{"a":2}\n',
        '{"a":\n1}{"a":2}\n',
        "7\n",
        "{}\n",
    ):
        error = refuse(written(tmp_path / "v.jsonl", text))
        assert error.line == 1
        assert "jq" in error.hint


@pytest.mark.parametrize(
    "deep", ["[" * 300_000 + "]" * 300_000, '{"a":' * 300_000, "[\n" * 300_000]
)
def test_json_that_is_nested_without_end_is_refused(deep: str, tmp_path: Path) -> None:
    error = refuse(written(tmp_path / "v.jsonl", '{"a":1}\n{"b":' + deep + "}\n"))
    assert error.line == 2


def test_a_quote_that_is_never_closed_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", 'a,b\n1,x\n2,"canary\n3,y\n')
    for rejects in (StopAtRejects(), Kept()):
        with pytest.raises(SourceError, match="line 3 never ends") as caught:
            rows(csv_source(path, rejects=rejects))
        assert caught.value.line == 3


def test_many_bad_values_take_no_longer_than_a_few_blocks(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" + "".join(f"x{number},2\n" for number in range(30_000))
    path = written(tmp_path / "v.csv", text)
    rejects = Kept()
    started = time.process_time()
    assert len(rows(csv_source(path, rejects=rejects, types={"a": pa.int64()}))) == 1
    assert rejects.count == 30_000
    lines = '{"a":1}\n' + "".join('{"a":"x"}\n' for _ in range(30_000))
    rejects = Kept()
    assert (
        len(rows(jsonl_source(written(tmp_path / "v.jsonl", lines), rejects=rejects)))
        == 1
    )
    assert rejects.count == 30_000
    assert time.process_time() - started < 60


def test_a_block_of_open_quotes_takes_no_longer_than_one_of_text() -> None:
    for text in (
        b'"\n' + b'""\n' * 500_000,
        b'x"\n' * 500_000,
        b'a,"' + b"\n" * 4_000_000,
    ):
        started = time.process_time()
        try:
            for _ in blocks_of(io.BytesIO(text), TextFormat(quoted=True)):
                pass
        except SourceError:
            pass
        assert time.process_time() - started < 50


def test_a_record_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        read_so_far = 0

        def read(self, size: int = -1) -> bytes:
            self.read_so_far += size
            return b'"' + b"x" * (size - 1) if self.read_so_far == size else b"x" * size

    for form in (TextFormat(quoted=True), TextFormat()):
        stream = Endless()
        with pytest.raises(SourceError, match="line 1 never ends"):
            next(blocks_of(stream, form))  # type: ignore[arg-type]
        assert stream.read_so_far <= (64 << 20) + 1


# --- several files -------------------------------------------------------------------------------


def test_files_may_have_their_columns_in_another_order(tmp_path: Path) -> None:
    written(tmp_path / "1.csv", "a,b\n1,x\n")
    written(tmp_path / "2.csv", "b,a\ny,2\n")
    assert table(tmp_path).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    ("header", "column", "what"),
    [
        ("a,b,canary", 3, "no column of that name"),
        ("a", 2, "is missing"),
        ("a,canary", 2, ""),
    ],
)
def test_a_file_with_other_columns_is_refused(
    header: str, column: int, what: str, tmp_path: Path
) -> None:
    written(tmp_path / "1.csv", "a,b\n1,x\n")
    second = written(
        tmp_path / "2.csv", header + "\n" + "1,2,3"[: 2 * header.count(",") + 1] + "\n"
    )
    error = refuse(tmp_path, SchemaMismatch)
    assert (error.path, error.line, error.column) == (second, 1, column)
    assert what in str(error)


def test_columns_that_earlier_pushes_added_are_expected(tmp_path: Path) -> None:
    old = written(tmp_path / "1.csv", "a,b\n1,x\n")
    written(tmp_path / "2.csv", "c,a,b\n3,2,y\n")
    expected = pa.schema([("a", pa.int32()), ("b", pa.string()), ("c", pa.int64())])
    source = csv_source(tmp_path, expected=expected)
    assert source.schema == expected
    first, second = source.parts()
    assert [c.batch.to_pylist() for c in source.read(second, BEGINNING)] == [
        [{"a": 2, "b": "y", "c": 3}]
    ]
    with pytest.raises(SchemaMismatch, match="column 3 of earlier records") as caught:
        list(source.read(first, BEGINNING))
    assert caught.value.path == old


def test_types_of_earlier_pushes_are_kept_unless_others_are_given(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "v.csv", "a,b\n1,2\n")
    expected = pa.schema([("a", pa.string()), ("b", pa.float32())])
    assert csv_source(path, expected=expected).schema == expected
    given_types = {"b": pa.int8()}
    assert (
        csv_source(path, expected=expected, types=given_types).schema.types[1]
        == pa.int8()
    )
    lines = written(tmp_path / "v.jsonl", '{"a":"1"}\n')
    assert jsonl_source(lines, expected=expected).schema == expected


def test_empty_files_among_others_hold_no_records(tmp_path: Path) -> None:
    written(tmp_path / "1.csv", "")
    written(tmp_path / "2.csv", "a,b\n")
    written(tmp_path / "3.csv", "a,b\n1,2\n")
    assert table(tmp_path).to_pylist() == [{"a": 1, "b": 2}]
    for path in tmp_path.iterdir():
        path.unlink()
    written(tmp_path / "1.jsonl", "\n\n")
    written(tmp_path / "2.jsonl", '{"a":1}\n')
    assert table(tmp_path).to_pylist() == [{"a": 1}]


@pytest.mark.parametrize("text", ["", "\n\n", "a,b", "a,b\n", "a,b\n\n\r\n"])
def test_a_source_of_headers_is_empty(text: str, tmp_path: Path) -> None:
    refuse(written(tmp_path / "v.csv", text), EmptySource)


def test_thousands_of_files_are_read_in_seconds(tmp_path: Path) -> None:
    for number in range(2_000):
        written(tmp_path / f"{number:05}.csv", f"a,b\n{number},x\n")
    started = time.process_time()
    found = table(tmp_path)
    assert found["a"].to_pylist() == list(range(2_000))
    assert time.process_time() - started < 50


def test_what_is_hidden_unfinished_or_elsewhere_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    (folder / "deep" / ".hidden").mkdir(parents=True)
    for name in (
        "1.csv",
        "deep/2.csv",
        ".3.csv",
        "deep/.hidden/4.csv",
        "5.csv.tmp",
        "6.csv.PART",
    ):
        written(folder / name, "a\n1\n")
    outside = written(tmp_path / "7.csv", "a\n1\n")
    (folder / "8.csv").symlink_to(outside)
    (folder / "9.csv").symlink_to(folder / "1.csv")
    (folder / "10.csv").symlink_to(folder / "missing.csv")
    (folder / "11").symlink_to(tmp_path)
    (folder / "12.csv").symlink_to(folder / "12.csv")
    found = [Path(part.name).name for part in csv_source(folder).parts()]
    assert found == ["1.csv", "2.csv"]
    pattern = csv_source(folder / "*.csv*")
    assert "5.csv.tmp" not in [Path(part.name).name for part in pattern.parts()]


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.csv")
    assert "pipe" in refuse(tmp_path / "v.csv").hint


@pytest.fixture
def without_rights() -> Iterator[None]:
    """Root may read everything, so another user is needed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_of_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    written(tmp_path / "1.csv", "a\n1\n")
    secret = written(tmp_path / "2.csv", "a\n2\n")
    secret.chmod(0)
    request.getfixturevalue("without_rights")
    error = refuse(tmp_path)
    assert error.path == secret
    assert "permission denied" in str(error)


# --- going on ------------------------------------------------------------------------------------


def test_a_file_that_has_grown_goes_on_where_it_ended(tmp_path: Path) -> None:
    for name, text, more in (
        ("v.csv", "a,b\n1,x\n", "2,y\n3,z\n"),
        ("v.csv", "a,b\n1,x", "\n2,y\n3,z\n"),
        ("v.csv", "a,b\r\n1,x", "\r\n2,y\r\n3,z"),
        ("v.jsonl", '{"a":1}\n', '{"a":2}\n{"a":3}\n'),
        ("v.jsonl", '{"a":1}', '\n{"a":2}\n{"a":3}'),
    ):
        path = written(tmp_path / name, text)
        source = open_source(path)
        *_, last = chunks(source)
        digest = source.digest(next(source.parts()), last.end)
        with path.open("a", newline="") as file:
            file.write(more)
        later = open_source(path)
        part = next(later.parts())
        assert later.digest(part, last.end) == digest
        assert later.continues(part)
        assert [row["a"] for row in rows(later, last.end)] == [2, 3]
        path.unlink()


def test_a_header_that_has_grown_rows_goes_on_behind_it(tmp_path: Path) -> None:
    written(tmp_path / "1.csv", "a\n1\n")
    path = written(tmp_path / "2.csv", "a\n")
    source = csv_source(tmp_path)
    _, part = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    assert chunk.batch.num_rows == 0
    path.write_text("a\n2\n")
    assert [c.batch.to_pylist() for c in source.read(part, chunk.end)] == [[{"a": 2}]]


def test_a_last_record_that_has_grown_is_not_read_by_halves(tmp_path: Path) -> None:
    for name, text, more in (
        ("v.csv", "a\n1\n2", "3\n4\n"),
        ("v.jsonl", '{"a":1}', ' \n{"a":2}'),
    ):
        path = written(tmp_path / name, text)
        source = open_source(path)
        *_, last = chunks(source)
        with path.open("a") as file:
            file.write(more)
        with pytest.raises(SourceChanged) as caught:
            rows(open_source(path), last.end)
        assert caught.value.path == path


def test_a_file_that_has_shrunk_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "v.csv", "a\n1\n2\n")
    source = csv_source(path)
    *_, last = chunks(source)
    path.write_text("a\n1\n")
    with pytest.raises(SourceChanged):
        rows(source, last.end)


def test_the_digest_changes_with_what_stands_before_the_mark_only(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "v.csv", "a\n1\n2\n3\n")
    digest = csv_source(path).digest(next(csv_source(path).parts()), "4")
    assert len(digest) == 16
    for text, same in (
        ("a\n1\n2\n9\n", True),
        ("a\n1\n2\n3\n4\n", True),
        ("a\n9\n2\n3\n", False),
    ):
        path.write_text(text)
        source = csv_source(path)
        assert (source.digest(next(source.parts()), "4") == digest) == same


def states(text: str) -> Iterator[str]:
    """A reader's state after each character, told one by one (RFC 4180, as Arrow reads it)."""
    state = "begins"
    for letter in text:
        if state == "quoted":
            state = "closed" if letter == '"' else "quoted"
        elif letter in ",\r\n":
            state = "begins"
        elif letter == '"' and state in ("begins", "closed"):
            state = "quoted"
        else:
            state = "field"
        yield state


def check_resume(source: Source) -> list[dict[str, object]]:
    """All rows; reading on from the end of each chunk gives exactly the rows behind it."""
    read = list(chunks(source))
    whole = [row for chunk in read for row in chunk.batch.to_pylist()]
    done = 0
    for chunk in read:
        assert rows(source, chunk.begin) == whole[done:]
        done += chunk.batch.num_rows
        assert rows(source, chunk.end) == whole[done:]
    return whole


FUZZ = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


CSV_TEXT = st.lists(
    st.sampled_from(
        ['"a\nb",', 'a,"\n\n"\n', '"",', 'a"b,', '"', ",", "\n", "\r\n", "\r", "a"]
    ),
    max_size=16,
).map("".join)


@FUZZ
@given(CSV_TEXT, st.sampled_from([1, 2, 3, 5, 8, 13, 64, 1000]))
def test_any_text_is_read_as_by_python_in_blocks_of_any_size(
    tmp_path: Path, text: str, size: int
) -> None:
    text = "a,b\nx,y\n" + text
    path = written(tmp_path / "v.csv", text)
    types = {"a": pa.string(), "b": pa.string()}

    def source() -> CsvSource:
        return csv_source(path, rejects=Kept(), types=types, block_size=size)

    if [*states(text)][-1] == "quoted":
        with pytest.raises(SourceError, match="never ends"):
            rows(source())
        return
    found = [tuple(row.values()) for row in check_resume(source())]
    lines = csv.reader(io.StringIO(text, newline=""))
    assert found == [tuple(row) for row in lines if len(row) == 2][1:]


FIELDS = st.one_of(st.text(max_size=4), st.text('",\n\ra', max_size=6))


@FUZZ
@given(
    st.lists(st.tuples(FIELDS, st.integers(-9, 9), FIELDS), min_size=1, max_size=8),
    st.sampled_from([1, 7, 50, BLOCK]),
)
def test_what_a_writer_wrote_is_read_back(
    tmp_path: Path, records: Sequence[tuple[str, int, str]], size: int
) -> None:
    path = tmp_path / "v.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "number", "more"])
        writer.writerows(records)
    types = {"text": pa.string(), "number": pa.int64(), "more": pa.string()}
    source = csv_source(path, types=types, block_size=size)
    assert [tuple(row.values()) for row in check_resume(source)] == list(records)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(' +-0123456789.eExXaAfFnNiItTzZ:/"', max_size=6),
        st.sampled_from(
            ["nan", "-Infinity", "NULL", " NA ", "#N/A", "2024-01-02", "0x1F", "1e5"]
        ),
    ),
    st.sampled_from(
        [pa.int8(), pa.uint64(), pa.float32(), pa.date32(), pa.timestamp("s")]
    ),
)
def test_what_is_bad_at_a_glance_is_bad_for_arrow(
    value: str, kind: pa.DataType
) -> None:
    if _is_surely_bad(value, kind):
        assert not _reads([value], kind)


JSON_LINES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"a": st.integers(-5, 5), "b": st.text(max_size=4)},
            optional={"c": st.booleans()},
        ).map(json.dumps),
        st.sampled_from(
            ["", "  ", "{", "[]", '{"a":"x"}', '{"a":1,"a":2}', "{}{}", '{"b":1}']
        ),
    ),
    max_size=12,
)


@FUZZ
@given(JSON_LINES, st.sampled_from([1, 9, 40, BLOCK]))
def test_lines_are_the_same_records_in_blocks_of_any_size(
    tmp_path: Path, lines: Sequence[str], size: int
) -> None:
    text = "\n".join(
        ['{"a": 0, "b": "enough for the largest of the small blocks"}', *lines]
    )
    path = written(tmp_path / "v.jsonl", text)
    types = {"a": pa.int64(), "b": pa.string(), "c": pa.bool_()}
    source = jsonl_source(path, rejects=Kept(), types=types, block_size=size)
    good = [json.loads(line) for line in text.split("\n") if '": ' in line]
    assert check_resume(source) == [
        {name: record.get(name) for name in types} for record in good
    ]
