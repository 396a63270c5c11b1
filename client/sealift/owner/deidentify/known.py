"""What is known of each person, as keyed hashes.

A spelling is held as eight bytes: HMAC-SHA256 of it under a random key of this push, added to the
same of the person, so that nothing can be read from what is held. Key and hashes are wiped
afterwards. A wrong match needs two of the 64-bit sums to be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from sealift.owner.deidentify.pseudonyms import KEY_SIZE, digests_of
from sealift.owner.deidentify.spellings import Forms
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

Hashes = npt.NDArray[np.uint64]

MOST_HASHES = 1 << 25
"""The most hashes that are held, 8 bytes each."""

_LABELS = ("\0beside", "\0pair", "\0triple")
_BITS = 24
_SHIFT = np.uint64(64 - _BITS)
# Chains of two and three words are sums with these factors, which keep their order.
_FIRST, _SECOND, _THIRD = (np.uint64(n) for n in (3, 5, 7))


class KnownStore:
    """The hashes of what is known. A context manager; they are wiped at its end.

    Attributes:
        key: 32 random bytes; None once they are wiped.
        beside: what is added to the hash of a word that tells a person only beside another.
        lengths: how many characters there are in what tells one alone.
    """

    def __init__(self, key: Secret | None = None) -> None:
        """Make a random key.

        Args:
            key: the key of another store, for hashes that are compared with the same texts.
        """
        self.key: Secret | None = key or Secret.random(KEY_SIZE)
        self._sorted: list[Hashes] = []
        self._people: list[Hashes] = []
        self.lengths: set[int] = set()
        # Says at once of most words that nobody has them.
        self._bits = np.zeros(1 << _BITS, bool)
        self.beside, self._pair, self._triple = self.hash(_LABELS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wipe()

    def __len__(self) -> int:
        return sum(map(len, self._sorted))

    def wipe(self) -> None:
        """Overwrite the hashes, and forget the key."""
        for hashes in (*self._sorted, *self._people):
            hashes.fill(0)
        self._bits = np.zeros(0, bool)
        self._sorted, self._people, self.key = [], [], None

    def hash(self, texts: Sequence[str]) -> Hashes:
        """Return the keyed hash of each text.

        Raises:
            ValueError: the store was wiped.
        """
        if self.key is None:
            raise ValueError("the hashes were wiped")
        digests = digests_of(self.key, [text.encode() for text in texts])
        return np.frombuffer(b"".join(d[:8] for d in digests), np.uint64)

    def people(self, texts: Sequence[str]) -> Hashes:
        """Return the hash of each person, by the text of its identifier."""
        return self.hash([f"\0person {text}" for text in texts])

    def add(
        self,
        person: Hashes,
        forms: Sequence[Forms],
        *,
        tells: Sequence[bool] | None = None,
    ) -> None:
        """Hold what is known of people.

        Args:
            person: the hash of each person.
            forms: what is known of each.
            tells: whether that is more than the number by which records name a person.

        Raises:
            PolicyViolation: there is too much to hold.
        """
        if not forms:
            return
        words = [
            *{w for f in forms for w in (*f.alone, *f.beside)}
            | {w for f in forms for chain in f.chains for w in chain}
        ]
        self.lengths.update(map(len, (w for f in forms for w in f.alone)))
        place = {word: number for number, word in enumerate(words)}
        hashed = self.hash(words)
        found: list[Hashes] = []
        for select, shift in ((_alone, np.uint64(0)), (_beside, self.beside)):
            codes = [[place[w] for w in select(f)] for f in forms]
            flat = np.array([c for some in codes for c in some], np.int64)
            found.append(hashed[flat] + _repeated(person, codes) + shift)
        for length in (2, 3):
            chains = [[c for c in f.chains if len(c) == length] for f in forms]
            flat = np.array(
                [place[w] for some in chains for c in some for w in c], np.int64
            ).reshape(-1, length)
            found.append(self.chained(hashed[flat].T) + _repeated(person, chains))
        added = np.concatenate(found)
        self._bits[added >> _SHIFT] = True
        _insert(self._sorted, added)
        _insert(
            self._people, person if tells is None else person[np.array(tells, bool)]
        )
        if len(self) > MOST_HASHES:
            raise PolicyViolation(
                "the records tell more of people than can be held for [known] of the policy",
                hint="push them in several parts, each with all records of its people",
            )

    def holds(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Return whether each hash is held."""
        found: npt.NDArray[np.bool_] = self._bits[hashes >> _SHIFT]
        maybe = np.flatnonzero(found)
        found[maybe] = _held(self._sorted, hashes[maybe])
        return found

    def knows(self, person: Hashes) -> npt.NDArray[np.bool_]:
        """Return whether anything is known of each person."""
        return _held(self._people, person)

    def chained(self, hashes: Hashes) -> Hashes:
        """Return the sum of two or three words that follow each other."""
        if len(hashes) == 2:
            pair: Hashes = hashes[0] * _FIRST + hashes[1] * _SECOND + self._pair
            return pair
        one, two, three = hashes
        triple: Hashes = one * _FIRST + two * _SECOND + three * _THIRD + self._triple
        return triple


def _alone(forms: Forms) -> Iterable[str]:
    return forms.alone


def _beside(forms: Forms) -> Iterable[str]:
    return forms.beside


def _repeated(person: Hashes, items: Sequence[Sequence[object]]) -> Hashes:
    return np.repeat(person, [len(some) for some in items])


def _insert(arrays: list[Hashes], hashes: Hashes) -> None:
    """Add hashes to sorted arrays, of which each is at least twice as long as the next."""
    arrays.append(np.unique(hashes))
    while len(arrays) > 1 and len(arrays[-2]) < 2 * len(arrays[-1]):
        one, two = arrays.pop(), arrays.pop()
        arrays.append(np.union1d(one, two))
        one.fill(0)
        two.fill(0)


def _held(arrays: Sequence[Hashes], hashes: Hashes) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(hashes), bool)
    for held in arrays:
        if len(held):
            place = np.searchsorted(held, hashes)
            found |= held[np.minimum(place, len(held) - 1)] == hashes
    return found
