"""Sealed shard, format version 1: public arithmetic on ciphertext (docs/spec/shard.md).

No function here needs a key: the relay uses them to check what it stores, the clients to check what
they receive before they use a key.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blake3 import blake3

from sealift_protocol.errors import CorruptShard, MalformedObject, UnsupportedVersion

MAGIC = b"sealift1"
HEADER_SIZE = 120
COMMITMENT_SIZE = 32
SALT_SIZE = 32
TAG_SIZE = 16
DIGEST_SIZE = 32
LENGTH_SIZE = 8
MAX_SEGMENTS = 64
LOG2_SEGMENT_SIZE = 20
MIN_LOG2_SEGMENT_SIZE = 12
SUITE_AES256GCM_HKDF_SHA256 = 1
MAX_SHARD_PLAINTEXT = MAX_SEGMENTS << LOG2_SEGMENT_SIZE
MAX_PAYLOAD = MAX_SHARD_PLAINTEXT - LENGTH_SIZE

_HEADER = struct.Struct(">8sBB6x16s16sQ32s32s")
_RESERVED = slice(10, 16)


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """The 120 bytes before a shard's segments.

    Attributes:
        suite: shard suite; 1 is AES-256-GCM segments under HKDF-SHA256 keys.
        log2_segment_size: segments hold 2**this bytes of plaintext (12 to 20).
        dataset_id: 16 bytes.
        shard_id: 16 bytes.
        key_epoch: number of the epoch key that the shard key is derived from.
        salt: 32 random bytes.
        commitment: 32 bytes that only the right epoch key yields.
    """

    suite: int
    log2_segment_size: int
    dataset_id: bytes
    shard_id: bytes
    key_epoch: int
    salt: bytes
    commitment: bytes

    def pack(self) -> bytes:
        """Return the header's 120 bytes."""
        return _HEADER.pack(
            MAGIC,
            self.suite,
            self.log2_segment_size,
            self.dataset_id,
            self.shard_id,
            self.key_epoch,
            self.salt,
            self.commitment,
        )

    @classmethod
    def unpack(cls, header: bytes | memoryview) -> ShardHeader:
        """Parse and check a header.

        Raises:
            MalformedObject: the bytes are not a shard header, or a field is out of range.
            UnsupportedVersion: the header has another format version or suite.
        """
        header = bytes(header)
        if len(header) != HEADER_SIZE:
            raise MalformedObject(
                f"a shard header has {HEADER_SIZE} bytes, but {len(header)} were received"
            )
        magic, suite, log2_size, dataset_id, shard_id, epoch, salt, commitment = (
            _HEADER.unpack(header)
        )
        if magic[:-1] != MAGIC[:-1]:
            raise MalformedObject(
                "the data is not a sealed shard: the magic is missing"
            )
        if magic != MAGIC:
            raise UnsupportedVersion("the shard has a format version that is not 1")
        if suite != SUITE_AES256GCM_HKDF_SHA256:
            raise UnsupportedVersion(f"the shard has the unknown suite {suite}")
        if not MIN_LOG2_SEGMENT_SIZE <= log2_size <= LOG2_SEGMENT_SIZE:
            raise MalformedObject(
                f"the shard's segment size 2^{log2_size} is not allowed"
            )
        if any(header[_RESERVED]):
            raise MalformedObject("the shard header's reserved bytes are not zero")
        return cls(suite, log2_size, dataset_id, shard_id, epoch, salt, commitment)

    @property
    def segment_size(self) -> int:
        """Bytes of plaintext in every segment but the last."""
        return 1 << self.log2_segment_size


