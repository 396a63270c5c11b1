"""Records that no reader would open are found before they are sealed, and named by their place."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from sealift.cli.output import tell
from sealift.owner.push.admitting import admitted, check_batch, record_of
from sealift.owner.sources import BEGINNING, Chunk, Part, SkipRejects, StopAtRejects
from sealift_protocol.errors import InvalidValue, SourceError

TEXTS = pa.array([b"a", b"M\xfcller", b"c", b"\xff"], pa.binary()).view(pa.string())
BATCH = pa.record_batch([pa.array([1, 2, 3, 4]), TEXTS], ["id", "surname"])
PART = Part("file", path=Path("ward.parquet"))


class Kept:
    """Rejects that keep what they take."""

    stops = False
    count = 0

    def __init__(self) -> None:
        self.taken: list[tuple[SourceError, bytes]] = []

    def reject(self, error: SourceError, content: bytes) -> None:
        self.taken.append((error, content))

    def forget(self) -> None:
        self.taken.clear()


def read(rejects, mark: str = BEGINNING, sealed=("id", "surname")) -> list[Chunk]:
    chunks = iter([Chunk(BATCH, BEGINNING, "4", 10), Chunk(BATCH, "4", "8", 20)])
    return list(admitted(chunks, PART, mark, rejects, sealed))


def test_a_push_stops_at_the_first_with_its_file_row_and_column() -> None:
    with pytest.raises(InvalidValue, match=r"^row 2, column 2: the text") as caught:
        read(StopAtRejects())
    error = caught.value
    assert (error.path, error.line, error.column) == (PART.path, 2, 2)
    assert "surname" not in str(error)
    assert tell(error).message.startswith("ward.parquet: row 2, column 2")
    assert "(surname)" in tell(error).message


def test_the_others_go_on_with_their_marks() -> None:
    kept = Kept()
    first, second = read(kept)
    assert first.batch["id"].to_pylist() == second.batch["id"].to_pylist() == [1, 3]
    assert (first.end, second.begin, second.position) == ("4", "4", 20)
    assert [error.line for error, _ in kept.taken] == [2, 4, 6, 8]
    with pa.ipc.open_stream(kept.taken[0][1]) as reader:
        record = reader.read_next_batch()
    assert record["id"].to_pylist() == [2]
    assert record["surname"].view(pa.binary()).to_pylist() == [b"M\xfcller"]
    skipped = SkipRejects()
    read(skipped)
    assert skipped.count == 4


def test_rows_of_a_continued_file_are_counted_from_there() -> None:
    kept = Kept()
    read(kept, mark="100")
    error, _ = kept.taken[0]
    assert error.line is None
    assert error.what.startswith("row 2 of those not pushed before, column 2")


def test_a_column_that_is_dropped_may_hold_anything() -> None:
    chunks = read(StopAtRejects(), sealed=("id",))
    assert [chunk.batch.num_rows for chunk in chunks] == [4, 4]
    check_batch(BATCH, ["id"])
    with pytest.raises(InvalidValue, match=r"^record 102, column 2"):
        check_batch(BATCH, ["surname"], before=100)


def test_a_kept_record_has_no_other_records_values() -> None:
    words = pa.array(["needle", "a", "b"]).dictionary_encode()
    batch = pa.record_batch([words.slice(1)], ["w"])
    assert b"needle" not in record_of(batch, 0)
    outside = pa.DictionaryArray.from_arrays(
        pa.array([9], pa.int32()), pa.array(["a"]), safe=False
    )
    assert record_of(pa.record_batch([outside], ["w"]), 0) == b""
