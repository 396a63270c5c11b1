"""Seals a shard: plaintext in a buffer in, ciphertext segments out (docs/spec/shard.md).

It does not use gRPC, Arrow or files.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from sealift.crypto.keyschedule import derive_shard_key
from sealift.crypto.padding import write_padding
from sealift.process.secret import Secret
from sealift_protocol.errors import RecordTooLarge
from sealift_protocol.layout import (
    COMMITMENT_SIZE,
    HEADER_SIZE,
    LOG2_SEGMENT_SIZE,
    MAX_SEGMENTS,
    SALT_SIZE,
    SUITE_AES256GCM_HKDF_SHA256,
    TAG_SIZE,
    ShardHead,
    ShardHeader,
    padded_size,
    segment_count,
    segment_digest,
    stored_size,
)


@dataclass(frozen=True, slots=True)
class ShardContext:
    """The context that a shard's key is bound to.

    Attributes:
        dataset_id: 16 bytes.
        shard_id: 16 bytes, fresh for each shard.
        key_epoch: number of the key epoch, from 1.
    """

    dataset_id: bytes
    shard_id: bytes
    key_epoch: int


def segment_nonce(index: int, last: bool) -> bytes:
    """Return the nonce of segment `index`: 11 bytes of counter, one byte for the last segment.

    Source: the STREAM construction, Hoang et al., "Online Authenticated-Encryption and its
    Nonce-Reuse Misuse-Resistance", CRYPTO 2015, section 7.
    """
    return index.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class ShardSealer:
    """Seals the segments of one shard, one at a time, from a caller's buffer.

    Sealing a segment again yields the same bytes, so a broken upload can be repeated. A new sealer
    draws a new salt, and so has a new key.
    """

    def __init__(
        self,
        buffer: bytearray | memoryview,
        payload_size: int,
        *,
        epoch_key: Secret,
        context: ShardContext,
        log2_segment_size: int = LOG2_SEGMENT_SIZE,
        salt: bytes | None = None,
    ) -> None:
        """Pad the payload in place and derive the shard key.

        Args:
            buffer: the payload, followed by room for the padding (`padded_size(payload_size)` bytes
                in all). It must not change until the last segment is sealed.
            payload_size: bytes of payload.
            epoch_key: 32 bytes.
            context: the context that the shard key is bound to.
            log2_segment_size: 20 except in test vectors.
            salt: 32 bytes; given only by test vectors.

        Raises:
            RecordTooLarge: the payload does not fit into one shard.
            ValueError: the buffer has no room for the padding.
        """
        total = padded_size(payload_size)
        if total > MAX_SEGMENTS << log2_segment_size:
            raise RecordTooLarge(
                f"a payload of {payload_size} bytes does not fit into a shard"
            )
        view = memoryview(buffer).cast("B")
        write_padding(view, payload_size)
        self._plaintext = view[:total]
        header = ShardHeader(
            suite=SUITE_AES256GCM_HKDF_SHA256,
            log2_segment_size=log2_segment_size,
            dataset_id=context.dataset_id,
            shard_id=context.shard_id,
            key_epoch=context.key_epoch,
            salt=secrets.token_bytes(SALT_SIZE) if salt is None else salt,
            commitment=bytes(COMMITMENT_SIZE),
        )
        bound = header.pack()[: HEADER_SIZE - COMMITMENT_SIZE]
        self._cipher, commitment = derive_shard_key(epoch_key, header.salt, bound)
        self.header = replace(header, commitment=commitment)
        self.segment_count = segment_count(total, header.segment_size)
        self.stored_size = stored_size(total, header.segment_size)
        self._digests: dict[int, bytes] = {}

    def segment_size(self, index: int) -> int:
        """Return the bytes of ciphertext and tag of segment `index`."""
        start = index * self.header.segment_size
        return min(self.header.segment_size, len(self._plaintext) - start) + TAG_SIZE

    def seal_segment_into(self, index: int, out: bytearray | memoryview) -> int:
        """Seal segment `index` into the beginning of `out`; returns its size with the tag."""
        start = index * self.header.segment_size
        plain = self._plaintext[start : start + self.header.segment_size]
        size = len(plain) + TAG_SIZE
        sealed = memoryview(out)[:size]
        nonce = segment_nonce(index, last=index == self.segment_count - 1)
        self._cipher.encrypt_into(nonce, plain, None, sealed)
        if index not in self._digests:
            self._digests[index] = segment_digest(sealed)
        return size

    @property
    def complete(self) -> bool:
        """Whether every segment has been sealed."""
        return len(self._digests) == self.segment_count

    def head(self) -> ShardHead:
        """Return header and digest list; only when `complete`."""
        digests = b"".join(self._digests[index] for index in range(self.segment_count))
        return ShardHead.parse(self.header.pack(), digests, self.stored_size)
