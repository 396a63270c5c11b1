"""Everything that the relay stores except the shards' bytes, in one database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sealift_relay.store.database import Database, ReadTransaction, Transactions
from sealift_relay.store.histories import Histories
from sealift_relay.store.log import LogStore
from sealift_relay.store.members import Members
from sealift_relay.store.pages import Pages
from sealift_relay.store.shards import ShardIndex
from sealift_relay.store.statements import Statements


class Stores:
    """The stores of one database, or of one transaction in it.

    Attributes:
        members: members, certificates, cards.
        histories: datasets, commits, grants.
        pages: pages of snapshots.
        shards: the index of stored shards.
        statements: signed statements about members and datasets.
        log: the Merkle log.
    """

    def __init__(self, database: Transactions) -> None:
        self.members = Members(database)
        self.histories = Histories(database)
        self.pages = Pages(database)
        self.shards = ShardIndex(database)
        self.statements = Statements(database)
        self.log = LogStore(database)


class Metadata:
    """The relay's database.

    Attributes:
        database: connections and transactions.
        members, histories, pages, shards, statements, log: the stores. Each of their
            methods is one transaction, durable when it returns.
    """

    def __init__(self, url: str) -> None:
        """Connects when the first transaction begins.

        Raises:
            InvalidArgument: the URL is wrong, or its driver is not installed.
        """
        self.database = Database(url)
        stores = Stores(self.database)
        self.members = stores.members
        self.histories = stores.histories
        self.pages = stores.pages
        self.shards = stores.shards
        self.statements = stores.statements
        self.log = stores.log

    @contextmanager
    def reading(self) -> Iterator[Stores]:
        """The stores within one read transaction, which ends with the block.

        Do not wait for a client inside the block: the transaction holds a connection.

        Raises:
            RelayError: the database failed.
        """
        with self.database.transaction(read_only=True) as connection:
            yield Stores(ReadTransaction(connection))

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()

    def upgrade(self) -> None:
        """Brings the schema up to date."""
        self.database.upgrade()
