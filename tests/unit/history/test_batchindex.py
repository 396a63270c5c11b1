"""The index of record batches in a stream's schema."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from places import VECTORS

from sealift.history.batchindex import (
    KEY,
    ListedBatch,
    read_index,
    with_index,
    without_index,
)
from sealift.history.records import read_batches
from sealift_protocol.errors import MalformedObject

SCHEMA = pa.schema({"a": pa.int64()}, metadata={"kept": "yes"})
BATCHES = [ListedBatch(7, 4096), ListedBatch(1, 0xFFFFFFFF), ListedBatch(2**31, 8)]


def test_what_is_listed_is_read() -> None:
    indexed = with_index(SCHEMA, BATCHES, 8)
    assert read_index(indexed) == BATCHES
    assert indexed.metadata[b"kept"] == b"yes"
    assert without_index(indexed).equals(SCHEMA, check_metadata=True)


def test_a_list_is_as_long_whatever_is_in_it() -> None:
    empty, full = (with_index(SCHEMA, some, 3) for some in ([], BATCHES))
    assert empty.serialize().size == full.serialize().size
    assert read_index(empty) == []


def test_what_has_no_room_is_not_listed() -> None:
    assert read_index(with_index(SCHEMA, BATCHES, 2)) == BATCHES[:2]


@pytest.mark.parametrize("schema", [SCHEMA, pa.schema({"a": pa.int64()})])
def test_a_schema_without_a_list_stays_as_it_is(schema: pa.Schema) -> None:
    assert read_index(schema) == []
    assert without_index(schema).equals(schema, check_metadata=True)


def test_a_schema_that_had_no_metadata_has_none_again() -> None:
    bare = pa.schema({"a": pa.int64()})
    assert without_index(with_index(bare, BATCHES, 3)).metadata is None


@pytest.mark.parametrize("value", ["1", "0" * 15, "g" * 16, "F" * 16, "0" * 16 + "\n"])
def test_a25_what_is_no_list_is_refused(value: str) -> None:
    with pytest.raises(MalformedObject):
        read_index(SCHEMA.with_metadata({KEY: value}))


def test_the_vector_is_read_as_the_specification_says() -> None:
    vector = json.loads((VECTORS / "payload" / "listed.json").read_text())
    payload = bytes.fromhex(vector["payload"])
    stream = pa.BufferReader(payload)
    schema = pa.ipc.read_schema(stream)
    listed = [{"rows": b.rows, "bytes": b.size} for b in read_index(schema)]
    assert listed == vector["batches"]
    records = []
    for batch in vector["batches"]:
        begin = stream.tell()
        message = pa.ipc.read_message(stream)
        assert stream.tell() - begin == batch["bytes"]
        records += pa.ipc.read_record_batch(message, schema).to_pylist()
    assert records == vector["records"]
    plain = pa.schema({"number": pa.int64(), "text": pa.string()})
    assert without_index(schema) == plain
    view = memoryview(payload)
    assert pa.Table.from_batches(read_batches(view, plain)).to_pylist() == records
