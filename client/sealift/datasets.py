"""A dataset as a member sees it: verified history, unwrapped epoch keys, opened metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from sealift.clock import Clock, unix
from sealift.grants import open_grant
from sealift.metadata import open_metadata
from sealift.secret import Secret
from sealift.signing import Identity
from sealift.suites import PrivateKey
from sealift.transport import RelayClient
from sealift.trust import LastSeen
from sealift_protocol.errors import (
    AccessDenied,
    GrantExpired,
    MalformedObject,
    UnsupportedVersion,
    WrongKey,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects import ShardEntry, verify_grant
from sealift_protocol.v1 import objects_pb2


@dataclass(frozen=True, slots=True)
class Reader:
    """A member who opens datasets.

    Attributes:
        identity: its signing key.
        private_keys: its recipient keys by key id.
        last_seen: what it saw of the relay last.
        now: the clock.
    """

    identity: Identity
    private_keys: Mapping[bytes, PrivateKey]
    last_seen: LastSeen
    now: Clock


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """A verified and opened history.

    Attributes:
        dataset_id: 16 bytes.
        owner: the owner's fingerprint.
        name: as the owner named it.
        description: in the owner's words.
        schema: Arrow schema of every record.
        history: the verified commits.
        shards: live shards in order.
        record_counts: records by shard id.
        epoch_keys: unwrapped keys by key epoch.
    """

    dataset_id: bytes
    owner: Fingerprint
    name: str
    description: str
    schema: pa.Schema
    history: History
    shards: tuple[ShardEntry, ...]
    record_counts: Mapping[bytes, int]
    epoch_keys: Mapping[int, Secret]


def open_epoch_keys(
    relay: RelayClient, reader: Reader, dataset_id: bytes, owner: Fingerprint
) -> dict[int, Secret]:
    """Unwraps every epoch key of a dataset that the reader was granted.

    Raises:
        AccessDenied, WrongKey, VerificationError: why there is none.
    """
    keys: dict[int, Secret] = {}
    failure: AccessDenied | WrongKey | None = None
    for signed in relay.get_grants(dataset_id):
        grant = verify_grant(signed)
        if grant.terms.key_epoch in keys:
            continue
        try:
            keys[grant.terms.key_epoch] = open_grant(
                grant,
                reader.private_keys,
                dataset_id=dataset_id,
                owner=owner,
                recipient=reader.identity.fingerprint,
                time=unix(reader.now),
            )
        except (GrantExpired, WrongKey, UnsupportedVersion) as error:
            # Another grant of the same key epoch, to a key that we do hold, may follow.
            failure = error if isinstance(error, AccessDenied | WrongKey) else failure
    if not keys:
        raise failure or AccessDenied("no grant of that dataset is for you")
    return keys


def open_history(
    relay: RelayClient, reader: Reader, dataset_id: bytes, owner: Fingerprint
) -> OpenedDataset:
    """Verifies a dataset's history against its owner and opens it.

    Raises:
        SealiftError: a subclass that says what is wrong.
    """
    keys = open_epoch_keys(relay, reader, dataset_id, owner)
    history = History(dataset_id, owner)
    history.extend(relay.get_commits(dataset_id))
    _check_freshness(reader.last_seen, history)
    counts: dict[bytes, int] = {}
    first: objects_pb2.CommitMetadata | None = None
    for commit in history.commits:
        key = keys.get(commit.key_epoch)
        if key is None:
            raise WrongKey(f"no grant opens key epoch {commit.key_epoch}")
        metadata = open_metadata(commit, key)
        first = first or metadata
        for entry, records in zip(commit.added, metadata.record_counts, strict=True):
            counts[entry.shard_id] = records
    if first is None:
        raise MalformedObject("the dataset's history is empty")
    return OpenedDataset(
        dataset_id=dataset_id,
        owner=owner,
        name=first.name,
        description=first.description,
        schema=read_schema(first.arrow_schema),
        history=history,
        shards=tuple(history.shards.values()),
        record_counts=counts,
        epoch_keys=keys,
    )


def dataset_name(
    relay: RelayClient, reader: Reader, dataset_id: bytes, owner: Fingerprint
) -> tuple[str, int]:
    """A dataset's name and how many records its live shards hold."""
    opened = open_history(relay, reader, dataset_id, owner)
    return opened.name, sum(opened.record_counts[entry.shard_id] for entry in opened.shards)


def find_dataset(
    relay: RelayClient, reader: Reader, owner: Fingerprint, name: str
) -> OpenedDataset | None:
    """The owner's dataset of that name, or None. The relay does not know the names."""
    for opened in open_datasets(relay, reader, owner):
        if opened.name == name:
            return opened
    return None


def open_datasets(
    relay: RelayClient, reader: Reader, owner: Fingerprint
) -> Iterator[OpenedDataset]:
    """Every dataset of an owner that the reader can open, one after another."""
    for summary in relay.list_datasets():
        if summary.owner == owner.digest:
            yield open_history(relay, reader, summary.dataset_id, owner)


def write_schema(schema: pa.Schema) -> bytes:
    """An Arrow schema as an encapsulated IPC message."""
    return schema.serialize().to_pybytes()  # type: ignore[no-any-return]


def read_schema(data: bytes) -> pa.Schema:
    """What `write_schema` wrote.

    Raises:
        MalformedObject: it is not a schema.
    """
    try:
        return pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowException, OSError):
        raise MalformedObject("the dataset's schema cannot be parsed") from None


def _check_freshness(last_seen: LastSeen, history: History) -> None:
    seen = last_seen.seen_head(history.dataset_id)
    head = history.head
    known = b""
    if seen is not None and seen[0] < len(history.commits):
        known = history.commits[seen[0]].digest
    last_seen.check_head(history.dataset_id, head.number, head.digest, known)
