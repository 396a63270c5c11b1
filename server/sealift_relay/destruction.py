"""Destroys the shards that a commit removed, and signs a receipt with the log's key."""

from __future__ import annotations

from sealift_protocol import signed as envelope
from sealift_protocol.objects.commits import Commit
from sealift_protocol.v1 import objects_pb2
from sealift_relay.checkpoints import LogKey
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.store.metadata import Metadata
from sealift_relay.sweeper import Sweeper


class Destruction:
    """Destroys removed shards and issues deletion receipts."""

    def __init__(self, metadata: Metadata, sweeper: Sweeper, key: LogKey) -> None:
        self._metadata = metadata
        self._sweeper = sweeper
        self._key = key

    def of_commit(self, commit: Commit) -> objects_pb2.Signed | None:
        """Destroys the shards that a commit removed.

        Returns a signed DeletionReceipt, or None if the commit removes no shard and does not
        delete the dataset.
        """
        if not (commit.removed or commit.deletion):
            return None
        grants = 0
        with self._metadata.reading() as seen:
            removed = seen.shards.removed_by(commit.dataset_id, commit.number)
            if commit.deletion:
                grants = seen.histories.count_grants(commit.dataset_id)
        self._sweeper.destroy(commit.dataset_id, list(removed))
        log.info("destroy_shards", shards=len(removed))
        receipt = objects_pb2.DeletionReceipt(
            dataset_id=commit.dataset_id,
            commit=commit.digest,
            shards=len(removed),
            bytes=sum(removed.values()),
            grants=grants,
            time=unix_now(),
        )
        payload = receipt.SerializeToString()
        message = envelope.pre_authentication_encoding(
            envelope.DELETION_RECEIPT, payload
        )
        return objects_pb2.Signed(
            payload_type=envelope.DELETION_RECEIPT,
            payload=payload,
            signer=self._key.public_key,
            signature=self._key.sign(message),
        )
