"""Folders of files: into records, and back."""

from __future__ import annotations

import io
import os
import resource
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from crypt4gh import lib, sodium

from sealift.owner.sources import BEGINNING, Source, SourceOptions, open_source
from sealift.owner.sources.files import MAX_WHOLE, PIECE, media_type
from sealift.process.secret import Secret
from sealift.trainer.exports.files import write_files
from sealift_protocol.errors import InvalidArgument, SourceChanged, SourceError

MIB = 1 << 20


def files(path: Path, **options: object) -> Source:
    return open_source(path, SourceOptions(kind="files", **options))  # type: ignore[arg-type]


def rows(source: Source) -> list[dict[str, object]]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


@dataclass
class Opened:
    """What a trainer sees of a source."""

    source: Source

    @property
    def schema(self) -> pa.Schema:
        return self.source.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        for part in self.source.parts():
            for chunk in self.source.read(part, BEGINNING):
                chunk.batch.validate(full=True)
                yield chunk.batch


def test_a_folder_becomes_records_and_comes_back_byte_for_byte(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "a/b").mkdir(parents=True)
    contents = {
        "a/b/x.png": b"\x89PNG",
        "empty.txt": b"",
        "größe.bin": os.urandom(2 * MIB),
        "large.mcap": os.urandom(MAX_WHOLE + 5),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    os.utime(folder / "empty.txt", ns=(0, 1_700_000_000_123_456_789))
    source = files(folder)
    assert source.schema.metadata[b"sealift.kind"] == b"files"
    found = rows(source)
    assert [(row["path"], row["size"], row["offset"]) for row in found] == [
        ("a/b/x.png", 4, 0),
        ("empty.txt", 0, 0),
        ("größe.bin", 2 * MIB, 0),
        *(("large.mcap", MAX_WHOLE + 5, at) for at in range(0, MAX_WHOLE + 5, PIECE)),
    ]
    assert found[1]["modified"].timestamp() == 1_700_000_000.123456  # type: ignore[attr-defined]
    assert [row["media_type"] for row in found[:4]] == [
        "image/png",
        "text/plain",
        "application/octet-stream",
        "application/x-mcap",
    ]
    written = write_files(Opened(source), tmp_path / "out")
    assert {
        str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in written
    } == contents


def test_a_push_continues_at_the_piece(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    content = os.urandom(MAX_WHOLE + PIECE + 1)
    path.write_bytes(content)
    source = files(path)
    part = next(iter(source.parts()))
    chunks = list(source.read(part, BEGINNING))
    assert len(chunks) == 6
    for number, chunk in enumerate(chunks):
        rest = list(source.read(part, chunk.end))
        assert [c.batch for c in rest] == [c.batch for c in chunks[number + 1 :]]
    assert not source.continues(part)


def test_a_whole_or_an_empty_file_is_not_read_again_behind_its_end(
    tmp_path: Path,
) -> None:
    for content in (b"", b"x"):
        path = tmp_path / f"{len(content)}.bin"
        path.write_bytes(content)
        source = files(path)
        part = next(iter(source.parts()))
        (chunk,) = source.read(part, BEGINNING)
        assert list(source.read(part, chunk.end)) == []


def test_a_digest_covers_what_stands_before_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"abcdef")
    source = files(path)
    part = next(iter(source.parts()))
    before, whole = source.digest(part, "3"), source.digest(part, "6")
    path.write_bytes(b"abcDEF")
    changed = files(path)
    assert changed.digest(part, "3") == before
    assert changed.digest(part, "6") != whole


def test_a_kind_is_only_guessed_where_the_suffix_is_clear(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "b.MCAP").write_bytes(b"x")
    assert open_source(tmp_path).kind == "files"
    (tmp_path / "c.unheard").write_bytes(b"x")
    with pytest.raises(InvalidArgument, match="ambiguous"):
        open_source(tmp_path)
    assert len(rows(files(tmp_path))) == 3


def test_a_compressed_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(b"not even gzip")
    (row,) = rows(open_source(path))
    assert (row["path"], row["content"]) == ("brain.nii.gz", b"not even gzip")
    assert row["media_type"] == "application/gzip"


def test_a_crypt4gh_file_is_opened_if_its_key_is_given(tmp_path: Path) -> None:
    content = os.urandom(MAX_WHOLE + 77)
    path = tmp_path / "reads.bam.c4gh"
    key = os.urandom(32)
    with path.open("wb") as sealed:
        lib.encrypt(
            [(0, os.urandom(32), sodium.derive_pk(key))], io.BytesIO(content), sealed
        )
    source = files(path, crypt4gh_key=Secret(key))
    (written,) = write_files(Opened(source), tmp_path / "out")
    assert written.name == "reads.bam"
    assert written.read_bytes() == content
    part = next(iter(source.parts()))
    chunks = list(source.read(part, BEGINNING))
    assert [c.batch for c in source.read(part, chunks[1].end)] == [
        c.batch for c in chunks[2:]
    ]
    (row,) = rows(files(path.parent / "reads.bam.c4gh"))[:1]
    assert row["path"] == "reads.bam.c4gh"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", "image/jpeg"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"),
    ],
)
def test_a_media_type_follows_from_the_suffix(name: str, kind: str) -> None:
    assert media_type(name) == kind


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"a\\b.png", b"a\nb.png"])
def test_a_name_that_cannot_be_written_back_is_refused_early(
    name: bytes, tmp_path: Path
) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118
    path.write_bytes(b"x")
    with pytest.raises(SourceError) as caught:
        files(tmp_path)
    assert caught.value.path == path
    assert "b.png" not in str(caught.value)


