"""Finds every other occurrence of what was found once in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sealift.owner.deidentify.clinical_words import ALSO_NAMES, is_medical
from sealift.owner.deidentify.finding import WORD, names_disease, possessive
from sealift.owner.deidentify.spans import Span

_SCORE = 0.5
_SHORTEST_CODE = 5
_CODE_WORD = re.compile(r"\w+(?:[-./ ]\w+)*")
_CODE_PIECE = re.compile(r"\w+(?:[-./]\w+)*")


def spread(text: str, spans: list[Span]) -> list[Span]:
    """Find all other occurrences of the names and numbers that were found once.

    Names are compared word by word, regardless of case. A word counts if it begins with a capital
    letter or if two of them are adjacent.
    """
    names: set[str] = set()
    codes: dict[str, str] = {}
    for span in spans:
        if not span.spreads:
            continue
        found = text[span.start : span.end]
        if span.kind == "PERSON":
            names.update(
                word[0].lower() for word in WORD.finditer(found) if _is_name(word[0])
            )
        elif len(found) >= _SHORTEST_CODE and any(c.isdigit() for c in found):
            codes.setdefault(found, span.kind)
    return [*_spread_names(text, names), *_spread_codes(text, codes)]


def _is_name(word: str) -> bool:
    return len(word) > 1 and (
        not is_medical(word, by_ending=False) or word.lower() in ALSO_NAMES
    )


def _spread_names(text: str, names: set[str]) -> Iterator[Span]:
    if not names:
        return
    before: re.Match[str] | None = None
    for word in WORD.finditer(text):
        end = word.end() - possessive(word[0])
        known = word[0].lower() in names or text[word.start() : end].lower() in names
        if not known:
            before = None
            continue
        if word[0][0].isupper():
            if not names_disease(text, word.end()):
                yield Span(word.start(), end, "PERSON", _SCORE)
        elif before is not None and word.start() - before.end() == 1:
            yield Span(before.start(), end, "PERSON", _SCORE)
        before = word


def _spread_codes(text: str, codes: dict[str, str]) -> Iterator[Span]:
    if not codes:
        return
    for word in _CODE_WORD.finditer(text):
        whole = word[0] in codes
        for piece in (
            [word] if whole else _CODE_PIECE.finditer(text, word.start(), word.end())
        ):
            kind = codes.get(piece[0])
            if kind is not None:
                yield Span(piece.start(), piece.end(), kind, _SCORE)
