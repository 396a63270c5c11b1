"""Metadata of commits and snapshot pages that the relay must not read, sealed under the epoch key.

docs/spec/objects.md, "Commit metadata" and "Snapshot".
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealift.crypto.keyschedule import (
    check_commitment,
    derive_counts_key,
    derive_cursor_key,
    derive_metadata_key,
)
from sealift.crypto.padding import read_payload_size, write_padding
from sealift.process.secret import Secret
from sealift_protocol.errors import CorruptShard, MalformedObject
from sealift_protocol.layout import (
    COMMITMENT_SIZE,
    LENGTH_SIZE,
    SALT_SIZE,
    TAG_SIZE,
    padded_size,
)
from sealift_protocol.objects.commits import Commit, SnapshotPage
from sealift_protocol.objects.parsing import parse_message
from sealift_protocol.v1 import objects_pb2

# Each object sealed here has its own key, so the constant nonce never repeats under a key.
_NONCE = bytes(12)
_FRONT = SALT_SIZE + COMMITMENT_SIZE


def seal_metadata(
    metadata: objects_pb2.CommitMetadata,
    *,
    epoch_key: Secret,
    dataset_id: bytes,
    number: int,
    key_epoch: int,
    salt: bytes | None = None,
) -> bytes:
    """Seal metadata for commit `number`: salt | key commitment | ciphertext | tag."""
    salt = secrets.token_bytes(SALT_SIZE) if salt is None else salt
    keys = derive_metadata_key(epoch_key, salt, dataset_id, number, key_epoch)
    return _seal(metadata.SerializeToString(), salt, *keys)


def open_metadata(commit: Commit, epoch_key: Secret) -> objects_pb2.CommitMetadata:
    """Open the metadata of a verified commit.

    Raises:
        WrongKey: the metadata was sealed under another epoch key.
        MalformedObject: the metadata was not sealed as specified.
    """
    salt = commit.metadata[:SALT_SIZE]
    keys = derive_metadata_key(
        epoch_key, salt, commit.dataset_id, commit.number, commit.key_epoch
    )
    plaintext = _open(commit.metadata, *keys, "the commit's metadata")
    metadata = parse_message(objects_pb2.CommitMetadata, plaintext)
    if len(metadata.record_counts) != len(commit.added):
        raise MalformedObject(
            "a commit does not hold a record count for each of its shards"
        )
    return metadata


def seal_counts(
    counts: Sequence[int],
    *,
    epoch_key: Secret,
    dataset_id: bytes,
    key_epoch: int,
    salt: bytes | None = None,
) -> bytes:
    """Seal the record counts of a snapshot page."""
    salt = secrets.token_bytes(SALT_SIZE) if salt is None else salt
    keys = derive_counts_key(epoch_key, salt, dataset_id, key_epoch)
    return _seal(
        objects_pb2.RecordCounts(counts=counts).SerializeToString(), salt, *keys
    )


def open_counts(page: SnapshotPage, dataset_id: bytes, epoch_key: Secret) -> list[int]:
    """Open the record counts of a snapshot page.

    Raises:
        WrongKey: the counts were sealed under another epoch key.
        MalformedObject: the counts were not sealed as specified.
    """
    salt = page.record_counts[:SALT_SIZE]
    keys = derive_counts_key(epoch_key, salt, dataset_id, page.key_epoch)
    plaintext = _open(page.record_counts, *keys, "a snapshot page's record counts")
    counts = list(parse_message(objects_pb2.RecordCounts, plaintext).counts)
    if len(counts) != len(page.shards):
        raise MalformedObject(
            "a snapshot page does not hold a record count for each shard"
        )
    return counts


def seal_cursor(
    cursor: objects_pb2.SourceCursor,
    *,
    owner_secret: Secret,
    dataset_id: bytes,
    salt: bytes | None = None,
) -> bytes:
    """Seal a source cursor so that only its author can open it."""
    salt = secrets.token_bytes(SALT_SIZE) if salt is None else salt
    keys = derive_cursor_key(owner_secret, salt, dataset_id)
    return _seal(cursor.SerializeToString(), salt, *keys)


def open_cursor(
    sealed: bytes, *, owner_secret: Secret, dataset_id: bytes
) -> objects_pb2.SourceCursor:
    """Open a source cursor.

    Raises:
        WrongKey: the cursor was sealed under another secret.
        MalformedObject: the cursor was not sealed as specified.
    """
    keys = derive_cursor_key(owner_secret, sealed[:SALT_SIZE], dataset_id)
    return parse_message(
        objects_pb2.SourceCursor, _open(sealed, *keys, "the source cursor")
    )


def _seal(payload: bytes, salt: bytes, cipher: AESGCM, commitment: bytes) -> bytes:
    plaintext = bytearray(padded_size(len(payload)))
    plaintext[: len(payload)] = payload
    write_padding(memoryview(plaintext), len(payload))
    return salt + commitment + cipher.encrypt(_NONCE, plaintext, None)


def _open(sealed: bytes, cipher: AESGCM, commitment: bytes, what: str) -> bytes:
    if len(sealed) < _FRONT + LENGTH_SIZE + TAG_SIZE:
        raise MalformedObject(f"{what} is too short")
    check_commitment(commitment, sealed[SALT_SIZE:_FRONT], what)
    try:
        plaintext = cipher.decrypt(_NONCE, sealed[_FRONT:], None)
        return plaintext[: read_payload_size(memoryview(plaintext))]
    except (InvalidTag, CorruptShard):
        raise MalformedObject(f"{what} fails authentication") from None
