"""Records before and after de-identification, side by side, for the owner's own terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

MAX_CHARACTERS = 48
"""The most characters shown of a value."""

DROPPED = "(dropped)"
NULL = "(null)"


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One value before and after.

    Attributes:
        record: number of the record, from 1.
        column: name of the column.
        before: the source's value, as text without control characters.
        after: the sealed value; `DROPPED` if the column is dropped.
    """

    record: int
    column: str = field(repr=False)
    before: str = field(repr=False)
    after: str = field(repr=False)

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


def side_by_side(
    before: pa.RecordBatch, after: pa.RecordBatch, rows: int = 5
) -> list[PreviewRow]:
    """Return the first records of a batch, value by value.

    These rows hold plaintext: show them only on the owner's own screen.

    Args:
        before: a batch from the source.
        after: the same batch de-identified.
        rows: number of records.
    """
    places = [after.schema.get_field_index(name) for name in before.schema.names]
    return [
        PreviewRow(
            record + 1,
            _printable(name),
            _shown(before.column(place)[record]),
            _shown(after.column(there)[record]) if there >= 0 else DROPPED,
        )
        for record in range(min(rows, before.num_rows))
        for place, (name, there) in enumerate(
            zip(before.schema.names, places, strict=True)
        )
    ]


def _shown(value: pa.Scalar) -> str:
    found = value.as_py()
    if found is None:
        return NULL
    # Cut long values before they are turned into text.
    if isinstance(found, bytes):
        return _printable(found[:MAX_CHARACTERS].hex())
    return _printable(
        str(found[: 4 * MAX_CHARACTERS] if isinstance(found, str | list) else found)
    )


def _printable(text: str) -> str:
    """Replace characters that could move a terminal's cursor or hide text."""
    cut = text[:MAX_CHARACTERS] + ("..." if len(text) > MAX_CHARACTERS else "")
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut
    )
