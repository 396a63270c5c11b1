"""Buffers, packing, framing, and views that are not copies."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.history.records import read_batches
from sealift.owner.push.packing import pack, plain_schema, shard_pool
from sealift.process.buffers import BufferPool
from sealift.session import Session
from sealift.trainer.engine.reading import opened_size
from sealift.trainer.forms.batches import as_numpy, as_torch
from sealift.trainer.options import ReadOptions
from sealift_protocol import framing
from sealift_protocol.errors import (
    InvalidArgument,
    MalformedObject,
    RecordTooLarge,
    SchemaMismatch,
)
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, MAX_SHARD_PLAINTEXT, stored_size
from sealift_protocol.objects import ShardEntry
from sealift_protocol.v1 import shards_pb2


def addresses(view: memoryview) -> range:
    start = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return range(start, start + len(view))


# --- buffers -------------------------------------------------------------------------------------


def test_a_buffer_is_reused_only_when_nobody_looks_at_it() -> None:
    with BufferPool(4096, 2) as pool:
        first = pool.lease(100)
        where = addresses(first)
        part = first[10:20]
        del first
        gc.collect()
        assert addresses(pool.lease()).start != where.start
        array = pa.py_buffer(part)
        del part
        gc.collect()
        assert addresses(pool.lease()).start != where.start
        del array
        gc.collect()
        starts = {addresses(lease).start for lease in (pool.lease(), pool.lease())}
        assert where.start in starts


def test_a_closed_pool_wipes_what_comes_back() -> None:
    pool = BufferPool(4096, 1)
    lease = pool.lease()
    lease[:6] = b"secret"
    other = pool.lease()
    del other
    pool.close()
    assert bytes(lease[:6]) == b"secret"
    with pytest.raises(InvalidArgument):
        pool.lease(4097)


def test_full_shards_are_read_ahead_by_as_many_threads_as_there_are() -> None:
    size = stored_size(MAX_SHARD_PLAINTEXT, 1 << LOG2_SEGMENT_SIZE)
    entry = ShardEntry(bytes(16), 1, size, bytes(32))
    assert opened_size(entry) == MAX_SHARD_PLAINTEXT
    options = ReadOptions()
    assert options.read_ahead >= options.threads * opened_size(entry)


# --- zero copy -----------------------------------------------------------------------------------


@pytest.fixture
def opened(
    hospital: Session, laboratory: Session
) -> Iterator[tuple[memoryview, pa.RecordBatch]]:
    images = pa.FixedSizeListArray.from_arrays(pa.array(range(60), pa.float32()), 6)
    table = pa.table(
        {"image": images, "label": pa.array(range(10), pa.int64()), "text": ["x"] * 10}
    )
    hospital.push(table, dataset="images", to="laboratory")
    dataset = laboratory.open_dataset("hospital/images")
    shard = next(dataset.feed.shards())
    return shard.payload, shard.batches[0]


def test_numpy_arrays_are_views_of_the_buffer_that_was_decrypted_into(opened) -> None:
    payload, batch = opened
    arrays = as_numpy(batch)
    assert arrays["image"].shape == (10, 6)
    assert arrays["image"][1, 0] == 6.0
    for name in ("image", "label"):
        assert arrays[name].__array_interface__["data"][0] in addresses(payload)
        assert not arrays[name].flags.owndata
    assert list(arrays["text"]) == ["x"] * 10


def test_torch_tensors_are_views_of_the_buffer_that_was_decrypted_into(opened) -> None:
    payload, batch = opened
    tensors = as_torch(payload, batch)
    assert tensors.keys() == {"image", "label", "text"}
    assert tensors["text"] == ["x"] * 10
    assert tensors["image"].shape == (10, 6)
    assert tensors["label"].dtype is torch.int64
    assert tensors["label"].tolist() == list(range(10))
    for tensor in (tensors["image"], tensors["label"]):
        assert tensor.data_ptr() in addresses(payload)
    # The very same memory: what is written to the tensor shows in the Arrow array.
    tensors["label"][3] = 77
    assert batch["label"][3].as_py() == 77


def test_tensors_of_a_dataset_outlive_the_iteration(
    hospital: Session, laboratory: Session
) -> None:
    for start in (0, 1000, 2000, 3000, 4000):
        hospital.push(
            pa.table({"value": pa.array(range(start, start + 10))}),
            dataset="many",
            to="laboratory",
        )
    kept = [t["value"] for t in laboratory.open_dataset("hospital/many").torch()]
    assert [int(t[0]) for t in kept] == [0, 1000, 2000, 3000, 4000]


def test_a_tensor_cannot_show_nulls() -> None:
    batch = pa.record_batch({"value": pa.array([1, None])})
    with pytest.raises(InvalidArgument, match="nulls"):
        as_torch(memoryview(bytearray(8)), batch)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InvalidArgument) as caught:
        as_torch(memoryview(bytearray(8)), pa.record_batch({"value": [1]}))
    assert "sealift[torch]" in caught.value.hint


# --- packing -------------------------------------------------------------------------------------


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


def test_a_payload_of_another_schema_or_kind_is_refused() -> None:
    schema = pa.schema({"a": pa.int64()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema({"b": pa.int64()})):
        pass
    for payload in (sink.getvalue().to_pybytes(), b"", b"not arrow" * 10):
        with pytest.raises(MalformedObject):
            list(read_batches(memoryview(payload), schema))


# --- framing -------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=70_000))
def test_segments_are_read_by_the_generated_classes_and_back(segment: bytes) -> None:
    message = framing.segment_message(segment)
    assert shards_pb2.GetResponse.FromString(message).segment == segment
    assert shards_pb2.PutRequest.FromString(message).segment == segment
    assert message == shards_pb2.GetResponse(segment=segment).SerializeToString()
    view = framing.parse_get(message)
    assert isinstance(view, memoryview)
    assert view == segment
    assert view.obj is message


def test_a_segment_in_another_valid_form_is_read_too() -> None:
    # The same field twice: the last one counts (protobuf encoding guide).
    twice = framing.segment_message(b"first") + framing.segment_message(b"second")
    assert framing.parse_put(twice) == b"second"


@given(st.binary(max_size=64))
def test_any_message_is_a_part_or_a_named_error(message: bytes) -> None:
    for parse in (framing.parse_put, framing.parse_get):
        try:
            parse(message)
        except MalformedObject:
            continue
