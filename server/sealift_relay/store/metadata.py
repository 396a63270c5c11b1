"""Everything that the relay keeps beside the shards' bytes, in a database chosen by URL."""

from __future__ import annotations

from sealift_relay.store.database import Database
from sealift_relay.store.histories import Histories
from sealift_relay.store.log import LogStore
from sealift_relay.store.members import Members
from sealift_relay.store.pages import Pages
from sealift_relay.store.shards import ShardIndex


class Metadata:
    """The stores that share one database.

    Attributes:
        database: connections and transactions.
        members: who may call.
        histories: datasets, commits, grants.
        pages: of snapshots.
        shards: what is known about stored shards.
        log: the Merkle log.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.members = Members(self.database)
        self.histories = Histories(self.database)
        self.pages = Pages(self.database)
        self.shards = ShardIndex(self.database)
        self.log = LogStore(self.database)

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()

    def upgrade(self) -> None:
        """Brings the schema up to date."""
        self.database.upgrade()
