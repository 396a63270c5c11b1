"""A commit's metadata, sealed under the epoch key (docs/spec/objects.md, "Commit metadata")."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag

from sealift.keyschedule import check_commitment, derive_metadata_key
from sealift.padding import read_payload_size, write_padding
from sealift.secret import Secret
from sealift_protocol.errors import CorruptShard, MalformedObject
from sealift_protocol.layout import COMMITMENT_SIZE, LENGTH_SIZE, SALT_SIZE, TAG_SIZE, padded_size
from sealift_protocol.objects import Commit, parse_message
from sealift_protocol.v1 import objects_pb2

# Each commit's metadata has a key of its own, so the one nonce never repeats under a key.
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
    """Seals metadata for commit `number`: salt | key commitment | ciphertext | tag."""
    payload = metadata.SerializeToString()
    plaintext = bytearray(padded_size(len(payload)))
    plaintext[: len(payload)] = payload
    write_padding(memoryview(plaintext), len(payload))
    salt = secrets.token_bytes(SALT_SIZE) if salt is None else salt
    cipher, commitment = derive_metadata_key(epoch_key, salt, dataset_id, number, key_epoch)
    return salt + commitment + cipher.encrypt(_NONCE, plaintext, None)


def open_metadata(commit: Commit, epoch_key: Secret) -> objects_pb2.CommitMetadata:
    """Opens the metadata of a verified commit.

    Raises:
        WrongKey: the epoch key is not the one that it was sealed under.
        MalformedObject: it was not sealed as specified.
    """
    sealed = commit.metadata
    if len(sealed) < _FRONT + LENGTH_SIZE + TAG_SIZE:
        raise MalformedObject("a commit's metadata is too short")
    salt, received = sealed[:SALT_SIZE], sealed[SALT_SIZE:_FRONT]
    cipher, commitment = derive_metadata_key(
        epoch_key, salt, commit.dataset_id, commit.number, commit.key_epoch
    )
    check_commitment(commitment, received, "the commit's metadata")
    try:
        plaintext = cipher.decrypt(_NONCE, sealed[_FRONT:], None)
        size = read_payload_size(memoryview(plaintext))
    except (InvalidTag, CorruptShard):
        raise MalformedObject("a commit's metadata fails authentication") from None
    metadata = parse_message(objects_pb2.CommitMetadata, plaintext[:size])
    if len(metadata.record_counts) != len(commit.added):
        raise MalformedObject("a commit does not say how many records each of its shards has")
    return metadata