def test_names_that_differ_in_case_only_are_refused_early(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "A.png").write_bytes(b"x")
    if len(list(tmp_path.iterdir())) == 2:
        with pytest.raises(SourceError, match="upper and lower case"):
            files(tmp_path)


@pytest.mark.parametrize(
    "after", [b"", b"abc", b"abcdefghi"], ids=["empty", "shorter", "longer"]
)
def test_a_file_that_changes_size_while_it_is_read_is_refused(
    after: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"abcdef")
    source = files(path)
    path.write_bytes(after)
    with pytest.raises(SourceChanged) as caught:
        rows(source)
    assert caught.value.path == path


def test_an_unreadable_file_in_a_folder_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "a.bin").write_bytes(b"x")
        (folder / "b.bin").write_bytes(b"x")
        (folder / "b.bin").chmod(0)
        source = files(folder)
        # The superuser reads everything.
        user = os.geteuid()
        if user == 0:
            os.seteuid(65_534)
        try:
            with pytest.raises(SourceError, match="permission denied") as caught:
                rows(source)
        finally:
            os.seteuid(user)
        assert caught.value.path == folder / "b.bin"
        assert "b.bin" not in str(caught.value)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"x")
    source = files(path)
    path.unlink()
    with pytest.raises(SourceError, match="no such file") as caught:
        rows(source)
    assert caught.value.path == path


# --- size ----------------------------------------------------------------------------------------


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(400 * MIB)
        file.seek(399 * MIB)
        file.write(b"end")
    source = files(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    records = size = 0
    for part in source.parts():
        for chunk in source.read(part, BEGINNING):
            records += chunk.batch.num_rows
            size += len(chunk.batch.column("content")[0].as_buffer())
            del chunk
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert (records, size) == (50, 400 * MIB)
    assert grown < 120


def test_ten_thousand_tiny_files_are_ten_thousand_records(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:02}").mkdir()
    for number in range(10_000):
        (tmp_path / f"{number // 100:02}" / f"{number}.bin").write_bytes(bytes(1024))
    source = files(tmp_path)
    total = sum(
        c.batch.num_rows
        for part in source.parts()
        for c in source.read(part, BEGINNING)
    )
    assert total == 10_000
