"""Members, cards, histories, grants and shards, in a database chosen by URL.

Every method is one transaction, durable when it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, Row, event, select

from sealift_protocol.errors import (
    Conflict,
    MissingShard,
    RelayError,
    RelayStorageFull,
    RoleDenied,
    TokenExpired,
    TokenRefused,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.layout import ShardHead
from sealift_protocol.objects import Commit, Grant
from sealift_relay.store import schema

_BUSY_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Member:
    """Who may call.

    Attributes:
        fingerprint: of its identity.
        name: unique at this relay.
        role: owner, trainer or operator.
    """

    fingerprint: Fingerprint
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Invite:
    """A one-time token, as the relay remembers it."""

    name: str
    role: str
    not_after: int


@dataclass(frozen=True, slots=True)
class StoredShard:
    """A shard that is durable.

    Attributes:
        head: header and digest list.
        digest: shard digest.
        uploaded_by: fingerprint digest of who stored it.
        committed: whether a commit names it.
    """

    head: ShardHead
    digest: bytes
    uploaded_by: bytes
    committed: bool


class Metadata:
    """The database."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _set_pragmas)
            event.listen(self._engine, "begin", _begin_immediate)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def upgrade(self) -> None:
        """Brings the schema up to date."""
        config = AlembicConfig()
        config.set_main_option("script_location", "sealift_relay.store:migrations")
        with self._engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    # --- members -----------------------------------------------------------------------------

    def add_invite(self, secret_digest: bytes, invite: Invite) -> None:
        """Remembers a token.

        Raises:
            Conflict: there is a member of that name.
        """
        with self._transaction() as connection:
            if _one(connection, schema.members, name=invite.name) is not None:
                raise Conflict("there is a member of that name already", hint="choose another name")
            connection.execute(
                schema.invites.insert().values(
                    secret_digest=secret_digest,
                    name=invite.name,
                    role=invite.role,
                    not_after=invite.not_after,
                )
            )

    def find_invite(
        self, secret_digest: bytes, request_digest: bytes, now: int
    ) -> tuple[Invite, bytes | None]:
        """The token with that secret, and the certificate if this very request used it before.

        Raises:
            TokenRefused: there is none, or another request used it.
            TokenExpired: it is too late.
        """
        with self._transaction() as connection:
            row = _one(connection, schema.invites, secret_digest=secret_digest)
        if row is None or row.request_digest not in (None, request_digest):
            raise TokenRefused("the enrolment token is wrong or was used before")
        if now >= row.not_after:
            raise TokenExpired("the enrolment token has expired")
        return Invite(row.name, row.role, row.not_after), row.certificate

    def enrol(
        self,
        secret_digest: bytes,
        request_digest: bytes,
        member: Member,
        *,
        certificate: bytes,
        certificate_digest: bytes,
        certificate_not_after: int,
        card: bytes,
        card_version: int,
        now: int,
    ) -> None:
        """Uses a token up and makes its holder a member.

        Raises:
            TokenRefused: somebody else used it meanwhile.
            Conflict: name or identity belong to a member already.
        """
        with self._transaction() as connection:
            used = connection.execute(
                schema.invites.update()
                .where(
                    schema.invites.c.secret_digest == secret_digest,
                    schema.invites.c.request_digest.is_(None),
                )
                .values(request_digest=request_digest, certificate=certificate)
            )
            if used.rowcount != 1:
                raise TokenRefused("the enrolment token was used before")
            try:
                connection.execute(
                    schema.members.insert().values(
                        fingerprint=member.fingerprint.digest,
                        name=member.name,
                        role=member.role,
                        enrolled_at=now,
                    )
                )
            except sa.exc.IntegrityError:
                raise Conflict(
                    "that name or identity belongs to a member already",
                    hint="ask the operator for a token with another name",
                ) from None
            connection.execute(
                schema.certificates.insert().values(
                    digest=certificate_digest,
                    fingerprint=member.fingerprint.digest,
                    not_after=certificate_not_after,
                )
            )
            connection.execute(
                schema.cards.insert().values(
                    fingerprint=member.fingerprint.digest, version=card_version, signed=card
                )
            )

    def member_of_certificate(self, digest: bytes, now: int) -> Member | None:
        """Who a certificate was issued to; None if it is not ours, expired, or revoked."""
        query = (
            select(schema.members)
            .join(schema.certificates)
            .where(
                schema.certificates.c.digest == digest,
                schema.certificates.c.not_after > now,
                schema.members.c.revoked_at.is_(None),
            )
        )
        with self._transaction(read_only=True) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _member(row)

    def member(self, *, name: str) -> Member | None:
        """The member of that name, unless revoked."""
        with self._transaction(read_only=True) as connection:
            row = _one(connection, schema.members, name=name)
        return None if row is None or row.revoked_at is not None else _member(row)

    def members(self) -> list[tuple[Member, bool]]:
        """All members, and whether each is revoked."""
        query = select(schema.members).order_by(schema.members.c.name)
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return [(_member(row), row.revoked_at is not None) for row in rows]

    def revoke_member(self, name: str, now: int) -> bool:
        """Refuses a member from now on; says whether there is one of that name."""
        statement = schema.members.update().where(schema.members.c.name == name)
        with self._transaction() as connection:
            return connection.execute(statement.values(revoked_at=now)).rowcount == 1

    # --- cards -------------------------------------------------------------------------------

    def card(self, fingerprint: Fingerprint) -> bytes | None:
        """A member's newest card, serialised."""
        with self._transaction(read_only=True) as connection:
            return _newest_card(connection, fingerprint.digest)

    def put_card(self, fingerprint: Fingerprint, version: int, signed: bytes) -> None:
        """Adds a card of the next version.

        Raises:
            Conflict: it does not follow.
        """
        with self._transaction() as connection:
            query = select(sa.func.max(schema.cards.c.version)).where(
                schema.cards.c.fingerprint == fingerprint.digest
            )
            if connection.execute(query).scalar_one() != version - 1:
                raise Conflict("the card does not follow the one that the relay has")
            connection.execute(
                schema.cards.insert().values(
                    fingerprint=fingerprint.digest, version=version, signed=signed
                )
            )

    # --- shards ------------------------------------------------------------------------------

    def shard(self, dataset_id: bytes, shard_id: bytes) -> StoredShard | None:
        """A stored shard that no commit removed."""
        found = self.shards(dataset_id, [shard_id])
        return found.get(shard_id)

    def shards(self, dataset_id: bytes, shard_ids: Sequence[bytes]) -> dict[bytes, StoredShard]:
        """Stored shards by id; those that are not held, or were removed, are left out."""
        query = select(schema.shards).where(
            schema.shards.c.dataset_id == dataset_id,
            schema.shards.c.shard_id.in_(list(shard_ids)),
            schema.shards.c.removed_by.is_(None),
        )
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return {row.shard_id: _stored_shard(row) for row in rows}

    def add_shard(
        self, dataset_id: bytes, head: ShardHead, uploaded_by: Fingerprint, now: int
    ) -> None:
        """Makes a durable shard known; it can be committed from now on.

        Raises:
            Conflict: another shard of that id is known.
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
        with self._transaction() as connection:
            try:
                connection.execute(schema.shards.insert().values(**values))
            except sa.exc.IntegrityError:
                raise Conflict("a shard of that id is stored already") from None

    # --- histories and grants ----------------------------------------------------------------

    def is_author(self, dataset_id: bytes, fingerprint: Fingerprint) -> bool | None:
        """Whether a member may append; None if there is no such dataset."""
        with self._transaction(read_only=True) as connection:
            if _one(connection, schema.datasets, dataset_id=dataset_id) is None:
                return None
            return _is_author(connection, dataset_id, fingerprint.digest)

    def has_grant(self, dataset_id: bytes, recipient: Fingerprint, now: int) -> bool:
        """Whether a member holds a live grant of a dataset."""
        return any(live for _, live in self.grants(dataset_id, recipient, now))

    def grants(
        self, dataset_id: bytes, recipient: Fingerprint, now: int
    ) -> list[tuple[bytes, bool]]:
        """A member's grants of a dataset, serialised, and whether each is valid now."""
        query = (
            select(schema.grants)
            .where(
                schema.grants.c.dataset_id == dataset_id,
                schema.grants.c.recipient == recipient.digest,
            )
            .order_by(schema.grants.c.key_epoch, schema.grants.c.not_before.desc())
        )
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return [
            (row.signed, row.not_before <= now and (row.not_after == 0 or now < row.not_after))
            for row in rows
        ]

    def datasets_of(self, member: Fingerprint, now: int) -> list[tuple[bytes, bytes, int]]:
        """(dataset id, owner, head number) of what a member may append to or was granted."""
        live = select(schema.grants.c.dataset_id).where(
            schema.grants.c.recipient == member.digest,
            schema.grants.c.not_before <= now,
            (schema.grants.c.not_after == 0) | (schema.grants.c.not_after > now),
        )
        own = select(schema.authors.c.dataset_id).where(
            schema.authors.c.fingerprint == member.digest
        )
        query = (
            select(schema.datasets)
            .where(schema.datasets.c.dataset_id.in_(live.union(own)))
            .order_by(schema.datasets.c.dataset_id)
        )
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(query).all()
        return [(row.dataset_id, row.owner, row.head_number) for row in rows]

    def commits(self, dataset_id: bytes, first: int, count: int) -> list[bytes]:
        """Up to `count` commits from `first` on, serialised."""
        query = (
            select(schema.commits.c.signed)
            .where(schema.commits.c.dataset_id == dataset_id, schema.commits.c.number >= first)
            .order_by(schema.commits.c.number)
            .limit(count)
        )
        with self._transaction(read_only=True) as connection:
            return list(connection.execute(query).scalars())

    def append(self, commit: Commit, signed: bytes, grants: Sequence[tuple[Grant, bytes]]) -> None:
        """Appends a commit and its grants if they follow the head; the same again is harmless.

        Raises:
            Conflict: the head is another.
            RoleDenied: the signer may not append to the dataset.
            MissingShard: it names shards that are not stored as it says.
        """
        with self._transaction() as connection:
            known = _one(
                connection, schema.commits, dataset_id=commit.dataset_id, number=commit.number
            )
            if known is not None and known.digest == commit.digest:
                return
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
            _add_grants(connection, grants)

    def add_grants(self, grants: Sequence[tuple[Grant, bytes]]) -> None:
        """Adds grants; those that are known already are left as they are."""
        with self._transaction() as connection:
            _add_grants(connection, grants)

    def _move_head(self, connection: Connection, commit: Commit) -> None:
        if commit.genesis is not None:
            if _one(connection, schema.datasets, dataset_id=commit.dataset_id) is not None:
                raise Conflict("the dataset exists already")
            connection.execute(
                schema.datasets.insert().values(
                    dataset_id=commit.dataset_id,
                    owner=commit.signer.digest,
                    head_number=0,
                    head_digest=commit.digest,
                )
            )
            for author in {commit.signer, *commit.genesis.co_owners}:
                connection.execute(
                    schema.authors.insert().values(
                        dataset_id=commit.dataset_id, fingerprint=author.digest
                    )
                )
            return
        if not _is_author(connection, commit.dataset_id, commit.signer.digest):
            raise RoleDenied("the member may not append to that dataset")
        moved = connection.execute(
            schema.datasets.update()
            .where(
                schema.datasets.c.dataset_id == commit.dataset_id,
                schema.datasets.c.head_number == commit.number - 1,
                schema.datasets.c.head_digest == commit.parent,
            )
            .values(head_number=commit.number, head_digest=commit.digest)
        )
        if moved.rowcount != 1:
            raise Conflict("the dataset has moved on meanwhile")

    @contextmanager
    def _transaction(self, *, read_only: bool = False) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                if read_only:
                    connection = connection.execution_options(sealift_read_only=True)
                with connection.begin():
                    yield connection
        except sa.exc.SQLAlchemyError as error:
            if "disk is full" in str(error) or "No space left" in str(error):
                raise RelayStorageFull("the relay's storage is full") from None
            raise RelayError("the relay's database failed") from error


