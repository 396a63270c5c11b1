"""Elements of a DICOM header as columns.

A column's type depends on the element's VR and VM in the dictionary of PS3.6, never on a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pydicom import DataElement, FileDataset

PIXEL_ELEMENTS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Float, double float and integer pixel data."""
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


def convert(element: DataElement, column: Column, swapped: bool) -> object:
    """Return an element's value for its column; raises one of DAMAGE if it does not fit."""
    value = element.value
    if element.VR == "SQ":
        raise TypeError
    if pa.types.is_binary(column.field.type):
        return _binary(value, str(element.VR), swapped)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    values = [
        None if v is None or v == "" else v for v in (value if several else [value])
    ]
    if not values or values == [None]:
        return None
    if not column.is_list and len(values) > 1:
        if not pa.types.is_string(column.field.type):
            raise ValueError
        # Keep the file's form: it has more values than the dictionary allows.
        return "\\".join("" if v is None else str(v) for v in values)
    converted = [None if v is None else _single(v, column.vr) for v in values]
    return converted if column.is_list else converted[0]


def _single(value: Any, vr: str) -> object:
    if isinstance(value, bytes):
        raise TypeError
    if vr == "DA":
        text = str(value).strip()
        if not text:
            return None
        # ACR-NEMA wrote 1997.04.24.
        digits = text.replace(".", "") if len(text) == 10 else text
        return datetime.strptime(digits, "%Y%m%d").date()
    if vr in _INTEGERS or vr == "UV":
        number = int(value)
        if number != float(value):
            raise ValueError
        return number
    if vr in _REALS:
        return float(value)
    if vr == "AT":
        return f"({int(value) >> 16:04X},{int(value) & 0xFFFF:04X})"
    return str(value)


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


def is_big_endian(header: FileDataset) -> bool:
    """Return whether the file is big-endian, which is a retired encoding."""
    return header.original_encoding[1] is False
