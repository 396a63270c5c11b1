"""`Session.datasets`: the datasets that a member owns or was granted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sealift.api.connection import Connection
from sealift.history.opened import open_datasets
from sealift.history.overview import access_end, record_count, stored_bytes


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of a listing.

    Attributes:
        owner: the owner's trusted name; its fingerprint if it is not trusted.
        name: empty if the owner is not trusted, since the dataset was not opened.
        records: number of records in all live shards.
        shards: number of live shards.
        commits: number of commits in its history.
        trusted: whether the owner is trusted.
        description: the owner's description.
        stored_bytes: size of its live shards at the relay.
        not_after: when this member's access ends, in Unix seconds; 0 for no end.
    """

    owner: str
    name: str
    records: int
    shards: int
    commits: int
    trusted: bool
    description: str = field(default="", repr=False)
    stored_bytes: int = 0
    not_after: int = 0


def list_datasets(connection: Connection) -> list[DatasetInfo]:
    """List datasets in their newest state; those of owners that are not trusted unopened."""
    with connection.member.together():
        return list(_infos(connection))


def _infos(connection: Connection) -> Iterator[DatasetInfo]:
    owners = connection.owners()
    member = connection.member
    for owner, head in owners.strangers:
        yield DatasetInfo(str(owner), "", 0, 0, head + 1, trusted=False)
    for name, identities in owners.trusted:
        for opened in open_datasets(member, identities, listed=owners.listed):
            history = opened.history
            yield DatasetInfo(
                owner=name,
                name=opened.name,
                records=record_count(opened),
                shards=len(opened.shards),
                commits=history.head.number + 1,
                trusted=True,
                description=opened.description,
                stored_bytes=stored_bytes(opened),
                not_after=access_end(history, member.identities, connection.time),
            )
