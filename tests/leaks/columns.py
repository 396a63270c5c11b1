"""Where in a table an identifier can lie: leaf positions and types, as Arrow columns."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from leaks.identifiers import NUMBERS, TEXTS, Identifier

_UTC = datetime.UTC
_WIDTH = 128

Values = Sequence[Identifier | None]


@dataclass(frozen=True, slots=True)
class Type:
    """A type of leaves.

    Attributes:
        name: as the table of results shows it.
        kind: the Arrow type.
        kinds: the identifiers that it can hold.
        value: an identifier as a value of the type.
        coded: encodings of the text, of which one is drawn for a column.
    """

    name: str
    kind: pa.DataType
    kinds: tuple[str, ...]
    value: Callable[[Identifier], Any]
    coded: tuple[str, ...] = ("",)

    def array(self, values: Values, coding: str = "") -> pa.Array:
        """Return identifiers as an array."""
        plain = [None if v is None else self._coded(v, coding) for v in values]
        return pa.array(plain, self.kind)

    def _coded(self, identifier: Identifier, coding: str) -> Any:
        if not coding:
            return self.value(identifier)
        data = identifier.text.encode("utf-16-le" if coding == "utf-16" else "utf-8")
        if coding == "hex":
            return data.hex()
        if coding == "base64":
            import base64

            return base64.b64encode(data).decode()
        return (
            data.ljust(_WIDTH, b" ")
            if pa.types.is_fixed_size_binary(self.kind)
            else data
        )


def _text(identifier: Identifier) -> str:
    return identifier.text


def _bytes(identifier: Identifier) -> bytes:
    return identifier.text.encode()


def _padded(identifier: Identifier) -> bytes:
    return _bytes(identifier)[:_WIDTH].ljust(_WIDTH, b" ")


def _number(identifier: Identifier) -> int:
    return identifier.number


def _real(identifier: Identifier) -> float:
    return identifier.real or float(identifier.number)


def _decimal(identifier: Identifier) -> decimal.Decimal:
    return decimal.Decimal(identifier.number)


def _moment(identifier: Identifier) -> datetime.datetime | None:
    return identifier.moment


def _second(identifier: Identifier) -> datetime.datetime | None:
    return identifier.moment and identifier.moment.replace(microsecond=0)


def _milli(identifier: Identifier) -> datetime.datetime | None:
    moment = identifier.moment
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _zoned(identifier: Identifier) -> datetime.datetime | None:
    return identifier.moment and identifier.moment.replace(tzinfo=_UTC)


def _day(identifier: Identifier) -> datetime.date | None:
    return identifier.moment and identifier.moment.date()


def _time(identifier: Identifier) -> datetime.time | None:
    return identifier.moment and identifier.moment.time()


_CODED_TEXT = ("", "", "", "hex", "base64")
_CODED_BYTES = ("", "utf-16")
# A note is longer than the widest of these.
_SHORT_TEXTS = tuple(kind for kind in TEXTS if kind != "note")

TYPES = {
    kind.name: kind
    for kind in (
        Type("string", pa.string(), TEXTS, _text, _CODED_TEXT),
        Type("large_string", pa.large_string(), TEXTS, _text, _CODED_TEXT),
        Type("string_view", pa.string_view(), TEXTS, _text, _CODED_TEXT),
        Type("binary", pa.binary(), TEXTS, _bytes, _CODED_BYTES),
        Type("large_binary", pa.large_binary(), TEXTS, _bytes, _CODED_BYTES),
        Type("fixed binary", pa.binary(_WIDTH), _SHORT_TEXTS, _padded, _CODED_BYTES),
        Type("int32", pa.int32(), ("ssn",), _number),
        Type("uint32", pa.uint32(), ("ssn",), _number),
        Type("int64", pa.int64(), NUMBERS, _number),
        Type("uint64", pa.uint64(), NUMBERS, _number),
        Type("float64", pa.float64(), (*NUMBERS, "gps"), _real),
        Type("decimal128", pa.decimal128(18, 0), NUMBERS, _decimal),
        Type("decimal128, cents", pa.decimal128(20, 2), NUMBERS, _decimal),
        Type("date32", pa.date32(), ("date",), _day),
        Type("date64", pa.date64(), ("date",), _day),
        Type("timestamp s", pa.timestamp("s"), ("datetime",), _second),
        Type("timestamp ms", pa.timestamp("ms"), ("datetime",), _milli),
        Type("timestamp us", pa.timestamp("us"), ("datetime",), _moment),
        Type("timestamp ns", pa.timestamp("ns"), ("datetime",), _moment),
        Type("timestamp us, UTC", pa.timestamp("us", "UTC"), ("datetime",), _zoned),
        Type("time64 us", pa.time64("us"), ("time",), _time),
        Type("time64 ns", pa.time64("ns"), ("time",), _time),
    )
}


@dataclass(frozen=True, slots=True)
class Position:
    """A leaf position.

    Attributes:
        name: as the table of results shows it.
        name_of: the column's name, of a header and the column's number in the sheet.
        around: puts the values of the leaf into the column; gets the header.
        types: the types that the leaf can have; empty for all.
        path: what is around the leaf in its path: "", "part", "part.inner" or "map".
        in_text: whether JSON has it.
        flat: whether CSV and databases have it too.
    """

    name: str
    name_of: Callable[[str, int], str]
    around: Callable[[pa.Array, str], pa.Array]
    types: tuple[str, ...] = ()
    path: str = ""
    in_text: bool = True
    flat: bool = False


def _header(header: str, _place: int) -> str:
    return header


def _outer(_header: str, place: int) -> str:
    return f"part {place}"


def _as_it_is(values: pa.Array, _header: str) -> pa.Array:
    return values


def _struct(values: pa.Array, name: str) -> pa.Array:
    return pa.StructArray.from_arrays([values], [name])


def _list(values: pa.Array, _header: str = "") -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(values), values)


def _large_list(values: pa.Array, _header: str) -> pa.Array:
    offsets = _offsets(values).cast(pa.int64())
    return pa.LargeListArray.from_arrays(offsets, values)


def _offsets(values: pa.Array) -> pa.Array:
    return pa.array(range(len(values) + 1), pa.int32())


def _fixed_list(values: pa.Array, _header: str) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(values, 1)


def _map(keys: pa.Array, values: pa.Array) -> pa.Array:
    return pa.MapArray.from_arrays(_offsets(keys), keys, values)


def _map_value(values: pa.Array, _header: str) -> pa.Array:
    return _map(pa.array(["k"] * len(values)), values)


def _map_key(values: pa.Array, _header: str) -> pa.Array:
    return _map(values, pa.array([1] * len(values), pa.int8()))


def _dictionary(values: pa.Array, _header: str) -> pa.Array:
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    return values.dictionary_encode()


def _runs(values: pa.Array, _header: str) -> pa.Array:
    ends = pa.array(range(1, len(values) + 1), pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, values)


def _extension(values: pa.Array, _header: str) -> pa.Array:
    kind = pa.opaque(values.type, "person", "registry")
    return pa.ExtensionArray.from_storage(kind, values)


_NOT_IN_DICTIONARIES = ("decimal128, cents", "fixed binary", "string_view")

POSITIONS = {
    position.name: position
    for position in (
        Position("column", _header, _as_it_is, flat=True),
        Position(
            "dotted name",
            lambda h, p: f"part {p}.{h}",
            _as_it_is,
            path="part",
            flat=True,
        ),
        Position(
            "bracketed name",
            lambda h, p: f"part {p}[0].{h}",
            _as_it_is,
            path="part",
            flat=True,
        ),
        Position("struct", _outer, _struct, path="part"),
        Position(
            "struct in struct",
            _outer,
            lambda v, h: _struct(_struct(v, h), "inner"),
            path="part.inner",
        ),
        Position("list", _header, _list),
        Position("large list", _header, _large_list, in_text=False),
        Position("fixed-size list", _header, _fixed_list, in_text=False),
        Position("list of lists", _header, lambda v, _: _list(_list(v))),
        Position(
            "list of structs", _outer, lambda v, h: _list(_struct(v, h)), path="part"
        ),
        Position(
            "struct of lists", _outer, lambda v, h: _struct(_list(v), h), path="part"
        ),
        Position("map value", _header, _map_value, path="map", in_text=False),
        Position("map key", _header, _map_key, path="map", in_text=False),
        Position(
            "dictionary",
            _header,
            _dictionary,
            tuple(name for name in TYPES if name not in _NOT_IN_DICTIONARIES),
            in_text=False,
        ),
        Position("runs", _header, _runs, in_text=False),
        Position("extension type", _header, _extension, in_text=False),
    )
}

NAMES = ("column name", "field name", "list item name")
"""Identifiers that are names: one column, field or list for each person."""

METADATA = (
    *("field metadata", "field metadata key", "nested field metadata"),
    *(
        "schema metadata",
        "schema metadata key",
        "pandas metadata",
        "extension metadata",
    ),
)
"""Identifiers in metadata: those of all people of the sheet in one place."""


def metadata_of(texts: Sequence[str]) -> bytes:
    """Return what a program might note about a column: a few of its values."""
    return json.dumps({"examples": texts}, ensure_ascii=False).encode()
