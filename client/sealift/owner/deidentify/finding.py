"""Identifiers that the patterns and the model find in a text, without clinical words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sealift.owner.deidentify.clinical_words import (
    ALSO_FIRST,
    ALSO_NAMES,
    EPONYM_NOUNS,
    STATE_CODES,
    STATES,
    is_medical,
)
from sealift.owner.deidentify.patterns import TERMINOLOGY, Pattern
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import fold, word_set

WORD = re.compile(
    r"[^\W\d_][\w\u0300-\u036f]*(?:['\u2019-][^\W\d_][\w\u0300-\u036f]*)*"
)

_NAME_KINDS = ("PERSON", "LOCATION", "EMPLOYER")
_GROUPS = ("x", "y", "z")
# From this score on, the context overrides the list of words that are not names:
# for words that are also names, for short capitals ("LI, Wei"), and for places.
_BELIEVED = 0.85
_SURE = 0.9
_BELIEVED_PLACE = 0.65
# Below it is what the model takes for a firm.
_LEAST_PLACE = 0.5
# Patterns below this score have no context, and skip the codes of terminologies.
_CATCH_ALL = 0.3
_CODES = frozenset(STATE_CODES.split("|"))
_NEXT_WORD = re.compile(r"(?:['\u2019]s?)?[ -]([a-z]+)")
# Words that follow a drug, and words that precede one.
_DOSE = re.compile(
    r"\s{1,2}(?:\d[\d.,/-]{0,8}\s?(?:mg|mcg|g|units?|ml|mL|mEq|IU|tabs?|%|puffs?|drops)\b"
    r"|(?:was|is|were)\s(?:held|stopped|started|resumed|continued|increased|decreased|given)\b)"
)
_PRESCRIBING = re.compile(
    r"(?i)\b(?:takes?|took|taking|meds?:?|medications?:?|allergies:|allergic\sto|prescribed|given"
    r"|recommended|continued?s?|hold|held|stopped|started(?:\son)?|tapered|titrated?)\s$"
)
_TITLE_CASE = re.compile(r"[^\W\d_a-z][^\W\d_A-Z]{2}")
_CAPITAL = re.compile(r"[^\W\d_a-z]|\d")
_EDGES = " \t\r\n\u00a0.,;:()[]|-\u2013\u2014&/'\u2019\""


def find_patterns(text: str, patterns: Iterable[Pattern]) -> Iterator[Span]:
    """Return the spans that some patterns find in a text."""
    for pattern in patterns:
        named = [name for name in _GROUPS if name in pattern.regex.groupindex]
        for match in pattern.regex.finditer(text):
            for start, end in [match.span(name) for name in named] or [match.span()]:
                if start < end:
                    yield from _of_pattern(text, start, end, pattern)


def _of_pattern(text: str, start: int, end: int, pattern: Pattern) -> Iterator[Span]:
    kind, score = pattern.kind, pattern.score
    if kind in _NAME_KINDS:
        for first, last in _names(text, start, end, kind, score):
            yield Span(first, last, kind, score, pattern.spreads)
    elif score > _CATCH_ALL or not TERMINOLOGY.search(text, max(0, start - 30), start):
        yield Span(start, end, kind, score, pattern.spreads)


def find_names(
    text: str, start: int, end: int, kind: str, score: float
) -> Iterator[Span]:
    """Return the parts of a model's finding that can be names: no clinical words, no states."""
    for first, last in _names(text, start, end, kind, score):
        found = text[first:last]
        capital = any(word[0][0].isupper() for word in WORD.finditer(found))
        short = len(found) < 3 or (found.isupper() and len(found) < 5)
        digits = any(character.isdigit() for character in found)
        if not capital or short or digits or names_disease(text, last):
            continue
        if score < _LEAST_PLACE and not _TITLE_CASE.search(found):
            continue
        if not is_medicine(text, first, last):
            yield Span(first, last, kind, score, spreads=kind == "PERSON")


