"""Numbers and dates as spreadsheets write them: 1.234,50 and 31.12.2024.

Arrow reads 1234.50 and 2024-12-31. What is written otherwise is read as text and changed here, in
whole columns. Where a column can be read in two ways that differ, it stays text, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from sealift.owner.sources.dialects import ORDERS, Dialect

NULL = "\\N"
"""What databases write for null."""

NULLS = frozenset((*pc.ConvertOptions().null_values, NULL))
"""What stands for null in a column that is not text."""

# Scalars and arrays of Python values import pandas, which costs each push a quarter of a second.
_NULLS = f"^(?:{'|'.join(map(re.escape, sorted(NULLS)))})$"
_SPACES = " \u00a0\u202f"
_GROUPS = ("", ".", ",", "'", "\u2019", *_SPACES)
_DATE = (
    r"^\s*(?P<a>\d{1,4})(?P<s>[./-])(?P<b>\d{1,2})[./-](?P<c>\d{1,4})"
    r"(?:[ T](?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<x>\d{2})(?:\.0+)?)?)?\s*$"
)
_OTHERS = f"[{''.join(group for group in _GROUPS if group != '.')}]"
_PLAIN = r"^\s*[+-]?\d[^A-Za-z]*$"
# A form that does not fit the first values does not fit all.
_FIRST = 100
# Longer numbers may be identifiers, as may those that begin with a zero or a plus.
_MOST_DIGITS = 15
_IDENTIFIER = re.compile(r"\s*(?:[+-]?0\d|\+)")


@dataclass(frozen=True, slots=True)
class NumberForm:
    """Numbers with other characters before decimals and between thousands than Arrow's.

    Attributes:
        kind: the type of the column.
        decimal: the character before decimals.
        thousands: the character between groups of three digits; empty for none.
    """

    kind: pa.DataType
    decimal: str
    thousands: str

    def read(self, texts: pa.Array) -> pa.Array:
        """Return the numbers of texts.

        Raises:
            pyarrow.ArrowInvalid: a text is none of them.
        """
        texts = _present(texts)
        fits = compute.match_substring_regex(texts, self._pattern())
        if not compute.all(fits, min_count=0).as_py():
            raise pa.ArrowInvalid("")
        if self.thousands:
            texts = compute.replace_substring(texts, self.thousands, "")
        if self.decimal != ".":
            texts = compute.replace_substring(texts, self.decimal, ".")
        return compute.utf8_trim_whitespace(texts).cast(self.kind)

    def _pattern(self) -> str:
        groups = rf"|\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+"
        whole = rf"(?:\d+{groups if self.thousands else ''})"
        return rf"^\s*[+-]?{whole}(?:{re.escape(self.decimal)}\d+)?\s*$"

    @property
    def described(self) -> str:
        """How the numbers are written, in words."""
        decimals = f"{self.decimal}5" if pa.types.is_floating(self.kind) else ""
        return f"numbers are written 1{self.thousands}234{decimals}"


@dataclass(frozen=True, slots=True)
class DateForm:
    """Dates, or dates with a time of day, in another order than Arrow's.

    Attributes:
        kind: the type of the column.
        order: dmy, mdy or ymd.
    """

    kind: pa.DataType
    order: str

    def read(self, texts: pa.Array) -> pa.Array:
        """Return the dates of texts.

        Raises:
            pyarrow.ArrowInvalid: a text is no date.
        """
        texts = _present(texts)
        parts = compute.extract_regex(texts, _DATE)
        if parts.null_count > texts.null_count:
            raise pa.ArrowInvalid("")
        of = dict(zip(self.order, "abc", strict=True))
        year, month, day = (compute.struct_field(parts, of[unit]) for unit in "ymd")
        if not compute.all(
            compute.equal(compute.utf8_length(year), 4), min_count=0
        ).as_py():
            raise pa.ArrowInvalid("")
        iso = _joined("-", year, _two(month), _two(day))
        hour, minute, second = (compute.struct_field(parts, name) for name in "hmx")
        if pa.types.is_date(self.kind):
            if compute.any(compute.not_equal(hour, ""), min_count=0).as_py():
                raise pa.ArrowInvalid("")
            return iso.cast(self.kind)
        time = _joined(":", _two(hour), _two(minute), _two(second))
        return _joined(" ", iso, time).cast(self.kind)

    @property
    def described(self) -> str:
        """How the dates are written, in words."""
        units = {"d": "day", "m": "month", "y": "year"}
        return f"dates are written {', '.join(units[unit] for unit in self.order)}"


Form = NumberForm | DateForm


@dataclass(frozen=True, slots=True)
class Unclear:
    """Why a column stays text.

    Attributes:
        what: what can be read in two ways.
        option: the setting that decides.
    """

    what: str
    option: str


def form_of(
    texts: pa.Array, said: Dialect, *, numbers: bool = True, decimal: str = ""
) -> Form | Unclear | None:
    """Recognise how a column of texts is written.

    Args:
        texts: some values of the column.
        said: what the owner said.
        numbers: whether it may be read as numbers.
        decimal: the character before decimals elsewhere in the file; empty if it is not known.

    Returns:
        The form; why it is unclear; or None if the column is text, or written as Arrow reads it.
    """
    values = _present(texts).drop_null()
    values = values.dictionary_encode().dictionary
    if not len(values):
        return None
    return _dates(values, said) or (
        _numbers(values, said, decimal) if numbers else None
    )


def form_for(
    kind: pa.DataType, texts: pa.Array, said: Dialect, decimal: str = ""
) -> Form | None:
    """Return the form of a column whose type is known; None for Arrow's own."""
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        found = form_of(texts, said, numbers=False)
        return DateForm(kind, found.order) if isinstance(found, DateForm) else None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        found = form_of(texts, said, decimal=decimal)
        if isinstance(found, NumberForm):
            return NumberForm(kind, found.decimal, found.thousands)
        if (said.decimal or decimal) == "," or said.thousands:
            # Later values must not be read as if their point were one of decimals.
            point = said.decimal or decimal or ("," if said.thousands == "." else ".")
            form = NumberForm(kind, point, said.thousands)
            return form if _takes(form, texts) else None
    return None


