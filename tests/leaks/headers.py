"""Which header a column gets: one that the policy knows, so that the column goes, changed or cut.

What a policy says that it keeps is no leak: a number in a column of results, a date in a column of
booking times. `outcome_of` says which identifiers a rule has no room for. It is written from
docs/spec/policy.md, and asks nothing of what it is there to test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from leaks.columns import Position, Type
from sealift.owner.deidentify.rules import Columns, Index
from sealift.policy.file import Policy, Rule
from sealift.policy.headers import headers
from sealift.policy.names import fold

_FILLINGS = ("old", "second", "patient", "value")
_DATES = ("date", "datetime")
_DIGITS = ("ssn", "mrn", "phone", "pan", "zip")
# Everything in it is found by its form.
_SCRUBBED = ("note", "email", "ssn")
# Identifiers with more digits than this do not fit a rule with limits.
_LEAST_NUMBER = 10**8

GOES, REFUSED, STAYS = "goes", "refused", "stays"


@dataclass(frozen=True, slots=True)
class Header:
    """A header, and the rule of the policy for it.

    Attributes:
        text: the header.
        rule: the rule; None if no rule names it.
    """

    text: str
    rule: Rule | None


@dataclass(slots=True)
class Vocabulary:
    """The headers that a policy knows, by the position of the leaf.

    Attributes:
        policy: the policy.
    """

    policy: Policy
    _words: list[Header] = field(default_factory=list)
    _known: dict[tuple[str, str], Rule | None] = field(default_factory=dict)
    _index: Index | None = None

    def __post_init__(self) -> None:
        self._index = Index(self.policy)
        self._words = list(_words_of(self.policy))

    def choose(
        self,
        position: Position,
        type_: Type,
        kind: str,
        rng: Random,
        used: set[str],
        *,
        texts: bool,
    ) -> Header | None:
        """Return a header for a leaf; None if no rule lets the leaf go.

        Args:
            position: where in the column the leaf lies.
            type_: the leaf's type.
            kind: what identifier it holds.
            rng: where chance comes from.
            used: headers of the sheet, folded.
            texts: whether a scrubber may read the column.
        """

        def goes(rule: Rule) -> bool:
            if rule.action == "scrub" and not texts:
                return False
            return outcome_of(rule, type_, kind) == GOES

        wants_drop = rng.random() < 0.4
        spare = None
        for word in rng.sample(self._words, len(self._words)):
            # The rule that it was made from is only likely to be the one that names it there.
            if not goes(word.rule) or not _reaches(word.rule, position.path):
                continue
            if fold(word.text) in used:
                continue
            if (word.rule.action == "drop") != wants_drop and spare is not None:
                continue
            rule = self.rule_of(position.path, word.text)
            if rule is None or not goes(rule):
                continue
            if (rule.action == "drop") == wants_drop:
                return Header(word.text, rule)
            spare = spare or Header(word.text, rule)
        return spare

    def kept(self, kind: str, used: set[str]) -> Header | None:
        """Return the header of a column that stays: "numeric", "boolean" or "values"."""
        for word in self._words:
            guard = word.rule.guard
            if word.rule.action != "keep" or guard is None or word.rule.is_glob:
                continue
            if fold(word.text) in used:
                continue
            if guard.by == kind or (guard.allowed == (kind,) and guard.least <= 1):
                return word
        return None

    def dropped_with(self, text: str, rng: Random) -> str:
        """Return the name of a column that has a text in it, and that the policy drops."""
        if self.policy.unlisted == "drop":
            return text
        globs = [
            pattern
            for rule in self.policy.rules
            if rule.action == "drop" and rule.is_glob
            for pattern in rule.patterns
            if pattern.count("*") >= 1 and "." not in pattern and "(" not in pattern
        ]
        return rng.choice(globs).replace("*", f" {text} ", 1).replace("*", "").strip()

    def rule_of(self, path: str, word: str) -> Rule | None:
        """Return the rule for a header below a path; None if a leaf there has none."""
        key = path, word
        if key not in self._known:
            kind: pa.DataType = pa.int32()
            names = [*path.split("."), word] if path not in ("", "map") else [word]
            for name in names[:0:-1]:
                kind = pa.struct([(name, kind)])
            if path == "map":
                kind = pa.map_(pa.string(), pa.int32())
            columns = Columns(pa.schema([(names[0], kind)]), self.policy)
            rules = [self._index.best(named)[1] for named in columns.named]
            self._known[key] = None if None in rules else rules[-1]
        return self._known[key]


def _reaches(rule: Rule, path: str) -> bool:
    """Return whether a rule may name a leaf below a path."""
    if path == "map":
        return rule.action == "drop"
    return not path or rule.identifier or rule.is_glob


def _words_of(policy: Policy) -> Iterator[Header]:
    """Yield names that a policy has rules for, as people would write them."""
    known = headers()
    for rule in policy.rules:
        if rule.identifier:
            for name in known[rule.pattern][:60:2]:
                yield Header(name, rule)
            continue
        for pattern in rule.patterns:
            if "(" in pattern or "." in pattern or "?" in pattern:
                continue
            if "*" not in pattern:
                yield Header(pattern, rule)
                continue
            for filling in _FILLINGS:
                yield Header(pattern.replace("*", filling), rule)


def respelled(text: str, rng: Random) -> str:
    """Write a header in another way that means the same."""
    way = rng.randrange(5)
    if way == 0:
        return text.upper()
    if way == 1:
        return text.replace("_", " ").title()
    if way == 2:
        return text.replace("_", "-")
    return text


def outcome_of(rule: Rule, type_: Type, kind: str) -> str:
    """Return what a rule may do with an identifier: let it go changed, refuse it, let it stay."""
    if rule.guard is not None:
        held = _held(rule, type_, kind)
        if held is not None:
            return held
    return _done(rule, type_, kind)


def _is_text(type_: Type) -> bool:
    return "string" in type_.name or type_.name == "text"


def _is_bytes(type_: Type) -> bool:
    return "binary" in type_.name


def _is_number(type_: Type) -> bool:
    return type_.kind is not None and (
        pa.types.is_integer(type_.kind)
        or pa.types.is_floating(type_.kind)
        or pa.types.is_decimal(type_.kind)
    )


def _held(rule: Rule, type_: Type, kind: str) -> str | None:
    """Return what a guard does with an identifier; None if the action decides."""
    guard = rule.guard
    if guard.by == "values":
        return GOES
    if guard.by == "code":
        # Their forms have room for numbers and short codes, and none for these.
        free = (
            "name",
            "email",
            "address",
            "note",
            "ssn",
            "date",
            "datetime",
            "iban",
            "gps",
        )
        return GOES if _is_text(type_) and kind in free else STAYS
    [allowed] = guard.allowed
    if allowed == "boolean":
        return GOES
    if allowed == "binary":
        return STAYS if _is_bytes(type_) else GOES
    if allowed == "date":
        # Ten digits may be a day and an hour.
        return GOES if kind not in (*_DATES, "time", "mrn") else STAYS
    if kind == "gps" and (_is_number(type_) or _is_text(type_)):
        return None if rule.action == "generalise" else STAYS
    if kind in _DIGITS:
        return GOES if guard.most < _LEAST_NUMBER else STAYS
    return GOES


def _done(rule: Rule, type_: Type, kind: str) -> str:
    """Return what an action does with an identifier."""
    action = rule.action
    if action == "drop":
        return GOES
    if action == "hash":
        return REFUSED if type_.name == "float64" else GOES
    if action == "mask":
        return GOES if _is_text(type_) else REFUSED
    if action == "tokenise":
        return (
            GOES
            if kind == "pan" and (_is_text(type_) or "int" in type_.name)
            else REFUSED
        )
    if action == "scrub":
        return GOES if _is_text(type_) and kind in _SCRUBBED else REFUSED
    if action == "shift":
        return GOES if kind in _DATES and not _is_bytes(type_) else REFUSED
    if action == "generalise":
        return _generalised(str(rule.settings["to"]), type_, kind)
    return STAYS


def _generalised(to: str, type_: Type, kind: str) -> str:
    if to in ("year", "month"):
        return GOES if kind in _DATES and not _is_bytes(type_) else REFUSED
    if to == "zip3":
        return GOES if kind == "zip" and _is_text(type_) else REFUSED
    if to == "age-band":
        return GOES if kind in ("ssn", "mrn") and "int" in type_.name else REFUSED
    if to == "decimals":
        # A whole number is round to any number of digits.
        return GOES if kind == "gps" and type_.name == "float64" else REFUSED
    return REFUSED
