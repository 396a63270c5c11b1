"""The headers under which the identifiers of people stand, in eight languages (`headers.toml`).

A rule of `[identifiers]` is for a class of them. A header belongs to a class if its words, without
those that say whose it is ("patient", "des Patienten", "del paciente", "home", a small number),
are one of the class's. Classes are those of 45 CFR 164.514(b)(2)(i)(A) to (R).
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from sealift.policy.names import fold, words_of

_FILLING = "filling"
# "d. o. b." without its fillings is no header.
_SHORTEST = 3
# What is left of "patient number" says nothing by itself.
_GENERAL = frozenset(
    ("number", "no", "nr", "id", "nummer", "numero", "numer", "line", "unit", "contact")
)


@cache
def headers() -> dict[str, tuple[str, ...]]:
    """Return the headers of each class."""
    return {kind: tuple(names) for kind, names in _file().items() if kind != _FILLING}


@cache
def _file() -> dict[str, list[str]]:
    file = resources.files("sealift.policy").joinpath("headers.toml")
    return tomllib.loads(file.read_text("utf-8"))


@cache
def _filling() -> frozenset[str]:
    """Return the words that say whose, or of which of several: they do not change the class."""
    return frozenset(fold(word) for word in _file()[_FILLING])


def identifier_of(name: str) -> str:
    """Return the class that a header belongs to; empty if there is none."""
    words = words_of(name)
    known = _known()
    found = known.get("".join(words), "") or known.get(_essence(words), "")
    if found:
        return found
    # "Name, Vorname": several headers of one class in one.
    each = {known.get(word, "") for word in words if word not in _filling()}
    return each.pop() if len(each) == 1 else ""


def _essence(words: tuple[str, ...]) -> str:
    """Join the words without fillings and numbers of one or two digits."""
    return "".join(
        word
        for word in words
        if word not in _filling() and not (word.isdecimal() and len(word) <= 2)
    )


@cache
def _known() -> dict[str, str]:
    """Return the class of each header, whole and without its fillings."""
    known: dict[str, str] = {}
    for shortened in (False, True):
        for kind, names in headers().items():
            for header in names:
                words = words_of(header)
                key = _essence(words) if shortened else "".join(words)
                if len(key) >= (_SHORTEST if shortened else 1) and key not in _GENERAL:
                    known.setdefault(key, kind)
    return known
