"""Searches bytes for many patterns at once: one pass over windows of eight and of four bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from leaks.identifiers import Form, lowered

_WIDE, _NARROW = 8, 4
_CHUNK = 1 << 22
_BITS = 20
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern that was found.

    Attributes:
        owner: whose it is, as the caller numbers them.
        form: how it was encoded.
    """

    owner: int
    form: str


@dataclass(slots=True)
class _Keys:
    """Patterns by the number that their first bytes are."""

    patterns: dict[int, list[tuple[bytes, Found]]] = field(default_factory=dict)
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    _likely: np.ndarray = field(default_factory=lambda: np.zeros(1 << _BITS, np.bool_))

    def add(self, key: bytes, pattern: bytes, found: Found) -> None:
        self.patterns.setdefault(int.from_bytes(key, "little"), []).append(
            (pattern, found)
        )

    def leave_out(self, keys: Mapping[bytes, int]) -> None:
        """Forget patterns that begin with what others have."""
        for key, owner in keys.items():
            number = int.from_bytes(key, "little")
            found = self.patterns.pop(number, [])
            if own := [one for one in found if one[1].owner == owner]:
                self.patterns[number] = own

    def finish(self, kind: str) -> None:
        self.numbers = np.array(sorted(self.patterns), kind)
        self._likely[_mixed(self.numbers)] = True

    def places(self, windows: np.ndarray) -> np.ndarray:
        """Return the indices of windows that begin a pattern."""
        if not len(self.numbers):
            return np.empty(0, np.int64)
        likely = np.flatnonzero(self._likely[_mixed(windows)])
        asked = windows[likely]
        at = np.searchsorted(self.numbers, asked)
        at[at == len(self.numbers)] = 0
        return likely[self.numbers[at] == asked]


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Return a few bits that follow from all bits of each number."""
    with np.errstate(over="ignore"):
        return (numbers.astype(np.uint64) * _ODD) >> np.uint64(64 - _BITS)


class Needles:
    """Patterns, each with its owner."""

    def __init__(self, owned: Iterable[tuple[int, Iterable[Form]]]) -> None:
        self._text, self._exact, self._short = _Keys(), _Keys(), _Keys()
        halves: dict[bytes, int] = {}
        for owner, forms in owned:
            for form in forms:
                pattern, found = form.pattern, Found(owner, form.name)
                if len(pattern) < _WIDE:
                    self._short.add(pattern[:_NARROW], pattern, found)
                else:
                    keys = self._text if form.is_text else self._exact
                    keys.add(pattern[:_WIDE], pattern, found)
                if not form.is_text and len(pattern) in (_WIDE, 2 * _WIDE):
                    parts = range(0, len(pattern), _NARROW)
                    halves |= {pattern[at : at + _NARROW]: owner for at in parts}
        # Half of somebody's number may look like another's.
        self._short.leave_out(halves)
        for keys, kind in (
            (self._text, "<u8"),
            (self._exact, "<u8"),
            (self._short, "<u4"),
        ):
            keys.finish(kind)

    def find(self, data: bytes | memoryview, *, numbers: bool = True) -> set[Found]:
        """Return what is in the data.

        Args:
            data: the bytes.
            numbers: whether patterns of four bytes count, where a number could lie: at every
                fourth byte. In ciphertext they are found by chance.
        """
        found: set[Found] = set()
        whole = bytes(data)
        for begin in range(0, len(whole), _CHUNK):
            # Patterns are shorter than this overlap.
            piece = whole[begin : begin + _CHUNK + 4096]
            _find_in(piece, self._exact, found)
            _find_in(lowered(piece), self._text, found)
        if numbers:
            _find_short(whole, self._short, found)
        return found


def _find_in(data: bytes, keys: _Keys, found: set[Found]) -> None:
    count = len(data) - _WIDE + 1
    if count <= 0:
        return
    windows = np.ndarray((count,), "<u8", data, strides=(1,))
    for place in keys.places(np.ascontiguousarray(windows)):
        number = int.from_bytes(data[place : place + _WIDE], "little")
        for pattern, what in keys.patterns[number]:
            if data.startswith(pattern, int(place)):
                found.add(what)


def _find_short(data: bytes, keys: _Keys, found: set[Found]) -> None:
    numbers = np.frombuffer(data, "<u4", len(data) // _NARROW)
    for place in keys.places(numbers):
        for _, what in keys.patterns[int(numbers[place])]:
            found.add(what)
