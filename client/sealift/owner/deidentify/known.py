"""What is known of each person, as keyed hashes, and where it stands in texts.

A spelling is held as eight bytes: HMAC-SHA256 of it under a random key of this push, added to the
same of the person, so that nothing can be read from what is held. Key and hashes are wiped
afterwards. A wrong match needs two of the 64-bit sums to be equal.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.pseudonyms import KEY_SIZE, digests_of
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.spellings import (
    WORDS,
    Forms,
    Joined,
    joined_in,
    plain_word,
)
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

Hashes = npt.NDArray[np.uint64]

KNOWN = "KNOWN"
"""The type of what only the last look found; it stands in the text as <KNOWN>."""

MOST_HASHES = 1 << 25
"""The most hashes that are held, 8 bytes each."""

_LABELS = ("\0beside", "\0pair", "\0triple")
_BITS = 24
_SHIFT = np.uint64(64 - _BITS)
_NEAR = 3
_BETWEEN = re.compile(r"[ \t\n.,'\u2019/()\"+_-]*")
# A longer word with a point behind it ends a sentence.
_SHORT = 3
_MARKS = re.compile(r"[&<\\]|[a-z]-\n")
_VOWELS = frozenset("AEIOUY")
# Chains of two and three words are sums with these factors, which keep their order.
_FIRST, _SECOND, _THIRD = (np.uint64(n) for n in (3, 5, 7))


class KnownStore:
    """The hashes of what is known. A context manager; they are wiped at its end.

    Attributes:
        key: 32 random bytes; None once they are wiped.
    """

    def __init__(self, key: Secret | None = None) -> None:
        """Make a random key.

        Args:
            key: the key of another store, for hashes that are compared with the same texts.
        """
        self.key: Secret | None = key or Secret.random(KEY_SIZE)
        self._sorted: list[Hashes] = []
        self._people: list[Hashes] = []
        self._lengths: set[int] = set()
        # Says at once of most words that nobody has them.
        self._bits = np.zeros(1 << _BITS, bool)
        self._beside, self._pair, self._triple = self.hash(_LABELS)

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
        self._lengths.update(map(len, (w for f in forms for w in f.alone)))
        place = {word: number for number, word in enumerate(words)}
        hashed = self.hash(words)
        found: list[Hashes] = []
        for select, shift in ((_alone, np.uint64(0)), (_beside, self._beside)):
            codes = [[place[w] for w in select(f)] for f in forms]
            flat = np.array([c for some in codes for c in some], np.int64)
            found.append(hashed[flat] + _repeated(person, codes) + shift)
        for length in (2, 3):
            chains = [[c for c in f.chains if len(c) == length] for f in forms]
            flat = np.array(
                [place[w] for some in chains for c in some for w in c], np.int64
            ).reshape(-1, length)
            found.append(self._chained(hashed[flat].T) + _repeated(person, chains))
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

    def _chained(self, hashes: Hashes) -> Hashes:
        """Return the sum of two or three words that follow each other."""
        if len(hashes) == 2:
            pair: Hashes = hashes[0] * _FIRST + hashes[1] * _SECOND + self._pair
            return pair
        one, two, three = hashes
        triple: Hashes = one * _FIRST + two * _SECOND + three * _THIRD + self._triple
        return triple

    def find(
        self, texts: Sequence[str | None], people: Sequence[Hashes]
    ) -> dict[int, list[Span]]:
        """Return where identifiers of its people stand in each text that has one.

        Args:
            texts: the texts.
            people: one or more arrays with a person for each text.
        """
        if not self._sorted:
            return {}
        rows = [row for row, text in enumerate(texts) if text]
        if not rows:
            return {}
        # Texts recur, as diagnoses do: each is read once.
        codes: dict[str, int] = {}
        of = [codes.setdefault(texts[row] or "", len(codes)) for row in rows]
        read = [_Read.of(text, self._lengths) for text in codes]
        some = np.array(rows, np.int64)
        looked = _Looked(self, read, np.array(of), [hashes[some] for hashes in people])
        return {rows[number]: spans for number, spans in looked.spans()}


@dataclass(frozen=True, slots=True)
class _Read:
    """A text as it is compared.

    Attributes:
        text: the text.
        plain: its decoded form, with the way back; None if it is the same.
        words: its words.
        joined: what may be one identifier in it.
    """

    text: str
    plain: PlainText | None
    words: list[str]
    joined: list[Joined]

    @classmethod
    def of(cls, text: str, lengths: Container[int]) -> _Read:
        """Read a text; `lengths` are those of what is looked for."""
        plain = None
        if not text.isascii() or _MARKS.search(text):
            plain = PlainText(text)
            text = plain.text
        return cls(text, plain, WORDS.findall(text), joined_in(text, lengths))


class _Looked:
    """One look at some texts."""

    def __init__(
        self,
        store: KnownStore,
        read: Sequence[_Read],
        of: npt.NDArray[np.int64],
        people: Sequence[Hashes],
    ) -> None:
        """Compare all words.

        Args:
            store: holds what is known.
            read: the distinct texts.
            of: the text of each value.
            people: one or more arrays with a person for each value.
        """
        self._store = store
        self._read = read
        self._text_of = of
        self._people = people
        # Words recur: each is hashed once.
        codes: dict[str, int] = {}
        flat = [codes.setdefault(w, len(codes)) for one in read for w in one.words]
        hashed = store.hash([plain_word(word) for word in codes])
        counts = np.array([len(one.words) for one in read], np.int64)
        self._starts, self._of, places = _ragged(counts, of)
        self._words = hashed[np.array(flat, np.int64)][places]
        joined = store.hash([j.text for one in read for j in one.joined])
        counts = np.array([len(one.joined) for one in read], np.int64)
        self._joined_starts, self._joined_of, places = _ragged(counts, of)
        self._alone = self._held(self._words)
        self._joined = self._held(joined[places], self._joined_of)
        self._pairs = self._chains(2)
        self._triples = self._chains(3)

    def _held(
        self, hashes: Hashes, of: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.bool_]:
        of = self._of[: len(hashes)] if of is None else of
        found = np.zeros(len(hashes), bool)
        for people in self._people:
            found |= self._store.holds(hashes + people[of])
        return found

    def _chains(self, length: int) -> npt.NDArray[np.bool_]:
        """Return for each word whether it begins a chain."""
        found = np.zeros(len(self._words), bool)
        count = len(self._words) - length + 1
        if count > 0:
            windows = np.stack([self._words[n : n + count] for n in range(length)])
            held = self._held(self._store._chained(windows))
            found[:count] = held & (self._of[:count] == self._of[length - 1 :])
        return found

    def spans(self) -> Iterator[tuple[int, list[Span]]]:
        """Yield the numbers of values in which something was found, with the spans."""
        rows = np.concatenate(
            [
                self._of[self._alone | self._pairs | self._triples],
                self._joined_of[self._joined],
            ]
        )
        for number in np.unique(rows).tolist():
            found = self._in_text(number, self._read[self._text_of[number]])
            if found:
                yield number, found

    def _in_text(self, number: int, one: _Read) -> list[Span]:
        text = one.text
        begin, end = self._starts[number : number + 2].tolist()
        words = [*WORDS.finditer(text)]
        places = [word.span() for word in words]
        hit = self._alone[begin:end].copy()
        for length, chains in ((2, self._pairs), (3, self._triples)):
            for first in np.flatnonzero(chains[begin:end]).tolist():
                chain = places[first : first + length]
                if _follow(text, chain) and _is_name(text, chain):
                    hit[first : first + length] = True
        first, last = self._joined_starts[number : number + 2]
        for place in np.flatnonzero(self._joined[first:last]).tolist():
            joined = one.joined[place]
            for n, (start, stop) in enumerate(places):
                if start < joined.end and stop > joined.start:
                    hit[n] = True
        if not hit.any():
            return []
        of = np.full(end - begin, number)
        near = self._held(self._words[begin:end] + self._store._beside, of)
        return _merged(one, places, _spread(text, places, hit, near))


def _alone(forms: Forms) -> Iterable[str]:
    return forms.alone


def _beside(forms: Forms) -> Iterable[str]:
    return forms.beside


def _repeated(person: Hashes, items: Sequence[Sequence[object]]) -> Hashes:
    return np.repeat(person, [len(some) for some in items])


def _ragged(
    counts: npt.NDArray[np.int64], of: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for the items of some texts where those of each value begin and end.

    Args:
        counts: the number of items of each text, which lie one after another.
        of: the text of each value.

    Returns:
        Where the items of each value begin, and behind the last; for each item its value, and its
        place among those of the texts.
    """
    first = np.cumsum(counts) - counts
    chosen = counts[of]
    starts = np.concatenate([[0], np.cumsum(chosen)])
    values = np.repeat(np.arange(len(of)), chosen)
    places = np.arange(int(starts[-1])) - starts[values] + first[of][values]
    return starts, values, places


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


