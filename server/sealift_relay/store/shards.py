"""The index of stored shards: their datasets, sizes and states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, or_, select

from sealift_protocol.errors import Conflict, QuotaExceeded
from sealift_protocol.ids import Fingerprint
from sealift_protocol.layout import ShardHead
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions
from sealift_relay.store.members import Quota

_BATCH = 256


@dataclass(frozen=True, slots=True)
class StoredShard:
    """A shard that is durable.

    Attributes:
        head: header and digest list.
        digest: shard digest.
        uploaded_by: fingerprint digest of the member that stored it.
        committed_by: number of the commit that added it, or None.
        not_after: Unix seconds from which retention ends; 0 for never.
    """

    head: ShardHead
    digest: bytes
    uploaded_by: bytes
    committed_by: int | None
    not_after: int

    @property
    def committed(self) -> bool:
        """Whether a commit names it."""
        return self.committed_by is not None


class ShardIndex:
    """The store of shards' heads and states; their bytes are in `blobs`."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def find(self, dataset_id: bytes, shard_id: bytes) -> StoredShard | None:
        """A stored shard that no commit removed."""
        return self.find_all(dataset_id, [shard_id]).get(shard_id)

    def find_all(
        self, dataset_id: bytes, shard_ids: Sequence[bytes]
    ) -> dict[bytes, StoredShard]:
        """Stored shards by id; missing and removed ones are left out."""
        table = schema.shards
        query = select(table).where(
            table.c.dataset_id == dataset_id,
            table.c.shard_id.in_(list(shard_ids)),
            table.c.removed_by.is_(None),
            table.c.destroyed_at.is_(None),
        )
        with self._database.transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return {row.shard_id: _stored_shard(row) for row in rows}

    def add(
        self,
        dataset_id: bytes,
        head: ShardHead,
        uploaded_by: Fingerprint,
        limits: Quota,
        now: int,
    ) -> None:
        """Adds a durable shard, which can then be committed.

        Raises:
            Conflict: a shard with that id exists.
            QuotaExceeded: the member would store more than its limits.
        """
        values = {
            "dataset_id": dataset_id,
            "shard_id": head.header.shard_id,
            "stored_size": head.stored_size,
            "digest": head.digest,
            "header": head.header_bytes,
            "segment_digests": head.segment_digests,
            "uploaded_by": uploaded_by.digest,
            "stored_at": now,
        }
        with self._database.transaction() as connection:
            try:
                connection.execute(schema.shards.insert().values(**values))
            except sa.exc.IntegrityError:
                raise Conflict("a shard with that id is already stored") from None
            used = _count(connection, uploaded_by.digest, head.stored_size, 1)
            check_quota(*used, limits)

    def doomed(self, now: int, uncommitted_before: int) -> list[tuple[bytes, bytes]]:
        """(dataset id, shard id) of up to 256 shards that are due to be destroyed.

        A commit removed them, their retention has ended, or no commit named them in time.
        """
        table = schema.shards
        query = (
            select(table.c.dataset_id, table.c.shard_id)
            .where(
                table.c.destroyed_at.is_(None),
                or_(
                    table.c.removed_by.is_not(None),
                    (table.c.not_after > 0) & (table.c.not_after <= now),
                    table.c.committed_by.is_(None)
                    & (table.c.stored_at < uncommitted_before),
                ),
            )
            .limit(_BATCH)
        )
        with self._database.transaction(read_only=True) as connection:
            return [(row.dataset_id, row.shard_id) for row in connection.execute(query)]

    def removed_by(self, dataset_id: bytes, number: int) -> dict[bytes, int]:
        """Stored sizes, by id, of the shards that a commit removed; destroyed ones too."""
        table = schema.shards
        query = select(table.c.shard_id, table.c.stored_size).where(
            table.c.dataset_id == dataset_id,
            table.c.removed_by == number,
        )
        with self._database.transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return {row.shard_id: row.stored_size for row in rows}

    def mark_destroyed(
        self, dataset_id: bytes, shard_ids: Sequence[bytes], now: int
    ) -> None:
        """Records that the bytes of some shards are gone; their digests stay."""
        with self._database.transaction() as connection:
            for shard_id in shard_ids:
                _mark_destroyed(connection, dataset_id, shard_id, now)


def _mark_destroyed(
    connection: Connection, dataset_id: bytes, shard_id: bytes, now: int
) -> None:
    table = schema.shards
    key = (table.c.dataset_id == dataset_id, table.c.shard_id == shard_id)
    # The sweeper may destroy it at the same time; only one of them may count it.
    query = select(table).where(*key).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or row.destroyed_at is not None:
        return
    _count(connection, row.uploaded_by, -row.stored_size, -1)
    if row.committed_by is None:
        # A shard that was never committed leaves no trace.
        connection.execute(table.delete().where(*key))
    else:
        connection.execute(
            table.update().where(*key).values(destroyed_at=now, segment_digests=b"")
        )


def check_quota(used_bytes: int, used_shards: int, limits: Quota) -> None:
    """Checks what a member stores against its limits.

    Raises:
        QuotaExceeded: it is more.
    """
    if limits.bytes and used_bytes > limits.bytes:
        raise QuotaExceeded(f"the member's quota of {limits.bytes} bytes is used up")
    if limits.shards and used_shards > limits.shards:
        raise QuotaExceeded(f"the member's quota of {limits.shards} shards is used up")


def _count(
    connection: Connection, member: bytes, size: int, shards: int
) -> tuple[int, int]:
    table = schema.members
    key = table.c.fingerprint == member
    connection.execute(
        table.update()
        .where(key)
        .values(
            used_bytes=table.c.used_bytes + size,
            used_shards=table.c.used_shards + shards,
        )
    )
    row = connection.execute(
        select(table.c.used_bytes, table.c.used_shards).where(key)
    ).one()
    return row.used_bytes, row.used_shards


def _stored_shard(row: Row[Any]) -> StoredShard:
    return StoredShard(
        head=ShardHead.parse(row.header, row.segment_digests, row.stored_size),
        digest=row.digest,
        uploaded_by=row.uploaded_by,
        committed_by=row.committed_by,
        not_after=row.not_after,
    )
