"""A malicious relay, or a malicious co-recipient, against shards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pytest
from shards import seal_shard

from sealift.crypto.keyschedule import derive_shard_key
from sealift.crypto.opening import ShardOpener, open_shard_into
from sealift.crypto.sealing import ShardContext, ShardSealer, segment_nonce
from sealift.history.disclosures import disclose
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol import framing
from sealift_protocol.errors import (
    ContextMismatch,
    CorruptShard,
    MalformedObject,
    SealiftError,
    UnsupportedVersion,
    VerificationError,
    WrongKey,
)
from sealift_protocol.layout import (
    COMMITMENT_SIZE,
    HEADER_SIZE,
    ShardHead,
    padme,
    segment_digest,
)
from sealift_protocol.v1 import shards_pb2

KEY = Secret(b"k" * 32)
CONTEXT = ShardContext(b"d" * 16, b"s" * 16, 1)
PAYLOAD = bytes(range(256)) * 40
UNTOUCHED = 0xAA


def refuse(session: Session, error: type[SealiftError]) -> None:
    """Opens the study, and asserts that no batch reaches the caller."""
    batches: list[pa.RecordBatch] = []

    def read() -> None:
        batches.extend(
            session.open_dataset("hospital/study", on_corrupt="raise").batches()
        )

    with pytest.raises(error) as caught:
        read()
    assert type(caught.value) is error
    assert batches == []


def small_shard() -> tuple[bytes, ShardHead]:
    sealed = seal_shard(PAYLOAD, epoch_key=KEY, context=CONTEXT, log2_segment_size=12)
    return sealed.data, sealed.head


def try_open(data: bytes, head: ShardHead, digest: bytes) -> bytearray:
    out = bytearray([UNTOUCHED]) * (len(data) + 64)
    with pytest.raises(SealiftError) as caught:
        open_shard_into(
            data,
            head.segment_digests,
            out,
            digest=digest,
            epoch_key=KEY,
            context=CONTEXT,
        )
    assert isinstance(caught.value, VerificationError | WrongKey)
    return out


def test_a01_any_flipped_bit_of_a_header_is_refused() -> None:
    data, head = small_shard()
    for bit in range(HEADER_SIZE * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        out = try_open(bytes(changed), head, head.digest)
        assert set(out) == {UNTOUCHED}


def test_a01_any_flipped_bit_of_a_segment_is_refused_and_nothing_is_left() -> None:
    data, head = small_shard()
    chooser = random.Random(1)
    for bit in chooser.sample(range(HEADER_SIZE * 8, len(data) * 8), 300):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        out = try_open(bytes(changed), head, head.digest)
        assert set(out) <= {0, UNTOUCHED}


def test_a01_a_flipped_bit_on_the_wire_is_refused(
    study: pa.Table, laboratory: Session, lying_relay
) -> None:
    lying_relay.change_segments(lambda s: [s[0][:-1] + bytes([s[0][-1] ^ 1]), *s[1:]])
    refuse(laboratory, CorruptShard)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: [s[1], s[0], *s[2:]], id="swapped"),
        pytest.param(lambda s: s[1:], id="first-dropped"),
        pytest.param(lambda s: s[:-1], id="last-dropped"),
        pytest.param(lambda s: [s[0], s[0], *s[2:]], id="duplicated"),
        pytest.param(lambda s: s[::-1], id="reversed"),
        pytest.param(lambda s: [], id="all-dropped"),
    ],
)
def test_a02_rearranged_segments_are_refused(
    change: Callable[[list[bytes]], list[bytes]],
    study: pa.Table,
    laboratory: Session,
    lying_relay,
) -> None:
    lying_relay.change_segments(change)
    refuse(laboratory, CorruptShard)


def test_a02_the_last_flag_alone_catches_a_truncation() -> None:
    # Even with a digest list and a shard digest that fit the truncated shard.
    sealer = ShardSealer(
        bytearray(PAYLOAD + bytes(8192)),
        len(PAYLOAD),
        epoch_key=KEY,
        context=CONTEXT,
        log2_segment_size=12,
    )
    scratch = bytearray(8192)
    first = bytes(scratch[: sealer.seal_segment_into(0, scratch)])
    second = bytes(scratch[: sealer.seal_segment_into(1, scratch)])

    digests = segment_digest(first) + segment_digest(second)
    data = sealer.header.pack() + first + second
    head = ShardHead.parse(sealer.header.pack(), digests, len(data))
    out = try_open(data, head, head.digest)
    assert set(out) <= {0, UNTOUCHED}


def test_a03_a_shard_in_the_place_of_another_is_refused(
    hospital: Session, laboratory: Session, lying_relay
) -> None:
    for start in (0, 100):
        table = pa.table({"value": pa.array(range(start, start + 100), pa.int64())})
        hospital.push(table, dataset="study", to="laboratory")
    dataset = laboratory.open_dataset("hospital/study")
    first, second = dataset._opened.shards
    honest = laboratory._connection.relay._honest
    honest_member = replace(laboratory._connection.member, relay=honest)
    disclosure = disclose(honest_member, dataset._opened, purpose="")

    def swap(_messages: Iterator[bytes]) -> Iterator[bytes]:
        return honest.get_segments(
            shards_pb2.GetRequest(
                dataset_id=dataset._opened.dataset_id,
                disclosure=disclosure,
                ranges=[
                    shards_pb2.SegmentRange(shard_id=entry.shard_id)
                    for entry in (second, first)
                ],
            )
        )

    lying_relay.lies["get_segments"] = swap
    refuse(laboratory, CorruptShard)


@pytest.mark.parametrize(
    "context",
    [
        ShardContext(b"D" * 16, b"s" * 16, 1),
        ShardContext(b"d" * 16, b"S" * 16, 1),
        ShardContext(b"d" * 16, b"s" * 16, 2),
    ],
)
def test_a03_a_shard_of_another_dataset_id_or_key_epoch_is_refused(
    context: ShardContext,
) -> None:
    data, head = small_shard()
    with pytest.raises(ContextMismatch):
        ShardOpener(head, digest=head.digest, epoch_key=KEY, context=context)
    assert data


def test_a11_an_unknown_version_or_suite_is_refused() -> None:
    data, head = small_shard()
    for position in (7, 8):
        changed = bytearray(data)
        changed[position] += 1
        with pytest.raises(UnsupportedVersion):
            ShardHead.parse(
                bytes(changed[:HEADER_SIZE]), head.segment_digests, len(data)
            )


def test_a12_the_commitment_is_compared_before_any_segment_is_opened() -> None:
    data, head = small_shard()
    out = bytearray([UNTOUCHED]) * len(data)
    with pytest.raises(WrongKey):
        open_shard_into(
            data,
            head.segment_digests,
            out,
            digest=head.digest,
            epoch_key=Secret(b"K" * 32),
            context=CONTEXT,
        )
    assert set(out) == {UNTOUCHED}


@pytest.mark.parametrize("size", [0, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_a13_a_lie_about_a_shards_size_allocates_nothing(
    size: int, study: pa.Table, laboratory: Session, lying_relay
) -> None:
    def lie(head: shards_pb2.ShardHead) -> None:
        head.stored_size = size

    lying_relay.change_head(lie)
    refuse(laboratory, CorruptShard)


def test_a13_a_digest_list_of_any_length_is_refused(
    study: pa.Table, laboratory: Session, lying_relay
) -> None:
    def lie(head: shards_pb2.ShardHead) -> None:
        head.segment_digests += bytes(32 * 10_000)

    lying_relay.change_head(lie)
    refuse(laboratory, MalformedObject)


def test_a13_a_stream_that_goes_on_is_not_read_on(
    study: pa.Table, laboratory: Session, lying_relay
) -> None:
    endless = 0

    def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal endless
        yield from messages
        while True:
            endless += 1
            yield framing.segment_message(bytes(1 << 20))

    lying_relay.lies["get_segments"] = lie
    assert laboratory.open_dataset("hospital/study").to_table().equals(study)
    assert endless == 0


def test_a17_equal_records_give_unrelated_shards() -> None:
    first = seal_shard(PAYLOAD, epoch_key=KEY, context=CONTEXT).data
    second = seal_shard(PAYLOAD, epoch_key=KEY, context=CONTEXT).data
    same = sum(
        a == b for a, b in zip(first[HEADER_SIZE:], second[HEADER_SIZE:], strict=True)
    )
    assert len(first) == len(second)
    assert same / len(first) < 0.02


def test_a18_a_stored_size_tells_no_more_than_padme() -> None:
    sizes = {
        length: seal_shard(
            bytes(length), epoch_key=KEY, context=CONTEXT
        ).head.plaintext_size
        for length in range(1000, 1056)
    }
    assert len(set(sizes.values())) == len({padme(length + 8) for length in sizes}) <= 3


def test_a20_a_co_recipient_with_the_epoch_key_cannot_forge_a_shard(
    study: pa.Table, laboratory: Session, lying_relay
) -> None:
    opened = laboratory.open_dataset("hospital/study")._opened
    entry = opened.shards[0]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, study.schema) as writer:
        writer.write_table(study)
    # The forger has everything that the owner has, but for the signing key.
    forged = seal_shard(
        sink.getvalue().to_pybytes(),
        epoch_key=opened.epoch_keys[1],
        context=ShardContext(opened.dataset_id, entry.shard_id, 1),
    )
    assert forged.head.stored_size == entry.stored_size

    def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
        yield shards_pb2.GetResponse(
            head=shards_pb2.ShardHead(
                header=forged.head.header_bytes,
                segment_digests=forged.head.segment_digests,
                stored_size=forged.head.stored_size,
            )
        ).SerializeToString()
        view = memoryview(forged.data)
        for index in range(forged.head.segment_count):
            start = forged.head.segment_offset(index)
            size = forged.head.sealed_segment_size(index)
            yield framing.segment_message(view[start : start + size])

    lying_relay.lies["get_segments"] = lie
    refuse(laboratory, CorruptShard)


def test_a20_a_segment_under_the_owners_very_key_is_refused() -> None:
    # A co-recipient derives the shard's key, keeps the signed head and replaces one segment.
    data, head = small_shard()
    bound = data[: HEADER_SIZE - COMMITMENT_SIZE]
    cipher, _ = derive_shard_key(KEY, head.header.salt, bound)
    forged = cipher.encrypt(segment_nonce(0, last=False), b"forged!!" * 512, None)
    start = head.segment_offset(0)
    changed = data[:start] + forged + data[start + len(forged) :]
    assert len(changed) == len(data)
    assert set(try_open(changed, head, head.digest)) <= {0, UNTOUCHED}


def test_a33_a_shard_sealed_again_has_another_key() -> None:
    first, second = (
        ShardSealer(bytearray(64), 8, epoch_key=KEY, context=CONTEXT) for _ in range(2)
    )
    assert first.header.salt != second.header.salt
    assert first.header.commitment != second.header.commitment