def _commit_shards(connection: Connection, commit: Commit) -> None:
    table = schema.shards
    for entry in commit.added:
        row = _one(connection, table, dataset_id=commit.dataset_id, shard_id=entry.shard_id)
        if row is None or (row.digest, row.stored_size) != (entry.digest, entry.stored_size):
            raise MissingShard("a commit names a shard that is not stored as it says")
        if row.committed_by is not None:
            raise Conflict("a commit names a shard that an earlier one added")
        if _stored_shard(row).head.header.key_epoch != entry.key_epoch:
            raise MissingShard("a commit names a shard under another key epoch than it has")
        if row.uploaded_by != commit.signer.digest:
            raise MissingShard("a commit names a shard that somebody else stored")
        _update_shard(connection, commit.dataset_id, entry.shard_id, committed_by=commit.number)
    for shard_id in commit.removed:
        row = _one(connection, table, dataset_id=commit.dataset_id, shard_id=shard_id)
        if row is None or row.committed_by is None or row.removed_by is not None:
            raise MissingShard("a commit removes a shard that is not there")
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


def _add_grants(connection: Connection, grants: Sequence[tuple[Grant, bytes]]) -> None:
    for grant, signed in grants:
        if _one(connection, schema.grants, digest=grant.digest) is not None:
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


