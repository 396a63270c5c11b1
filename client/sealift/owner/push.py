"""Pushing: records packed, sealed and uploaded, then one signed commit that shows them all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa

from sealift.clock import unix
from sealift.datasets import OpenedDataset, Reader, find_dataset, write_schema
from sealift.grants import make_grant
from sealift.keyschedule import EPOCH_KEY_SIZE
from sealift.owner.access import grants_for
from sealift.owner.committing import Change, Committed, append, create
from sealift.owner.packing import PackedShard, pack, plain_schema, shard_pool
from sealift.owner.subjects import SubjectTagger, subject_tagger
from sealift.sealing import ShardContext, ShardSealer
from sealift.secret import Secret
from sealift.transport import RelayClient, segment_stream
from sealift_protocol.errors import (
    AccessDenied,
    CorruptShard,
    EmptySource,
    InvalidArgument,
    SchemaMismatch,
)
from sealift_protocol.ids import Fingerprint, dataset_id_of, new_id
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, TAG_SIZE
from sealift_protocol.objects import Card, Genesis, ShardEntry
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
class PushTerms:
    """What a push says beside its records.

    Attributes:
        recipients: verified cards of those who may open the dataset.
        purpose: why they may; the relay can read it.
        not_after: Unix seconds at which their grants end; 0 for never.
        description: of a new dataset, in the owner's words.
        retain_seconds: how long the shards are kept; None for the dataset's default.
        subject_column: names the person that a record is about; None for the dataset's own.
    """

    recipients: Sequence[Card] = ()
    purpose: str = ""
    not_after: int = 0
    description: str = ""
    retain_seconds: int | None = None
    subject_column: str | None = None


@dataclass(frozen=True, slots=True)
class SealingTarget:
    """What shards are sealed for: a dataset, under its current key epoch.

    Attributes:
        dataset_id: 16 bytes.
        epoch_key: of that key epoch.
        key_epoch: counts from 1.
        not_after: Unix seconds at which retention ends; 0 for never.
        subjects: tags the people in a shard; None if no column names them.
    """

    dataset_id: bytes
    epoch_key: Secret
    key_epoch: int
    not_after: int = 0
    subjects: SubjectTagger | None = None


@dataclass(frozen=True, slots=True)
class SealedShards:
    """Shards that are stored and wait for their commit.

    Attributes:
        entries: as a commit names them.
        counts: records in each.
        subjects: whose records each holds.
        payload_bytes: of all, before sealing.
    """

    entries: list[ShardEntry]
    counts: list[int]
    subjects: list[objects_pb2.SubjectTags]
    payload_bytes: int


def push(
    relay: RelayClient,
    author: Reader,
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    *,
    dataset: str,
    trusted: Collection[Fingerprint],
    own_card: Card,
    terms: PushTerms,
    progress: Callable[[PushProgress], None] = lambda _: None,
) -> Pushed:
    """Seals records to recipients and appends them to a dataset, which is made if need be.

    Nothing of a push that fails becomes visible: its shards wait uncommitted at the relay.

    Args:
        relay: where to.
        author: who pushes.
        batches: records, read once, in bounded memory.
        schema: of the batches.
        dataset: name; a dataset of that name is appended to.
        trusted: the owner's identities; a new dataset is only made for this author's own.
        own_card: the author's card; the author can always open what it made.
        terms: recipients, purpose, retention.
        progress: called as the relay acknowledges shards.

    Raises:
        EmptySource: there is no record.
        SchemaMismatch: the dataset has another schema, or no such subject column.
        SealiftError: a subclass that says what else went wrong.
    """
    _check_dataset_name(dataset)
    schema = plain_schema(schema)
    existing = find_dataset(relay, author, trusted, dataset)
    if existing is None and author.identity.fingerprint not in trusted:
        raise AccessDenied("there is no such dataset of that owner, or you are not a co-owner")
    salt = new_id()
    target = _target(author, existing, salt, schema, terms)
    with shard_pool(_UPLOADS + 1) as pool:
        sealed = seal_and_upload(relay, pack(batches, schema, pool), schema, target, progress)
    if not sealed.entries:
        raise EmptySource("the source holds no record")
    if existing is None:
        committed = _create(relay, author, dataset, schema, target, salt, own_card, terms, sealed)
    else:
        committed = append(
            relay, author, existing, lambda newest: _change(author, newest, terms, sealed)
        )
    return Pushed(
        dataset_id=target.dataset_id,
        commit=committed.commit.number,
        created=existing is None,
        shards=len(sealed.entries),
        records=sum(sealed.counts),
        payload_bytes=sealed.payload_bytes,
    )


def _check_dataset_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_DATASET_NAME or "/" in name or not name.isprintable():
        raise InvalidArgument(
            f"a dataset's name has 1 to {MAX_DATASET_NAME} printable characters and no slash"
        )


def _target(
    author: Reader,
    existing: OpenedDataset | None,
    salt: bytes,
    schema: pa.Schema,
    terms: PushTerms,
) -> SealingTarget:
    retain, column = terms.retain_seconds, terms.subject_column
    if existing is not None:
        if not existing.schema.equals(schema):
            raise SchemaMismatch(_schema_difference(existing.schema, schema))
        if column not in (None, existing.subject_column):
            raise InvalidArgument("the dataset's subject column was chosen when it was made")
        retain = existing.retain_seconds if retain is None else retain
        column = existing.subject_column
        dataset_id = existing.dataset_id
        key, key_epoch = existing.current_key, existing.history.key_epoch
    else:
        dataset_id = dataset_id_of(author.identity.fingerprint, salt)
        key, key_epoch = Secret(secrets.token_bytes(EPOCH_KEY_SIZE)), FIRST_KEY_EPOCH
    if column and column not in schema.names:
        raise SchemaMismatch("the records have no column of the name given for subjects")
    return SealingTarget(
        dataset_id=dataset_id,
        epoch_key=key,
        key_epoch=key_epoch,
        not_after=unix(author.now) + retain if retain else 0,
        subjects=subject_tagger(author.identity, dataset_id, column) if column else None,
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


def seal_and_upload(
    relay: RelayClient,
    packed: Iterator[PackedShard],
    schema: pa.Schema,
    target: SealingTarget,
    progress: Callable[[PushProgress], None] = lambda _: None,
) -> SealedShards:
    """Seals and uploads shards, a few at a time, in their order.

    Args:
        relay: where to.
        packed: payloads in pooled buffers.
        schema: of their records.
        target: what they are sealed for.
        progress: called as the relay acknowledges shards.
    """
    done = SealedShards([], [], [], 0)
    waiting: list[tuple[Future[ShardEntry], int, int]] = []
    size = 0

    def take_oldest() -> None:
        nonlocal size
        future, records, payload_size = waiting.pop(0)
        done.entries.append(future.result())
        done.counts.append(records)
        size += payload_size
        progress(PushProgress(sum(done.counts), size))

    with ThreadPoolExecutor(_UPLOADS, thread_name_prefix="sealift-upload") as executor:
        try:
            for shard in packed:
                if len(waiting) == _UPLOADS:
                    take_oldest()
                if target.subjects is not None:
                    done.subjects.append(target.subjects.tags_of(shard, schema))
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
    return replace(done, payload_bytes=size)


def _upload(relay: RelayClient, shard: PackedShard, target: SealingTarget) -> ShardEntry:
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
    return ShardEntry(
        context.shard_id, context.key_epoch, sealer.stored_size, received, target.not_after
    )


def _change(
    author: Reader, newest: OpenedDataset, terms: PushTerms, sealed: SealedShards
) -> Change:
    """Adds the shards, and grants to those recipients who do not have every key epoch yet."""
    now = unix(author.now)
    missing = []
    for card in terms.recipients:
        live = {g.key_epoch for g in newest.history.grants_of(card.signer) if g.live_at(now)}
        if not live.issuperset(newest.epoch_keys):
            missing.append(card)
    return Change(
        added=sealed.entries,
        counts=sealed.counts,
        subjects=sealed.subjects,
        grants=grants_for(
            author, newest, missing, not_after=terms.not_after, purpose=terms.purpose
        ),
    )


def _create(
    relay: RelayClient,
    author: Reader,
    dataset: str,
    schema: pa.Schema,
    target: SealingTarget,
    salt: bytes,
    own_card: Card,
    terms: PushTerms,
    sealed: SealedShards,
) -> Committed:
    grants = [
        make_grant(
            author.identity,
            target.epoch_key,
            card,
            dataset_id=target.dataset_id,
            key_epoch=target.key_epoch,
            time=unix(author.now),
            not_after=0 if card is own_card else terms.not_after,
            purpose="" if card is own_card else terms.purpose,
        )
        # A new dataset's owner is the first who is granted access: the keystore recovers it.
        for card in (own_card, *terms.recipients)
    ]
    metadata = objects_pb2.CommitMetadata(
        name=dataset,
        description=terms.description,
        arrow_schema=write_schema(schema),
        retain_seconds=terms.retain_seconds or 0,
        subject_column=terms.subject_column or "",
    )
    genesis = Genesis(salt, author.identity.fingerprint, co_owners=())
    change = Change(
        added=sealed.entries, counts=sealed.counts, subjects=sealed.subjects, grants=grants
    )
    return create(relay, author, genesis, target.dataset_id, target.epoch_key, metadata, change)
