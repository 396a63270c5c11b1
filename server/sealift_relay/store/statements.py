"""Signed statements about members and datasets, each with its entry in the log."""

from __future__ import annotations

from sqlalchemy import Connection, select

from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions, one_row
from sealift_relay.store.log import log_objects


class Statements:
    """The store of statements."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def put(
        self,
        kind: Kind,
        digest: bytes,
        signed: bytes,
        *,
        signer: Fingerprint,
        now: int,
        subject: Fingerprint | None = None,
        dataset_id: bytes | None = None,
    ) -> None:
        """Stores and logs a statement; storing it again does nothing.

        Args:
            kind: which statement it is.
            digest: object digest, 32 bytes.
            signed: the serialised envelope.
            signer: the identity that signed it.
            now: Unix seconds.
            subject: the member that it is about.
            dataset_id: the dataset that it is about, 16 bytes.
        """
        with self._database.transaction() as connection:
            insert_statement(
                connection,
                kind,
                digest,
                signed,
                signer=signer,
                now=now,
                subject=subject,
                dataset_id=dataset_id,
            )

    def find(self, digest: bytes) -> bytes | None:
        """A statement, serialised."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.statements, digest=digest)
        return None if row is None else row.signed

    def about(self, subject: Fingerprint) -> list[bytes]:
        """Statements about a member, in the order in which they were logged.

        They are endorsements, successions, and the revocation of its identity.
        """
        table, entries = schema.statements, schema.log_entries
        query = (
            select(table.c.signed)
            .join(entries, entries.c.digest == table.c.digest)
            .where(table.c.subject == subject.digest)
            .order_by(entries.c.position)
        )
        with self._database.transaction(read_only=True) as connection:
            return list(connection.execute(query).scalars())


def insert_statement(
    connection: Connection,
    kind: Kind,
    digest: bytes,
    signed: bytes,
    *,
    signer: Fingerprint,
    now: int,
    subject: Fingerprint | None = None,
    dataset_id: bytes | None = None,
) -> None:
    """Adds and logs a statement in the caller's transaction; repeating it is harmless."""
    if one_row(connection, schema.statements, digest=digest) is not None:
        return
    connection.execute(
        schema.statements.insert().values(
            digest=digest,
            kind=int(kind),
            signer=signer.digest,
            subject=None if subject is None else subject.digest,
            dataset_id=dataset_id,
            signed=signed,
        )
    )
    log_objects(connection, [(kind, digest)], now, dataset_id)
