"""Dates: a column's values as days since 1970, and dates in texts taken apart.

Texts are ISO 8601 (in FHIR also to the year or month only) and the compact form of DICOM and HL7,
YYYYMMDD with or without a time; under a policy of format 2 also dates as people write them
(written_dates.py). Nothing else is accepted, so no other text can pass as a date.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.written_dates import as_iso

FIRST_DAY = -719_162
"""1 January of year 1, in days since 1970."""
LAST_DAY = 2_932_896
"""31 December 9999."""

_ISO = (
    r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?$"
)
_COMPACT = (
    r"^[0-9]{6}([0-9]{2}([0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]+)?)?)?([+-][0-9]{4})?)?)?$"
)


def is_date(kind: pa.DataType) -> bool:
    """Return whether values of a type can be dates: dates, timestamps and texts."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind) or is_text(kind))


@dataclass(frozen=True, slots=True)
class DateTexts:
    """Dates in texts, taken apart.

    Attributes:
        year: int32, 1 to 9999; null where the text is not a date.
        month: int32, 1 to 12; null where the text has no month.
        day: date32; null where the text does not name an existing day.
        dashes: bool, whether the text is in ISO form.
        rest: what follows the day: a time, or nothing.
    """

    year: pa.Array = field(repr=False)
    month: pa.Array = field(repr=False)
    day: pa.Array = field(repr=False)
    dashes: pa.Array = field(repr=False)
    rest: pa.Array = field(repr=False)


def take_apart(texts: pa.Array, order: str | None = None) -> DateTexts:
    """Split texts into years, months and days.

    Args:
        texts: texts of dates.
        order: the order in which days, months and years are written, one of
            `written_dates.ORDERS`; empty if it is not known; None if only ISO 8601 and the compact
            form are read.
    """
    texts = _trimmed(texts)
    if order is not None:
        written = as_iso(texts, order)
        parts = take_apart(pc.coalesce(written.date, texts))
        return replace(parts, rest=pc.coalesce(written.rest, parts.rest))
    iso = pc.match_substring_regex(texts, _ISO)
    compact = pc.match_substring_regex(texts, _COMPACT)
    nothing = pa.scalar(None, texts.type)
    texts = pc.if_else(pc.or_(iso, compact), texts, nothing)
    head = pc.utf8_slice_codeunits(texts, 0, 10)
    digits = pc.if_else(
        iso, pc.replace_substring(head, "-", ""), pc.utf8_slice_codeunits(texts, 0, 8)
    )
    length = pc.utf8_length(digits)
    # A missing month or day counts as the first here, and becomes null below.
    january_first, between = (pa.scalar(text, digits.type) for text in ("0101", ""))
    full = pc.binary_join_element_wise(digits, january_first, between)
    full = pc.fill_null(full, "00000101")
    number = pc.utf8_slice_codeunits(full, 0, 8).cast(pa.int32()).to_numpy()
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    is_year = year >= 1
    is_month = is_year & (month >= 1) & (month <= 12)
    first = ((year - 1970) * 12 + month.clip(1, 12) - 1).astype("datetime64[M]")
    days = first.astype("datetime64[D]") + (day - 1)
    exists = is_month & (days.astype("datetime64[M]") == first)
    long = [
        np.asarray(pc.fill_null(pc.greater_equal(length, n), False)) for n in (6, 8)
    ]
    return DateTexts(
        _where(is_year & (is_month | ~long[0]) & (exists | ~long[1]), year),
        _where(is_month & long[0] & (exists | ~long[1]), month),
        _where(exists & long[1], days.astype(np.int32)).view(pa.date32()),
        iso,
        pc.if_else(
            iso, pc.utf8_slice_codeunits(texts, 10), pc.utf8_slice_codeunits(texts, 8)
        ),
    )


def _trimmed(texts: pa.Array) -> pa.Array:
    """Return texts without white space around them; views as plain texts."""
    views = pa.types.is_string_view(texts.type)
    return pc.utf8_trim_whitespace(texts.cast(pa.string()) if views else texts)


def put_together(parts: DateTexts, days: pa.Array) -> pa.Array:
    """Write other days (date32) in the form of the texts, with their times."""
    dates = days.cast(pa.string()).cast(parts.rest.type)
    dates = pc.if_else(parts.dashes, dates, pc.replace_substring(dates, "-", ""))
    return pc.binary_join_element_wise(
        dates, parts.rest, pa.scalar("", parts.rest.type)
    )


def has_year(kind: pa.DataType) -> bool:
    """Return whether values of a type can name a year: dates and whole numbers."""
    return is_date(kind) or bool(pa.types.is_integer(kind))


def years_of(
    values: pa.Array, *, at_least: int | None, order: str | None = None
) -> pa.Array:
    """Return the year of each date, int32; null where the value is not a date.

    Args:
        values: dates, of a type that `has_year` accepts.
        at_least: earlier years become this one.
        order: see `take_apart`. Where it is not known, a year is taken from dates that exist in
            one of the orders, since it is the same in all of them.
    """
    if is_text(values.type):
        orders = ("mdy", "dmy") if order == "" else (order,)
        years = pc.coalesce(*(take_apart(values, each).year for each in orders))
    elif pa.types.is_integer(values.type):
        years = _years_in(values)
    else:
        years = _in_range(pc.year(values)).cast(pa.int32())
    return years if at_least is None else _no_less(years, at_least)


def _years_in(values: pa.Array) -> pa.Array:
    """Return the year of whole numbers of four digits, or of eight (YYYYMMDD)."""
    texts = values.cast(pa.string())
    long = pc.match_substring_regex(texts, "^[0-9]{8}$")
    short = pc.match_substring_regex(texts, "^[1-9][0-9]{3}$")
    years = take_apart(
        pc.if_else(pc.or_(long, short), texts, pa.scalar(None, pa.string()))
    )
    return years.year


def months_of(values: pa.Array, *, order: str | None = None) -> pa.Array:
    """Return the year and month of each date as text YYYY-MM; null where one is missing.

    Args:
        values: dates, of a type that `is_date` accepts.
        order: see `take_apart`.
    """
    if is_text(values.type):
        parts = take_apart(values, order)
        years, months = parts.year, parts.month
    else:
        years, months = _in_range(pc.year(values)), pc.month(values)
    # Year 2024 and month 5 are 1202405; the first digit is then removed.
    number = pc.add(pc.multiply(years.cast(pa.int32()), 100), months.cast(pa.int32()))
    digits = pc.utf8_slice_codeunits(pc.add(number, 1_000_000).cast(pa.string()), 1)
    return pc.replace_substring_regex(digits, r"(..)$", r"-\1")


def _in_range(years: pa.Array) -> pa.Array:
    inside = pc.and_(pc.greater_equal(years, 1), pc.less_equal(years, 9999))
    return pc.if_else(inside, years, pa.scalar(None, years.type))


def _no_less(years: pa.Array, least: int) -> pa.Array:
    return pc.max_element_wise(years, pa.scalar(least, pa.int32()), skip_nulls=False)


def _where(holds: np.ndarray[Any, Any], numbers: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(numbers, pa.int32(), mask=~holds)
