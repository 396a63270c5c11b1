"""Arrow values as JSON values, with limits on their size, since their author is not trusted.

| Arrow | JSON |
|---|---|
| null | null |
| boolean, whole number | the same |
| floating point | a number; NaN and infinity are numbers to Python alone, or texts |
| decimal | text, all digits |
| text | text |
| binary | base64, as text |
| date, time, timestamp | ISO 8601, digits of its unit; with a time zone in UTC, ending in `Z` |
| duration | ISO 8601: `PT1.5S` |
| list, tensor | array |
| struct | object |
| map | array of `{"key": ..., "value": ...}` |
"""

from __future__ import annotations

import base64
import math

import numpy as np
import pyarrow as pa

from sealift.formats.arrowtypes import is_bytes, is_sequence, is_text, is_wrapped
from sealift_protocol.errors import MalformedObject
from sealift_protocol.layout import MAX_SHARD_PLAINTEXT

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


class Room:
    """The space that the values of one record may still take.

    A repeated view, or a repeated dictionary entry, costs an owner a few bytes each time; as
    JSON, each repetition would cost the reader its full size.
    """

    def __init__(self, size: int = MAX_SHARD_PLAINTEXT) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Take some of the space.

        Raises:
            MalformedObject: there is not enough left.
        """
        self._left -= size
        if self._left < 0:
            raise MalformedObject("a record takes more space than a shard can hold")


def json_value(value: pa.Scalar, room: Room, *, strict: bool = False) -> object:
    """Return a value for `json.dumps`.

    Args:
        value: a value of any Arrow type.
        room: the space of the record that it belongs to.
        strict: floating-point numbers that JSON lacks become "NaN", "Infinity" and "-Infinity".

    Raises:
        MalformedObject: the record has not enough space left.
    """
    if not value.is_valid:
        return None
    kind = value.type
    if is_wrapped(kind):
        return json_value(value.value, room, strict=strict)
    if is_text(kind):
        return text_of(value, room)
    if is_bytes(kind):
        data = value.as_buffer()
        room.take(data.size)
        return base64.b64encode(data).decode()
    if is_sequence(kind):
        room.take(len(value.values))
        return [json_value(item, room, strict=strict) for item in value.values]
    if pa.types.is_struct(kind):
        return {
            kind.field(place).name: json_value(value[place], room, strict=strict)
            for place in range(kind.num_fields)
        }
    if pa.types.is_temporal(kind):
        return _time(value)
    return _plain(value.as_py(), strict=strict)


def check_names(schema: pa.Schema) -> None:
    """Refuse a schema whose columns cannot be keys of one object.

    Raises:
        MalformedObject: two columns have the same name.
    """
    if len(set(schema.names)) != len(schema):
        raise MalformedObject("two columns of the dataset have the same name")


def text_of(value: pa.Scalar, room: Room) -> str:
    """Return a string; bytes that are not UTF-8 are replaced.

    Raises:
        MalformedObject: the record has not enough space left.
    """
    data = value.as_buffer()
    room.take(data.size)
    return bytes(data).decode(errors="replace")


def _time(value: pa.Scalar) -> object:
    kind = value.type
    if pa.types.is_interval(kind):
        return list(value.as_py())
    if pa.types.is_date(kind):
        # In milliseconds, for a 64-bit date.
        days = value.value if pa.types.is_date32(kind) else value.value // 86_400_000
        return str(np.datetime64(days, "D"))
    if pa.types.is_timestamp(kind):
        return str(np.datetime64(value.value, kind.unit)) + (
            "Z" if kind.tz is not None else ""
        )
    seconds, rest = divmod(abs(value.value), 10 ** _DIGITS[kind.unit])
    fraction = f".{rest:0{_DIGITS[kind.unit]}}" if _DIGITS[kind.unit] else ""
    if pa.types.is_duration(kind):
        fraction = fraction.rstrip("0").rstrip(".")
        return f"{'-' if value.value < 0 else ''}PT{seconds}{fraction}S"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _plain(value: object, *, strict: bool) -> object:
    if isinstance(value, float):
        if not strict or math.isfinite(value):
            return value
        return (
            "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        )
    return value if isinstance(value, bool | int) or value is None else str(value)
