"""Sealing and opening, without a relay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DOCS, VECTORS
from shards import SealedShard, seal_shard

from sealift.crypto.opening import ShardOpener, open_shard_into
from sealift.crypto.padding import write_padding
from sealift.crypto.sealing import ShardContext, ShardSealer
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    ContextMismatch,
    CorruptShard,
    MalformedObject,
    RecordTooLarge,
    SealiftError,
    UnsupportedVersion,
    WrongKey,
)
from sealift_protocol.layout import MAX_PAYLOAD

KEY = Secret(b"k" * 32)
CONTEXT = ShardContext(b"d" * 16, b"s" * 16, 1)
FAILURES: dict[str, type[SealiftError]] = {
    "malformed": MalformedObject,
    "unsupported": UnsupportedVersion,
    "corrupt": CorruptShard,
    "context": ContextMismatch,
    "wrong key": WrongKey,
}


def open_sealed(sealed: SealedShard, **changes: object) -> bytes:
    out = bytearray(len(sealed.data))
    arguments = {
        "digest": sealed.head.digest,
        "epoch_key": KEY,
        "context": CONTEXT,
        **changes,
    }
    size = open_shard_into(sealed.data, sealed.head.segment_digests, out, **arguments)  # type: ignore[arg-type]
    return bytes(out[:size])


@given(st.binary(max_size=3 * 4096))
@settings(max_examples=50)
def test_what_is_sealed_opens(payload: bytes) -> None:
    sealed = seal_shard(payload, epoch_key=KEY, context=CONTEXT, log2_segment_size=12)
    assert open_sealed(sealed) == payload


def test_a_payload_of_many_mebibytes_opens() -> None:
    payload = bytes(range(256)) * (5 << 12)
    sealed = seal_shard(payload, epoch_key=KEY, context=CONTEXT)
    assert sealed.head.segment_count == 6
    assert open_sealed(sealed) == payload


def test_any_segment_range_opens_alone() -> None:
    payload = bytes(i % 251 for i in range(5 * 4096))
    sealed = seal_shard(payload, epoch_key=KEY, context=CONTEXT, log2_segment_size=12)
    head = sealed.head
    opener = ShardOpener(head, digest=head.digest, epoch_key=KEY, context=CONTEXT)
    view = memoryview(sealed.data)
    segments = [
        view[
            head.segment_offset(i) : head.segment_offset(i)
            + head.sealed_segment_size(i)
        ]
        for i in (2, 3)
    ]
    out = bytearray(2 * 4096)
    assert opener.open_range_into(2, segments, out) == len(out)
    assert bytes(out) == payload[2 * 4096 : 4 * 4096]


def test_sealing_a_segment_again_gives_the_same_bytes() -> None:
    buffer = bytearray(b"record" * 2000)
    sealer = ShardSealer(
        buffer + bytes(4096),
        len(buffer),
        epoch_key=KEY,
        context=CONTEXT,
        log2_segment_size=12,
    )
    first, again = bytearray(8192), bytearray(8192)
    assert sealer.segment_size(0) == sealer.seal_segment_into(0, first)
    sealer.seal_segment_into(0, again)
    assert first == again


def test_a_payload_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RecordTooLarge):
        ShardSealer(bytearray(8), MAX_PAYLOAD + 1, epoch_key=KEY, context=CONTEXT)


def test_a_buffer_without_room_for_the_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="larger buffer"):
        write_padding(memoryview(bytearray(8)), 8)


def vectors() -> list[Path]:
    return sorted((VECTORS / "shard").glob("*.json"))


@pytest.mark.parametrize("path", vectors(), ids=lambda path: path.stem)
def test_every_vector_opens_or_fails_as_it_says(path: Path) -> None:
    vector = json.loads(path.read_text())
    out = bytearray(b"\xaa" * (len(vector["shard"]) // 2 + 64))
    untouched = bytes(out)

    def open_vector() -> int:
        return open_shard_into(
            bytes.fromhex(vector["shard"]),
            bytes.fromhex(vector["segment_digests"]),
            out,
            digest=bytes.fromhex(vector["shard_digest"]),
            epoch_key=Secret(bytes.fromhex(vector["epoch_key"])),
            context=ShardContext(
                bytes.fromhex(vector["dataset_id"]),
                bytes.fromhex(vector["shard_id"]),
                vector["key_epoch"],
            ),
        )

    if vector["expect"] == "ok":
        size = open_vector()
        assert out[:size].hex() == vector["payload"]
        return
    with pytest.raises(SealiftError) as caught:
        open_vector()
    assert type(caught.value) is FAILURES[vector["expect"]]
    # Either nothing was written, or what was written is wiped.
    assert set(out) <= {0, 0xAA}
    assert bytes(out) == untouched or set(out[:16]) == {0}


def test_the_vectors_are_what_their_script_writes(vector_script) -> None:
    on_disk = {path.name: path.read_text() for path in vectors()}
    assert on_disk == vector_script("make_shard_vectors").render()
    assert len(on_disk) > 20


def test_every_bad_vector_stands_in_the_specification() -> None:
    spec = (DOCS / "spec/shard.md").read_text()
    named = {path.stem for path in vectors() if path.stem.startswith("bad-")}
    assert {name for name in named if f"`{name}`" not in spec} == set()