def decimal_of(columns: Sequence[pa.Array], said: Dialect) -> str:
    """Return the character before decimals in columns of which one shows it without doubt."""
    if said.decimal:
        return said.decimal
    for texts in columns:
        first = _present(texts.slice(0, _FIRST)).drop_null()
        if not _plain(first):
            continue
        # Without these, a value has no decimals but Arrow's.
        if not compute.any(compute.match_substring_regex(texts, _OTHERS)).as_py():
            continue
        found = form_of(texts, said)
        if isinstance(found, NumberForm) and pa.types.is_floating(found.kind):
            return found.decimal
    return ""


def _dates(values: pa.Array, said: Dialect) -> DateForm | Unclear | None:
    if compute.extract_regex(values.slice(0, _FIRST), _DATE).null_count:
        return None
    parts = compute.extract_regex(values, _DATE)
    if parts.null_count:
        return None
    separators = set(compute.struct_field(parts, "s").to_pylist())
    first = compute.min(compute.utf8_length(compute.struct_field(parts, "a"))).as_py()
    if separators == {"-"} and first == 4:
        # As Arrow reads them.
        return None
    timed = compute.any(compute.not_equal(compute.struct_field(parts, "h"), ""))
    kind = pa.timestamp("s") if timed.as_py() else pa.date32()
    # A point stands between day, month and year only.
    usual = ("dmy",) if separators == {"."} else ORDERS
    orders = (said.dates,) if said.dates else usual
    forms = (DateForm(kind, order) for order in orders)
    found = [form for form in forms if _takes(form, values)]
    if not found:
        return None
    if len(found) > 1:
        return Unclear("dates, day or month first", "`dates`")
    return found[0]


def _numbers(values: pa.Array, said: Dialect, decimal: str) -> Form | Unclear | None:
    if not _plain(values.slice(0, _FIRST)):
        return None
    if not compute.all(compute.match_substring_regex(values, r"\d")).as_py():
        return None
    digits = compute.utf8_length(compute.replace_substring_regex(values, r"\D", ""))
    if compute.max(digits).as_py() > _MOST_DIGITS:
        return None
    if any(map(_IDENTIFIER.match, values.to_pylist())):
        return None
    known = said.decimal or decimal
    found = _fitting(values, [known] if known else [".", ","], said.thousands)
    if not found and not said.decimal:
        found = _fitting(values, [".", ","], said.thousands)
    if not found:
        return None
    has_decimals = compute.match_substring(values, found[0].decimal)
    whole = not compute.any(has_decimals).as_py()
    # Groups of three digits alone may be telephone numbers or identifiers.
    certain = said.thousands or (decimal and found[0].thousands not in _SPACES)
    if len(found) > 1 or (whole and not certain):
        return Unclear("numbers, with decimals or with thousands", "`decimal`")
    kind = pa.int64() if whole else pa.float64()
    return NumberForm(kind, found[0].decimal, found[0].thousands)


def _plain(values: pa.Array) -> bool:
    """Return whether values may be numbers in any form."""
    plain = compute.match_substring_regex(values, _PLAIN)
    return bool(compute.all(plain, min_count=0).as_py())


def _takes(form: Form, texts: pa.Array) -> bool:
    try:
        form.read(texts)
    except pa.ArrowException:
        return False
    return True


def _fitting(
    values: pa.Array, decimals: Sequence[str], thousands_said: str
) -> list[NumberForm]:
    """Return forms that fit all values, one of those that read the same."""
    groups = [thousands_said] if thousands_said else _GROUPS
    read: dict[tuple[object, ...], NumberForm] = {}
    for point, thousands in product(decimals, groups):
        if point == thousands or (point == "." and not thousands):
            continue
        form = NumberForm(pa.float64(), point, thousands)
        if not _takes(form, values.slice(0, _FIRST)):
            continue
        try:
            numbers = form.read(values)
        except pa.ArrowException:
            continue
        read.setdefault(tuple(numbers.to_pylist()), form)
    return list(read.values())


def _present(texts: pa.Array) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    trimmed = compute.utf8_trim_whitespace(texts)
    nothing = compute.match_substring_regex(trimmed, _NULLS)
    return compute.if_else(nothing, pa.nulls(len(texts), texts.type), texts)


def _two(texts: pa.Array) -> pa.Array:
    return compute.utf8_lpad(texts, 2, "0")


def _joined(between: str, *parts: pa.Array) -> pa.Array:
    return compute.binary_join_element_wise(*parts, between)
