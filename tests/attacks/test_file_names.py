"""Datasets of files whose owner attacks the machine on which they are written."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.sources.files import SCHEMA
from sealift.trainer.exports.files import check_path, write_files
from sealift_protocol.errors import InvalidArgument, MalformedObject, SealiftError

Piece = tuple[Any, Any, Any, Any]


@dataclass
class Files:
    """A dataset of files: path, size, offset and content of each piece."""

    pieces: Sequence[Piece]
    schema: pa.Schema = SCHEMA

    def batches(self) -> Iterator[pa.RecordBatch]:
        for path, size, offset, content in self.pieces:
            row = [[path], ["image/png"], [size], [0], [offset], [content]]
            arrays = [pa.array(v, f.type) for v, f in zip(row, SCHEMA, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def whole(path: str, content: bytes = b"harmless") -> Piece:
    return path, len(content), 0, content


def refuse(tmp_path: Path, *pieces: Piece, match: str = "") -> None:
    """Nothing is written, inside the folder or out of it."""
    inside = tmp_path / "inside"
    inside.mkdir(exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MalformedObject, match=match) as caught:
        write_files(Files([whole("first.png"), *pieces]), inside / "out")
    assert sorted(tmp_path.rglob("*")) == before
    assert all(
        str(piece[0]) not in str(caught.value)
        for piece in pieces
        if len(piece[0] or "") > 3
    )


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "..", "a/..", "./x", "a//x", "a/", ""]
)
def test_a25_a_path_with_dots_or_empty_names_is_refused(
    path: str, tmp_path: Path
) -> None:
    refuse(tmp_path, whole(path), match="leave the output folder")


def test_a25_an_absolute_path_is_refused(tmp_path: Path) -> None:
    refuse(
        tmp_path, whole(str(tmp_path / "outside.png")), match="leave the output folder"
    )


@pytest.mark.parametrize("path", ["C:x.png", "c:/x.png", "a/D:x"])
def test_a25_a_drive_letter_is_refused(path: str, tmp_path: Path) -> None:
    refuse(tmp_path, whole(path), match="drive")


@pytest.mark.parametrize(
    "path",
    [
        "..\\x.png",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\x7f",
        "a\x85b",
        "ab\u202egnp.exe",
    ],
)
def test_a25_backslashes_and_control_characters_are_refused(
    path: str, tmp_path: Path
) -> None:
    refuse(tmp_path, whole(path), match="control character")


@pytest.mark.parametrize(
    "path", ["NUL", "con.png", "a/Aux.tar.gz", "COM1", "lpt9.x", "x.", "x ", " x"]
)
def test_a25_a_name_that_a_system_reserves_is_refused(
    path: str, tmp_path: Path
) -> None:
    refuse(tmp_path, whole(path), match="reserve")


@pytest.mark.parametrize("path", ["x" * 256, "é" * 128, "/".join(["folder"] * 400)])
def test_a25_a_path_that_is_too_long_is_refused(path: str, tmp_path: Path) -> None:
    refuse(tmp_path, whole(path), match="too long")


def test_a25_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, whole("a.png"), whole("a.png"), match="twice")
    refuse(tmp_path, whole("a.png", b""), whole("a.png", b""), match="twice")
    refuse(tmp_path, ("a", 6, 0, b"abcd"), ("a", 6, 2, b"CDEF"), match="twice")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.png", "A.PNG"),
        ("scans/a", "Scans/b"),
        ("caf\u00e9", "cafe\u0301"),
        ("straße", "STRASSE"),
        ("a", "a/b"),
        ("a/b", "A"),
    ],
)
def test_a25_paths_that_are_one_on_some_systems_are_refused(
    one: str, other: str, tmp_path: Path
) -> None:
    refuse(tmp_path, whole(one), whole(other), match="the same on some systems")


@pytest.mark.parametrize(
    "pieces",
    [
        [("a", 6, 0, b"abc")],
        [("a", 6, 3, b"def")],
        [("a", 6, 0, b"abc"), ("a", 6, 4, b"ef")],
        [("a", 1 << 40, 0, b"abc"), ("a", 1 << 40, (1 << 40) - 1, b"z")],
    ],
    ids=["end", "beginning", "middle", "sparse"],
)
def test_a25_a_file_with_a_piece_missing_is_refused(
    pieces: list[Piece], tmp_path: Path
) -> None:
    refuse(tmp_path, *pieces, match="missing")


@pytest.mark.parametrize(
    "piece",
    [
        ("a", 2, 0, b"abc"),
        ("a", 6, 5, b"abc"),
        ("a", 6, -1, b"abc"),
        ("a", 6, 0, b""),
        ("a", -1, 0, b""),
    ],
)
def test_a25_a_piece_outside_its_file_is_refused(piece: Piece, tmp_path: Path) -> None:
    refuse(tmp_path, piece, match="outside the file")


def test_a25_pieces_that_disagree_about_the_size_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, ("a", 6, 0, b"abc"), ("a", 7, 3, b"def"), match="different sizes")


@pytest.mark.parametrize("missing", range(4))
def test_a25_a_record_that_lacks_a_value_is_refused(
    missing: int, tmp_path: Path
) -> None:
    piece = [*whole("a.png")]
    piece[missing] = None
    refuse(tmp_path, tuple(piece), match="has no path")  # type: ignore[arg-type]


def test_a25_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").symlink_to(elsewhere)
    with pytest.raises(InvalidArgument, match="not empty"):
        write_files(Files([whole("a.png")]), tmp_path / "out")
    assert not list(elsewhere.iterdir())

    @dataclass
    class Linking(Files):
        """Puts links where the next pieces are written, as another process might."""

        def batches(self) -> Iterator[pa.RecordBatch]:
            for number, batch in enumerate(super().batches()):
                if number == 1:
                    staging = next(tmp_path.glob(".new.*.partial"))
                    (staging / "a").unlink()
                    (staging / "a").symlink_to(elsewhere / "victim")
                yield batch

    (elsewhere / "victim").write_bytes(b"original")
    with pytest.raises(SealiftError):
        write_files(
            Linking([("a", 6, 0, b"abc"), ("a", 6, 3, b"def")]), tmp_path / "new"
        )
    assert (elsewhere / "victim").read_bytes() == b"original"


def test_a25_files_are_private_and_not_executable(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_files(Files([whole("a/b.sh")]), tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out/a/b.sh").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out/a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_a25_what_is_not_refused_stays_inside(path: str) -> None:
    try:
        check_path(path)
    except MalformedObject:
        return
    root = "/nowhere/folder"
    assert os.path.normpath(f"{root}/{path}") == f"{root}/{path}"
    assert not {"\\", "\0"} & set(path)


def test_a_dataset_that_does_not_hold_files_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    rows = Files([], pa.schema({"path": pa.string(), "size": pa.int64()}))
    with pytest.raises(InvalidArgument, match="does not hold files"):
        write_files(rows, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_pieces_in_any_order_are_written_where_they_belong(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pieces = [("b/c.bin", 6, 4, b"ef"), whole("a.bin", b""), ("b/c.bin", 6, 0, b"abcd")]
    written = write_files(
        Files(pieces),
        tmp_path / "out",
        progress=lambda records, size: seen.append((records, size)),
    )
    assert written == [tmp_path / "out/b/c.bin", tmp_path / "out/a.bin"]
    assert [path.read_bytes() for path in written] == [b"abcdef", b""]
    assert seen == [(1, 2), (2, 2), (3, 6)]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
