"""Which rule of a policy is for which column.

Source: docs/spec/policy.md, "Columns": an exact name before a DICOM tag or FHIR path, those before
globs, globs in the file's order.
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
"""Keys of field metadata, by which sources say what a column is."""

_NO_MARKS = str.maketrans("", "", "(), |")
_SHOWN = 20


class Columns:
    """The columns of a schema, as a policy may name them."""

    def __init__(self, schema: pa.Schema, policy: Policy) -> None:
        """Looks up what the policy needs to know.

        Args:
            schema: of the source.
            policy: that names columns.

        Raises:
            InvalidArgument: it names DICOM tags, the columns do not say theirs, and pydicom is not
                installed.
        """
        self._names: list[str] = list(schema.names)
        self._paths = [_metadata(field, FHIR_PATH) for field in schema]
        with_tags = any(rule.tag for rule in policy.rules)
        self._tags = _tags_of(schema) if with_tags else [""] * len(schema)

    def named(self, rule: Rule) -> tuple[int, list[int]]:
        """How closely a rule names columns, from 0 for exactly to 2 for by a glob, and which."""
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
        """The one column of a name or a FHIR path."""
        found = _places(self._names, name) or _places(self._paths, name)
        return found[0] if len(found) == 1 else None


def match_rules(policy: Policy, schema: pa.Schema) -> list[Rule | None]:
    """The rule for each column; None for columns that the policy says nothing of.

    Raises:
        PolicyViolation: a column is not named and the policy refuses that; or a rule's column is
            not there, or lies inside another.
        InvalidArgument: a rule names a DICOM tag and pydicom, which knows them, is not installed.
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
            hint='correct the names, take the rules out, or set absent = "ignore" in the policy',
        )
    unlisted = [place for place, rule in enumerate(rules) if rule is None]
    if policy.unlisted == "refuse" and unlisted:
        raise PolicyViolation(
            f"no rule of the policy names {at_places(unlisted)} of the records",
            columns=tuple(schema.field(place).name for place in unlisted),
            hint='give each a rule ("keep" is one), or set unlisted = "drop" in the policy',
        )
    return rules


def at_places(places: Sequence[int]) -> str:
    """Columns by their numbers from 1, for an error, which must not hold their names."""
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
    """Refuses rules that mean a part of a nested column which would pass as a whole."""
    globs = [rule for rule in policy.rules if rule.is_glob and rule.action != "keep"]
    exact = [rule for rule in absent if rule.action != "keep"]
    for place, (field, rule) in enumerate(zip(schema, rules, strict=True)):
        if (rule.action if rule else policy.unlisted) == "drop":
            continue
        # A column that a rule keeps was looked at by the policy's author; one that is kept because
        # no rule names it was not.
        candidates = exact if rule else [*exact, *globs]
        starts = {field.name, _metadata(field, FHIR_PATH)} - {""}
        inner = {path for start in starts for path in _inner_paths(start, field.type)}
        for candidate in candidates:
            if any(fnmatchcase(path, candidate.pattern) for path in inner):
                raise PolicyViolation(
                    f"line {candidate.line} of the policy means a part of column {place + 1}, "
                    "and rules are for whole columns",
                    columns=(field.name,),
                    hint="drop the column, or flatten it in the source",
                )


def _inner_paths(start: str, kind: pa.DataType) -> Iterator[str]:
    """Names with dots of all that lies inside a column; items of lists have no name."""
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
    """The DICOM tag of each column as eight hexadecimal digits; empty for those without."""
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
