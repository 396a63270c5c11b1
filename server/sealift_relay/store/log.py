"""The Merkle log in the database: appended within the transaction that stores the object.

Source: RFC 6962 (tree), C2SP tlog-tiles (how hashes are kept).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, select

from sealift_protocol.errors import LogDamaged
from sealift_protocol.logentry import NO_DATASET, Kind, LogEntry
from sealift_protocol.merkle import (
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    NodeReader,
    complete_subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_hash,
)
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions, one_row


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log at one moment.

    Attributes:
        size: how many entries it has.
        root: root hash of its Merkle tree, 32 bytes.
        published: the newest checkpoint that was published, or None.
    """

    size: int
    root: bytes
    published: bytes | None


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """A leaf, its index, and its inclusion proof if one was requested."""

    entry: bytes
    index: int
    hashes: tuple[bytes, ...] = ()


def log_objects(
    connection: Connection,
    objects: Sequence[tuple[Kind, bytes]],
    now: int,
    dataset_id: bytes | None = None,
) -> None:
    """Appends objects, by kind and digest, in the caller's transaction; known ones are left out."""
    table = schema.log_entries
    digests = [digest for _, digest in objects]
    known = set(
        connection.execute(
            select(table.c.digest).where(table.c.digest.in_(digests))
        ).scalars()
    )
    fresh = [
        (kind, digest) for kind, digest in dict.fromkeys(objects) if digest not in known
    ]
    if not fresh:
        return
    # The lock that makes writers queue; SQLite's immediate transactions queue anyway.
    size = connection.execute(
        select(schema.log_state.c.size).with_for_update()
    ).scalar_one()
    sequence = _take_sequence(connection, dataset_id, len(fresh))
    rows = []
    for place, (kind, digest) in enumerate(fresh):
        if dataset_id is None:
            leaf = LogEntry(kind, now, NO_DATASET, 0, digest)
        else:
            leaf = LogEntry(kind, now, dataset_id, sequence + place, digest)
        rows.append(
            {
                "position": size + place,
                "digest": digest,
                "dataset_id": leaf.dataset_id,
                "sequence": leaf.sequence,
                "entry": leaf.pack(),
            }
        )
    connection.execute(table.insert(), rows)
    _append_hashes(connection, 0, size, [leaf_hash(row["entry"]) for row in rows])
    connection.execute(schema.log_state.update().values(size=size + len(rows)))


def _take_sequence(connection: Connection, dataset_id: bytes | None, count: int) -> int:
    if dataset_id is None:
        return 0
    table = schema.datasets
    where = table.c.dataset_id == dataset_id
    sequence: int = connection.execute(
        select(table.c.log_sequence).where(where)
    ).scalar_one()
    connection.execute(
        table.update().where(where).values(log_sequence=sequence + count)
    )
    return sequence


def _append_hashes(
    connection: Connection, level: int, count: int, hashes: Sequence[bytes]
) -> None:
    """Adds hashes to a level that has `count`; tiles that become full add to the next level."""
    table = schema.log_tiles
    full: list[bytes] = []
    index, filled = divmod(count, TILE_WIDTH)
    position = 0
    while position < len(hashes):
        fresh = hashes[position : position + TILE_WIDTH - filled]
        position += len(fresh)
        key = (table.c.level == level, table.c.position == index)
        if filled:
            held = connection.execute(select(table.c.hashes).where(*key)).scalar_one()
            if len(held) != filled * HASH_SIZE:
                raise LogDamaged(
                    "a tile of the log does not have the size of its level"
                )
            tile = held + b"".join(fresh)
            connection.execute(table.update().where(*key).values(hashes=tile))
        else:
            tile = b"".join(fresh)
            connection.execute(
                table.insert().values(level=level, position=index, hashes=tile)
            )
        if len(tile) == TILE_WIDTH * HASH_SIZE:
            full.append(complete_subtree(_split(tile)))
        index, filled = index + 1, 0
    if full:
        _append_hashes(connection, level + 1, count >> TILE_HEIGHT, full)


