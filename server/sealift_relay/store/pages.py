"""Pages of snapshots; a dataset keeps only those that it needs."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, select

from sealift_protocol.errors import InvalidArgument, MissingShard, QuotaExceeded
from sealift_protocol.objects.commits import MAX_PAGE_SHARDS, verify_commit
from sealift_protocol.v1 import objects_pb2
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions, one_row

_MAX_SNAPSHOT_PAGES = 65_536
_SPARE_PAGES = 64


class Pages:
    """The store of pages, by dataset and digest."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def put(self, dataset_id: bytes, pages: Sequence[tuple[bytes, bytes]]) -> None:
        """Stores pages by digest; known ones are left unchanged.

        Raises:
            QuotaExceeded: there are more pages than snapshots of the dataset could need.
        """
        table = schema.pages
        with self._database.transaction() as connection:
            _check_count(connection, dataset_id)
            for digest, content in pages:
                if (
                    one_row(connection, table, dataset_id=dataset_id, digest=digest)
                    is None
                ):
                    connection.execute(
                        table.insert().values(
                            dataset_id=dataset_id, digest=digest, content=content
                        )
                    )

    def read(self, dataset_id: bytes, digests: Sequence[bytes]) -> list[bytes]:
        """Pages in the order of `digests`; those that are not stored are left out."""
        table = schema.pages
        query = select(table).where(
            table.c.dataset_id == dataset_id, table.c.digest.in_(list(digests))
        )
        with self._database.transaction(read_only=True) as connection:
            found = {row.digest: row.content for row in connection.execute(query)}
        return [found[digest] for digest in digests if digest in found]


def check_pages(
    connection: Connection, dataset_id: bytes, pages: Sequence[bytes]
) -> None:
    """Checks that every page of a new snapshot is stored.

    Raises:
        InvalidArgument: there are too many pages.
        MissingShard: one is not stored.
    """
    if len(pages) > _MAX_SNAPSHOT_PAGES:
        raise InvalidArgument(f"a snapshot has at most {_MAX_SNAPSHOT_PAGES} pages")
    query = select(schema.pages.c.digest).where(schema.pages.c.dataset_id == dataset_id)
    if not set(connection.execute(query).scalars()).issuperset(pages):
        raise MissingShard("a snapshot names a page that is not stored")


def forget_pages(
    connection: Connection, dataset_id: bytes, pages: Sequence[bytes]
) -> None:
    """Deletes pages, except those of the new snapshot and of the last, which may be in use."""
    keep = set(pages) | _pages_of_last(connection, dataset_id)
    own = schema.pages.c.dataset_id == dataset_id
    held = connection.execute(select(schema.pages.c.digest).where(own)).scalars()
    for digest in set(held) - keep:
        connection.execute(
            schema.pages.delete().where(own, schema.pages.c.digest == digest)
        )


def _pages_of_last(connection: Connection, dataset_id: bytes) -> set[bytes]:
    dataset = one_row(connection, schema.datasets, dataset_id=dataset_id)
    if dataset is None or dataset.snapshot_number is None:
        return set()
    key = {"dataset_id": dataset_id, "number": dataset.snapshot_number}
    last = one_row(connection, schema.commits, **key)
    if last is None:
        return set()
    snapshot = verify_commit(objects_pb2.Signed.FromString(last.signed)).snapshot
    return set() if snapshot is None else set(snapshot.pages)


def _check_count(connection: Connection, dataset_id: bytes) -> None:
    def count(table: sa.Table) -> int:
        query = select(sa.func.count()).where(table.c.dataset_id == dataset_id)
        return int(connection.execute(query).scalar_one())

    # Two snapshots in use, and one that is being written.
    most = 3 * (count(schema.shards) // MAX_PAGE_SHARDS + _SPARE_PAGES)
    if count(schema.pages) >= most:
        raise QuotaExceeded("the dataset has more snapshot pages than its shards need")
