"""The text of an identifier, in which one person's is the same in every source.

Source: docs/spec/policy.md, "Text of an identifier"; the pads are those of DICOM PS3.5, 6.2, and
the white space of Unicode.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.texts import text_kind, texts_of

PADS = (
    "\0\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200C)))
    + "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
"""The characters that are removed at both ends."""

NOBODY = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
    *(
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "NaT",
        "None",
        "n/a",
        "nan",
        "null",
    ),
)
"""Texts that name nobody: blank, and what programs write for a missing value. All but <NA>, NaT and
None are null in a column of numbers that Arrow reads from CSV."""
_NOBODY = pa.array(NOBODY)

# Full-width forms are the ASCII characters of Japanese and Chinese keyboards.
_WIDE = "[\uff01-\uff5e]"
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
# What pandas makes of whole numbers in a column with missing values, written as text.
_WHOLE_FRACTION = r"^([+-]?[0-9]+)\.0+$"
# What a spreadsheet makes of a long number: most of its digits are lost.
_EXPONENT = r"^[+-]?[0-9]+(?:\.[0-9]+)?[Ee]\+[0-9]+$"


def identifiers_of(values: pa.Array) -> pa.Array:
    """Return the text of each identifier; null for nobody, and where digits were lost.

    Two texts are one identifier if they differ only in pads, in the width of ASCII characters, in
    canonically equivalent characters (NFC), or in a fraction of zeros. No digit is removed: "007"
    and "7" are two.

    Args:
        values: values of a type that `has_text` accepts, but for floating point.
    """
    texts = without_nobody(values)
    if not is_text(values.type):
        return texts
    texts = pc.utf8_normalize(texts, form="NFC")
    texts = pc.replace_substring_regex(texts, _WHOLE_FRACTION, r"\1")
    rounded = pc.match_substring_regex(texts, _EXPONENT)
    return pc.if_else(rounded, pa.scalar(None, texts.type), texts)


def present(values: pa.Array) -> pa.Array:
    """Return the values, null where a text names nobody."""
    if not is_text(values.type):
        return values
    nobody = pc.and_(values.is_valid(), without_nobody(values).is_null())
    if not pc.any(nobody).as_py():
        return values
    plain = values.cast(text_kind(values.type))
    return pc.if_else(nobody, pa.scalar(None, plain.type), plain).cast(values.type)


def without_nobody(values: pa.Array) -> pa.Array:
    """Return the text of each value without pads; null where it names nobody.

    Args:
        values: values of a type that `has_text` accepts.
    """
    texts = texts_of(values)
    if not is_text(values.type):
        return texts
    texts = pc.utf8_trim(_narrow(texts), characters=PADS)
    nobody = pc.is_in(texts.cast(pa.string()), value_set=_NOBODY)
    return pc.if_else(nobody, pa.scalar(None, texts.type), texts)


def _narrow(texts: pa.Array) -> pa.Array:
    """Write full-width forms as ASCII."""
    if not pc.any(pc.match_substring_regex(texts, _WIDE)).as_py():
        return texts
    narrow = [
        None if text is None else text.translate(_NARROW) for text in texts.to_pylist()
    ]
    return pa.array(narrow, texts.type)
