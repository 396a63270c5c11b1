"""Padded plaintext: payload | zeros | payload length (8 bytes, big-endian), its total by Padmé."""

from __future__ import annotations

from sealift.process.memory import ZEROS, zero_fill
from sealift_protocol.errors import CorruptShard
from sealift_protocol.layout import LENGTH_SIZE, padded_size


def write_padding(plaintext: memoryview, payload_size: int) -> int:
    """Write padding and length after a payload in a buffer; returns the total size.

    Raises:
        ValueError: the buffer is too small.
    """
    total = padded_size(payload_size)
    if total > len(plaintext):
        raise ValueError(f"a padded payload of {total} bytes needs a larger buffer")
    end = total - LENGTH_SIZE
    zero_fill(plaintext[payload_size:end])
    plaintext[end:total] = payload_size.to_bytes(LENGTH_SIZE, "big")
    return total


def read_payload_size(plaintext: memoryview) -> int:
    """Return the payload's size in a whole padded plaintext.

    Raises:
        CorruptShard: length or padding is wrong: the author did not pad as specified.
    """
    total = len(plaintext)
    payload_size = int.from_bytes(plaintext[total - LENGTH_SIZE :], "big")
    if payload_size > total - LENGTH_SIZE or padded_size(payload_size) != total:
        raise CorruptShard(
            "a padded plaintext has a length field that does not fit its size"
        )
    padding = plaintext[payload_size : total - LENGTH_SIZE]
    for start in range(0, len(padding), len(ZEROS)):
        chunk = bytes(padding[start : start + len(ZEROS)])
        if chunk != ZEROS[: len(chunk)]:
            raise CorruptShard("a padded plaintext has padding that is not zero")
    return payload_size
