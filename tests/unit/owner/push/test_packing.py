"""Records are packed into shards: whole, in order, and as full as a shard may be."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.history.records import read_batches
from sealift.owner.push.packing import pack, plain_schema, shard_pool
from sealift.process.buffers import BufferPool
from sealift_protocol.errors import RecordTooLarge, SchemaMismatch


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1500, 20_000))
@settings(max_examples=40, deadline=None)
def test_packed_records_come_back_whole_and_in_order(
    sizes: list[int], room: int
) -> None:
    schema = pa.schema({"number": pa.int64(), "text": pa.string()})
    batches, number = [], 0
    for size in sizes:
        rows = range(number, number + size)
        batches.append(
            pa.record_batch([list(rows), ["x" * (i % 40) for i in rows]], schema=schema)
        )
        number += size
    seen: list[int] = []
    with BufferPool(1 << 16, 2) as pool:
        for shard in pack(iter(batches), schema, pool, max_payload=room):
            assert shard.payload_size <= room
            payload = shard.buffer[: shard.payload_size]
            found = [
                n
                for b in read_batches(payload, schema)
                for n in b["number"].to_pylist()
            ]
            assert len(found) == shard.records
            seen += found
    assert seen == list(range(number))


def test_a_shard_is_filled_before_the_next_begins() -> None:
    batch = pa.record_batch({"value": pa.array(range(1 << 20), pa.int64())})
    with shard_pool(3) as pool:
        shards = [
            shard.payload_size for shard in pack(iter([batch] * 20), batch.schema, pool)
        ]
    assert len(shards) == 3
    assert min(shards[:-1]) > 63 << 20


def test_one_record_larger_than_a_shard_is_refused() -> None:
    batch = pa.record_batch({"text": ["x" * 10_000]})
    with BufferPool(1 << 16, 1) as pool, pytest.raises(RecordTooLarge):
        list(pack(iter([batch]), batch.schema, pool, max_payload=4096))


def test_dictionaries_become_their_values() -> None:
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    schema = plain_schema(pa.schema({"c": column.type}))
    assert schema.field("c").type == pa.string()
    nested = pa.schema({"c": pa.list_(column.type)})
    with pytest.raises(SchemaMismatch):
        plain_schema(nested)
