"""Keys derived from an epoch key: for each shard, each commit's metadata and each snapshot page.

Source: HKDF-SHA256 (RFC 5869). Every derivation yields an AES-256 key and a commitment to it,
because AES-GCM alone lets one ciphertext open under two keys (Albertini et al., "How to
Abuse and Fix Authenticated Encryption Without Key Commitment", USENIX Security 2022).
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealift.crypto.hkdf import derive
from sealift.process.secret import Secret
from sealift_protocol.errors import WrongKey
from sealift_protocol.layout import COMMITMENT_SIZE

EPOCH_KEY_SIZE = 32
_AES_KEY_SIZE = 32
_SHARD_INFO = b"sealift/1 shard"
_COUNTS_INFO = b"sealift/1 record counts"
_METADATA_INFO = b"sealift/1 commit metadata"
_CURSOR_INFO = b"sealift/1 source cursor"


def derive_shard_key(
    epoch_key: Secret, salt: bytes, header_without_commitment: bytes
) -> tuple[AESGCM, bytes]:
    """Return the cipher of a shard's segments and the commitment (32 bytes) in its header."""
    return _derive(epoch_key, salt, _SHARD_INFO + header_without_commitment)


def derive_metadata_key(
    epoch_key: Secret, salt: bytes, dataset_id: bytes, number: int, key_epoch: int
) -> tuple[AESGCM, bytes]:
    """Return the cipher of a commit's metadata and the commitment (32 bytes) before it."""
    context = dataset_id + number.to_bytes(8, "big") + key_epoch.to_bytes(8, "big")
    return _derive(epoch_key, salt, _METADATA_INFO + context)


def derive_counts_key(
    epoch_key: Secret, salt: bytes, dataset_id: bytes, key_epoch: int
) -> tuple[AESGCM, bytes]:
    """Return the cipher of a page's record counts and the commitment (32 bytes) before them."""
    context = dataset_id + key_epoch.to_bytes(8, "big")
    return _derive(epoch_key, salt, _COUNTS_INFO + context)


def derive_cursor_key(
    owner_secret: Secret, salt: bytes, dataset_id: bytes
) -> tuple[AESGCM, bytes]:
    """Return the cipher of an author's source cursor and the commitment (32 bytes) before it."""
    return _derive(owner_secret, salt, _CURSOR_INFO + dataset_id)


def check_commitment(derived: bytes, received: bytes, what: str) -> None:
    """Compare commitments in constant time.

    Raises:
        WrongKey: `what` was sealed under another epoch key.
    """
    if not hmac.compare_digest(derived, received):
        raise WrongKey(f"the epoch key does not open {what}")


def _derive(secret: Secret, salt: bytes, info: bytes) -> tuple[AESGCM, bytes]:
    okm = derive(secret, info, salt=salt, size=_AES_KEY_SIZE + COMMITMENT_SIZE).view()
    return AESGCM(okm[:_AES_KEY_SIZE]), bytes(okm[_AES_KEY_SIZE:])
