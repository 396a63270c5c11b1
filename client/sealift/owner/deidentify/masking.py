"""Masking: replaces all but the ends of a text with one character."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.deidentify.texts import texts_of


def mask(
    values: pa.Array, *, keep_first: int, keep_last: int, character: str
) -> pa.Array:
    """Return each value's text with its middle replaced; nulls stay null.

    A text with no more characters than would be kept is replaced entirely.

    Args:
        values: values of a type that has a text.
        keep_first: Unicode code points kept at the beginning.
        keep_last: Unicode code points kept at the end.
        character: replaces each of the others.
    """
    texts = texts_of(values)
    lengths = pc.utf8_length(texts)
    kept = keep_first + keep_last
    long_enough = pc.greater(lengths, kept)
    hidden = pc.if_else(long_enough, pc.subtract(lengths, kept), lengths)
    shown = pc.binary_repeat(pa.scalar(character, texts.type), hidden)
    if not kept:
        return shown
    nothing = pa.scalar("", texts.type)
    first = pc.utf8_slice_codeunits(texts, 0, keep_first) if keep_first else nothing
    last = pc.utf8_slice_codeunits(texts, -keep_last) if keep_last else nothing
    joined = pc.binary_join_element_wise(first, shown, last, nothing)
    return pc.if_else(long_enough, joined, shown)
