"""FHIR dates, which may lack day or month, as Arrow dates and times with their precision.

https://hl7.org/fhir/R4/datatypes.html#date: YYYY, YYYY-MM, YYYY-MM-DD, or that and a time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOMENT = pa.timestamp("us", tz="UTC")

YEAR, MONTH, DAY, TIME, LOCAL = range(5)
PRECISIONS = pa.array(["year", "month", "day", "time", "local"])
"""Precision of a date; `local` is a time without its UTC offset."""

# Text for the missing part, which makes the value the first day or microsecond of the interval.
_REST_OF_DATE = pa.array(["-01-01", "-01", ""])
_REST_OF_MOMENT = pa.array(["-01-01T00:00:00Z", "-01T00:00:00Z", "T00:00:00Z", "", "Z"])
# A null counts as a day here; its precision becomes null.
_LENGTHS = {0: DAY, 4: YEAR, 7: MONTH, 10: DAY}
# Arrow accepts other forms too, such as YYYYMMDD.
_FORM = r"^\d{4}(-\d{2}(-\d{2}(T.+)?)?)?$"
_ZONE = r"(Z|[+-]\d{2}:\d{2})$"
_FINER = r"(\.\d{6})\d+"


def parse_dates(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the first day that each date can mean (date32), and its precision.

    Raises:
        pa.ArrowInvalid: a text is not a FHIR date.
    """
    levels = _levels(texts)
    if np.any(levels > DAY):
        raise pa.ArrowInvalid("a date with a time, or none")
    return _completed(texts, levels, _REST_OF_DATE).cast(pa.date32()), _named(
        levels, texts
    )


def parse_moments(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the first moment that each dateTime can mean (microseconds, UTC), and its precision.

    A time without a UTC offset is read as UTC, and its precision is `local`.

    Raises:
        pa.ArrowInvalid: a text is not a FHIR dateTime.
    """
    levels = _levels(texts)
    full = _completed(texts, levels, _REST_OF_MOMENT)
    if pc.any(pc.match_substring_regex(full, _FINER)).as_py():
        full = pc.replace_substring_regex(full, _FINER, r"\1")
    return full.cast(MOMENT), _named(levels, texts)


def parse_instants(texts: pa.Array) -> pa.Array:
    """Return complete moments (microseconds, UTC).

    Raises:
        pa.ArrowInvalid: a text is not a FHIR instant.
    """
    moments, precisions = parse_moments(texts)
    if pc.any(pc.not_equal(precisions, "time")).as_py():
        raise pa.ArrowInvalid("an instant that is not complete")
    return moments


def _levels(texts: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    lengths = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    levels = np.full(len(texts), TIME, dtype=np.int8)
    for length, level in _LENGTHS.items():
        levels[lengths == length] = level
    if np.any((levels == TIME) & (lengths > 0)):
        zoned = pc.fill_null(pc.match_substring_regex(texts, _ZONE), True)
        levels[(levels == TIME) & ~zoned.to_numpy(zero_copy_only=False)] = LOCAL
    return levels


def _completed(
    texts: pa.Array, levels: np.ndarray[tuple[int], np.dtype[np.int8]], rests: pa.Array
) -> pa.Array:
    if pc.all(pc.match_substring_regex(texts, _FORM)).as_py() is False:
        raise pa.ArrowInvalid("no FHIR date")
    return pc.binary_join_element_wise(texts, rests.take(pa.array(levels)), "")


def _named(
    levels: np.ndarray[tuple[int], np.dtype[np.int8]], texts: pa.Array
) -> pa.Array:
    return PRECISIONS.take(
        pa.array(levels, mask=pc.is_null(texts).to_numpy(zero_copy_only=False))
    )