def _near(text: str, end: int, start: int) -> bool:
    """Return whether two words belong together: "J. Will", "May, Will", but not "May. Will"."""
    between = text[end:start]
    if len(between) > _NEAR or not _BETWEEN.fullmatch(between):
        return False
    if not between.startswith(".") or not between[1:]:
        return True
    return end < _SHORT + 1 or not text[end - _SHORT - 1 : end].isalnum()


def _follow(text: str, chain: Sequence[tuple[int, int]]) -> bool:
    ends = [end for _, end in chain[:-1]]
    return all(
        _near(text, end, start) for end, (start, _) in zip(ends, chain[1:], strict=True)
    )


def _is_name(text: str, chain: Sequence[tuple[int, int]]) -> bool:
    """Return whether a chain with an initial is written as a name: "A young man" is none."""
    initials = [(start, end) for start, end in chain if end - start == 1]
    if not initials:
        return True
    if not all(text[start].isupper() or text[start].isdigit() for start, _ in chain):
        return False
    return all(
        text[start] not in _VOWELS or text[end : end + 1] == "."
        for start, end in initials
        if text[start].isalpha()
    )


def _spread(
    text: str,
    places: Sequence[tuple[int, int]],
    hit: npt.NDArray[np.bool_],
    near: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Return what was found with what stands beside it and is of the same person."""
    for order in (range(1, len(places)), range(len(places) - 2, -1, -1)):
        step = 1 if order.step > 0 else -1
        for place in order:
            other = place - step
            if hit[place] or not (hit[other] and near[place]):
                continue
            left, right = sorted((place, other))
            start, end = places[place]
            initial = end - start == 1
            if _near(text, places[left][1], places[right][0]) and (
                not initial or text[start].isupper()
            ):
                hit[place] = True
    return hit


def _merged(
    one: _Read, places: Sequence[tuple[int, int]], hit: npt.NDArray[np.bool_]
) -> list[Span]:
    """Return the words found as spans of the original text, with what is between neighbours."""
    spans: list[Span] = []
    last = -2
    for place in np.flatnonzero(hit).tolist():
        start, end = places[place]
        between = one.text[spans[-1].end : start] if place == last + 1 else "\n"
        if len(between) <= _NEAR and "\n" not in between:
            spans[-1] = Span(spans[-1].start, end, KNOWN, 0.0)
        else:
            spans.append(Span(start, end, KNOWN, 0.0))
        last = place
    if one.plain is None:
        return spans
    found = []
    for span in spans:
        start, end = one.plain.original(span)
        found.append(Span(start, end, KNOWN, 0.0))
    return found
