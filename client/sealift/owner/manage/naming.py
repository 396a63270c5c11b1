"""The values under which a dataset holds a person: the person's number, or its pseudonyms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from sealift.history.contents import NO_POLICY
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.owner.deidentify import Deidentifier, Policy
from sealift.owner.deidentify.rules import match_rules
from sealift.owner.manage.subjects import subject_named
from sealift.owner.push.cursor import read_pushed_parts
from sealift.policy.file import Rule, ready_policies, retired_policies
from sealift.process.secret import Secret
from sealift_protocol.errors import CursorUnreadable, InvalidArgument

# The actions after which two people still have two names.
_ONE_TO_ONE = ("keep", "hash", "tokenise")


def names_in(
    member: Member,
    opened: OpenedDataset,
    subject: str,
    policies: Sequence[Policy],
    owner_secret: Secret,
) -> frozenset[str]:
    """Return the values that name a person in a dataset's subject column.

    Where records were pushed under a policy, its rule for that column is applied to the
    person's number, with the owner's secret.

    Args:
        member: the member who pushed the records.
        opened: the dataset.
        subject: the person, as the source names them.
        policies: policies besides the ready ones.
        owner_secret: keys the pseudonyms.

    Raises:
        InvalidArgument: a policy is not at hand, or it does not tell people apart.
    """
    column = opened.schema.field(opened.subject_column)
    field = _source_field(member, opened, column, owner_secret)
    spelled = source_names(subject, field)
    names: set[str] = set()
    for policy in _policies(opened, policies):
        if policy is None:
            names |= {subject_named(name, column.type) for name in spelled}
        else:
            names |= _pseudonyms(policy, field, spelled, owner_secret)
    return frozenset(names)


def source_names(subject: str, field: pa.Field) -> list[str]:
    """Return how a source may spell a person's number: as typed, and as a number if it is one."""
    return list(dict.fromkeys([subject, subject_named(subject, field.type)]))


def rule_of(policy: Policy, field: pa.Field) -> Rule | None:
    """Return the rule of a policy for one column of a source; None if no rule names it."""
    alone = replace(policy, absent="ignore", unlisted="drop")
    [rule] = match_rules(alone, pa.schema([field]))
    return rule


def _policies(opened: OpenedDataset, given: Sequence[Policy]) -> list[Policy | None]:
    """Return the policies of a dataset's records; None for records without one.

    Raises:
        InvalidArgument: one is neither given nor a ready policy.
    """
    ready = (*ready_policies().values(), *retired_policies())
    known = {policy.digest: policy for policy in (*ready, *given)}
    missing = sorted(opened.policies - known.keys() - {NO_POLICY})
    if missing:
        begins = ", ".join(digest.hex()[:16] for digest in missing)
        raise InvalidArgument(
            "the dataset has records under a policy that is not at hand",
            hint=f"give `policy` the file whose SHA-256 begins with {begins}; or give "
            "`pseudonym` the value that names the person for trainers",
        )
    return [known.get(digest) for digest in sorted(opened.policies)]


def _source_field(
    member: Member, opened: OpenedDataset, column: pa.Field, owner_secret: Secret
) -> pa.Field:
    """Return the subject column as the source had it, where the author's pushes tell."""
    try:
        schema = read_pushed_parts(member, opened, owner_secret).schema
    except CursorUnreadable:
        schema = None
    if schema is None or column.name not in schema.names:
        return column
    return schema.field(column.name)


def _pseudonyms(
    policy: Policy, field: pa.Field, spelled: Sequence[str], owner_secret: Secret
) -> set[str]:
    rule = rule_of(policy, field)
    if rule is None or rule.action not in _ONE_TO_ONE:
        raise InvalidArgument(
            "the policy does not give each person a value of their own in the subject column",
            hint="delete the dataset and push it without the person; or give `pseudonym` the "
            "value whose records are all to be erased",
        )
    text = pa.field(field.name, pa.string(), metadata=field.metadata)
    alone = replace(policy, absent="ignore", unlisted="drop")
    batch = pa.record_batch([pa.array(spelled)], schema=pa.schema([text]))
    with Deidentifier(alone, batch.schema, secret=owner_secret) as deidentifier:
        found = deidentifier.apply(batch).column(0)
    return {
        subject_named(str(name), found.type)
        for name in found.to_pylist()
        if name is not None
    }
