"""Generalised values: ages and numbers in bands, ZIP codes of three digits, fewer decimals.

Source: docs/spec/policy.md, "generalise"; 45 CFR 164.514(b)(2)(i) for ages and ZIP codes.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.identifiers import without_nobody
from sealift.owner.deidentify.low_population_zips import CENSUS_AREAS
from sealift.owner.deidentify.texts import texts_of

OLDEST = 90
"""Ages from this one on form one band."""

# Beyond this a band's number is not exact in a double.
_MOST_BANDS = 2.0**53


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of a type are numbers."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def age_bands(values: pa.Array, *, width: int) -> pa.Array:
    """Write ages in years as "40-44", "40" (width 1) or "90+"; null where there is no number.

    Args:
        values: numbers, or texts of numbers.
        width: years in a band; the last band below 90 may have fewer.
    """
    ages, missing = numbers_of(values)
    missing |= ~(ages >= 0)
    labels = []
    for age in range(OLDEST):
        low = age - age % width
        high = min(low + width, OLDEST) - 1
        labels.append(f"{low}-{high}" if high > low else str(low))
    places = np.where(missing, 0, ages).clip(0, OLDEST).astype(np.int32)
    return pa.array([*labels, f"{OLDEST}+"]).take(pa.array(places, mask=missing))


def zip3(values: pa.Array, *, areas: Collection[str] = CENSUS_AREAS) -> pa.Array:
    """Return the first three digits of U.S. ZIP codes, 000 for areas of low population.

    Args:
        areas: the first three digits that become 000.
        values: texts ("12345", "12345-6789", "123456789"), or whole numbers, which have lost their
            leading zeros; anything else becomes null.
    """
    texts = without_nobody(values).cast(pa.string())
    if is_text(values.type):
        # "2139.0" is a number that was written as text.
        numbers = pc.match_substring_regex(texts, r"^[0-9]{3,9}\.0+$")
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
        texts = pc.if_else(numbers, _filled_up(texts), texts)
    else:
        texts = _filled_up(texts)
    fits = pc.match_substring_regex(texts, "^[0-9]{5}([- ]?[0-9]{4})?$")
    found = pc.if_else(
        fits, pc.utf8_slice_codeunits(texts, 0, 3), pa.scalar(None, pa.string())
    )
    low = pc.is_in(found, value_set=pa.array(sorted(areas), pa.string()))
    return pc.if_else(low, "000", found)


def _filled_up(numbers: pa.Array) -> pa.Array:
    """Put the zeros back before numbers: 501 is 00501; six to nine digits are ZIP+4."""
    width = pc.if_else(pc.less_equal(pc.utf8_length(numbers), 5), 5, 9)
    zeros = pc.max_element_wise(
        pc.subtract(width, pc.utf8_length(numbers)), 0, skip_nulls=False
    )
    return pc.binary_join_element_wise(pc.binary_repeat("0", zeros), numbers, "")


def bands(values: pa.Array, *, width: float) -> pa.Array:
    """Write numbers as "[60,70)", at least 60 and below 70; null where there is no number."""
    if pa.types.is_integer(values.type) and float(width).is_integer():
        # Not as doubles, which are exact only up to 2**53.
        missing = np.asarray(values.is_null())
        whole = values.fill_null(0).to_numpy()
        wide = whole if whole.dtype == np.uint64 else whole.astype(np.int64)
        numbers = wide // wide.dtype.type(int(width))
    else:
        doubles, missing = numbers_of(values)
        with np.errstate(over="ignore"):
            places = np.floor(doubles / width)
        missing |= ~(np.abs(places) <= _MOST_BANDS)
        numbers = np.where(missing, 0, places).astype(np.int64)
    found, indices = np.unique(numbers, return_inverse=True)
    with localcontext(prec=60):
        step = Decimal(repr(width))
        labels = [
            f"[{_plain(n * step)},{_plain((n + 1) * step)})" for n in map(int, found)
        ]
    return pa.array(labels, pa.string()).take(
        pa.array(indices.reshape(-1), mask=missing)
    )


def round_to(values: pa.Array, *, digits: int) -> pa.Array:
    """Round numbers to some decimals, half to even; the type stays."""
    if pa.types.is_integer(values.type):
        return values
    if pa.types.is_float16(values.type):
        # Arrow does not round this type.
        return round_to(values.cast(pa.float32()), digits=digits).cast(pa.float16())
    return pc.round(values, ndigits=digits, round_mode="half_to_even")


def numbers_of(values: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the numbers, and a mask of what is not one (null, NaN, infinity, other texts)."""
    if is_text(values.type):
        texts = pc.utf8_trim_whitespace(texts_of(values))
        fits = pc.match_substring_regex(texts, r"^[0-9]{1,15}(\.[0-9]{1,15})?$")
        values = pc.if_else(fits, texts, pa.scalar(None, texts.type))
    doubles = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return doubles, ~np.isfinite(doubles)


def _plain(number: Decimal) -> str:
    text = format(number.normalize(), "f")
    return "0" if text == "-0" else text