def is_medicine(text: str, start: int, end: int) -> bool:
    """Return whether a dose follows a word, or a word of prescribing precedes it."""
    dose = _DOSE.match(text, end)
    return bool(dose or _PRESCRIBING.search(text, max(0, start - 20), start))


def names_disease(text: str, end: int) -> bool:
    """Return whether the word after a name makes it a disease, a test or a device."""
    following = _NEXT_WORD.match(text, end)
    return following is not None and following[1] in EPONYM_NOUNS


def possessive(found: str) -> int:
    """Return the number of characters in a word's possessive ending."""
    return 2 if found.endswith(("'s", "\u2019s")) else 0


def _names(
    text: str, start: int, end: int, kind: str, score: float
) -> Iterator[tuple[int, int]]:
    """Return the runs of words between those that are not names."""
    if kind != "PERSON":
        if text[start].isdigit():
            yield start, end
        else:
            yield from _place(text, start, end, score)
        return
    run: list[re.Match[str]] = []
    for word in WORD.finditer(text, start, end):
        if _is_of_no_name(text, word, score):
            yield from _person(run, score)
            run = []
        else:
            run.append(word)
    yield from _person(run, score)


def _is_of_no_name(text: str, word: re.Match[str], score: float) -> bool:
    found = word[0]
    if len(found) == 1:
        return found.islower()
    if score < _SURE and found.isupper() and len(found) < 5:
        return True
    if names_disease(text, word.end()):
        return True
    if found.lower() in ALSO_NAMES:
        return False
    return is_medical(found, by_ending=score < _BELIEVED)


def _person(run: list[re.Match[str]], score: float) -> Iterator[tuple[int, int]]:
    """Yield a run of words as a name, if it has more than initials and ordinary words."""
    if score < _BELIEVED:
        while run and _is_ordinary(run[0][0], alone=len(run) == 1):
            run = run[1:]
        while run and _is_ordinary(run[-1][0], alone=len(run) == 1):
            run = run[:-1]
    words = [word[0] for word in run if len(word[0]) > 1]
    believed = score >= _BELIEVED or any(not is_medical(word) for word in words)
    if words and believed:
        yield run[0].start(), run[-1].end() - possessive(run[-1][0])


def _is_ordinary(found: str, *, alone: bool) -> bool:
    """Return whether a word of English is no name; next to a name, listed names are."""
    if len(found) == 1:
        return False
    folded = fold(found)
    if folded not in word_set("words") and folded not in word_set("clinical"):
        return False
    listed = folded in word_set("first_names") or folded in word_set("surnames")
    if not listed:
        return True
    return alone and folded in word_set("words") and folded not in ALSO_FIRST


def _place(text: str, start: int, end: int, score: float) -> Iterator[tuple[int, int]]:
    """Yield a place, unless it is a state or has only ordinary words."""
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    end -= possessive(text[start:end])
    last = text.rfind(" ", start, end)
    if last > start and text[last + 1 : end] in _CODES:
        end = last
    if score < _BELIEVED_PLACE:
        start, end = _without_ordinary_ends(text, start, end)
    found = text[start:end]
    words = [word[0] for word in WORD.finditer(found)]
    surname = score >= _BELIEVED and any(word.lower() in ALSO_NAMES for word in words)
    weak = score < _BELIEVED_PLACE
    ordinary = not surname and all(
        is_medical(word)
        or word in _CODES
        or (weak and fold(word) in word_set("common" if len(words) > 1 else "words"))
        for word in words
    )
    if weak and found.isupper() and (len(words) > 1 or score < _LEAST_PLACE):
        return
    if (
        words
        and not ordinary
        and found.lower() not in STATES
        and _CAPITAL.search(found)
    ):
        yield start, end


def _without_ordinary_ends(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a model's place without a word such as "Daughter" before it."""
    words = [
        word
        for word in WORD.finditer(text, start, end)
        if word[0].lower() in ALSO_NAMES or not is_medical(word[0])
    ]
    return (words[0].start(), words[-1].end()) if words else (start, start)
