"""Searches large stores for thousands of names and values at once, at any offset.

`leaks.py` looks for each word by itself, which is clear and, with thousands of card numbers in
gigabytes, slow. Here the last bytes of all of them are looked up in one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

_BLOCK = 1 << 22


class Needles:
    """Strings and bytes that must not occur somewhere.

    Fewer than six bytes are refused: they occur in every large file by chance.
    """

    def __init__(self, needles: Iterable[str | bytes]) -> None:
        self._words = {n if isinstance(n, bytes) else n.encode(): n for n in needles}
        if short := [word for word in self._words if len(word) < 6]:
            raise ValueError(f"too short to be searched for: {short}")
        # Card numbers of one issuer begin alike; they end differently.
        self._by_end: dict[bytes, list[bytes]] = {}
        for word in self._words:
            self._by_end.setdefault(word[-6:], []).append(word)
        self._pairs = np.zeros(1 << 16, bool)
        pairs = np.frombuffer(b"".join(end[:2] for end in self._by_end), "<u2")
        self._pairs[pairs] = True
        keys = [int.from_bytes(end[2:], "little") for end in self._by_end]
        self._keys = np.unique(np.array(keys, np.uint32))
        self._hashes = np.zeros(1 << 20, bool)
        self._hashes[_hashed(self._keys)] = True

    def __len__(self) -> int:
        return len(self._words)

    def found_in(self, content: bytes | memoryview) -> set[str | bytes]:
        """Returns the needles that the content contains."""
        found: set[str | bytes] = set()
        data = np.frombuffer(content, np.uint8)
        for begin in range(0, max(len(data) - 5, 0), _BLOCK):
            block = data[begin : begin + _BLOCK + 5]
            for place in self._candidates(block):
                end = begin + int(place) + 6
                for word in self._by_end.get(data[end - 6 : end].tobytes(), ()):
                    if data[max(end - len(word), 0) : end].tobytes() == word:
                        found.add(self._words[word])
        return found

    def _candidates(self, block: np.ndarray) -> np.ndarray:
        """Positions of six bytes that may end a needle."""
        places = [
            np.flatnonzero(
                self._pairs[block[odd : odd + (len(block) - odd) // 2 * 2].view("<u2")]
            )
            * 2
            + odd
            for odd in (0, 1)
        ]
        at = np.concatenate(places)
        at = at[at <= len(block) - 6]
        keys = np.zeros(len(at), np.uint32)
        for shift in range(4):
            keys |= block[at + 2 + shift].astype(np.uint32) << np.uint32(8 * shift)
        likely = self._hashes[_hashed(keys)]
        at, keys = at[likely], keys[likely]
        return at[np.isin(keys, self._keys)]


def _hashed(keys: np.ndarray) -> np.ndarray:
    """Twenty bits of each; one look at a small table is faster than a search."""
    return (keys * np.uint32(2_654_435_761)) >> np.uint32(12)


def search(
    folders: Sequence[Path], needles: Iterable[str | bytes], control: bytes | memoryview
) -> list[str]:
    """Returns and prints which needles the files have in their content or names.

    Args:
        folders: every file below them is searched.
        needles: names and values.
        control: plaintext that must contain all of them; otherwise the search is broken.
    """
    wanted = Needles(needles)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found: set[str | bytes] = set()
    size = 0
    for path in files:
        content = path.name.encode() + b"\0" + path.read_bytes()
        size += len(content)
        found |= wanted.found_in(content)
    print(f"  {len(files)} files, {size:,} bytes")
    print(f"  searched for {len(wanted):,} names and values")
    print(f"  found: {sorted(map(str, found)) or 'nothing'}")
    if len(wanted.found_in(control)) != len(wanted):
        return ["the search itself is broken"]
    return sorted(map(str, found))
