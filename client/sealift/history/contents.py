"""What a dataset's commits hide from the relay: names, schema, record counts, policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sealift.crypto.epochkeys import EpochKeys
from sealift.crypto.metadata import open_counts, open_metadata
from sealift_protocol.errors import HistoryInvalid, MalformedObject, WrongKey
from sealift_protocol.history import History
from sealift_protocol.objects.commits import Commit, SnapshotPage
from sealift_protocol.v1 import objects_pb2

NO_POLICY = b""


@dataclass(frozen=True, slots=True)
class StatedSchema:
    """A schema that a commit states.

    Attributes:
        message: the Arrow schema, as an IPC message.
        by_owner: whether the dataset's owner signed the commit.
    """

    message: bytes = field(repr=False)
    by_owner: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """The sealed half of a history.

    Attributes:
        name: the dataset's name, as the owner gave it.
        description: the owner's description.
        schemas: the schemas of the records, oldest first.
        retain_seconds: how long shards are kept by default; 0 for no limit.
        subject_column: the column that names the subject; empty if there is none.
        record_counts: number of records by shard id.
        policies: SHA-256 of every policy under which live records were de-identified;
            `NO_POLICY` if some were under none.
        required_policies: records may only be added under one of these; empty for no such
            rule.
        policy_reports: what de-identification did, as JSON, commit by commit since the
            snapshot.
    """

    name: str = field(repr=False)
    description: str = field(repr=False)
    schemas: tuple[StatedSchema, ...] = field(repr=False)
    retain_seconds: int
    subject_column: str = field(repr=False)
    record_counts: Mapping[bytes, int]
    policies: frozenset[bytes]
    required_policies: frozenset[bytes]
    policy_reports: tuple[str, ...] = field(repr=False)


def read_contents(
    history: History, pages: Sequence[SnapshotPage], keys: EpochKeys
) -> Contents:
    """Open what the commits of a verified history sealed.

    Args:
        history: the verified history.
        pages: the pages of the snapshot that it begins with, if any.
        keys: the available epoch keys.

    Raises:
        WrongKey: a key that is needed is not available.
        MalformedObject, HistoryInvalid: the sealed metadata of a commit is not valid.
    """
    begin = history.commits[0]
    first = open_metadata(begin, keys[begin.key_epoch])
    counts = _counts_of_pages(history.dataset_id, pages, keys)
    schemas = [StatedSchema(first.arrow_schema, by_owner=True)]
    required = frozenset(first.required_policies)
    policies = set(first.live_policies) if begin.snapshot is not None else set()
    reports: list[str] = []
    for commit in history.commits:
        live = any(entry.shard_id in history.shards for entry in commit.added)
        metadata = first if commit is begin else _open(commit, keys, needed=live)
        if metadata is None:
            continue
        counts.update(
            zip((e.shard_id for e in commit.added), metadata.record_counts, strict=True)
        )
        if metadata.arrow_schema and commit is not begin:
            by_owner = commit.signer in history.trusted
            schemas.append(StatedSchema(metadata.arrow_schema, by_owner))
        if metadata.required_policies and commit is not begin:
            if commit.signer not in history.trusted:
                raise HistoryInvalid(
                    "a member other than the owner changed the required policies"
                )
            required = frozenset(metadata.required_policies)
        if metadata.policy_report:
            reports.append(metadata.policy_report)
        if live:
            policies |= set(metadata.policies) or {NO_POLICY}
    return Contents(
        name=first.name,
        description=first.description,
        schemas=tuple(schemas),
        retain_seconds=first.retain_seconds,
        subject_column=first.subject_column,
        record_counts=counts,
        policies=frozenset(policies),
        required_policies=required,
        policy_reports=tuple(reports),
    )


def _open(
    commit: Commit, keys: EpochKeys, *, needed: bool
) -> objects_pb2.CommitMetadata | None:
    """Open a later commit's metadata; None if it is not needed and cannot be opened."""
    try:
        return open_metadata(commit, keys[commit.key_epoch])
    except (WrongKey, MalformedObject):
        if needed:
            raise
        return None


def _counts_of_pages(
    dataset_id: bytes, pages: Sequence[SnapshotPage], keys: EpochKeys
) -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    for page in pages:
        opened = open_counts(page, dataset_id, keys[page.key_epoch])
        counts.update(zip((e.shard_id for e in page.shards), opened, strict=True))
    return counts
