"""How a source reads each leaf, by what a policy does with it.

A leaf is the dotted path of a value inside a column; list items have no name. Text formats do not
say whether 007 is a number: what a policy takes as an identifier is text, with every digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, IntEnum
from fnmatch import fnmatchcase

from sealift.policy.file import Policy, Rule
from sealift.policy.grammar import FORMAT_2


class Reading(IntEnum):
    """What the identifiers of a dataset's records are, before they are hashed.

    A dataset stays with the reading that it was begun with, so that nobody's pseudonym changes.
    """

    NUMBERS = 1
    """What the source's types say: "007" in a column of numbers is 7. Of release 0.1."""
    TEXT = 2
    """Texts as they are, with every digit: policies of format 1."""
    TRIMMED = 3
    """Texts with every digit, without pads: policies of format 2."""


class ReadAs(Enum):
    """How a leaf of a text format is read."""

    PLAIN = "plain"
    """The type that its values show; 007 is the number 7. As in release 0.1."""
    INFERRED = "inferred"
    """The same, but text where numbers would lose digits."""
    NO_NUMBER = "no number"
    """The type that its values show, but text rather than numbers: a date as 20240506."""
    TEXT = "text"
    """Text, whatever its values are."""


ReadLeaf = Callable[[str], ReadAs]
"""Returns how the leaf of a path is read."""

_IDENTIFYING = frozenset({"hash", "tokenise", "mask"})
_DATED = frozenset({"year", "month"})
_INDEX = re.compile(r"\[\d+\]|\.\d+(?=\.|$)")
_IGNORED = str.maketrans("", "", " _-")


def as_inferred(_path: str) -> ReadAs:
    """Read every leaf as the type that its values show."""
    return ReadAs.INFERRED


def as_plain(_path: str) -> ReadAs:
    """Read every leaf as release 0.1 did."""
    return ReadAs.PLAIN


def read_as(policy: Policy | None, subject: str = "") -> ReadLeaf:
    """Return how leaves are read before a policy is applied.

    Args:
        policy: the policy; None if there is none.
        subject: the column that names the person a record is about; empty if there is none.
    """
    rules = policy.rules if policy is not None else ()
    folds = policy is not None and policy.format >= FORMAT_2
    followed = {
        _plain(str(r.settings["by"]), folds) for r in rules if "by" in r.settings
    }

    def read_leaf(path: str) -> ReadAs:
        if path == subject or _plain(path, folds) in followed:
            return ReadAs.TEXT
        rule = _rule_for(rules, path, folds=folds)
        return ReadAs.INFERRED if rule is None else _reading_of(rule)

    return read_leaf


def _reading_of(rule: Rule) -> ReadAs:
    to = rule.settings.get("to")
    if rule.action in _IDENTIFYING or to == "zip3":
        return ReadAs.TEXT
    if rule.action == "shift" or to in _DATED:
        return ReadAs.NO_NUMBER
    return ReadAs.INFERRED


def _rule_for(rules: tuple[Rule, ...], path: str, *, folds: bool) -> Rule | None:
    """Return the rule for a leaf: of its name, or else the first pattern that fits."""
    plain = _plain(path, folds)
    column = _plain(path.partition(".")[0], folds)
    for name in (plain, column):
        for rule in rules:
            if not rule.is_glob and _plain(rule.pattern, folds) == name:
                return rule
    for rule in rules:
        if rule.is_glob and not rule.tag:
            pattern = _plain(rule.pattern, folds, glob=True)
            if fnmatchcase(plain, pattern) or fnmatchcase(column, pattern):
                return rule
    return None


def _plain(name: str, folds: bool, *, glob: bool = False) -> str:
    """Return a name without list indices, in the form in which names are compared."""
    if not glob:
        name = _INDEX.sub("", name)
    return name.casefold().translate(_IGNORED) if folds else name
