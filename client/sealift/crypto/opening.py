"""Opens a shard: ciphertext segments in, plaintext into a caller's buffer (docs/spec/shard.md).

Nothing is written to the buffer before the digest, the context and the key commitment have been
compared; if a segment fails later, the buffer is wiped. It does not use gRPC, Arrow or files.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag

from sealift.crypto.keyschedule import check_commitment, derive_shard_key
from sealift.crypto.padding import read_payload_size
from sealift.crypto.sealing import ShardContext, segment_nonce
from sealift.process.memory import zero_fill
from sealift.process.secret import Secret
from sealift_protocol.errors import ContextMismatch, CorruptShard
from sealift_protocol.layout import COMMITMENT_SIZE, HEADER_SIZE, TAG_SIZE, ShardHead


class ShardOpener:
    """Opens segments of one shard, in any order.

    Attributes:
        head: the shard's header and digest list, which match `digest`.
    """

    def __init__(
        self,
        head: ShardHead,
        *,
        digest: bytes,
        epoch_key: Secret,
        context: ShardContext,
    ) -> None:
        """Check the shard against its commit, then the key.

        Args:
            head: header and digest list as received.
            digest: the shard digest (32 bytes) that the signed commit names.
            epoch_key: 32 bytes.
            context: dataset, shard and key epoch that the commit names.

        Raises:
            CorruptShard: header or digest list differ from what the owner signed.
            ContextMismatch: the shard has another dataset, id or key epoch.
            WrongKey: the shard was sealed under another epoch key.
        """
        head.check_digest(digest)
        header = head.header
        if (header.dataset_id, header.shard_id, header.key_epoch) != (
            context.dataset_id,
            context.shard_id,
            context.key_epoch,
        ):
            raise ContextMismatch(
                "the shard is of another dataset, id or key epoch than its commit names"
            )
        bound = head.header_bytes[: HEADER_SIZE - COMMITMENT_SIZE]
        self._cipher, commitment = derive_shard_key(epoch_key, header.salt, bound)
        check_commitment(commitment, header.commitment, "the shard")
        self.head = head

    def open_segment_into(
        self, index: int, segment: bytes | memoryview, out: bytearray | memoryview
    ) -> int:
        """Open one segment into the beginning of `out`; returns the bytes of plaintext.

        Raises:
            CorruptShard: the segment is not the one that the owner sealed at this index; what was
                written to `out` is wiped.
        """
        self.head.check_segment(index, segment)
        size = len(segment) - TAG_SIZE
        plaintext = memoryview(out).cast("B")[:size]
        nonce = segment_nonce(index, last=index == self.head.segment_count - 1)
        try:
            self._cipher.decrypt_into(nonce, segment, None, plaintext)
        except InvalidTag:
            zero_fill(plaintext)
            raise CorruptShard(
                f"segment {index} of the shard fails authentication"
            ) from None
        return size

    def open_range_into(
        self, first: int, segments: list[memoryview], out: bytearray | memoryview
    ) -> int:
        """Open consecutive segments from `first` on into `out`; returns the bytes of plaintext.

        Raises:
            CorruptShard: a segment is not the one that the owner sealed; `out` is wiped.
        """
        view = memoryview(out).cast("B")
        position = 0
        try:
            for offset, segment in enumerate(segments):
                position += self.open_segment_into(
                    first + offset, segment, view[position:]
                )
        except CorruptShard:
            zero_fill(view)
            raise
        return position

    def payload_size(self, plaintext: bytearray | memoryview) -> int:
        """Return the payload's size, once every segment is open at its offset in `plaintext`.

        Raises:
            CorruptShard: the padding is not as specified; the plaintext is wiped.
        """
        view = memoryview(plaintext).cast("B")[: self.head.plaintext_size]
        try:
            return read_payload_size(view)
        except CorruptShard:
            zero_fill(view)
            raise


def open_shard_into(
    shard: bytes | memoryview,
    segment_digests: bytes,
    out: bytearray | memoryview,
    *,
    digest: bytes,
    epoch_key: Secret,
    context: ShardContext,
) -> int:
    """Open a whole shard into `out`; returns the size of the payload at its beginning.

    Args:
        shard: header and segments.
        segment_digests: 32 bytes a segment.
        out: a buffer of at least the shard's plaintext size, which is below the shard's own size.
        digest: the shard digest that the signed commit names.
        epoch_key: 32 bytes.
        context: dataset, shard and key epoch that the commit names.

    Raises:
        VerificationError: a subclass that tells what is wrong; `out` then holds no plaintext.
        WrongKey: the shard was sealed under another epoch key.
    """
    view = memoryview(shard).cast("B")
    head = ShardHead.parse(bytes(view[:HEADER_SIZE]), segment_digests, len(view))
    opener = ShardOpener(head, digest=digest, epoch_key=epoch_key, context=context)
    segments = []
    for index in range(head.segment_count):
        start = head.segment_offset(index)
        segments.append(view[start : start + head.sealed_segment_size(index)])
    opener.open_range_into(0, segments, out)
    return opener.payload_size(out)
