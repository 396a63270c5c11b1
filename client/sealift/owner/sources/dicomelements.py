"""Elements of a DICOM header as columns.

A column's type depends on the element's VR and VM in the dictionary of PS3.6, never on a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sealift.formats.dicom import DAMAGE
from sealift.owner.sources.dicomtext import (
    WITH_CHARACTER_SET,
    CharacterSet,
    character_set,
    texts_of,
    without_padding,
)

if TYPE_CHECKING:
    from pydicom import FileDataset

PIXEL_ELEMENTS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and integer pixel data."""
_CHARACTER_SET = 0x00080005
_INTEGERS = ("IS", "SL", "SS", "SV", "UL", "US", "US or SS")
_REALS = ("DS", "FD", "FL")
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_BYTES = (
    "OB",
    "OB or OW",
    "OD",
    "OF",
    "OL",
    "OV",
    "OW",
    "UN",
    "US or OW",
    "US or SS or OW",
)
_TEXTS = WITH_CHARACTER_SET | {
    *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"),
}
_DATE = re.compile(r"[0-9]{8}|[0-9]{4}\.[0-9]{2}\.[0-9]{2}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_FORMS = {
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "DT": re.compile(r"[0-9]{4,14}(?:\.[0-9]{1,6})?(?:[+-][0-9]{4})?"),
    # ACR-NEMA wrote 10:30:00.
    "TM": re.compile(r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]{1,6})?)?)?"),
    "UI": re.compile(r"[0-9.]{1,64}"),
}
"""Forms of PS3.5 6.2: a text in such an element is none of these, and does not ride on it."""


@dataclass(frozen=True, slots=True)
class Column:
    """An element as a column.

    Attributes:
        tag: group and element number.
        vr: value representation in the dictionary.
        field: name, type and metadata.
    """

    tag: int
    vr: str
    field: pa.Field

    @property
    def is_list(self) -> bool:
        """Whether the dictionary allows several values."""
        return bool(pa.types.is_list(self.field.type))

    @property
    def place(self) -> str:
        """The tag as (GGGG,EEEE)."""
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


@cache
def element_of(tag: int) -> Column | str:
    """Return an element's column, or the name it is left out under; empty if not reported."""
    from pydicom.datadict import get_entry, repeater_has_tag

    group, number = tag >> 16, tag & 0xFFFF
    if group % 2:
        return "private elements"
    if group >> 8 in (0x50, 0x60):
        return "overlays and curves"
    if number == 0 or group in (0x0000, 0x0002, 0xFFFC) or tag in PIXEL_ELEMENTS:
        return ""
    try:
        vr, multiplicity, _, _, keyword = get_entry(tag)
    except KeyError:
        return "unknown elements"
    if not keyword or repeater_has_tag(tag):
        return "unknown elements"
    if vr == "SQ":
        return keyword
    metadata = {"dicom.tag": f"({group:04X},{number:04X})", "dicom.vr": vr}
    kind = _type_of(vr)
    if multiplicity != "1" and not pa.types.is_binary(kind):
        kind = pa.list_(kind)
    return Column(tag, vr, pa.field(keyword, kind, metadata=metadata))


def _type_of(vr: str) -> pa.DataType:
    if vr == "DA":
        return pa.date32()
    if vr in _INTEGERS:
        return pa.int64()
    if vr == "UV":
        return pa.uint64()
    if vr in _REALS:
        return pa.float64()
    return pa.binary() if vr in _BYTES else pa.string()


