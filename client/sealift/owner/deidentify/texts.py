"""Values as text: the form that is hashed, tokenised and masked.

Source: docs/spec/policy.md, "Text of a value". The number 17, the text "17" and 17.0 have the same
text.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_bytes, is_text

# Whole numbers up to this one are exact in a double.
_EXACT = 2.0**53


def has_text(kind: pa.DataType) -> bool:
    """Return whether values of a type have a text."""
    return bool(
        is_text(kind)
        or is_bytes(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_timestamp(kind)
    )


def text_kind(kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type of the texts of a type's values."""
    return pa.large_string() if pa.types.is_large_string(kind) else pa.string()


def texts_of(values: pa.Array) -> pa.Array:
    """Return the text of each value; nulls stay null.

    Args:
        values: values of a type that `has_text` accepts.
    """
    kind = values.type
    if is_text(kind):
        return values.cast(text_kind(kind))
    if pa.types.is_floating(kind):
        return by_distinct(values, lambda found: _each(found, _text_of_float))
    if pa.types.is_decimal(kind):
        return by_distinct(values, lambda found: _each(found, _text_of_decimal))
    if is_bytes(kind):
        return by_distinct(values, lambda found: _each(found, bytes.hex))
    if pa.types.is_timestamp(kind):
        # Arrow's own format includes the column's time zone, on which the text must not depend.
        in_utc = values.cast(pa.timestamp(kind.unit))
        texts = _without_zeros(pc.strftime(in_utc, format="%Y-%m-%dT%H:%M:%S"))
        return pc.binary_join_element_wise(texts, "Z", "") if kind.tz else texts
    if pa.types.is_date64(kind):
        values = values.cast(pa.date32())
    if pa.types.is_time(kind):
        return _without_zeros(values.cast(pa.string()))
    return values.cast(pa.string())


def by_distinct(values: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Apply a change to each distinct value once.

    Args:
        values: the values; nulls stay null.
        change: gets an array without nulls or duplicates; returns one of the same length.
    """
    encoded = values.dictionary_encode()
    return change(encoded.dictionary).take(encoded.indices)


def for_present(values: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Apply a change to the values that are not null; nulls stay null."""
    if not values.null_count:
        return change(values)
    present = np.asarray(values.is_valid())
    changed = change(values.drop_null())
    places = pa.array(np.cumsum(present) - 1, mask=~present)
    return changed.take(places)


def as_bytes(texts: pa.Array) -> list[bytes]:
    """Return the non-null texts in UTF-8."""
    large = pa.types.is_large_string(texts.type)
    found: list[bytes] = texts.view(
        pa.large_binary() if large else pa.binary()
    ).to_pylist()
    return found


def _each(values: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    return pa.array([text(value) for value in values.to_pylist()], pa.string())


def _text_of_float(value: float) -> str:
    return (
        str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)
    )


def _text_of_decimal(value: Decimal) -> str:
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _without_zeros(texts: pa.Array) -> pa.Array:
    """Remove trailing zeros from fractions of a second."""
    shorter = pc.replace_substring_regex(texts, r"(\.[0-9]*?)0+$", r"\1")
    return pc.replace_substring_regex(shorter, r"\.$", "")
