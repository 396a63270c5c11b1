"""Spans of a text that identify a person, and how overlapping spans are resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# A chunk is analysed at a time: it bounds the memory, since texts have no maximum length.
CHUNK = 10_000
# A span that crosses the end of a chunk is whole in the next one.
OVERLAP = 400


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a text.

    Attributes:
        start: index of the first character.
        end: index after the last character.
        kind: entity type.
        score: the higher of two overlapping spans wins.
        spreads: whether the same text is also looked for elsewhere.
    """

    start: int
    end: int
    kind: str
    score: float
    spreads: bool = False


Found = dict[int, list[Span]]
"""By the number of a text, where something stands in it."""


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text at white space into overlapping chunks, each with its offset.

    A run without white space that is longer than a chunk is cut inside.
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
    """Return sorted spans that do not overlap: the better one wins, the rest of the other stays.

    Every character that was found stays found; only its type may be that of another span.
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
    """Choose a winner for each character; a group is as long as a phrase, so this is cheap."""
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
    """Strip white space and punctuation from the ends of spans; drop those left empty."""
    for span in spans:
        start, end = span.start, span.end
        while start < end and not text[start].isalnum():
            start += 1
        while end > start and not text[end - 1].isalnum():
            end -= 1
        if start < end:
            # Keep the opening characters of a number: (555), +1.
            while start > span.start and text[start - 1] in "(+#":
                start -= 1
            yield replace(span, start=start, end=end)