def padme(length: int) -> int:
    """Return the padded length of `length` bytes: at most 12 % more, leaking O(log log) bits.

    Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication
    with PURBs", PETS 2019, section 4 (Padmé).
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def padded_size(payload_size: int) -> int:
    """Return the bytes of plaintext of a shard: payload, padding and length field."""
    return padme(payload_size + LENGTH_SIZE)


def segment_count(plaintext_size: int, segment_size: int) -> int:
    """Return the number of segments for some bytes of plaintext."""
    return -(-plaintext_size // segment_size)


def stored_size(plaintext_size: int, segment_size: int) -> int:
    """Return the bytes of header and segments together."""
    return (
        HEADER_SIZE
        + plaintext_size
        + TAG_SIZE * segment_count(plaintext_size, segment_size)
    )


def plaintext_size(stored: int, segment_size: int) -> int:
    """Return the bytes of plaintext in a shard of `stored` bytes.

    Raises:
        MalformedObject: no shard has that size.
    """
    body = stored - HEADER_SIZE
    count = segment_count(body, segment_size + TAG_SIZE)
    plain = body - TAG_SIZE * count
    if not 1 <= count <= MAX_SEGMENTS or plain < LENGTH_SIZE:
        raise MalformedObject(f"no shard has {stored} bytes")
    if segment_count(plain, segment_size) != count or padme(plain) != plain:
        raise MalformedObject(f"no padded shard has {stored} bytes")
    return plain


def segment_plaintext_size(index: int, plaintext: int, segment_size: int) -> int:
    """Return the bytes of plaintext in segment `index` of a shard with `plaintext` bytes."""
    return min(segment_size, plaintext - index * segment_size)


def segment_digest(segment: bytes | bytearray | memoryview) -> bytes:
    """Return BLAKE3 of one ciphertext segment with its tag, 32 bytes."""
    return blake3(segment).digest()


def shard_digest(
    header: bytes | memoryview, segment_digests: bytes | memoryview
) -> bytes:
    """Return BLAKE3 over the header and the concatenated segment digests, 32 bytes."""
    return blake3(header).update(segment_digests).digest()


@dataclass(frozen=True, slots=True)
class ShardHead:
    """A shard's header with its digest list, which suffice to check any of its segments.

    Attributes:
        header: parsed header.
        header_bytes: the header as received, 120 bytes.
        segment_digests: 32 bytes a segment, concatenated.
        stored_size: bytes of header and segments together.
        plaintext_size: bytes of payload, padding and length field.
    """

    header: ShardHeader
    header_bytes: bytes
    segment_digests: bytes
    stored_size: int
    plaintext_size: int

    @classmethod
    def parse(cls, header: bytes, segment_digests: bytes, stored: int) -> ShardHead:
        """Check that header, digest list and size belong to one possible shard.

        Raises:
            MalformedObject, UnsupportedVersion: see `ShardHeader.unpack`; or the size is wrong.
        """
        parsed = ShardHeader.unpack(header)
        plain = plaintext_size(stored, parsed.segment_size)
        count = segment_count(plain, parsed.segment_size)
        if len(segment_digests) != DIGEST_SIZE * count:
            raise MalformedObject(
                f"a shard of {count} segments came with {len(segment_digests)} bytes of digests"
            )
        return cls(parsed, header, segment_digests, stored, plain)

    @property
    def segment_count(self) -> int:
        """Number of segments in the shard."""
        return len(self.segment_digests) // DIGEST_SIZE

    @property
    def digest(self) -> bytes:
        """The shard digest that the commit names."""
        return shard_digest(self.header_bytes, self.segment_digests)

    def sealed_segment_size(self, index: int) -> int:
        """Return the bytes of ciphertext and tag of segment `index`."""
        size = self.header.segment_size
        return segment_plaintext_size(index, self.plaintext_size, size) + TAG_SIZE

    def segment_offset(self, index: int) -> int:
        """Return the offset of segment `index` in the stored shard."""
        return HEADER_SIZE + index * (self.header.segment_size + TAG_SIZE)

    def check_digest(self, expected: bytes) -> None:
        """Check the shard digest against the one that a commit names.

        Raises:
            CorruptShard: they differ.
        """
        if self.digest != expected:
            raise CorruptShard(
                "the shard's header or digest list differs from what its owner signed"
            )

    def check_segment(
        self, index: int, segment: bytes | bytearray | memoryview
    ) -> None:
        """Check one ciphertext segment against the digest list.

        Raises:
            CorruptShard: the index, size or digest is wrong.
        """
        if not 0 <= index < self.segment_count:
            raise CorruptShard(f"the shard has no segment {index}")
        expected = self.segment_digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE]
        if (
            len(segment) != self.sealed_segment_size(index)
            or segment_digest(segment) != expected
        ):
            raise CorruptShard(
                f"segment {index} of the shard differs from what its owner sealed"
            )
