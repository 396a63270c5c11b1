"""Which record batches a reader accepts: one rule, for readers and for owners before they seal.

Arrow does not check values when it reads them: text that is not UTF-8, a time of 24:00:00 or a
decimal with too many digits travels as well as any other. Readers check, since they do not
trust the author, and refuse the whole shard. So owners ask the same function first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.formats.compact import compact

_WRONG = (pa.ArrowException, UnicodeDecodeError)
# The type of the same bytes, by the id of a type of text.
_BYTES = {
    pa.string().id: pa.binary(),
    pa.large_string().id: pa.large_binary(),
    pa.string_view().id: pa.binary_view(),
}


def is_sound(batch: pa.RecordBatch) -> bool:
    """Return whether a reader accepts a batch: every buffer, offset and value is valid."""
    try:
        batch.validate(full=True)
    except _WRONG:
        return False
    return True


def unsound_rows(batch: pa.RecordBatch) -> Mapping[int, int]:
    """Return the rows with a value that a reader would refuse, each with its first such column.

    Only what the rows themselves hold counts: not what lies behind a slice or under a null, and
    no entry of a dictionary that no row uses.

    Args:
        batch: any batch, before it is sealed; its columns may be dictionary-encoded.

    Returns:
        Column by row, both from 0; empty if the batch can be sealed.
    """
    if is_sound(batch):
        return {}
    found: dict[int, int] = {}
    for place, column in enumerate(batch.columns):
        for row in _unsound(column, 0):
            found.setdefault(row, place)
    return dict(sorted(found.items()))


def first_unsound(batch: pa.RecordBatch) -> tuple[int, int] | None:
    """Return the first row of `unsound_rows` and its column, without a look at the others."""
    if is_sound(batch):
        return None
    firsts = [
        (row, place)
        for place, column in enumerate(batch.columns)
        for row in islice(_unsound(column, 0), 1)
    ]
    return min(firsts, default=None)


def without_unsound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch without its rows of `unsound_rows`."""
    return without_rows(batch, unsound_rows(batch))


def without_rows(batch: pa.RecordBatch, rows: Mapping[int, object]) -> pa.RecordBatch:
    """Return a batch without some rows."""
    if not rows:
        return batch
    # Values are copied run by run: a selection would read what is not valid.
    begins = [0, *(row + 1 for row in rows)]
    ends = [*rows, batch.num_rows]
    kept = [
        batch.slice(begin, end - begin)
        for begin, end in zip(begins, ends, strict=True)
        if begin < end
    ]
    return pa.concat_batches(kept) if kept else batch.slice(0, 0)


def what_is_wrong(kind: pa.DataType) -> str:
    """Say what a refused value of a type may be, without the value."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind):
        return "the text is not UTF-8"
    if pa.types.is_time(kind):
        return "the time is not within one day (24:00:00 is none)"
    if pa.types.is_decimal(kind):
        return "the number has more digits than its type"
    if pa.types.is_date64(kind):
        return "the date is not a whole day"
    return "the value is not valid for its type"


def decoded(column: pa.Array) -> pa.Array:
    """Return the values of a dictionary-encoded column.

    Raises:
        pyarrow.ArrowInvalid: an index is outside of the dictionary.
    """
    import pyarrow.compute as pc

    indices = column.indices
    indices.validate()
    ends = pc.min_max(indices).as_py()
    if ends["min"] is not None and not (
        ends["min"] >= 0 and ends["max"] < len(column.dictionary)
    ):
        raise pa.ArrowInvalid("an index is outside of its dictionary")
    return column.dictionary_decode()


def _unsound(column: pa.Array, first: int) -> Iterator[int]:
    """Yield the rows of a column that a reader would refuse, in order, by bisection."""
    if _is_sound(column):
        return
    if len(column) == 1:
        yield first
        return
    found = _not_utf8(column) if is_text(column.type) else []
    if found:
        yield from (first + row for row in found)
        return
    half = len(column) // 2
    yield from _unsound(column.slice(0, half), first)
    yield from _unsound(column.slice(half), first + half)


def _not_utf8(column: pa.Array) -> list[int]:
    """Return the rows whose text is not UTF-8; none if it cannot be read at all."""
    content = column.view(_BYTES[column.type.id])
    try:
        content.validate(full=True)
    except _WRONG:
        return []
    found = []
    for row, value in enumerate(content.to_pylist()):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            found.append(row)
    return found


def _is_sound(column: pa.Array) -> bool:
    try:
        if pa.types.is_dictionary(column.type):
            column = decoded(column)
        whole = compact(pa.record_batch([column], ["values"]))
    except _WRONG:
        return False
    return is_sound(whole)
