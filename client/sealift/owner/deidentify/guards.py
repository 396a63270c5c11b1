"""Holds values against the guard of their rule: a type, a list of values, or code systems.

What does not fit becomes null, and is counted. Source: docs/spec/policy.md, "Guards".
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_bytes, is_text
from sealift.owner.deidentify.dates import take_apart
from sealift.owner.deidentify.generalise import is_number
from sealift.owner.deidentify.texts import by_distinct, has_text, text_kind, texts_of
from sealift.policy.codes import CODE_SYSTEMS
from sealift.policy.file import Guard

Check = Callable[[pa.Array], pa.Array]
"""Returns values of the guard's kind, null where a value does not fit."""

_NUMBER = r"^[+-]?[0-9]{1,15}(\.[0-9]{0,15})?([eE][+-]?[0-9]{1,2})?$"
_FIRST_YEAR, _LAST_YEAR = 1800, 2199
_TIME = (
    r"^([T ]?([01][0-9]|2[0-4])(:?[0-5][0-9](:?([0-5][0-9]|60)(\.[0-9]{1,9})?)?)?"
    r"(Z|[+-][01][0-9]:?[0-5][0-9])?)?$"
)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def guarded(guard: Guard, kind: pa.DataType) -> tuple[pa.DataType, Check]:
    """Return the type of what passes a guard, and the check.

    Args:
        guard: the guard of a rule.
        kind: type of the values; neither nested nor dictionary-encoded.
    """
    if guard.by == "values":
        return _listed(guard, kind)
    if guard.by == "code":
        systems = [CODE_SYSTEMS[name] for name in guard.allowed]
        return _texts(kind, lambda text: any(system.fits(text) for system in systems))
    [name] = guard.allowed
    if name == "numeric":
        return _numbers(guard, kind)
    if name == "date":
        return _dates(kind)
    return _booleans(kind) if name == "boolean" else _binary(kind)


def _nothing(kind: pa.DataType) -> tuple[pa.DataType, Check]:
    """Let nothing pass."""
    return kind, lambda values: pa.nulls(len(values), kind)


def _numbers(guard: Guard, kind: pa.DataType) -> tuple[pa.DataType, Check]:
    if pa.types.is_boolean(kind):
        return pa.int8(), lambda values: values.cast(pa.int8())

    def within(numbers: pa.Array) -> pa.Array:
        doubles = numbers.cast(pa.float64(), safe=False)
        fits = pc.and_(
            pc.greater_equal(doubles, guard.least), pc.less_equal(doubles, guard.most)
        )
        if pa.types.is_floating(numbers.type):
            # One kind of NaN: its bits have room for a number.
            nan = pc.is_nan(numbers)
            plain = pa.scalar(float("nan"), pa.float64()).cast(numbers.type)
            numbers = pc.if_else(nan, plain, numbers)
            fits = pc.or_(fits, nan)
        return pc.if_else(fits, numbers, pa.scalar(None, numbers.type))

    if is_number(kind) and not pa.types.is_float16(kind):
        return kind, within
    if pa.types.is_float16(kind):
        return pa.float32(), lambda values: within(values.cast(pa.float32()))
    if is_text(kind):

        def parsed(values: pa.Array) -> pa.Array:
            texts = pc.utf8_trim_whitespace(texts_of(values))
            fits = pc.match_substring_regex(texts, _NUMBER)
            texts = pc.if_else(fits, texts, pa.scalar(None, texts.type))
            return within(texts.cast(pa.float64()))

        return pa.float64(), parsed
    return _nothing(pa.float64())


def _booleans(kind: pa.DataType) -> tuple[pa.DataType, Check]:
    if pa.types.is_boolean(kind):
        return kind, lambda values: values
    if not has_text(kind):
        return _nothing(pa.bool_())

    def parsed(values: pa.Array) -> pa.Array:
        def each(found: pa.Array) -> pa.Array:
            texts = [text.strip().lower() for text in found.to_pylist()]
            return pa.array(
                [True if t in _TRUE else False if t in _FALSE else None for t in texts],
                pa.bool_(),
            )

        return by_distinct(texts_of(values), each)

    return pa.bool_(), parsed


def _dates(kind: pa.DataType) -> tuple[pa.DataType, Check]:
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return kind, lambda values: values
    if not is_text(kind):
        return _nothing(pa.timestamp("us"))

    def written(values: pa.Array) -> pa.Array:
        texts = pc.utf8_trim_whitespace(texts_of(values))
        parts = take_apart(texts)
        fits = pc.and_(
            parts.day.is_valid(), pc.match_substring_regex(parts.rest, _TIME)
        )
        # A number of ten digits reads as the hour of a day, in most years of no record.
        for near in (
            pc.greater_equal(parts.year, _FIRST_YEAR),
            pc.less_equal(parts.year, _LAST_YEAR),
        ):
            fits = pc.and_(fits, near)
        return pc.if_else(pc.fill_null(fits, False), texts, pa.scalar(None, texts.type))

    return text_kind(kind), written


def _binary(kind: pa.DataType) -> tuple[pa.DataType, Check]:
    tensor = isinstance(kind, pa.FixedShapeTensorType) and is_number(kind.value_type)
    numbers = pa.types.is_uint8(kind) or pa.types.is_int8(kind)
    if tensor or numbers or is_bytes(kind):
        return kind, lambda values: values
    return _nothing(pa.binary())


def _listed(guard: Guard, kind: pa.DataType) -> tuple[pa.DataType, Check]:
    spelled = {text.casefold(): text for text in guard.allowed}
    if not has_text(kind):
        return _nothing(pa.string())
    if not is_text(kind):
        return _texts(kind, lambda text: text.casefold() in spelled)

    def check(values: pa.Array) -> pa.Array:
        def each(found: pa.Array) -> pa.Array:
            # As the policy writes it: nothing rides on case and spaces.
            texts = [spelled.get(t.strip().casefold()) for t in found.to_pylist()]
            return pa.array(texts, found.type)

        return by_distinct(texts_of(values), each)

    return text_kind(kind), check


def _texts(kind: pa.DataType, fits: Callable[[str], bool]) -> tuple[pa.DataType, Check]:
    """Check the texts of values of any type that has one; numbers stay numbers."""
    if not has_text(kind):
        return _nothing(pa.string())
    if is_text(kind):

        def check(values: pa.Array) -> pa.Array:
            def each(found: pa.Array) -> pa.Array:
                texts = [text.strip() for text in found.to_pylist()]
                return pa.array([t if fits(t) else None for t in texts], found.type)

            return by_distinct(texts_of(values), each)

        return text_kind(kind), check

    def mask(values: pa.Array) -> pa.Array:
        def each(found: pa.Array) -> pa.Array:
            return pa.array([fits(text) for text in found.to_pylist()], pa.bool_())

        good = by_distinct(texts_of(values), each)
        return pc.if_else(pc.fill_null(good, False), values, pa.scalar(None, kind))

    return kind, mask
