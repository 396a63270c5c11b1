"""A dataset that a trainer opened: batches, arrays and tensors, straight from sealed shards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sealift.buffers import BufferPool
from sealift.datasets import OpenedDataset, Reader
from sealift.disclosures import disclose
from sealift.fetching import OpenShard, fetch_shards, prefetch
from sealift.records import read_batches
from sealift.trainer.batches import as_numpy, as_torch
from sealift.transport import RelayClient
from sealift_protocol.errors import MalformedObject
from sealift_protocol.layout import MAX_SHARD_PLAINTEXT

if TYPE_CHECKING:
    import numpy as np
    import torch

# One shard being read, one waiting, one being opened.
_BUFFERS = 3


class Dataset:
    """A verified dataset. Nothing is fetched before it is iterated.

    Attributes:
        name: as its owner named it.
        owner: the owner's name, as pinned on this machine.
        description: in the owner's words.
        schema: Arrow schema of the records.
        num_records: records in all live shards.
        num_shards: live shards.
        commit: number of the newest commit.
        policies: SHA-256, in hex, of the policies that its records were de-identified under; an
            empty text if some were under none.
        policy_reports: what de-identification did, as JSON texts (docs/spec/policy.md), one for
            each commit since the newest snapshot.
        pending_purges: commits that erased records which this member may have fetched; see
            `Session.confirm_purge`.
    """

    def __init__(
        self, relay: RelayClient, reader: Reader, opened: OpenedDataset, owner: str, purpose: str
    ) -> None:
        self._relay = relay
        self._reader = reader
        self._opened = opened
        self._purpose = purpose
        self.name = opened.name
        self.owner = owner
        self.description = opened.description
        self.schema: pa.Schema = opened.schema
        self.commit = opened.history.head.number
        self.policies = sorted(digest.hex() for digest in opened.policies)
        self.policy_reports = opened.policy_reports
        self.pending_purges = sorted(reader.last_seen.purges(opened.dataset_id))
        self.num_shards = len(opened.shards)
        self.num_records = sum(opened.record_counts[entry.shard_id] for entry in opened.shards)

    def __repr__(self) -> str:
        return f"<Dataset of {self.num_records} records in {self.num_shards} shards>"

    def shards(self) -> Iterator[OpenShard]:
        """Opened shards in order, fetched one ahead.

        Begins with a disclosure, signed by this member, that enters the relay's log before the
        first byte leaves: which commit, how many shards, when, what for.

        A shard's memory is reused once nothing refers to it any more.

        Raises:
            VerificationError: what the relay sent is not what the owner sealed.
            SealiftError: the relay refused, or stayed away.
        """
        if not self._opened.shards:
            return
        disclosure = disclose(self._relay, self._reader, self._opened, purpose=self._purpose)
        with BufferPool(MAX_SHARD_PLAINTEXT, _BUFFERS) as pool:
            yield from prefetch(
                fetch_shards(
                    self._relay,
                    self._opened.dataset_id,
                    self._opened.shards,
                    self._opened.epoch_keys,
                    pool,
                    disclosure=disclosure,
                    sleep=time.sleep,
                )
            )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Arrow record batches in order, without a copy: views of the memory AES-GCM wrote."""
        for _, batch in self._payloads():
            yield batch

    def numpy(self) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """A dict of arrays for each batch: (rows,), or (rows, size) for fixed-size lists.

        Numeric columns without nulls are read-only views, not copies.
        """
        for _, batch in self._payloads():
            yield as_numpy(batch)

    def torch(self) -> Iterator[dict[str, torch.Tensor]]:
        """A dict of tensors for each batch, each a view of the memory that AES-GCM wrote.

        Raises:
            InvalidArgument: torch is not installed, or a numeric column has nulls.
        """
        for payload, batch in self._payloads():
            yield as_torch(payload, batch)

    def to_table(self) -> pa.Table:
        """All records in one table, in memory."""
        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def _payloads(self) -> Iterator[tuple[memoryview, pa.RecordBatch]]:
        for shard in self.shards():
            rows = 0
            for batch in read_batches(shard.payload, self.schema):
                rows += batch.num_rows
                if batch.num_rows:
                    yield shard.payload, batch
            if rows != self._opened.record_counts[shard.entry.shard_id]:
                raise MalformedObject(
                    "a shard holds another number of records than its commit says"
                )
            del shard, batch
