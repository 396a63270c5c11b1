"""Public arithmetic on sealed shards."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift_protocol.errors import (
    CorruptShard,
    MalformedObject,
    UnsupportedVersion,
    VerificationError,
)
from sealift_protocol.layout import (
    HEADER_SIZE,
    MAX_PAYLOAD,
    MAX_SHARD_PLAINTEXT,
    TAG_SIZE,
    ShardHead,
    ShardHeader,
    padded_size,
    padme,
    plaintext_size,
    segment_count,
    segment_digest,
    stored_size,
)

HEADER = ShardHeader(1, 20, b"d" * 16, b"s" * 16, 7, b"n" * 32, b"c" * 32)


@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (1 << 26, 1 << 26)],
)
def test_padme_gives_the_published_sizes(length: int, padded: int) -> None:
    assert padme(length) == padded


@given(st.integers(8, MAX_SHARD_PLAINTEXT))
def test_padme_adds_at_most_twelve_percent_and_is_stable(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded


@given(st.integers(0, MAX_PAYLOAD), st.sampled_from([1 << 12, 1 << 16, 1 << 20]))
def test_a_stored_size_tells_its_plaintext_size(payload: int, segment: int) -> None:
    plain = padded_size(payload)
    if segment_count(plain, segment) <= 64:
        assert plaintext_size(stored_size(plain, segment), segment) == plain


def test_the_largest_payload_fills_a_shard_exactly() -> None:
    assert padded_size(MAX_PAYLOAD) == MAX_SHARD_PLAINTEXT


@pytest.mark.parametrize(
    "stored", [0, HEADER_SIZE, HEADER_SIZE + TAG_SIZE + 7, 1 << 40]
)
def test_an_impossible_stored_size_is_refused(stored: int) -> None:
    with pytest.raises(MalformedObject):
        plaintext_size(stored, 1 << 20)


def test_a_header_comes_back_as_it_was() -> None:
    packed = HEADER.pack()
    assert len(packed) == HEADER_SIZE
    assert ShardHeader.unpack(packed) == HEADER


@pytest.mark.parametrize(
    ("position", "value", "error"),
    [
        (0, 0x53, MalformedObject),
        (7, 0x32, UnsupportedVersion),
        (8, 2, UnsupportedVersion),
        (9, 21, MalformedObject),
        (9, 11, MalformedObject),
        (15, 1, MalformedObject),
    ],
)
def test_a_header_with_an_unknown_field_is_refused(
    position: int, value: int, error: type[Exception]
) -> None:
    packed = bytearray(HEADER.pack())
    packed[position] = value
    with pytest.raises(error):
        ShardHeader.unpack(bytes(packed))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_a_named_error(data: bytes) -> None:
    with suppress(VerificationError):
        ShardHeader.unpack(data)


def test_checking_a_shard_needs_no_key_and_finds_bit_rot() -> None:
    body = b"x" * (1024 + TAG_SIZE)
    shard = HEADER.pack() + body
    digests = segment_digest(body)
    head = ShardHead.parse(HEADER.pack(), digests, len(shard))
    assert head.segment_count == 1
    start = head.segment_offset(0)
    assert shard[start : start + head.sealed_segment_size(0)] == body
    head.check_segment(0, body)
    with pytest.raises(CorruptShard):
        head.check_segment(0, body[:-1] + b"y")
    with pytest.raises(CorruptShard):
        head.check_segment(1, body)
    with pytest.raises(CorruptShard):
        head.check_digest(bytes(32))
    with pytest.raises(MalformedObject):
        ShardHead.parse(HEADER.pack(), digests + digests, len(shard))
