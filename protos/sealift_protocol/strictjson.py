"""JSON that was signed or sealed, read strictly: what is not in the format is refused.

Nothing is passed over, so that a document cannot show a reader what another reader does not see.
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
    """Parses JSON in which no field stands twice and no number is NaN or infinite.

    Raises:
        MalformedObject: it is not that.
    """
    try:
        parsed: object = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise MalformedObject("a document cannot be parsed") from None
    return parsed


def read_fields(value: object, names: Sequence[str]) -> dict[str, Any]:
    """An object with these fields and no other.

    Raises:
        MalformedObject: it is not one.
    """
    if not isinstance(value, dict) or value.keys() != set(names):
        raise MalformedObject("a document has other fields than its format")
    return value


def read_list(value: object, read: Callable[[object], _T]) -> tuple[_T, ...]:
    """A list, each item read by `read`.

    Raises:
        MalformedObject: it is none.
    """
    if not isinstance(value, list):
        raise MalformedObject("a document has something else where a list should be")
    return tuple(read(item) for item in value)


def read_whole(value: object) -> int:
    """A whole number below 2^64.

    Raises:
        MalformedObject: it is none.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value <= MAX_WHOLE
    ):
        raise MalformedObject(
            "a document has something else where a whole number should be"
        )
    return value


def read_flag(value: object) -> bool:
    """True or false.

    Raises:
        MalformedObject: it is neither.
    """
    if not isinstance(value, bool):
        raise MalformedObject(
            "a document has something else where true or false should be"
        )
    return value


def read_text(value: object) -> str:
    """A text that can be written in UTF-8.

    Raises:
        MalformedObject: it is none.
    """
    # Half of a surrogate pair can be escaped in JSON, and then stands in no file and no terminal.
    if not isinstance(value, str) or any(
        "\ud800" <= letter <= "\udfff" for letter in value
    ):
        raise MalformedObject("a document has something else where a text should be")
    return value


def read_hex(value: object, *sizes: int) -> bytes:
    """Bytes of one of these sizes, in lower-case hex.

    Raises:
        MalformedObject: it is something else.
    """
    text = read_text(value)
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = None
    if content is None or content.hex() != text or len(content) not in sizes:
        raise MalformedObject(
            "a document has something else where a digest in hex should be"
        )
    return content


def read_base64(value: object) -> bytes:
    """Bytes in base64 (RFC 4648 section 4), written in the one way.

    Raises:
        MalformedObject: it is something else.
    """
    text = read_text(value)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or base64.b64encode(content).decode() != text:
        raise MalformedObject("a document has something else where base64 should be")
    return content


def read_fingerprint(value: object) -> Fingerprint:
    """A fingerprint, written as `str` writes it.

    Raises:
        MalformedObject: it is none.
    """
    text = read_text(value)
    try:
        fingerprint = Fingerprint.parse(text)
    except InvalidArgument:
        fingerprint = None
    if fingerprint is None or str(fingerprint) != text:
        raise MalformedObject(
            "a document has something else where a fingerprint should be"
        )
    return fingerprint


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a field stands twice")
    return made


def _no_number(_: str) -> float:
    raise ValueError("not a number")
