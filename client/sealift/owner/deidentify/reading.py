"""How a source reads each leaf, by what the policy does with it afterwards.

A path has dots between a column and the fields inside it; whether it is one flat name or several
is not known before the records are read, so of both the reading that loses less counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sealift.owner.deidentify.leaves import Leaf
from sealift.owner.deidentify.naming import Named, Namer
from sealift.owner.deidentify.rules import Index, names_leaf
from sealift.policy.model import Policy, Rule
from sealift.policy.names import steps_of
from sealift.policy.reading import ReadAs, ReadLeaf

_IDENTIFYING = frozenset({"hash", "tokenise", "mask"})
_DATED = frozenset({"year", "month"})
# What keeps most of a text comes first.
_STRICTEST = (ReadAs.TEXT, ReadAs.NO_NUMBER, ReadAs.INFERRED)


def read_as(policy: Policy | None, subject: str = "") -> ReadLeaf:
    """Return how leaves are read before a policy is applied.

    Args:
        policy: the policy; None if there is none.
        subject: the column that names the person a record is about; empty if there is none.

    Raises:
        InvalidArgument: the returned function raises it if the policy names DICOM tags, and
            pydicom is not installed.
    """
    if policy is None:
        return lambda path: ReadAs.TEXT if path == subject else ReadAs.INFERRED
    index = Index(policy)
    followed = [str(r.settings["by"]) for r in policy.rules if "by" in r.settings]
    read: dict[str, ReadAs] = {}

    def read_leaf(path: str) -> ReadAs:
        if path == subject:
            return ReadAs.TEXT
        if path not in read:
            found = {
                ReadAs.TEXT
                if any(names_leaf(by, named) for by in followed)
                else _reading_of(index.best(named)[1])
                for named in _names(policy, path)
            }
            read[path] = next(reading for reading in _STRICTEST if reading in found)
        return read[path]

    return read_leaf


def _names(policy: Policy, path: str) -> Iterator[Named]:
    """Yield the names of the leaf of a path: as a flat column, and inside one."""
    with_tags = any(rule.tag for rule in policy.rules)
    plain = ".".join(steps_of(path))
    column, *inside = plain.split(".")
    for name, steps in {(path, ()), (plain, ()), (column, tuple(inside))}:
        schema = pa.schema([pa.field(name, pa.string())])
        namer = Namer(schema, policy.format, with_tags=with_tags)
        leaf = ".".join((name, *steps))
        yield namer.named(Leaf(0, leaf, steps, pa.string(), in_list=False))


def _reading_of(rule: Rule | None) -> ReadAs:
    if rule is None:
        return ReadAs.INFERRED
    to = rule.settings.get("to")
    if rule.action in _IDENTIFYING or to == "zip3":
        return ReadAs.TEXT
    if rule.action == "shift" or to in _DATED:
        return ReadAs.NO_NUMBER
    return ReadAs.INFERRED
