"""Pushing: records packed, sealed and uploaded, then one signed commit that shows them all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from sealift.clock import unix
from sealift.datasets import OpenedDataset, Reader, find_dataset, write_schema
from sealift.grants import make_grant
from sealift.keyschedule import EPOCH_KEY_SIZE
from sealift.metadata import seal_metadata
from sealift.owner.packing import PackedShard, pack, plain_schema, shard_pool
from sealift.sealing import ShardContext, ShardSealer
from sealift.secret import Secret
from sealift.signing import sign_commit
from sealift.transport import RelayClient, segment_stream
from sealift_protocol.errors import CorruptShard, EmptySource, InvalidArgument, SchemaMismatch
from sealift_protocol.ids import dataset_id_of, new_id
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, TAG_SIZE
from sealift_protocol.objects import Card, Genesis, ShardEntry, verify_commit
from sealift_protocol.v1 import objects_pb2, shards_pb2

MAX_DATASET_NAME = 128
FIRST_KEY_EPOCH = 1
_UPLOADS = 2


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push has come, in what the relay has acknowledged.

    Attributes:
        records: acknowledged.
        payload_bytes: acknowledged, before sealing.
    """

    records: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        dataset_id: 16 bytes.
        commit: number of the commit that shows the records.
        created: whether the push made the dataset.
        shards: how many were added.
        records: how many were added.
        payload_bytes: before sealing.
    """

    dataset_id: bytes
    commit: int
    created: bool
    shards: int
    records: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class _Target:
    dataset_id: bytes
    epoch_key: Secret
    key_epoch: int
    existing: OpenedDataset | None
    salt: bytes


def push(
    relay: RelayClient,
    owner: Reader,
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    *,
    dataset: str,
    recipients: Sequence[Card],
    own_card: Card,
    description: str = "",
    progress: Callable[[PushProgress], None] = lambda _: None,
) -> Pushed:
    """Seals records to recipients and appends them to a dataset, which is made if need be.

    Nothing of a push that fails becomes visible: its shards wait uncommitted at the relay.

    Args:
        relay: where to.
        owner: who pushes.
        batches: records, read once, in bounded memory.
        schema: of the batches.
        dataset: name; a dataset of that name is appended to.
        recipients: verified cards of those who may open it.
        own_card: the owner's card; the owner can always open its datasets.
        description: in the owner's words; only used when the dataset is made.
        progress: called as the relay acknowledges shards.

    Raises:
        EmptySource: there is no record.
        SchemaMismatch: the dataset has another schema.
        SealiftError: a subclass that says what else went wrong.
    """
    _check_dataset_name(dataset)
    schema = plain_schema(schema)
    target = _target(relay, owner, dataset, schema)
    with shard_pool(_UPLOADS + 1) as pool:
        packed = pack(batches, schema, pool)
        entries, counts, size = _upload_all(relay, packed, target, progress)
    if not entries:
        raise EmptySource("the source holds no record")
    number = _commit(
        relay, owner, target, dataset, description, schema, recipients, own_card, entries, counts
    )
    return Pushed(
        dataset_id=target.dataset_id,
        commit=number,
        created=target.existing is None,
        shards=len(entries),
        records=sum(counts),
        payload_bytes=size,
    )


def _check_dataset_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_DATASET_NAME or "/" in name or not name.isprintable():
        raise InvalidArgument(
            f"a dataset's name has 1 to {MAX_DATASET_NAME} printable characters and no slash"
        )


def _target(relay: RelayClient, owner: Reader, dataset: str, schema: pa.Schema) -> _Target:
    existing = find_dataset(relay, owner, owner.identity.fingerprint, dataset)
    if existing is None:
        salt = new_id()
        return _Target(
            dataset_id=dataset_id_of(owner.identity.fingerprint, salt),
            epoch_key=Secret(secrets.token_bytes(EPOCH_KEY_SIZE)),
            key_epoch=FIRST_KEY_EPOCH,
            existing=None,
            salt=salt,
        )
    if not existing.schema.equals(schema):
        raise SchemaMismatch(_schema_difference(existing.schema, schema))
    key_epoch = max(existing.epoch_keys)
    return _Target(
        existing.dataset_id, existing.epoch_keys[key_epoch], key_epoch, existing, salt=b""
    )


def _schema_difference(old: pa.Schema, new: pa.Schema) -> str:
    """Which column differs first, by its place: a name would end up in logs."""
    if len(old) != len(new):
        return f"the dataset has {len(old)} columns and these records have {len(new)}"
    for place, (before, after) in enumerate(zip(old, new, strict=True), start=1):
        if before.name != after.name:
            return f"column {place} has another name than in the dataset"
        if before.type != after.type:
            return f"column {place} is {before.type} in the dataset and {after.type} here"
    return "the records' schema differs from the dataset's"


def _upload_all(
    relay: RelayClient,
    packed: Iterator[PackedShard],
    target: _Target,
    progress: Callable[[PushProgress], None],
) -> tuple[list[ShardEntry], list[int], int]:
    """Uploads shards, a few at a time, in their order; returns entries, record counts and bytes."""
    entries: list[ShardEntry] = []
    counts: list[int] = []
    size = 0
    waiting: list[tuple[Future[ShardEntry], int, int]] = []

    def take_oldest() -> None:
        nonlocal size
        future, records, payload_size = waiting.pop(0)
        entries.append(future.result())
        counts.append(records)
        size += payload_size
        progress(PushProgress(sum(counts), size))

    with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="sealift-upload") as executor:
        try:
            for shard in packed:
                if len(waiting) == _UPLOADS:
                    take_oldest()
                future = executor.submit(_upload, relay, shard, target)
                waiting.append((future, shard.records, shard.payload_size))
                # The upload holds the only reference now, so that its buffer returns to the pool.
                del shard
            while waiting:
                take_oldest()
        except BaseException:
            for future, _, _ in waiting:
                future.cancel()
            raise
    return entries, counts, size


def _upload(relay: RelayClient, shard: PackedShard, target: _Target) -> ShardEntry:
    context = ShardContext(target.dataset_id, new_id(), target.key_epoch)
    sealer = ShardSealer(
        shard.buffer, shard.payload_size, epoch_key=target.epoch_key, context=context
    )
    put_head = shards_pb2.PutHead(
        dataset_id=target.dataset_id,
        header=sealer.header.pack(),
        stored_size=sealer.stored_size,
    )

    def segments() -> Iterator[memoryview]:
        scratch = memoryview(bytearray((1 << LOG2_SEGMENT_SIZE) + TAG_SIZE))
        for index in range(sealer.segment_count):
            yield scratch[: sealer.seal_segment_into(index, scratch)]

    received = relay.put_shard(
        lambda: segment_stream(put_head, segments(), lambda: sealer.head().digest)
    )
    # A relay that answers early has not seen every segment, whatever digest it names.
    if not sealer.complete or received != sealer.head().digest:
        raise CorruptShard("the relay acknowledged another shard than was sent")
    return ShardEntry(context.shard_id, context.key_epoch, sealer.stored_size, received)


def _commit(
    relay: RelayClient,
    owner: Reader,
    target: _Target,
    dataset: str,
    description: str,
    schema: pa.Schema,
    recipients: Sequence[Card],
    own_card: Card,
    entries: list[ShardEntry],
    counts: list[int],
) -> int:
    metadata = objects_pb2.CommitMetadata(record_counts=counts)
    genesis = None
    if target.existing is None:
        metadata.name = dataset
        metadata.description = description
        metadata.arrow_schema = write_schema(schema)
        genesis = Genesis(target.salt, owner.identity.fingerprint, co_owners=())
        number, parent = 0, b""
    else:
        head = target.existing.history.head
        number, parent = head.number + 1, head.digest
    now = unix(owner.now)
    signed = sign_commit(
        owner.identity,
        dataset_id=target.dataset_id,
        number=number,
        parent=parent,
        time=now,
        key_epoch=target.key_epoch,
        added=entries,
        metadata=seal_metadata(
            metadata,
            epoch_key=target.epoch_key,
            dataset_id=target.dataset_id,
            number=number,
            key_epoch=target.key_epoch,
        ),
        genesis=genesis,
    )
    # A new dataset's owner is the first who is granted access: the keystore alone recovers it.
    cards = [own_card, *recipients] if target.existing is None else list(recipients)
    grants = [
        make_grant(
            owner.identity,
            target.epoch_key,
            card,
            dataset_id=target.dataset_id,
            key_epoch=target.key_epoch,
            time=now,
        )
        for card in cards
    ]
    relay.append(signed, grants)
    commit = verify_commit(signed)
    owner.last_seen.check_head(target.dataset_id, number, commit.digest, parent)
    return number
