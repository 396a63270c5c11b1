"""Widen a column of a dataset, by a commit that its owner signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from sealift.history.contents import NO_POLICY
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.history.records import read_batches
from sealift.history.schemas import needs_reading, shown, widens
from sealift.owner.manage.resealing import open_again
from sealift.owner.push.committing import Change, Committed, append
from sealift.policy.file import Policy, ready_policies, retired_policies
from sealift_protocol.errors import AccessDenied, Conflict, InvalidArgument


@dataclass(frozen=True, slots=True)
class Widening:
    """What became of a column.

    Attributes:
        committed: the commit; None after a dry run, or if the column had the type already.
        before: the column's type before.
        after: its type from now on.
        shards: number of shards that are opened to check their values.
        stored_bytes: size of those shards, sealed.
    """

    committed: Committed | None = field(repr=False)
    before: pa.DataType
    after: pa.DataType
    shards: int
    stored_bytes: int


def widen(
    member: Member,
    opened: OpenedDataset,
    column: str,
    wider: pa.DataType,
    *,
    policies: Sequence[Policy] = (),
    dry_run: bool = False,
) -> Widening:
    """Give a column a wider type; stored records stay as they are.

    Args:
        member: the dataset's owner.
        opened: the dataset.
        column: the column's name.
        wider: the wider type.
        policies: policies besides the ready ones.
        dry_run: whether to check only what needs no reading, and to commit nothing.

    Raises:
        AccessDenied: the member is not the dataset's owner.
        InvalidArgument: there is no such column, the type is not a wider one, or identifiers
            would be written in another way.
        SchemaMismatch: a stored value does not fit the type.
    """
    if member.identity.fingerprint != opened.owner:
        raise AccessDenied(
            "only the dataset's owner can widen a column", hint="ask the owner"
        )
    found = _column(opened, column)
    if found.type == wider:
        return Widening(None, found.type, wider, 0, 0)
    if not widens(found.type, wider):
        raise InvalidArgument(
            f"a column of {shown(found.type)} cannot be widened to {shown(wider)}",
            hint="integers become wider integers, double or string; float becomes double; "
            "for another type, push to a new dataset",
        )
    _check_identifiers(opened, found, wider, policies)
    entries = opened.shards if needs_reading(found.type, wider) else ()
    size = sum(entry.stored_size for entry in entries)
    if dry_run:
        return Widening(None, found.type, wider, len(entries), size)
    checked: set[bytes] = set()

    def plan(newest: OpenedDataset) -> Change:
        if _column(newest, column).type != found.type:
            raise Conflict("the column was widened in the meantime")
        _check_identifiers(newest, found, wider, policies)
        schema = _widened(newest.schema, column, wider)
        if needs_reading(found.type, wider):
            fresh = [e for e in newest.shards if e.shard_id not in checked]
            for entry, payload in open_again(member, newest, fresh, "widen a column"):
                # Each batch is cast as a reader casts it.
                for _batch in read_batches(payload, schema):
                    pass
                checked.add(entry.shard_id)
        return Change(schema=schema)

    committed = append(member, opened, plan)
    return Widening(committed, found.type, wider, len(entries), size)


def _column(opened: OpenedDataset, name: str) -> pa.Field:
    place = opened.schema.get_field_index(name)
    if place < 0:
        raise InvalidArgument(
            "the dataset has no such column", hint="`sealift show` lists its columns"
        )
    return opened.schema.field(place)


def _widened(schema: pa.Schema, column: str, wider: pa.DataType) -> pa.Schema:
    place = schema.get_field_index(column)
    return schema.set(place, schema.field(place).with_type(wider))


def _check_identifiers(
    opened: OpenedDataset,
    column: pa.Field,
    wider: pa.DataType,
    policies: Sequence[Policy],
) -> None:
    """Refuse a widening after which a person would have two names.

    As text, 017 and 17 are two people, and two pseudonyms.
    """
    if column.name == opened.subject_column and pa.types.is_string(wider):
        raise InvalidArgument(
            "numbers of the subject column cannot become text: an erasure would miss the records "
            "whose zeros were lost",
            hint="push to a new dataset, with the column as `types` string",
        )
    digests = (opened.policies | opened.required_policies) - {NO_POLICY}
    if not digests:
        return
    from sealift.owner.manage.naming import rule_of

    ready = (*ready_policies().values(), *retired_policies())
    known = {policy.digest: policy for policy in (*ready, *policies)}
    if missing := sorted(digests - known.keys()):
        begins = ", ".join(digest.hex()[:16] for digest in missing)
        raise InvalidArgument(
            "the dataset has records under a policy that is not at hand",
            hint=f"give `policy` the file whose SHA-256 begins with {begins}",
        )
    for digest in digests:
        rule = rule_of(known[digest], column)
        if rule is None or rule.action != "keep":
            raise InvalidArgument(
                "a policy changes this column: under another type, its values would change too",
                hint="only columns that every policy of the dataset keeps can be widened; push "
                "to a new dataset",
            )
