"""What readers refuse is found before it is sealed, row by row and nothing besides."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sealift.formats.soundness import (
    first_unsound,
    is_sound,
    unsound_rows,
    what_is_wrong,
    without_rows,
    without_unsound,
)

LATIN = "Müller".encode("latin-1")


def text(*values: bytes | None, kind: pa.DataType | None = None) -> pa.Array:
    """Text that Arrow takes as it is."""
    if kind is not None and pa.types.is_string_view(kind):
        return pa.array(values, pa.binary_view()).view(kind)
    if kind is not None and pa.types.is_large_string(kind):
        return pa.array(values, pa.large_binary()).view(kind)
    return pa.array(values, pa.binary()).view(pa.string())


def numbers(kind: pa.DataType, *values: int) -> pa.Array:
    width = np.int32 if kind.bit_width == 32 else np.int64
    buffers = [None, pa.py_buffer(np.array(values, width))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def decimals(*values: int) -> pa.Array:
    content = b"".join(value.to_bytes(16, "little") for value in values)
    kind = pa.decimal128(4, 2)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(content)])


def encoded(*indices: int) -> pa.Array:
    places = pa.array(indices, pa.int32())
    return pa.DictionaryArray.from_arrays(places, text(b"a", LATIN), safe=False)


DAY = 86_400
BAD = {
    "text": text(b"a", LATIN, b"b"),
    "large text": text(b"a", LATIN, b"b", kind=pa.large_string()),
    "viewed text": text(b"a", LATIN, b"b", kind=pa.string_view()),
    "24:00:00": numbers(pa.time32("s"), 1, DAY, 2),
    "24:00:00 in microseconds": numbers(pa.time64("us"), 1, DAY * 10**6, 2),
    "before midnight": numbers(pa.time64("ns"), 1, -1, 2),
    "half a day": numbers(pa.date64(), 0, 43_200_000, 86_400_000),
    "digits": decimals(100, 10**9, 200),
    "in a list": pa.ListArray.from_arrays([0, 1, 3, 3], text(b"a", LATIN, b"b")),
    "in a struct": pa.StructArray.from_arrays([text(b"a", LATIN, b"b")], ["s"]),
    "in a map": pa.MapArray.from_arrays(
        [0, 1, 2, 3], ["k"] * 3, text(b"a", LATIN, b"b")
    ),
    "of a dictionary": encoded(0, 1, 0),
    "outside of a dictionary": encoded(0, 7, 0),
}


@pytest.mark.parametrize("kind", BAD)
def test_the_row_and_column_of_a_value_are_found(kind: str) -> None:
    batch = pa.record_batch([pa.array([1, 2, 3]), BAD[kind]], ["n", "bad"])
    assert not is_sound(batch)
    assert unsound_rows(batch) == {1: 1}
    assert first_unsound(batch) == (1, 1)
    kept = without_unsound(batch)
    assert kept["n"].to_pylist() == [1, 3]
    assert unsound_rows(kept) == {}
    assert first_unsound(kept) is None
    assert what_is_wrong(BAD[kind].type)


@pytest.mark.parametrize("kind", BAD)
def test_a_neighbour_behind_a_slice_is_not_found(kind: str) -> None:
    assert unsound_rows(pa.record_batch([BAD[kind].slice(2)], ["c"])) == {}
    assert unsound_rows(pa.record_batch([BAD[kind].slice(0, 1)], ["c"])) == {}


def test_what_lies_under_a_null_is_not_found() -> None:
    inner = BAD["in a list"]
    mask = pa.array([False, True, False])
    hidden = pa.StructArray.from_arrays([inner], ["l"], mask=mask)
    assert unsound_rows(pa.record_batch([hidden], ["c"])) == {}


def test_many_rows_are_found_at_once() -> None:
    values = [LATIN if n % 10 == 3 else b"text" for n in range(200)]
    batch = pa.record_batch([text(*values), text(*values)], ["a", "b"])
    assert unsound_rows(batch) == dict.fromkeys(range(3, 200, 10), 0)
    assert first_unsound(batch) == (3, 0)
    assert without_unsound(batch).num_rows == 180


def test_a_batch_of_nothing_but_bad_rows_becomes_empty() -> None:
    batch = pa.record_batch([text(LATIN)], ["c"])
    assert without_unsound(batch).num_rows == 0
    assert without_rows(batch, {}) is batch