class LogStore:
    """Reads the log."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def head(self) -> LogHead:
        """The log now."""
        with self._database.transaction(read_only=True) as connection:
            size, published = connection.execute(
                select(schema.log_state.c.size, schema.log_state.c.checkpoint)
            ).one()
            root = range_hash(_node_reader(connection), 0, size)
        return LogHead(size, root, published)

    def root_at(self, size: int) -> bytes:
        """Root of the first `size` entries.

        Raises:
            LogDamaged: the log has fewer entries.
        """
        with self._database.transaction(read_only=True) as connection:
            return range_hash(_node_reader(connection), 0, size)

    def publish(self, checkpoint: bytes) -> None:
        """Stores the newest checkpoint."""
        with self._database.transaction() as connection:
            connection.execute(schema.log_state.update().values(checkpoint=checkpoint))

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """The consistency proof between two sizes."""
        with self._database.transaction(read_only=True) as connection:
            return consistency_proof(_node_reader(connection), old_size, size)

    def inclusions(self, digests: Sequence[bytes], size: int) -> list[LoggedEntry]:
        """Inclusion proofs of objects among the first `size` entries; others are left out."""
        table = schema.log_entries
        query = select(table).where(
            table.c.digest.in_(list(digests)), table.c.position < size
        )
        with self._database.transaction(read_only=True) as connection:
            read = _node_reader(connection)
            rows = {row.digest: row for row in connection.execute(query)}
            return [
                LoggedEntry(
                    rows[digest].entry,
                    rows[digest].position,
                    tuple(inclusion_proof(read, rows[digest].position, size)),
                )
                for digest in digests
                if digest in rows
            ]

    def find(self, digest: bytes) -> LoggedEntry | None:
        """The entry of an object, if it was logged."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.log_entries, digest=digest)
        return None if row is None else LoggedEntry(row.entry, row.position)

    def entries(self, first: int, count: int) -> list[LoggedEntry]:
        """Up to `count` entries from index `first` on, in order of their index."""
        position = schema.log_entries.c.position
        return self._in_order(position, count, position >= first)

    def entries_of(
        self, dataset_id: bytes, first: int, count: int
    ) -> list[LoggedEntry]:
        """Up to `count` entries of a dataset from sequence `first` on, in order."""
        table = schema.log_entries
        mine = table.c.dataset_id == dataset_id
        return self._in_order(table.c.sequence, count, mine, table.c.sequence >= first)

    def _in_order(
        self, order: sa.Column[Any], count: int, *conditions: sa.ColumnElement[bool]
    ) -> list[LoggedEntry]:
        query = (
            select(schema.log_entries).where(*conditions).order_by(order).limit(count)
        )
        with self._database.transaction(read_only=True) as connection:
            return [
                LoggedEntry(row.entry, row.position)
                for row in connection.execute(query)
            ]

    def tile(self, level: int, index: int) -> bytes:
        """Hashes of a tile; empty if there is none."""
        table = schema.log_tiles
        query = select(table.c.hashes).where(
            table.c.level == level, table.c.position == index
        )
        with self._database.transaction(read_only=True) as connection:
            return connection.execute(query).scalar_one_or_none() or b""


def _node_reader(connection: Connection) -> NodeReader:
    table = schema.log_tiles
    tiles: dict[tuple[int, int], bytes] = {}

    def tile(level: int, index: int) -> bytes:
        if (level, index) not in tiles:
            query = select(table.c.hashes).where(
                table.c.level == level, table.c.position == index
            )
            tiles[level, index] = connection.execute(query).scalar_one_or_none() or b""
        return tiles[level, index]

    def read(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile_index, offset = divmod(first, TILE_WIDTH)
        hashes = tile(tile_level, tile_index)
        part = hashes[offset * HASH_SIZE : (offset + (1 << height)) * HASH_SIZE]
        if len(part) != HASH_SIZE << height:
            raise LogDamaged("the log on disk is shorter than it was")
        return complete_subtree(_split(part))

    return read


def _split(tile: bytes) -> list[bytes]:
    return [tile[i : i + HASH_SIZE] for i in range(0, len(tile), HASH_SIZE)]
