"""Datasets: histories, grants, snapshots, and what their members declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

from sealift_protocol.errors import (
    Conflict,
    DatasetDeleted,
    KeyEpochMoved,
    MissingShard,
    RoleDenied,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.layout import ShardHeader
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.commits import Commit
from sealift_protocol.objects.grants import Grant, Rewrap
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions, one_row
from sealift_relay.store.log import log_objects
from sealift_relay.store.pages import check_pages, forget_pages


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset as the relay knows it."""

    dataset_id: bytes
    owner: Fingerprint
    head_number: int
    deleted: bool
    author: bool


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """A grant, serialised, and whether it counts now."""

    digest: bytes
    signed: bytes
    not_before: int
    not_after: int
    revoked: bool

    def live_at(self, time: int) -> bool:
        """Whether it gives access at that Unix time."""
        return (
            not self.revoked
            and self.not_before <= time
            and (self.not_after == 0 or time < self.not_after)
        )


class Histories:
    """The store of datasets. Every method is one transaction, durable when it returns."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def is_author(self, dataset_id: bytes, fingerprint: Fingerprint) -> bool | None:
        """Whether a member may append; None if there is no such dataset."""
        with self._database.transaction(read_only=True) as connection:
            if one_row(connection, schema.datasets, dataset_id=dataset_id) is None:
                return None
            return _is_author(connection, dataset_id, fingerprint.digest)

    def is_deleted(self, dataset_id: bytes) -> bool:
        """Whether a dataset was deleted."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.datasets, dataset_id=dataset_id)
        return row is not None and row.deleted_at is not None

    def grants(
        self, dataset_id: bytes, recipient: Sequence[Fingerprint] | None = None
    ) -> list[StoredGrant]:
        """Grants to some identities, or all grants, ordered by key epoch, newest first."""
        table = schema.grants
        query = select(table).where(table.c.dataset_id == dataset_id)
        if recipient is not None:
            query = query.where(table.c.recipient.in_([r.digest for r in recipient]))
        query = query.order_by(table.c.key_epoch, table.c.not_before.desc())
        with self._database.transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return [
            StoredGrant(
                r.digest, r.signed, r.not_before, r.not_after, r.revoked_at is not None
            )
            for r in rows
        ]

    def rewraps(self, grant_digests: Sequence[bytes]) -> list[bytes]:
        """Rewraps of grants, serialised."""
        table = schema.rewraps
        query = select(table.c.signed).where(
            table.c.grant_digest.in_(list(grant_digests))
        )
        with self._database.transaction(read_only=True) as connection:
            return list(connection.execute(query).scalars())

    def of_member(
        self,
        identities: Sequence[Fingerprint],
        now: int,
        *,
        include_future: bool = False,
    ) -> list[DatasetRow]:
        """The datasets that a member's identities may append to or were granted."""
        digests = [identity.digest for identity in identities]
        live = select(schema.grants.c.dataset_id).where(
            schema.grants.c.recipient.in_(digests),
            schema.grants.c.revoked_at.is_(None),
            sa.or_(sa.literal(include_future), schema.grants.c.not_before <= now),
            (schema.grants.c.not_after == 0) | (schema.grants.c.not_after > now),
        )
        own = select(schema.authors.c.dataset_id).where(
            schema.authors.c.fingerprint == digests[0]
        )
        query = (
            select(schema.datasets)
            .where(
                schema.datasets.c.dataset_id.in_(live.union(own)),
                schema.datasets.c.deleted_at.is_(None),
            )
            .order_by(schema.datasets.c.dataset_id)
        )
        with self._database.transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
            authored = set(connection.execute(own).scalars())
        return [_dataset(row, row.dataset_id in authored) for row in rows]

    def commits(self, dataset_id: bytes, first: int, count: int) -> list[bytes]:
        """Up to `count` commits from `first` on, serialised."""
        table = schema.commits
        query = (
            select(table.c.signed)
            .where(table.c.dataset_id == dataset_id, table.c.number >= first)
            .order_by(table.c.number)
            .limit(count)
        )
        with self._database.transaction(read_only=True) as connection:
            return list(connection.execute(query).scalars())

    def snapshot_number(self, dataset_id: bytes) -> int | None:
        """Number of the newest commit with a snapshot."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.datasets, dataset_id=dataset_id)
        return None if row is None else row.snapshot_number

    def commit_digest(self, dataset_id: bytes, number: int) -> bytes | None:
        """Digest of a commit."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(
                connection, schema.commits, dataset_id=dataset_id, number=number
            )
        return None if row is None else row.digest

    def append(
        self,
        commit: Commit,
        signed: bytes,
        grants: Sequence[tuple[Grant, bytes]],
        now: int,
    ) -> None:
        """Appends a commit and its grants if they follow the head; repeating it is harmless.

        Raises:
            Conflict: the commit does not follow the head.
            RoleDenied, WrongSigner: the signer may not append this commit.
            KeyEpochMoved: the commit's key epoch does not follow the dataset's.
            MissingShard: a shard that it names is missing or differs.
            DatasetDeleted: the dataset was deleted.
        """
        with self._database.transaction() as connection:
            known = one_row(
                connection,
                schema.commits,
                dataset_id=commit.dataset_id,
                number=commit.number,
            )
            if known is not None and known.digest == commit.digest:
                return
            if commit.snapshot is not None:
                forget_pages(connection, commit.dataset_id, commit.snapshot.pages)
            self._move_head(connection, commit)
            _commit_shards(connection, commit)
            connection.execute(
                schema.commits.insert().values(
                    dataset_id=commit.dataset_id,
                    number=commit.number,
                    digest=commit.digest,
                    signed=signed,
                )
            )
            if commit.revoked:
                _end_grants(connection, commit, now)
            _add_grants(connection, grants)
            logged = [(Kind.COMMIT, commit.digest)]
            logged += [(Kind.GRANT, grant.digest) for grant, _ in grants]
            log_objects(connection, logged, now, commit.dataset_id)
            if commit.deletion:
                _delete(connection, commit, now)

    def count_grants(self, dataset_id: bytes) -> int:
        """The number of grants of a dataset that the relay ever held."""
        query = select(sa.func.count()).where(schema.grants.c.dataset_id == dataset_id)
        with self._database.transaction(read_only=True) as connection:
            return int(connection.execute(query).scalar_one())

    def put_rewraps(self, rewraps: Sequence[tuple[Rewrap, bytes]], now: int) -> None:
        """Adds and logs rewraps; known ones are left unchanged."""
        table = schema.rewraps
        with self._database.transaction() as connection:
            for rewrap, signed in rewraps:
                key = {"grant_digest": rewrap.grant, "key_id": rewrap.key_id}
                if one_row(connection, table, **key) is None:
                    connection.execute(
                        table.insert().values(
                            **key, digest=rewrap.digest, signed=signed
                        )
                    )
                    logged = [(Kind.REWRAP, rewrap.digest)]
                    log_objects(connection, logged, now, rewrap.dataset_id)

    def objects(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Logged objects of any kind by digest, serialised; destroyed ones are left out."""
        found: dict[bytes, bytes] = {}
        tables = (
            schema.statements,
            schema.commits,
            schema.grants,
            schema.rewraps,
            schema.cards,
        )
        with self._database.transaction(read_only=True) as connection:
            for table in tables:
                query = select(table.c.digest, table.c.signed).where(
                    table.c.digest.in_(list(digests))
                )
                found.update(
                    {row.digest: row.signed for row in connection.execute(query)}
                )
        return {digest: signed for digest, signed in found.items() if signed}

    def _move_head(self, connection: Connection, commit: Commit) -> None:
        table = schema.datasets
        if commit.genesis is not None:
            if one_row(connection, table, dataset_id=commit.dataset_id) is not None:
                raise Conflict("the dataset already exists")
            connection.execute(
                table.insert().values(
                    dataset_id=commit.dataset_id,
                    owner=commit.signer.digest,
                    head_number=0,
                    head_digest=commit.digest,
                    key_epoch=commit.key_epoch,
                )
            )
            _set_authors(
                connection,
                commit.dataset_id,
                {commit.signer, *commit.genesis.co_owners},
            )
            return
        row = one_row(connection, table, dataset_id=commit.dataset_id)
        if row is None or not _is_author(
            connection, commit.dataset_id, commit.signer.digest
        ):
            raise RoleDenied("the member may not append to that dataset")
        _check_commit(connection, row, commit)
        if commit.co_owners is not None:
            # A successor is not a member yet: `Members.succeed` makes it the owner.
            owner = commit.co_owners.successor or Fingerprint(row.owner)
            authors = {owner, *commit.co_owners.fingerprints}
            _set_authors(connection, commit.dataset_id, authors)
        snapshot = row.snapshot_number if commit.snapshot is None else commit.number
        moved = connection.execute(
            table.update()
            .where(
                table.c.dataset_id == commit.dataset_id,
                table.c.head_number == commit.number - 1,
                table.c.head_digest == commit.parent,
            )
            .values(
                head_number=commit.number,
                head_digest=commit.digest,
                key_epoch=commit.key_epoch,
                snapshot_number=snapshot,
            )
        )
        if moved.rowcount != 1:
            raise Conflict("the commit does not follow the dataset's newest commit")


def _check_commit(connection: Connection, dataset: Row[Any], commit: Commit) -> None:
    if dataset.deleted_at is not None:
        raise DatasetDeleted("the dataset was deleted")
    if (dataset.head_number, dataset.head_digest) != (commit.number - 1, commit.parent):
        raise Conflict("the commit does not follow the dataset's newest commit")
    owners_only = commit.co_owners or commit.snapshot or commit.deletion
    if owners_only and commit.signer.digest != dataset.owner:
        raise WrongSigner("only the dataset's owner may make such a commit")
    if commit.key_epoch not in (dataset.key_epoch, dataset.key_epoch + 1):
        raise KeyEpochMoved("the dataset has another key epoch")
    if dataset.owner in {recipient.digest for recipient in commit.revoked}:
        raise WrongSigner("the commit revokes the dataset's owner")
    if commit.snapshot is not None:
        check_pages(connection, commit.dataset_id, commit.snapshot.pages)


def _commit_shards(connection: Connection, commit: Commit) -> None:
    table = schema.shards
    for entry in commit.added:
        row = one_row(
            connection, table, dataset_id=commit.dataset_id, shard_id=entry.shard_id
        )
        if row is None or (row.digest, row.stored_size) != (
            entry.digest,
            entry.stored_size,
        ):
            raise MissingShard("a commit names a shard that is missing or differs")
        if row.committed_by is not None:
            raise Conflict("a commit adds a shard that an earlier commit added")
        if entry.key_epoch != commit.key_epoch:
            raise KeyEpochMoved(
                "a commit and a shard that it adds have different key epochs"
            )
        if ShardHeader.unpack(row.header).key_epoch != entry.key_epoch:
            raise MissingShard("a commit names another key epoch than a shard's header")
        if row.uploaded_by != commit.signer.digest:
            raise MissingShard("a commit adds a shard that another member stored")
        _update_shard(
            connection,
            commit.dataset_id,
            entry.shard_id,
            committed_by=commit.number,
            not_after=entry.not_after,
        )
    for shard_id in commit.removed:
        row = one_row(
            connection, table, dataset_id=commit.dataset_id, shard_id=shard_id
        )
        if row is None or row.committed_by is None or row.removed_by is not None:
            raise MissingShard(
                "a commit removes a shard that the dataset does not have"
            )
        _update_shard(connection, commit.dataset_id, shard_id, removed_by=commit.number)


def _update_shard(
    connection: Connection, dataset_id: bytes, shard_id: bytes, **values: int
) -> None:
    table = schema.shards
    connection.execute(
        table.update()
        .where(table.c.dataset_id == dataset_id, table.c.shard_id == shard_id)
        .values(**values)
    )


def _set_authors(
    connection: Connection, dataset_id: bytes, authors: set[Fingerprint]
) -> None:
    table = schema.authors
    connection.execute(table.delete().where(table.c.dataset_id == dataset_id))
    for author in authors:
        connection.execute(
            table.insert().values(dataset_id=dataset_id, fingerprint=author.digest)
        )


def _end_grants(connection: Connection, commit: Commit, now: int) -> None:
    table = schema.grants
    connection.execute(
        table.update()
        .where(
            table.c.dataset_id == commit.dataset_id,
            table.c.recipient.in_([recipient.digest for recipient in commit.revoked]),
            table.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def _add_grants(connection: Connection, grants: Sequence[tuple[Grant, bytes]]) -> None:
    for grant, signed in grants:
        if one_row(connection, schema.grants, digest=grant.digest) is not None:
            continue
        connection.execute(
            schema.grants.insert().values(
                digest=grant.digest,
                dataset_id=grant.terms.dataset_id,
                key_epoch=grant.terms.key_epoch,
                recipient=grant.terms.recipient.digest,
                not_before=grant.terms.not_before,
                not_after=grant.terms.not_after,
                signed=signed,
            )
        )


def _delete(connection: Connection, commit: Commit, now: int) -> None:
    """Destroys every wrapped key, and marks shards, which are destroyed afterwards."""
    of_dataset = schema.grants.c.dataset_id == commit.dataset_id
    digests = select(schema.grants.c.digest).where(of_dataset)
    connection.execute(
        schema.rewraps.delete().where(schema.rewraps.c.grant_digest.in_(digests))
    )
    connection.execute(
        schema.grants.update().where(of_dataset).values(signed=b"", revoked_at=now)
    )
    connection.execute(
        schema.pages.delete().where(schema.pages.c.dataset_id == commit.dataset_id)
    )
    connection.execute(
        schema.shards.update()
        .where(
            schema.shards.c.dataset_id == commit.dataset_id,
            schema.shards.c.removed_by.is_(None),
        )
        .values(removed_by=commit.number)
    )
    connection.execute(
        schema.datasets.update()
        .where(schema.datasets.c.dataset_id == commit.dataset_id)
        .values(deleted_at=now)
    )


def _is_author(connection: Connection, dataset_id: bytes, fingerprint: bytes) -> bool:
    row = one_row(
        connection, schema.authors, dataset_id=dataset_id, fingerprint=fingerprint
    )
    return row is not None


def _dataset(row: Row[Any], author: bool) -> DatasetRow:
    return DatasetRow(
        dataset_id=row.dataset_id,
        owner=Fingerprint(row.owner),
        head_number=row.head_number,
        deleted=row.deleted_at is not None,
        author=author,
    )
