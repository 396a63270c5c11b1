"""A strict reader of signed or sealed JSON: anything outside the format is refused.

Nothing is ignored, so that two readers cannot see different content in one document.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.ids import Fingerprint

MAX_WHOLE = (1 << 64) - 1
_T = TypeVar("_T")


def parse_json(text: str) -> object:
    """Parse JSON; duplicate fields, NaN and infinite numbers are refused.

    Raises:
        MalformedObject: the document is not such JSON.
    """
    try:
        parsed: object = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise MalformedObject("the document cannot be parsed") from None
    return parsed


def read_fields(value: object, names: Sequence[str]) -> dict[str, Any]:
    """Return an object with exactly these fields.

    Raises:
        MalformedObject: the value is not such an object.
    """
    if not isinstance(value, dict) or value.keys() != set(names):
        raise MalformedObject("the document has other fields than its format")
    return value


def read_list(value: object, read: Callable[[object], _T]) -> tuple[_T, ...]:
    """Return a list, with each item read by `read`.

    Raises:
        MalformedObject: the value is not a list.
    """
    if not isinstance(value, list):
        raise MalformedObject(
            "the document has another value where the format has a list"
        )
    return tuple(read(item) for item in value)


def read_whole(value: object) -> int:
    """Return a whole number below 2^64.

    Raises:
        MalformedObject: the value is not such a number.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value <= MAX_WHOLE
    ):
        raise MalformedObject(
            "the document has another value where the format has a whole number"
        )
    return value


def read_flag(value: object) -> bool:
    """Return true or false.

    Raises:
        MalformedObject: the value is neither.
    """
    if not isinstance(value, bool):
        raise MalformedObject(
            "the document has another value where the format has true or false"
        )
    return value


def read_text(value: object) -> str:
    """Return a text that can be encoded in UTF-8.

    Raises:
        MalformedObject: the value is not such a text.
    """
    # JSON can escape half of a surrogate pair, which no file or terminal can hold.
    if not isinstance(value, str) or any(
        "\ud800" <= letter <= "\udfff" for letter in value
    ):
        raise MalformedObject(
            "the document has another value where the format has a text"
        )
    return value


def read_hex(value: object, *sizes: int) -> bytes:
    """Return bytes of one of these sizes, from lower-case hex.

    Raises:
        MalformedObject: the value is something else.
    """
    text = read_text(value)
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = None
    if content is None or content.hex() != text or len(content) not in sizes:
        raise MalformedObject(
            "the document has another value where the format has a digest in hex"
        )
    return content


def read_base64(value: object) -> bytes:
    """Return bytes from canonical base64 (RFC 4648 section 4).

    Raises:
        MalformedObject: the value is something else.
    """
    text = read_text(value)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or base64.b64encode(content).decode() != text:
        raise MalformedObject(
            "the document has another value where the format has base64"
        )
    return content


def read_fingerprint(value: object) -> Fingerprint:
    """Return a fingerprint from the text that `str` writes.

    Raises:
        MalformedObject: the value is not such a text.
    """
    text = read_text(value)
    try:
        fingerprint = Fingerprint.parse(text)
    except InvalidArgument:
        fingerprint = None
    if fingerprint is None or str(fingerprint) != text:
        raise MalformedObject(
            "the document has another value where the format has a fingerprint"
        )
    return fingerprint


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a field occurs twice")
    return made


def _no_number(_: str) -> float:
    raise ValueError("not a number")
