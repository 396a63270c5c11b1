"""Names of columns: which are the same, and the parts of a path.

Format 2 compares names without regard to case, accents, spaces, `_` and `-`: `PATIENT_ID`,
`Patient ID` and `patientId` are one name. Flatteners write the path of a leaf in several forms:
`telecom[0].value`, `telecom.0.value` and `telecom/value` are the leaf `telecom.value`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SEPARATORS = re.compile(r"[\s_\-\u00a0\ufeff]+")
_NO_WORD = re.compile(r"[\W_]+")
_STEPS = re.compile(r"\]\[|\]\.|\[|\]|\.|/|->|::|(?<=.)__(?=.)")
_BEGIN = re.compile(r"^\$\.?")
_QUOTES = re.compile(r"""^(['"])(.*)\1$""")
_BOUNDARIES = re.compile(
    r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])|(?<=[^\W\d_])(?=\d)"
)
# Letters that have no decomposition into a plain letter and an accent.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i"}
)


@lru_cache(1 << 14)
def fold(name: str) -> str:
    """Return a name without case, accents, spaces, `_` and `-`; equal names fold equally."""
    return _SEPARATORS.sub("", _without_accents(name))


@lru_cache(1 << 14)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name: ("patient", "id") for `PatientID` and for `patient_id`."""
    spaced = _BOUNDARIES.sub(" ", name)
    return tuple(word for word in _NO_WORD.split(_without_accents(spaced)) if word)


def snake(name: str) -> str:
    """Return the words of a name with `_` between them: the form that globs are compared with."""
    return "_".join(words_of(name))


@lru_cache(1 << 14)
def steps_of(name: str) -> tuple[str, ...]:
    """Return the parts of a flattened name, without the numbers of list items."""
    steps = indexed_steps_of(name)
    return tuple(step for step in steps if not step.isdecimal()) or steps


@lru_cache(1 << 14)
def indexed_steps_of(name: str) -> tuple[str, ...]:
    """Return the parts of a flattened name, with the numbers of list items."""
    parts = [
        _QUOTES.sub(r"\2", part) for part in _STEPS.split(_BEGIN.sub("", name)) if part
    ]
    steps = tuple(part for part in parts if part.strip())
    # A name that is only numbers is a name, not the place of an item.
    return steps if steps and not all(s.isdecimal() for s in steps) else (name,)


def _without_accents(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return plain.translate(_PLAIN)


_MOST_NAMES = 4096
_BRACES = re.compile(r"\{([^{}]*)\}")


def expand(pattern: str) -> tuple[str, ...]:
    """Return what the braces of a pattern stand for: `{a,b}_date` is `a_date` and `b_date`.

    Raises:
        ValueError: a brace has no partner, or there are too many names.
    """
    found = _BRACES.search(pattern)
    if found is None:
        if "{" in pattern or "}" in pattern:
            raise ValueError("a brace has no partner")
        return (pattern,)
    before, after = pattern[: found.start()], expand(pattern[found.end() :])
    names = [
        before + choice.strip() + rest
        for choice in found[1].split(",")
        for rest in after
    ]
    if len(names) > _MOST_NAMES:
        raise ValueError("the braces stand for too many names")
    return tuple(names)
