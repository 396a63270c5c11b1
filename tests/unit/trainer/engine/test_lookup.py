"""Records by number: which segments are opened, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from shards import seal_shard

from sealift.crypto.sealing import ShardContext
from sealift.history.batchindex import ListedBatch, read_index, with_index
from sealift.history.disclosures import Fetch
from sealift.owner.push.packing import pack, shard_pool
from sealift.process.buffers import BufferPools
from sealift.process.secret import Secret
from sealift.trainer.engine.lookup import RandomAccess
from sealift.trainer.engine.reading import Readable
from sealift.trainer.engine.sealed import SealedDataset
from sealift.trainer.forms.gathering import Gathered
from sealift_protocol.errors import MalformedObject
from sealift_protocol.objects.commits import ShardEntry

KEY = Secret(b"k" * 32)
CONTEXT = ShardContext(b"d" * 16, b"s" * 16, 1)
NUMBERS = pa.array(np.arange(400_000))
TABLE = pa.table(
    {
        "number": NUMBERS,
        "text": pc.binary_join_element_wise("record", NUMBERS.cast(pa.string()), " "),
        # 0, 1 or 2 times the number.
        "list": pa.ListArray.from_arrays(
            np.concatenate([[0], np.cumsum(np.arange(400_000) % 3)]).astype(np.int32),
            np.repeat(np.arange(400_000, dtype=np.int32), np.arange(400_000) % 3),
        ),
    }
)


class Loader:
    """Opens segments of sealed shards, and notes which."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.sealed = [
            seal_shard(payload, epoch_key=KEY, context=CONTEXT) for payload in payloads
        ]
        self.entries = tuple(
            ShardEntry(b"s" * 16, 1, one.head.stored_size, one.head.digest)
            for one in self.sealed
        )
        self.opened: list[int] = []
        self.calls = 0

    def load(self, shards: Any, wanted: Any, *, declare: Any = ()) -> None:
        self.calls += 1
        for shard, segments in zip(shards, wanted, strict=True):
            whole = next(
                one for one in self.sealed if one.head.digest == shard.entry.digest
            )
            shard.begin(whole.head)
            for index in shard.missing(segments):
                begin = whole.head.segment_offset(index)
                size = whole.head.sealed_segment_size(index)
                shard.open_segment(index, memoryview(whole.data)[begin:][:size])
                self.opened.append(index)


def random_access(
    payloads: Sequence[bytes], table: pa.Table, *, budget: int = 1 << 30
) -> tuple[RandomAccess, Loader]:
    loader = Loader(payloads)
    fetch = Fetch(CONTEXT.dataset_id, 1, bytes(32), len(payloads), "")
    sealed = SealedDataset(fetch, loader.entries, {1: KEY}, None, None)  # type: ignore[arg-type]
    counts = np.full(len(payloads), table.num_rows)
    readable = Readable(sealed, table.schema, None, counts, counts, None, loader)  # type: ignore[arg-type]
    access = RandomAccess([readable], table.schema, BufferPools(1 << 20), budget)
    return access, loader


def taken(access: RandomAccess, table: pa.Table, rows: Sequence[int]) -> pa.RecordBatch:
    parts = access.parts(np.array(rows, np.int64), declare_all=True)
    return Gathered(parts, table.schema, "arrow", None).batch(0, len(rows))


def packed(table: pa.Table) -> bytes:
    with shard_pool(1) as pool:
        (shard,) = pack(iter(table.to_batches()), table.schema, pool)
        return bytes(shard.buffer[: shard.payload_size])


