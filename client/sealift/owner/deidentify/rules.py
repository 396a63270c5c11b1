"""Matches the rules of a policy to the leaves of a schema.

Source: docs/spec/policy.md, "Columns". A rule names exactly the leaves that its pattern names; only
`drop` covers what is inside a column as well. Of several rules the closest counts: one for a FHIR
path (format 2), for the exact name, for a tag or path, for a class of identifiers, and last a glob,
of which the first in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import pyarrow as pa

from sealift.owner.deidentify.leaves import Leaf, Tree, trees_of
from sealift.owner.deidentify.naming import ANY_RESOURCE, Named, Namer, key_of
from sealift.policy.file import Policy, Privacy, Rule
from sealift.policy.headers import identifier_of
from sealift_protocol.errors import PolicyViolation

_SHOWN = 20


class Closeness(IntEnum):
    """How closely a rule names a leaf; the smaller, the closer."""

    PATH = 0
    NAME = 1
    # A DICOM tag; in format 1 a FHIR path, too.
    TAG = 2
    # A column or field around the leaf is dropped by its exact name.
    DROPPED = 3
    IDENTIFIER = 4
    GLOB = 5
    NONE = 6


@dataclass(frozen=True, slots=True)
class Match:
    """The rule of a leaf.

    Attributes:
        leaf: the leaf.
        rule: its rule; None if no rule names it.
        closeness: how closely the rule names it.
    """

    leaf: Leaf
    rule: Rule | None
    closeness: Closeness

    @property
    def is_named(self) -> bool:
        """Whether the policy has the name of the leaf, not only a pattern that it fits."""
        return self.closeness <= Closeness.IDENTIFIER


class Columns:
    """The leaves of a schema, under the names that a policy may use."""

    def __init__(self, schema: pa.Schema, policy: Policy) -> None:
        """Look up names and origins.

        Args:
            schema: schema of the source.
            policy: the policy that names columns.

        Raises:
            InvalidArgument: the policy names DICOM tags, the columns do not carry theirs, and
                pydicom is not installed.
        """
        self._names: list[str] = schema.names
        self.trees: list[Tree] = trees_of(schema)
        self.leaves: list[Leaf] = [leaf for t in self.trees for leaf in t.leaves()]
        with_tags = any(rule.tag for rule in policy.rules)
        self._namer = Namer(schema, policy.format, with_tags=with_tags)
        self.named: list[Named] = [self._namer.named(leaf) for leaf in self.leaves]

    def find(self, name: str) -> Leaf | None:
        """Return the one leaf of a name that a record has one of.

        The name is a path or a FHIR path; in format 2, where no leaf has it, the header of a class
        of identifiers: then the one leaf of that class.
        """
        wanted, kind = self._namer.key(name), self._namer.kind(name)
        pairs = list(zip(self.leaves, self.named, strict=True))
        for found in (
            [leaf for leaf, named in pairs if named.key == wanted],
            [leaf for leaf, named in pairs if named.path == wanted],
            [
                leaf
                for leaf, named in pairs
                if kind and named.identifiers[:1] == (kind,)
            ],
        ):
            if found:
                return found[0] if len(found) == 1 and not found[0].in_list else None
        return None

    def name_of(self, name: str) -> str:
        """Return the records' own name of the column that has a leaf; the name without one."""
        leaf = self.find(name)
        return self._names[leaf.place] if leaf else name

    def alike(self) -> list[Leaf]:
        """Return the leaves whose names are the same to the policy as another's."""
        places: dict[tuple[str, ...], list[Leaf]] = {}
        for leaf, named in zip(self.leaves, self.named, strict=True):
            places.setdefault(named.indexed, []).append(leaf)
        return [leaf for same in places.values() if len(same) > 1 for leaf in same]


def privacy_of(policy: Policy, columns: Columns) -> Privacy:
    """Return what a policy demands of groups, under the names that the records' columns have."""
    privacy = policy.privacy
    return replace(
        privacy,
        quasi_identifiers=tuple(map(columns.name_of, privacy.quasi_identifiers)),
        sensitive=tuple(map(columns.name_of, privacy.sensitive)),
    )


def match_rules(policy: Policy, schema: pa.Schema) -> list[Rule | None]:
    """Return the rule for each leaf of a schema, in its order; None where no rule names it.

    Raises:
        PolicyViolation: the columns do not fit the policy.
        InvalidArgument: a rule names a DICOM tag, and pydicom, which knows tags, is not installed.
    """
    return [match.rule for match in match_leaves(policy, Columns(schema, policy))]