def known_element(keyword: str) -> Column | None:
    """Return the column of a keyword; None if there is no such element, or it is left out."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    element = element_of(tag) if tag is not None else None
    return element if isinstance(element, Column) else None


@dataclass(frozen=True, slots=True)
class Value:
    """An element's value for its column.

    Attributes:
        value: what the column holds; None for an empty element, and for a value that cannot be
            read.
        failed: how many values (items, of a list) cannot be read as their VR, and are null.
    """

    value: object
    failed: int = 0


def read_value(header: FileDataset, column: Column, characters: CharacterSet) -> Value:
    """Read an element; what does not fit its VR is null and counted, and rejects no file.

    Args:
        header: the file's elements.
        column: the element's column.
        characters: how the file's texts are decoded.
    """
    from pydicom.dataelem import RawDataElement

    try:
        raw = header.get_item(column.tag)
        vr = _vr_of(raw, column)
        if vr in _TEXTS and isinstance(raw, RawDataElement):
            if raw.value is None:
                return Value(None)
            values: list[Any] = [*texts_of(raw.value, vr, characters)]
        else:
            element = header[column.tag]
            if element.VR == "SQ":
                return Value(None, 1)
            if pa.types.is_binary(column.field.type):
                swapped = is_big_endian(header)
                return Value(_binary(element.value, str(element.VR), swapped))
            given = element.value
            several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
            values = [
                without_padding(v, vr) if isinstance(v, str) else v
                for v in (given if several else [given])
            ]
    except (*DAMAGE, OSError):
        return Value(None, 1)
    return _typed(values, column)


def _vr_of(raw: Any, column: Column) -> str:
    """Return an element's VR: the file's, or the dictionary's if the file does not say."""
    vr = str(raw.VR or "UN")
    return column.vr if vr == "UN" else vr


def _typed(values: list[Any], column: Column) -> Value:
    if all(v is None or v == "" for v in values):
        return Value(None)
    kind = column.field.type
    if pa.types.is_binary(kind):
        return Value(None, 1)
    if not column.is_list and len(values) > 1:
        if not pa.types.is_string(kind) or column.vr in _FORMS:
            return Value(None, 1)
        # Keep the file's form: it has more values than the dictionary allows.
        return Value("\\".join("" if v is None else str(v) for v in values))
    items, failed = [], 0
    for value in values:
        try:
            items.append(
                None if value is None or value == "" else _single(value, column.vr)
            )
        except DAMAGE:
            items.append(None)
            failed += 1
    if failed == len(items):
        return Value(None, failed)
    return Value(items if column.is_list else items[0], failed)


def _single(value: Any, vr: str) -> object:
    """Return one value in its column's type; raises one of DAMAGE if it does not fit."""
    if isinstance(value, bytes):
        raise TypeError
    if vr == "DA":
        # ACR-NEMA wrote 1997.04.24.
        if not _DATE.fullmatch(text := str(value)):
            raise ValueError
        return datetime.strptime(text.replace(".", ""), "%Y%m%d").date()
    if vr in _INTEGERS or vr == "UV":
        return _whole(value, *((0, 2**64) if vr == "UV" else (-(2**63), 2**63)))
    if vr in _REALS:
        if isinstance(value, str) and not _DECIMAL.fullmatch(value):
            raise ValueError
        return float(value)
    if vr == "AT":
        return f"({int(value) >> 16:04X},{int(value) & 0xFFFF:04X})"
    text = str(value)
    if vr in _FORMS and not _FORMS[vr].fullmatch(text):
        raise ValueError
    return text


def _whole(value: Any, least: int, end: int) -> int:
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError
    number = int(value) if not isinstance(value, str) else int(Decimal(value))
    if number != (Decimal(value) if isinstance(value, str) else value):
        raise ValueError
    if not least <= number < end:
        raise ValueError
    return number


def _binary(value: Any, vr: str, swapped: bool) -> bytes | None:
    import numpy as np

    if value is None or value in ("", b""):
        return None
    if isinstance(value, bytes):
        size = _WORDS.get(vr, 1)
        if swapped and size > 1:
            return np.frombuffer(value, f">u{size}").astype(f"<u{size}").tobytes()
        return value
    numbers = list(value) if isinstance(value, Sequence) else [value]
    return b"".join((int(number) & 0xFFFF).to_bytes(2, "little") for number in numbers)


def characters_of(header: FileDataset) -> CharacterSet:
    """Return how a file's texts are decoded, by its Specific Character Set."""
    raw = header.get_item(_CHARACTER_SET) if _CHARACTER_SET in header else None
    value = None if raw is None else raw.value
    if isinstance(value, bytes):
        value = value.decode("latin_1").split("\\")
    if isinstance(value, str):
        value = [value]
    return character_set([str(term or "") for term in value or ()])


def is_big_endian(header: FileDataset) -> bool:
    """Return whether the file is big-endian, which is a retired encoding."""
    return header.original_encoding[1] is False
