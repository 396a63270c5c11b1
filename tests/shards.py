"""Whole shards in memory, sealed and checked by the code that streams them."""

from __future__ import annotations

from dataclasses import dataclass

from sealift.crypto.sealing import ShardContext, ShardSealer
from sealift.process.secret import Secret
from sealift_protocol.layout import (
    HEADER_SIZE,
    LOG2_SEGMENT_SIZE,
    ShardHead,
    padded_size,
)


@dataclass(frozen=True, slots=True)
class SealedShard:
    """A sealed shard in memory.

    Attributes:
        data: header and segments.
        head: the header with its digest list.
    """

    data: bytes
    head: ShardHead


def seal_shard(
    payload: bytes | bytearray | memoryview,
    *,
    epoch_key: Secret,
    context: ShardContext,
    log2_segment_size: int = LOG2_SEGMENT_SIZE,
    salt: bytes | None = None,
) -> SealedShard:
    """Seals a payload into a whole shard in memory.

    Raises:
        RecordTooLarge: the payload does not fit into one shard.
    """
    source = memoryview(payload).cast("B")
    size = len(source)
    plaintext = bytearray(padded_size(size))
    plaintext[:size] = source
    sealer = ShardSealer(
        plaintext,
        size,
        epoch_key=epoch_key,
        context=context,
        log2_segment_size=log2_segment_size,
        salt=salt,
    )
    shard = bytearray(sealer.stored_size)
    shard[:HEADER_SIZE] = sealer.header.pack()
    position = HEADER_SIZE
    for index in range(sealer.segment_count):
        position += sealer.seal_segment_into(index, memoryview(shard)[position:])
    return SealedShard(bytes(shard), sealer.head())