def _is_author(connection: Connection, dataset_id: bytes, fingerprint: bytes) -> bool:
    row = _one(connection, schema.authors, dataset_id=dataset_id, fingerprint=fingerprint)
    return row is not None


def _newest_card(connection: Connection, fingerprint: bytes) -> bytes | None:
    query = (
        select(schema.cards.c.signed)
        .where(schema.cards.c.fingerprint == fingerprint)
        .order_by(schema.cards.c.version.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def _one(connection: Connection, table: sa.Table, **key: object) -> Row[Any] | None:
    conditions = [table.c[column] == value for column, value in key.items()]
    return connection.execute(select(table).where(*conditions)).one_or_none()


def _member(row: Row[Any]) -> Member:
    return Member(Fingerprint(row.fingerprint), row.name, row.role)


def _stored_shard(row: Row[Any]) -> StoredShard:
    return StoredShard(
        head=ShardHead.parse(row.header, row.segment_digests, row.stored_size),
        digest=row.digest,
        uploaded_by=row.uploaded_by,
        committed=row.committed_by is not None,
    )


def _set_pragmas(connection: Any, _record: object) -> None:
    # The driver must not begin transactions on its own; SQLAlchemy's "begin" event does.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: a commit that was acknowledged survives a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that turns into a writer late would fail where this one waits.
    read_only = connection.get_execution_options().get("sealift_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
