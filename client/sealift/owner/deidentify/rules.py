"""Matches the rules of a policy to columns.

Source: docs/spec/policy.md, "Columns": an exact name wins over a DICOM tag or FHIR path, and those
win over globs; globs are tried in the file's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import pyarrow as pa

from sealift.formats.arrowtypes import is_list
from sealift.policy.file import Policy, Rule
from sealift.process.extras import extra
from sealift_protocol.errors import PolicyViolation

DICOM_TAG = b"dicom.tag"
FHIR_PATH = b"fhir.path"
"""Keys of field metadata in which sources name a column's origin."""

_NO_MARKS = str.maketrans("", "", "(), |")
_SHOWN = 20


class Columns:
    """The columns of a schema, under the names that a policy may use."""

    def __init__(self, schema: pa.Schema, policy: Policy) -> None:
        """Look up the columns' names and origins.

        Args:
            schema: schema of the source.
            policy: the policy that names columns.

        Raises:
            InvalidArgument: the policy names DICOM tags, the columns do not carry theirs, and
                pydicom is not installed.
        """
        self._names: list[str] = list(schema.names)
        self._paths = [_metadata(field, FHIR_PATH) for field in schema]
        with_tags = any(rule.tag for rule in policy.rules)
        self._tags = _tags_of(schema) if with_tags else [""] * len(schema)

    def named(self, rule: Rule) -> tuple[int, list[int]]:
        """Return how closely a rule names columns, from 0 (exactly) to 2 (by a glob), and which."""
        exact = _places(self._names, rule.pattern)
        if exact:
            return 0, exact
        if rule.tag:
            fit = [
                i
                for i, tag in enumerate(self._tags)
                if tag and fnmatchcase(tag, rule.tag)
            ]
            return 2 if rule.is_glob else 1, fit
        if not rule.is_glob:
            return 1, _places(self._paths, rule.pattern)
        both = enumerate(zip(self._names, self._paths, strict=True))
        return 2, [
            i
            for i, names in both
            if any(fnmatchcase(n, rule.pattern) for n in names if n)
        ]

    def find(self, name: str) -> int | None:
        """Return the one column of a name or a FHIR path."""
        found = _places(self._names, name) or _places(self._paths, name)
        return found[0] if len(found) == 1 else None


def match_rules(policy: Policy, schema: pa.Schema) -> list[Rule | None]:
    """Return the rule for each column; None for columns that no rule names.

    Raises:
        PolicyViolation: no rule names a column and the policy refuses that; or a rule's column is
            missing, or is inside another column.
        InvalidArgument: a rule names a DICOM tag, and pydicom, which knows tags, is not installed.
    """
    columns = Columns(schema, policy)
    chosen: list[tuple[int, int]] = [(3, 0)] * len(schema)
    absent = []
    for number, rule in enumerate(policy.rules):
        rank, places = columns.named(rule)
        for place in places:
            chosen[place] = min(chosen[place], (rank, number))
        if not places and not rule.is_glob:
            absent.append(rule)
    rules = [policy.rules[number] if rank < 3 else None for rank, number in chosen]
    _refuse_inner(policy, schema, rules, absent)
    if policy.absent == "refuse" and absent:
        lines = ", ".join(str(rule.line) for rule in absent[:_SHOWN])
        raise PolicyViolation(
            f"the policy names {_counted(absent)} that the records do not have: line {lines}",
            columns=tuple(rule.pattern for rule in absent),
            hint='correct the names, remove the rules, or set absent = "ignore" in the policy',
        )
    unlisted = [place for place, rule in enumerate(rules) if rule is None]
    if policy.unlisted == "refuse" and unlisted:
        raise PolicyViolation(
            f"no rule of the policy names {at_places(unlisted)} of the records",
            columns=tuple(schema.field(place).name for place in unlisted),
            hint='add a rule for each (such as "keep"), or set unlisted = "drop" in the policy',
        )
    return rules


def at_places(places: Sequence[int]) -> str:
    """Name columns by their numbers from 1: an error must not hold column names."""
    if len(places) == 1:
        return f"column {places[0] + 1}"
    numbers = ", ".join(str(place + 1) for place in places[:_SHOWN])
    more = ", ..." if len(places) > _SHOWN else ""
    return f"{_counted(places)} ({numbers}{more})"


def _counted(things: Sequence[object]) -> str:
    return "1 column" if len(things) == 1 else f"{len(things)} columns"


def _refuse_inner(
    policy: Policy,
    schema: pa.Schema,
    rules: Sequence[Rule | None],
    absent: Sequence[Rule],
) -> None:
    """Refuse rules for a part of a nested column that would be kept as a whole."""
    globs = [rule for rule in policy.rules if rule.is_glob and rule.action != "keep"]
    exact = [rule for rule in absent if rule.action != "keep"]
    for place, (field, rule) in enumerate(zip(schema, rules, strict=True)):
        if (rule.action if rule else policy.unlisted) == "drop":
            continue
        # The policy's author has examined a column that a rule keeps, but not one that is kept
        # because no rule names it.
        candidates = exact if rule else [*exact, *globs]
        starts = {field.name, _metadata(field, FHIR_PATH)} - {""}
        inner = {path for start in starts for path in _inner_paths(start, field.type)}
        for candidate in candidates:
            if any(fnmatchcase(path, candidate.pattern) for path in inner):
                raise PolicyViolation(
                    f"line {candidate.line} of the policy names a part of column {place + 1}, "
                    "but a rule applies to a whole column",
                    columns=(field.name,),
                    hint="drop the column, or flatten it in the source",
                )


def _inner_paths(start: str, kind: pa.DataType) -> Iterator[str]:
    """Return the dotted names of all fields inside a column; items of lists have no name."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield f"{start}.{field.name}"
            yield from _inner_paths(f"{start}.{field.name}", field.type)
    elif pa.types.is_map(kind):
        yield from _inner_paths(start, kind.item_type)
    elif is_list(kind):
        yield from _inner_paths(start, kind.value_type)


def _places(names: Sequence[str], name: str) -> list[int]:
    return [place for place, found in enumerate(names) if found == name]


def _metadata(field: pa.Field, key: bytes) -> str:
    text: str = (field.metadata or {}).get(key, b"").decode(errors="replace")
    return text


def _tags_of(schema: pa.Schema) -> list[str]:
    """Return the DICOM tag of each column as eight hexadecimal digits; empty without a tag."""
    tags = [
        _metadata(field, DICOM_TAG).upper().translate(_NO_MARKS) for field in schema
    ]
    if all(tags):
        return tags
    with extra("dicom", "a policy that names DICOM tags needs pydicom"):
        from pydicom.datadict import tag_for_keyword

    found = [
        tag or tag_for_keyword(name)
        for tag, name in zip(tags, schema.names, strict=True)
    ]
    return [f"{tag:08X}" if isinstance(tag, int) else tag or "" for tag in found]
