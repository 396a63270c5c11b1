"""Where what is known of people stands in their texts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sealift.owner.deidentify.known import Hashes, KnownStore
from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.spellings import WORDS, Joined, joined_in, plain_word

KNOWN = "KNOWN"
"""The type of what only the last look found; it stands in the text as <KNOWN>."""

_NEAR = 3
_BETWEEN = re.compile(r"[ \t\n.,'\u2019/()\"+_-]*")
# A longer word with a point behind it ends a sentence.
_SHORT = 3
_MARKS = re.compile(r"[&<\\]|[a-z]-\n")
_VOWELS = frozenset("AEIOUY")


def find_known(
    store: KnownStore, texts: Sequence[str | None], people: Sequence[Hashes]
) -> dict[int, list[Span]]:
    """Return where identifiers of its people stand in each text that has one.

    Args:
        store: holds what is known.
        texts: the texts.
        people: one or more arrays with a person for each text.
    """
    rows = [row for row, text in enumerate(texts) if text]
    if not rows or not len(store):
        return {}
    # Texts recur, as diagnoses do: each is read once.
    codes: dict[str, int] = {}
    of = [codes.setdefault(texts[row] or "", len(codes)) for row in rows]
    read = [_Read.of(text, store.lengths) for text in codes]
    some = np.array(rows, np.int64)
    looked = _Looked(store, read, np.array(of), [hashes[some] for hashes in people])
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
            held = self._held(self._store.chained(windows))
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
        near = self._held(self._words[begin:end] + self._store.beside, of)
        return _merged(one, places, _spread(text, places, hit, near))


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
