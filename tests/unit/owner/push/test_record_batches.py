"""Payloads: record batches near 1 MiB, listed in the stream's schema."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from sealift.history.batchindex import read_index
from sealift.history.records import read_batches
from sealift.owner.push.packing import pack, shard_pool

MIB = 1 << 20


def payloads(table: pa.Table, rows: int | None = None) -> Iterator[memoryview]:
    with shard_pool(2) as pool:
        for shard in pack(iter(table.to_batches(rows)), table.schema, pool):
            yield memoryview(bytes(shard.buffer[: shard.payload_size]))
            del shard


def messages(payload: memoryview) -> list[tuple[int, int, int]]:
    """For each record batch its rows, and the bytes of its message's head and body."""
    stream = pa.BufferReader(pa.py_buffer(payload))
    schema = pa.ipc.read_schema(stream)
    found = []
    while stream.tell() + 8 < len(payload):
        begin = stream.tell()
        message = pa.ipc.read_message(stream)
        rows = pa.ipc.read_record_batch(message, schema).num_rows
        body = message.body.size
        found.append((rows, stream.tell() - begin - body, body))
    return found


def numbers(rows: int, columns: int = 4) -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table({f"c{n}": random.random(rows) for n in range(columns)})


@pytest.mark.parametrize("rows", [None, 100, 30_000, 400_000])
def test_record_batches_end_near_one_mebibyte(rows: int | None) -> None:
    table = numbers(1_000_000)
    (payload,) = payloads(table, rows)
    sizes = [head + body for _, head, body in messages(payload)]
    assert len(sizes) > 20
    assert all(0.66 * MIB < size < 1.5 * MIB for size in sizes[:-1])
    assert pa.Table.from_batches(read_batches(payload, table.schema)).equals(table)


def test_the_schema_lists_the_record_batches() -> None:
    table = numbers(3_000_000)
    first, second = payloads(table)
    total = 0
    for payload in (first, second):
        schema = pa.ipc.read_schema(pa.py_buffer(payload))
        found = messages(payload)
        listed = [(batch.rows, batch.size) for batch in read_index(schema)]
        assert listed == [(rows, head + body) for rows, head, body in found]
        total += sum(rows for rows, _, _ in found)
    assert total == table.num_rows


def test_one_record_batch_is_not_listed() -> None:
    table = numbers(100)
    (payload,) = payloads(table)
    plain = pa.BufferOutputStream()
    with pa.ipc.new_stream(plain, table.schema) as stream:
        stream.write_table(table)
    assert bytes(payload) == plain.getvalue().to_pybytes()


def test_any_arrow_reader_reads_a_payload() -> None:
    table = numbers(300_000)
    (payload,) = payloads(table)
    with pa.ipc.open_stream(pa.py_buffer(payload)) as stream:
        assert stream.read_all().equals(table)


@pytest.mark.parametrize("columns", [2_000, 3_000])
def test_arrows_metadata_is_below_two_percent_of_a_wide_record_batch(
    columns: int,
) -> None:
    table = numbers(12_000_000 // columns, columns)
    for payload in payloads(table):
        # What is left where a shard ends is smaller.
        *whole, _ = messages(payload)
        assert whole
        assert all(head <= 0.02 * (head + body) for _, head, body in whole)
        break


def test_records_of_very_different_sizes_are_cut_by_size() -> None:
    texts = ["x"] * 200_000 + ["y" * 300_000] * 20
    (payload,) = payloads(pa.table({"text": texts}))
    assert max(head + body for _, head, body in messages(payload)) < 2 * MIB


def test_views_are_not_written_once_a_slice() -> None:
    table = pa.table({"text": pa.array(["z" * 100] * 80_000, pa.string_view())})
    (payload,) = payloads(table)
    assert len(payload) < 1.5 * table.nbytes
