"""What may be sealed: records that a reader will accept; others are rejected, row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pyarrow as pa

from sealift.formats.compact import compact
from sealift.formats.soundness import (
    decoded,
    first_unsound,
    unsound_rows,
    what_is_wrong,
    without_rows,
)
from sealift.owner.sources import BEGINNING, Chunk, Part, Rejects
from sealift_protocol.errors import InvalidValue


def check_batch(
    batch: pa.RecordBatch, sealed: Collection[str], *, before: int = 0
) -> None:
    """Refuse a batch that could be sealed but not opened.

    Args:
        batch: the records.
        sealed: names of the columns that will be sealed; values of others may be invalid.
        before: records of the same origin before it, for the row's number.

    Raises:
        InvalidValue: a reader would refuse one of the records.
    """
    for row, place in _unsound(batch, sealed, only_first=True).items():
        raise _error(batch, place, f"record {before + row + 1}", None)


def admitted(
    chunks: Iterator[Chunk],
    part: Part,
    mark: str,
    rejects: Rejects,
    sealed: Collection[str],
) -> Iterator[Chunk]:
    """Return the chunks of a part without the records that no reader would accept.

    Args:
        chunks: what the source reads of the part.
        part: the part.
        mark: where reading began.
        rejects: takes the records that are left out, or raises the error.
        sealed: names of the columns that will be sealed; values of others may be invalid.

    Raises:
        InvalidValue: a reader would refuse a record, and the first one ends the push.
    """
    # A generator would hold each chunk until the next is asked for.
    return map(_Admission(part, mark, rejects, frozenset(sealed)).admit, chunks)


class _Admission:
    """Counts the rows of a part while its chunks are checked."""

    def __init__(
        self, part: Part, mark: str, rejects: Rejects, sealed: frozenset[str]
    ) -> None:
        self._part = part
        self._of_new = "" if mark == BEGINNING else " of those not pushed before"
        self._rejects = rejects
        self._sealed = sealed
        self._rows = 0

    def admit(self, chunk: Chunk) -> Chunk:
        batch = chunk.batch
        before = self._rows
        self._rows += batch.num_rows
        bad = _unsound(batch, self._sealed, only_first=self._rejects.stops)
        if not bad:
            return chunk
        for row, place in bad.items():
            error = _error(
                batch,
                place,
                f"row {before + row + 1}{self._of_new}",
                self._part,
            )
            error.line = None if self._of_new else before + row + 1
            content = b"" if self._rejects.stops else record_of(batch, row)
            self._rejects.reject(error, content)
        kept = without_rows(batch, bad)
        return Chunk(kept, chunk.begin, chunk.end, chunk.position)


def record_of(batch: pa.RecordBatch, row: int) -> bytes:
    """Return one record as an Arrow IPC stream, with its values as they are.

    Empty if its buffers are too damaged to be copied.
    """
    sink = pa.BufferOutputStream()
    try:
        # A dictionary would hold the values of other records.
        plain = [
            decoded(column) if pa.types.is_dictionary(column.type) else column
            for column in batch.slice(row, 1).columns
        ]
        record = pa.RecordBatch.from_arrays(plain, names=batch.schema.names)
        with pa.ipc.new_stream(sink, record.schema) as writer:
            writer.write_batch(compact(record))
    except pa.ArrowInvalid:
        return b""
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _unsound(
    batch: pa.RecordBatch, sealed: Collection[str], *, only_first: bool
) -> dict[int, int]:
    """Return the rows that no reader would accept, each with the number of a column from 0."""
    places = [i for i, name in enumerate(batch.schema.names) if name in sealed]
    checked = batch.select(places)
    if only_first:
        first = first_unsound(checked)
        return {} if first is None else {first[0]: places[first[1]]}
    return {row: places[place] for row, place in unsound_rows(checked).items()}


def _error(
    batch: pa.RecordBatch, place: int, where: str, part: Part | None
) -> InvalidValue:
    field = batch.schema.field(place)
    return InvalidValue(
        f"{where}, column {place + 1}: {what_is_wrong(field.type)}, and no reader could open "
        f"the records with it",
        path=None if part is None else part.path,
        column=place + 1,
        columns=(field.name,),
    )
