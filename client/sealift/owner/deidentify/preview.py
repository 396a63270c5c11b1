"""Records before and after de-identification, side by side, for the owner's own terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import pyarrow as pa

MAX_CHARACTERS = 2000
"""The most characters shown of a value, but for those around a change."""

MAX_BYTES = 24
"""The most bytes shown of a value that is no text."""

_AROUND = 10
_GAP = " … "
_WORDS = re.compile(r"\s+|[^\s<>]+|<[^\s<>]*>|[<>]")
# Longer texts are compared by their beginnings and ends only.
_MOST_WORDS = 20_000

DROPPED = "(dropped)"
NULL = "(null)"


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One value before and after.

    Attributes:
        record: number of the record, from 1.
        column: name of the column.
        before: the source's value, as text without control characters; of a text longer than
            `MAX_CHARACTERS` what is around each change.
        after: the sealed value; `DROPPED` if the column is dropped.
        changed: whether the two differ.
    """

    record: int
    column: str = field(repr=False)
    before: str = field(repr=False)
    after: str = field(repr=False)
    changed: bool


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
        _row(record, name, before.column(place)[record], after, there)
        for record in range(min(rows, before.num_rows))
        for place, (name, there) in enumerate(
            zip(before.schema.names, places, strict=True)
        )
    ]


def _row(
    record: int, name: str, value: pa.Scalar, after: pa.RecordBatch, there: int
) -> PreviewRow:
    shown = _text_of(value)
    if there < 0:
        return PreviewRow(record + 1, _printable(name), _cut(shown), DROPPED, True)
    result = _text_of(after.column(there)[record])
    changed = shown != result
    one, two = around_changes(shown, result) if changed else (_cut(shown), _cut(result))
    return PreviewRow(record + 1, _printable(name), one, two, changed)


def around_changes(before: str, after: str) -> tuple[str, str]:
    """Return two texts whole, or where either is long, the words around each change."""
    if max(len(before), len(after)) <= MAX_CHARACTERS:
        return before, after
    one, two = _WORDS.findall(before), _WORDS.findall(after)
    left: list[str] = []
    right: list[str] = []
    for tag, a, b, c, d in _changes(one, two):
        if tag != "equal":
            left += ["".join(one[max(a - _AROUND, 0) : b + _AROUND])]
            right += ["".join(two[max(c - _AROUND, 0) : d + _AROUND])]
    return _GAP.join(left), _GAP.join(right)


def _changes(
    one: list[str], two: list[str]
) -> Sequence[tuple[str, int, int, int, int]]:
    if max(len(one), len(two)) <= _MOST_WORDS:
        return SequenceMatcher(None, one, two, autojunk=False).get_opcodes()
    begin = _alike(one, two)
    end = _alike(one[begin:][::-1], two[begin:][::-1])
    return [("replace", begin, len(one) - end, begin, len(two) - end)]


def _alike(one: list[str], two: list[str]) -> int:
    """Return how many words two lists have in common at the beginning."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(two)))


def _text_of(value: pa.Scalar) -> str:
    found = value.as_py()
    if found is None:
        return NULL
    # Cut long values before they are turned into text.
    if isinstance(found, bytes):
        more = "..." if len(found) > MAX_BYTES else ""
        return found[:MAX_BYTES].hex() + more
    return _printable(str(found[:MAX_CHARACTERS] if isinstance(found, list) else found))


def _cut(text: str) -> str:
    left = len(text) - MAX_CHARACTERS
    return text if left <= 0 else f"{text[:MAX_CHARACTERS]}... ({left:,} more)"


def _printable(text: str) -> str:
    """Replace characters that could move a terminal's cursor or hide text."""
    return "".join(
        char if char.isprintable() else f"\\u{ord(char):04x}" for char in text
    )