def walked(table: pa.Table, rows: int) -> bytes:
    """As 0.1 made them: without a list."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows)
    return sink.getvalue().to_pybytes()


def test_one_record_costs_the_first_segment_and_those_of_its_record_batch() -> None:
    access, loader = random_access([packed(TABLE)], TABLE)
    assert loader.sealed[0].head.segment_count > 10
    found = taken(access, TABLE, [399_000])
    assert found.to_pylist() == TABLE.take([399_000]).to_pylist()
    assert loader.opened[0] == 0
    assert len(loader.opened) <= 3
    assert loader.calls == 2


def test_what_is_open_is_not_opened_again() -> None:
    access, loader = random_access([packed(TABLE)], TABLE)
    taken(access, TABLE, [399_000])
    calls = loader.calls
    rows = [399_000, 398_999, 399_000]
    assert taken(access, TABLE, rows).to_pylist() == TABLE.take(rows).to_pylist()
    assert loader.calls == calls


def test_many_records_are_fetched_in_two_calls() -> None:
    access, loader = random_access([packed(TABLE)], TABLE)
    rows = np.random.default_rng(0).integers(0, TABLE.num_rows, 500).tolist()
    assert taken(access, TABLE, rows).to_pylist() == TABLE.take(rows).to_pylist()
    assert loader.calls == 2
    assert len(loader.opened) == len(set(loader.opened))


@pytest.mark.parametrize("rows", [1_000, 20_000, 400_000])
def test_a_shard_without_a_list_is_walked(rows: int) -> None:
    access, loader = random_access([walked(TABLE, rows)], TABLE)
    wanted = [5, 250_000, 17]
    assert taken(access, TABLE, wanted).to_pylist() == TABLE.take(wanted).to_pylist()
    assert len(loader.opened) == len(set(loader.opened))


def test_what_the_list_has_no_room_for_is_walked() -> None:
    payload = relisted(packed(TABLE), lambda listed: listed[:3])
    access, _ = random_access([payload], TABLE)
    wanted = [0, 399_999, 200_000]
    assert taken(access, TABLE, wanted).to_pylist() == TABLE.take(wanted).to_pylist()


def test_no_more_shards_than_the_budget_allows_stay_open() -> None:
    access, _ = random_access([packed(TABLE)] * 4, TABLE, budget=4 << 20)
    rows = [shard * TABLE.num_rows + 7 for shard in range(4)]
    expected = TABLE.take([7] * 4).to_pylist()
    assert taken(access, TABLE, rows).to_pylist() == expected
    assert sum(shard.opened_bytes for shard in access._kept.values()) <= 4 << 20


# --- what an owner may lie about -----------------------------------------------------------------


def relisted(payload: bytes, change: Any) -> bytes:
    """A payload with another list in its schema."""
    schema = pa.ipc.read_schema(pa.py_buffer(payload))
    listed = read_index(schema)
    slots = len(schema.metadata[b"sealift.batches"]) // 16
    lying = with_index(schema, change(listed), slots).serialize().to_pybytes()
    return lying + payload[len(lying) :]


@pytest.mark.parametrize(
    "change",
    [
        lambda listed: [ListedBatch(listed[0].rows + 1, listed[0].size), *listed[1:]],
        lambda listed: [ListedBatch(listed[0].rows, listed[0].size + 8), *listed[1:]],
        lambda listed: [ListedBatch(listed[0].rows, listed[0].size - 8), *listed[1:]],
        lambda listed: [ListedBatch(listed[0].rows, 0), *listed[1:]],
        lambda listed: [
            ListedBatch(listed[0].rows + 1, listed[0].size),
            ListedBatch(listed[1].rows - 1, listed[1].size),
            *listed[2:],
        ],
        lambda listed: [ListedBatch(2**32 - 1, listed[0].size), *listed[1:]],
        lambda listed: [ListedBatch(listed[0].rows, 2**32 - 1), *listed[1:]],
        lambda listed: [*listed, ListedBatch(1, 4096)],
        lambda listed: [
            ListedBatch(listed[0].rows, listed[0].size + listed[1].size),
            *listed[2:],
        ],
    ],
)
def test_a25_a_list_that_lies_is_refused(change: Any) -> None:
    honest = packed(TABLE)
    access, _ = random_access([relisted(honest, lambda listed: listed)], TABLE)
    assert taken(access, TABLE, [3]).num_rows == 1
    access, _ = random_access([relisted(honest, change)], TABLE)
    with pytest.raises(MalformedObject):
        taken(access, TABLE, [3])


def test_a25_a_refused_shard_is_refused_again() -> None:
    payload = relisted(packed(TABLE), lambda listed: [*listed, ListedBatch(1, 4096)])
    access, _ = random_access([payload], TABLE)
    for _ in range(2):
        with pytest.raises(MalformedObject):
            taken(access, TABLE, [3])


def test_a25_a_message_that_is_not_a_record_batch_is_refused() -> None:
    schema = TABLE.schema.serialize().to_pybytes()
    payload = schema + walked(TABLE.slice(0, 10), 10)
    access, _ = random_access([payload], TABLE)
    with pytest.raises(MalformedObject, match="not a record batch"):
        taken(access, TABLE, [3])


def test_a25_lengths_that_lie_take_no_memory() -> None:
    """Each 8 bytes of the metadata in turn become large, small and negative numbers."""
    table = TABLE.slice(0, 200)
    honest = walked(table, 200)
    begin = TABLE.schema.serialize().size
    (size,) = struct.unpack_from("<i", honest, begin + 4)
    usual, counted = (
        pa.default_memory_pool(),
        pa.proxy_memory_pool(pa.system_memory_pool()),
    )
    refused = 0
    pa.set_memory_pool(counted)
    try:
        for place in range(begin, begin + 8 + size - 7, 4):
            for lie in (2**62, 2**40, 2**31, 1, -1, -(2**62)):
                payload = bytearray(honest)
                struct.pack_into("<q", payload, place, lie)
                access, _ = random_access([bytes(payload)], table)
                try:
                    taken(access, table, [3, 199])
                except MalformedObject:
                    refused += 1
    finally:
        pa.set_memory_pool(usual)
    assert refused > 100
    assert counted.max_memory() < 4 << 20


@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_a25_a_schema_that_is_nested_deeply_is_refused(depth: int) -> None:
    kind: pa.DataType = pa.int8()
    for _ in range(depth):
        kind = pa.list_(kind)
    deep = pa.schema({"deep": kind}).serialize().to_pybytes()
    access, _ = random_access([deep + bytes(64)], TABLE)
    with pytest.raises(MalformedObject):
        taken(access, TABLE, [0])
