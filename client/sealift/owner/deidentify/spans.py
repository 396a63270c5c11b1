"""Stretches of a text that identify a person, cut out of it and made to agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# A chunk is what is analysed at once: memory is bounded by it, and a text's length is not.
CHUNK = 10_000
# What crosses the end of a chunk is whole in the next one.
OVERLAP = 400


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text.

    Attributes:
        start: in characters.
        end: of the character after the last.
        kind: entity type.
        score: which of two that overlap wins.
        spreads: whether the same text is looked for elsewhere.
    """

    start: int
    end: int
    kind: str
    score: float
    spreads: bool = False


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """Cuts a text at white space into overlapping chunks, each with its place.

    A run without white space longer than a chunk is cut inside.
    """
    start = 0
    while len(text) - start > CHUNK:
        end = _cut(text, start + CHUNK // 2, start + CHUNK)
        yield start, text[start:end]
        start = _cut(text, end - 2 * OVERLAP, end - OVERLAP)
    if start < len(text):
        yield start, text[start:]


def _cut(text: str, first: int, last: int) -> int:
    for place in range(last, first, -1):
        if text[place - 1].isspace():
            return place
    return last


def agree(spans: Iterable[Span]) -> list[Span]:
    """Spans in order that do not overlap: the better wins, and what sticks out of it stays.

    Nothing that was found is given up; only its type may be another's.
    """
    ranked = sorted(
        spans, key=lambda span: (span.start, -span.end, -span.score, span.kind)
    )
    return [span for group in _touching(ranked) for span in _settle(group)]


def _touching(spans: list[Span]) -> Iterator[list[Span]]:
    group: list[Span] = []
    reach = 0
    for span in spans:
        if group and span.start >= reach:
            yield group
            group, reach = [], 0
        group.append(span)
        reach = max(reach, span.end)
    if group:
        yield group


def _settle(group: list[Span]) -> list[Span]:
    """One winner for each character: a group is as long as a phrase, so this is small."""
    if len(group) == 1:
        return group
    first = group[0].start
    best = sorted(
        group, key=lambda span: (-span.score, span.start - span.end, span.kind)
    )
    owner = [-1] * (max(span.end for span in group) - first)
    for rank, span in enumerate(best):
        for place in range(span.start - first, span.end - first):
            if owner[place] < 0:
                owner[place] = rank
    settled: list[Span] = []
    place = 0
    while place < len(owner):
        last = place
        while last < len(owner) and owner[last] == owner[place]:
            last += 1
        piece = replace(best[owner[place]], start=first + place, end=first + last)
        if settled and settled[-1].kind == piece.kind:
            settled[-1] = replace(settled[-1], end=piece.end)
        else:
            settled.append(piece)
        place = last
    return settled


def trim(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Spans without white space and punctuation at their ends; those of nothing else fall away."""
    for span in spans:
        start, end = span.start, span.end
        while start < end and not text[start].isalnum():
            start += 1
        while end > start and not text[end - 1].isalnum():
            end -= 1
        if start < end:
            # What opens a number belongs to it: (555), +1.
            while start > span.start and text[start - 1] in "(+#":
                start -= 1
            yield replace(span, start=start, end=end)