def match_leaves(policy: Policy, columns: Columns) -> list[Match]:
    """Return the rule for each leaf of a schema.

    Raises:
        PolicyViolation: no rule names a leaf and the policy refuses that; or a rule's column is
            missing; or two columns have one name.
    """
    if policy.format > 1 and columns.alike():
        same = columns.alike()
        raise PolicyViolation(
            f"the policy cannot tell {at_places([leaf.place for leaf in same])} of the records "
            "apart: case, spaces, _ and - do not count in a name",
            columns=tuple(leaf.name for leaf in same),
            hint="rename them in the source, or remove those that are not needed",
        )
    index = Index(policy)
    best = [index.best(named) for named in columns.named]
    names = {key for named in columns.named for key in (named.key, named.path) if key}
    names |= {_of_any_resource(named.path) for named in columns.named if named.path}
    around = {key for n in columns.named for key in (*n.around, *n.around_paths)}
    absent = [
        rule
        for rule in policy.rules
        if not (rule.is_glob or rule.identifier)
        and not index.is_present(rule, columns.named, names, around)
    ]
    matches = [
        Match(leaf, rule, closeness)
        for leaf, (closeness, rule) in zip(columns.leaves, best, strict=True)
    ]
    if policy.unlisted != "drop":
        _refuse_whole(columns, policy, matches, absent)
    if policy.absent == "refuse" and absent:
        lines = ", ".join(str(rule.line) for rule in absent[:_SHOWN])
        raise PolicyViolation(
            f"the policy names {_counted(absent)} that the records do not have: line {lines}",
            columns=tuple(rule.pattern for rule in absent),
            hint="correct the names (a nested column is named part by part), remove the rules, "
            'or set absent = "ignore" in the policy',
        )
    unlisted = [match.leaf for match in matches if match.rule is None]
    if policy.unlisted == "refuse" and unlisted:
        nested = any(leaf.steps for leaf in unlisted)
        raise PolicyViolation(
            f"no rule of the policy names {at_places([leaf.place for leaf in unlisted])} of "
            f"the records{', or a part of it,' if nested else ''} and what no rule names is "
            "not sent",
            columns=tuple(leaf.name for leaf in unlisted),
            hint='add a rule for each ("drop", unless trainers need it), or set '
            'unlisted = "drop" in the policy',
        )
    return matches


class Index:
    """The rules of a policy, so that those for a leaf are found at once."""

    def __init__(self, policy: Policy) -> None:
        """Sort the rules by what they name."""
        self._rules = policy.rules
        self._form = policy.format
        self._exact: dict[str, int] = {}
        self._classes: dict[str, int] = {}
        self._tags: list[int] = []
        self._globs: list[int] = []
        for number, rule in enumerate(policy.rules):
            if rule.identifier:
                self._classes[rule.pattern] = number
                continue
            if rule.tag:
                (self._globs if rule.is_glob else self._tags).append(number)
            elif rule.is_glob:
                self._globs.append(number)
            for pattern in rule.patterns:
                # A name with the characters of a glob is also the name of a column.
                self._exact.setdefault(key_of(pattern, self._form), number)

    def best(self, named: Named) -> tuple[Closeness, Rule | None]:
        """Return how closely the closest rule names a leaf, and the rule."""
        rules = self._rules
        path = self._exact.get(named.path) if named.path else None
        if path is None and named.path:
            path = self._exact.get(_of_any_resource(named.path))
        if path is not None and self._form > 1:
            return Closeness.PATH, rules[path]
        name = self._exact.get(named.key)
        if name is not None:
            return Closeness.NAME, rules[name]
        for number in self._tags:
            if named.has_tag(rules[number]):
                return Closeness.TAG, rules[number]
        if path is not None:
            return Closeness.TAG, rules[path]
        for key in (*named.around, *named.around_paths):
            outer = self._exact.get(key)
            if outer is not None and rules[outer].action == "drop":
                return Closeness.DROPPED, rules[outer]
        for depth, kind in enumerate(named.identifiers):
            found = self._classes.get(kind)
            # A class around the leaf covers it only if it is dropped.
            if found is not None and (not depth or rules[found].action == "drop"):
                return Closeness.IDENTIFIER, rules[found]
        for number in self._globs:
            rule = rules[number]
            if named.has_tag(rule) if rule.tag else named.fits(rule):
                return Closeness.GLOB, rule
        return Closeness.NONE, None

    def is_present(
        self, rule: Rule, leaves: Sequence[Named], names: set[str], around: set[str]
    ) -> bool:
        """Return whether a rule without a glob names any leaf, or drops what is around it."""
        if rule.tag and any(named.has_tag(rule) for named in leaves):
            return True
        keys = {key_of(pattern, self._form) for pattern in rule.patterns}
        return bool(keys & names) or (rule.action == "drop" and bool(keys & around))


def names_leaf(name: str, named: Named) -> bool:
    """Return whether the name that a setting gives may be that of a leaf."""
    wanted = key_of(name, named.form)
    if wanted in (named.key, named.path):
        return True
    kind = identifier_of(name) if named.form > 1 else ""
    return bool(kind) and named.identifiers[:1] == (kind,)


def _of_any_resource(path: str) -> str:
    """Return a FHIR path as a rule for all types of resources writes it: Resource.id."""
    return f"{ANY_RESOURCE}.{path.partition('.')[2]}"


def _refuse_whole(
    columns: Columns, policy: Policy, matches: Sequence[Match], absent: Sequence[Rule]
) -> None:
    """Refuse a rule for a nested column, of which parts have no rule: they might pass."""
    for rule in absent:
        keys = {key_of(pattern, policy.format) for pattern in rule.patterns}
        inside = [
            match.leaf
            for match, named in zip(matches, columns.named, strict=True)
            if match.rule is None and keys & {*named.around, *named.around_paths}
        ]
        if inside:
            raise PolicyViolation(
                f"line {rule.line} of the policy names "
                f"{at_places([leaf.place for leaf in inside])} of the records, which has parts: "
                f'a rule with the action "{rule.action}" names each part',
                columns=tuple(leaf.name for leaf in inside),
                hint='write a rule for each part, such as "COLUMN.PART", or drop the column',
            )


def at_places(places: Sequence[int]) -> str:
    """Name columns by their numbers from 1: an error must not hold column names."""
    places = sorted(set(places))
    if len(places) == 1:
        return f"column {places[0] + 1}"
    numbers = ", ".join(str(place + 1) for place in places[:_SHOWN])
    more = ", ..." if len(places) > _SHOWN else ""
    return f"{_counted(places)} ({numbers}{more})"


def _counted(things: Sequence[object]) -> str:
    return "1 column" if len(things) == 1 else f"{len(things)} columns"
