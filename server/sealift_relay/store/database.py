"""The database by URL: connections, transactions, schema upgrades."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection, Row, event, select

from sealift_protocol.errors import InvalidArgument, RelayError, RelayStorageFull
from sealift_relay.store.schema import REVISION

_BUSY_MILLISECONDS = 10_000


class Transactions(Protocol):
    """Opens the transactions that the stores use."""

    def transaction(
        self, *, read_only: bool = False
    ) -> AbstractContextManager[Connection]:
        """A transaction, which ends with the block."""


class Database:
    """Opens a new transaction for each request."""

    def __init__(self, url: str) -> None:
        """Connects when the first transaction begins.

        Raises:
            InvalidArgument: the URL is malformed, or its driver is not installed.
        """
        try:
            address = sa.make_url(url)
            if address.drivername == "postgresql":
                address = address.set(drivername="postgresql+psycopg")
            self._engine = sa.create_engine(address)
        except sa.exc.ArgumentError:
            raise InvalidArgument(
                "the metadata's address is not a database URL",
                hint="such as sqlite:////srv/relay/relay.db or postgresql://relay@host/relay",
            ) from None
        except ModuleNotFoundError:
            raise InvalidArgument(
                "the driver of the metadata's database is not installed",
                hint="for PostgreSQL: pip install 'sealift[relay,postgresql]'",
            ) from None
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _set_pragmas)
            event.listen(self._engine, "begin", _begin_immediate)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def upgrade(self) -> None:
        """Brings the schema up to date."""
        if self._revision() == REVISION:
            return
        # Only a new or old database needs Alembic, which takes longer to import than to run.
        from alembic import command
        from alembic.config import Config as AlembicConfig

        config = AlembicConfig()
        config.set_main_option("script_location", "sealift_relay.store:migrations")
        with self._engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def _revision(self) -> str | None:
        """The revision of the schema, or None for a new database."""
        version = sa.table("alembic_version", sa.column("version_num"))
        with self._engine.connect() as connection:
            connection = connection.execution_options(sealift_read_only=True)
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(select(version)).scalar()

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Connection]:
        """One transaction, durable when the block ends.

        Raises:
            RelayStorageFull, RelayError: the database failed.
        """
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


class ReadTransaction:
    """One open read transaction, shared by stores that read together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Connection]:
        """The open transaction.

        Raises:
            RelayError: the caller wants to write.
        """
        if not read_only:
            raise RelayError("the relay tried to write in a read transaction")
        yield self._connection


def one_row(connection: Connection, table: sa.Table, **key: object) -> Row[Any] | None:
    """The row with that key, or None."""
    conditions = [table.c[column] == value for column, value in key.items()]
    return connection.execute(select(table).where(*conditions)).one_or_none()


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
    # A deferred transaction that becomes a writer later would fail where this one waits.
    read_only = connection.get_execution_options().get("sealift_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
