"""Numbers in lines of JSON that are read as text: they are put in quotes, digit for digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_NUMBER = rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_LONG = re.compile(rb"[0-9]{16}")
_DIGITS = 15
"""A double holds every number of this many digits."""


class _Number(str):
    """A number as it stands in the JSON text."""

    __slots__ = ()


class _Pairs(list[Any]):
    """An object, with fields that occur twice."""


def may_lose_digits(data: bytes) -> bool:
    """Return whether any number could have more than 15 digits."""
    return _LONG.search(data) is not None


def numbers_in(data: bytes) -> dict[str, int]:
    """Return the leaves that hold numbers, and the most digits of a whole number in each.

    Args:
        data: lines of JSON; those that cannot be read are skipped.
    """
    found: dict[str, int] = {}
    for line in data.split(b"\n"):
        record = _parse(line)
        if record is None:
            continue
        for path, number in _numbers(record, ""):
            whole = re.match(r"-?([0-9]*)", number)
            digits = len(whole[1]) if whole else 0
            found[path] = max(found.get(path, 0), digits)
    return found


def loses_digits(digits: int) -> bool:
    """Return whether a number of that many digits is not exact in a double."""
    return digits > _DIGITS


def quoted(data: bytes, leaves: frozenset[str]) -> bytes:
    """Put the numbers of some leaves in quotes.

    Args:
        data: lines of JSON; they keep their places, and those that cannot be read stay as they are.
        leaves: paths of the leaves.
    """
    return b"\n".join(_line(line, leaves) for line in data.split(b"\n"))


def quoted_fields(data: bytes, names: frozenset[str]) -> bytes:
    """Put the numbers of all fields with some names in quotes, wherever the fields are.

    It is fast, and leaves numbers in lists as they are.

    Args:
        data: lines of JSON; they keep their places.
        names: names that JSON writes without an escape.
    """
    # A quote inside a text follows a backslash, so a name between quotes is that of a field.
    wanted = b"|".join(re.escape(f'"{name}"').encode() for name in sorted(names))
    field = rb"((?:%s)\s*:\s*)(%s)(?=\s*[,}])" % (wanted, _NUMBER)
    return re.sub(field, rb'\1"\2"', data)


def is_plain_name(name: str) -> bool:
    """Return whether JSON always writes a name as it is."""
    return name.isascii() and name.isprintable() and not set('"\\/') & set(name)


def _line(line: bytes, leaves: frozenset[str]) -> bytes:
    record = _parse(line)
    if record is None or not any(path in leaves for path, _ in _numbers(record, "")):
        return line
    return _written(record, "", leaves).encode()


def _parse(line: bytes) -> Any:
    if not line.strip():
        return None
    try:
        return json.loads(
            line, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Pairs
        )
    except (ValueError, RecursionError):
        return None


def _numbers(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Number):
        yield path, value
    elif isinstance(value, _Pairs):
        for name, inner in value:
            yield from _numbers(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item, path)


def _written(value: Any, path: str, leaves: frozenset[str]) -> str:
    if isinstance(value, _Number):
        return f'"{value}"' if path in leaves else str(value)
    if isinstance(value, _Pairs):
        fields = (
            f"{json.dumps(name)}:"
            + _written(inner, f"{path}.{name}" if path else name, leaves)
            for name, inner in value
        )
        return "{" + ",".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(item, path, leaves) for item in value) + "]"
    return json.dumps(value)
