"""Lists of names, places, words and drugs, read once.

README.md in this folder has their makers and licences.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources

# Letters that do not decompose into a letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i"}
)


def fold(text: str) -> str:
    """Return a text in lower case and without accents, as the lists are."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    plain = unicodedata.normalize("NFD", lowered.translate(_LETTERS))
    return "".join(c for c in plain if not unicodedata.combining(c))


def _lines(name: str) -> list[str]:
    file = resources.files(__name__).joinpath(f"{name}.txt")
    return file.read_text(encoding="ascii").split("\n")[:-1]


@cache
def word_set(name: str) -> frozenset[str]:
    """Return a list as a set.

    Args:
        name: `common` (the commonest words of English), `words` (words of English, no proper
            names), `rare_words` (rarer ones), `clinical` (drugs and diseases), `first_names`,
            `surnames`, `ordinary` (months, days, colours and the like, in eight languages).
    """
    return frozenset(_lines(name))


@cache
def cities() -> dict[str, frozenset[tuple[str, ...]]]:
    """Return towns of more than 5,000 people: the words after the first, by the first."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for line in _lines("cities"):
        first, *others = line.replace("-", " ").split()
        found.setdefault(first, set()).add(tuple(others))
    return {first: frozenset(others) for first, others in found.items()}
