"""Values and names for a terminal: cut to length, with control characters escaped.

Records, names and descriptions are an owner's data. The owner is authenticated, not trusted:
characters that move the cursor, set a title, hide or reverse text are shown as escapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sealift.cli.output import size
from sealift.formats.arrowtypes import is_bytes, is_sequence, is_text, is_wrapped
from sealift.trainer.exports.json_values import Room, json_value

ELLIPSIS = "…"
NULL = "(null)"
_SHOWN_ITEMS = 3
_MAX_CHARACTERS = 48
_GAP = "  "
_MIN_WIDTH = 12


def printable(text: str, limit: int = 200) -> str:
    r"""Return a text on one line, with control and other invisible characters escaped (`\x1b`).

    Args:
        text: untrusted text.
        limit: number of characters after which it is cut.
    """
    cut = text[:limit] + (ELLIPSIS if len(text) > limit else "")
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in cut
    )


def cut(text: str, width: int) -> str:
    """Cut a printable text to a width in terminal columns; some characters take two."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def cell(value: pa.Scalar) -> str:
    """Format a value as a table cell, converting only as much of it as is shown."""
    kind = value.type
    if not value.is_valid:
        return NULL
    if is_wrapped(kind) and not isinstance(kind, pa.FixedShapeTensorType):
        return cell(value.value)
    if isinstance(kind, pa.FixedShapeTensorType):
        shape = "x".join(map(str, kind.shape))
        return f"{_items(value.value.values)} {shape}"
    if is_bytes(kind):
        return size(value.as_buffer().size)
    if is_text(kind):
        # A character has at most four bytes.
        start = bytes(value.as_buffer()[: 4 * _MAX_CHARACTERS + 4]).decode(
            errors="replace"
        )
        return printable(start, _MAX_CHARACTERS)
    if is_sequence(kind):
        many = len(value.values) > _SHOWN_ITEMS
        return _items(value.values) + (f" {len(value.values):,}" if many else "")
    if pa.types.is_struct(kind):
        names = [
            kind.field(place).name
            for place in range(min(kind.num_fields, _SHOWN_ITEMS))
        ]
        shown = [f"{printable(n, 20)}: {cell(value[i])}" for i, n in enumerate(names)]
        more = [ELLIPSIS] if kind.num_fields > _SHOWN_ITEMS else []
        return "{" + ", ".join([*shown, *more]) + "}"
    plain = json_value(value, Room())
    return (
        f"{plain:.6g}"
        if isinstance(plain, float)
        else printable(str(plain), _MAX_CHARACTERS)
    )


def _items(values: pa.Array) -> str:
    shown = [cell(values[place]) for place in range(min(len(values), _SHOWN_ITEMS))]
    more = [ELLIPSIS] if len(values) > _SHOWN_ITEMS else []
    return "[" + ", ".join([*shown, *more]) + "]"


def type_text(kind: pa.DataType) -> str:
    """Format a type as Arrow does, except tensors, whose Arrow form is long."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return f"{kind.value_type} tensor {list(kind.shape)}"
    return str(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether a column holds numbers, so its cells are aligned right."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool] = (),
    width: int | None = None,
) -> tuple[list[str], int]:
    """Align rows of cells; return the lines, and the number of columns that fit.

    Args:
        rows: printable cells, the same number in each row.
        right: whether each column is aligned right; none by default.
        width: terminal columns. Wide columns are narrowed, then the last ones left out. None for
            no limit.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        widths = _fitting(widths, width)
    sides = [*right, *[False] * len(widths)]
    lines = [
        _GAP.join(
            _placed(text, wide, right=side)
            for text, wide, side in zip(row, widths, sides)  # noqa: B905
        ).rstrip()
        for row in rows
    ]
    return lines, len(widths)


def _fitting(widths: Sequence[int], width: int) -> list[int]:
    """Narrow the widest columns together, but not below a readable width."""
    count = len(widths)
    while count > 1 and _total([min(w, _MIN_WIDTH) for w in widths[:count]]) > width:
        count -= 1
    chosen = list(widths[:count])
    limit = max(chosen, default=0)
    while limit > 1 and _total([min(w, limit) for w in chosen]) > width:
        limit -= 1
    return [min(w, limit) for w in chosen]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _placed(text: str, width: int, *, right: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    text = cut(text, width)
    return (
        " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)
    )
