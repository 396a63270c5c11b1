"""Pack Arrow batches into shards: a payload is one Arrow IPC stream in a pooled buffer.

Record batches are about 1 MiB, so that a reader of one record opens about one segment. The
schema of the stream lists them (`sealift.history.batchindex`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from sealift.formats.compact import compact
from sealift.history.batchindex import ListedBatch, with_index
from sealift.history.schemas import fit, read_schema, write_schema
from sealift.process.buffers import BufferPool
from sealift_protocol.errors import MalformedObject, RecordTooLarge, SchemaMismatch
from sealift_protocol.layout import MAX_PAYLOAD, MAX_SHARD_PLAINTEXT

# Arrow closes a stream with an 8-byte end-of-stream marker.
_END_OF_STREAM = 8
# The target size of a record batch. Smaller batches are joined first, so that ten thousand
# small files do not become ten thousand messages.
_BATCH_BYTES = 1 << 20
# A record batch has this many times the bytes of its metadata. The metadata stays below 2 %
# of it, even if the batch is a quarter smaller than the target.
_METADATA_SHARE = 70
# Spare index slots: some record batches are smaller than the target size.
_SPARE_SLOTS = 8


@dataclass(frozen=True, slots=True)
class PackedShard:
    """A shard's payload, ready to be sealed.

    Attributes:
        buffer: pooled; the payload at its start, with room for the padding after it.
        payload_size: bytes of payload.
        records: number of records in the payload.
    """

    buffer: memoryview = field(repr=False)
    payload_size: int
    records: int


def shard_pool(count: int) -> BufferPool:
    """A pool of buffers, each of which holds one shard's padded plaintext."""
    return BufferPool(MAX_SHARD_PLAINTEXT, count)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema under which records are sealed: dictionaries become their values.

    A dictionary may grow from batch to batch, and each shard must be readable alone.

    Raises:
        SchemaMismatch: a nested column is dictionary-encoded or run-end encoded, or a column's
            name is not UTF-8.
    """
    fields = []
    for column in schema:
        if pa.types.is_dictionary(column.type):
            column = column.with_type(column.type.value_type)
        shown = str(column.type)
        if "dictionary<" in shown:
            raise SchemaMismatch(
                "a nested column is dictionary-encoded, which is not supported"
            )
        if "run_end_encoded<" in shown.removeprefix("run_end_encoded<"):
            raise SchemaMismatch(
                "a nested column is run-end encoded, which is not supported"
            )
        fields.append(column)
    plain = pa.schema(fields, metadata=schema.metadata)
    try:
        read_schema(write_schema(plain))
    except MalformedObject:
        raise SchemaMismatch("the name of a column is not UTF-8") from None
    return plain


class Packer:
    """Fill shards with records, splitting batches where a shard ends."""

    def __init__(
        self, schema: pa.Schema, pool: BufferPool, *, max_payload: int = MAX_PAYLOAD
    ) -> None:
        """Start with no records.

        Args:
            schema: the schema that `plain_schema` returned.
            pool: provides the buffer of each shard.
            max_payload: maximum payload size in bytes.
        """
        self._schema = schema
        self._pool = pool
        self._max_payload = max_payload
        self._batch_size = batch_size(schema)
        # A slice of a view array has the size of all that it could refer to.
        self._views = any("_view" in str(kind) for kind in schema.types)
        self._open: _OpenPayload | None = None
        self._held: list[pa.RecordBatch] = []
        self._held_size = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[PackedShard]:
        """Add records of the schema, or of one that `fit` converts to it; yield full shards.

        Raises:
            RecordTooLarge: a single record is larger than a shard.
        """
        batch = fit(batch, self._schema)
        if not batch.num_rows:
            return
        self._held.append(batch)
        self._held_size += batch.nbytes
        if self._held_size >= self._batch_size:
            yield from self._write_held()

    def finish(self) -> Iterator[PackedShard]:
        """Finish the shard that is being filled, if any, and yield it."""
        yield from self._write_held()
        if self._open is not None:
            shard = self._open.finish()
            self._open = None
            yield shard

    def _write_held(self) -> Iterator[PackedShard]:
        if not self._held:
            return
        whole = self._held[0] if len(self._held) == 1 else pa.concat_batches(self._held)
        self._held, self._held_size = [], 0
        for batch in cut(whole, self._batch_size, views=self._views):
            yield from self._write(compact(batch))

    def _write(self, batch: pa.RecordBatch) -> Iterator[PackedShard]:
        while batch.num_rows:
            if self._open is None:
                slots = self._max_payload // self._batch_size + _SPARE_SLOTS
                self._open = _OpenPayload(
                    self._schema, self._pool, self._max_payload, slots
                )
            taken = self._open.write(batch)
            batch = batch.slice(taken)
            if batch.num_rows:
                batch = compact(batch)
                if self._open.records == 0:
                    raise RecordTooLarge("a single record does not fit into a shard")
                shard = self._open.finish()
                self._open = None
                yield shard
                # The receiver must hold the only reference, so the buffer returns to the pool.
                del shard


def batch_size(schema: pa.Schema) -> int:
    """Return the target size of a schema's record batches: 1 MiB, or more for large metadata."""
    none = pa.RecordBatch.from_arrays(
        [pa.nulls(0, kind) for kind in schema.types], schema=schema
    )
    return max(_BATCH_BYTES, _METADATA_SHARE * int(pa.ipc.get_record_batch_size(none)))


def cut(
    batch: pa.RecordBatch, size: int, *, views: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield slices of a batch with about `size` bytes, or one record if it is larger.

    Args:
        batch: the records.
        size: bytes of a slice.
        views: whether the batch has view arrays, whose slices have to be copied to be smaller.
    """
    batch = compact(batch) if views else batch
    count = min(round(batch.nbytes / size), batch.num_rows)
    if count < 2:
        yield batch
        return
    ends = [batch.num_rows * number // count for number in range(count + 1)]
    for begin, end in pairwise(ends):
        # Records of one source are alike; where they are not, a slice may still be large.
        yield from cut(batch.slice(begin, end - begin), size, views=views)


def pack(
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    pool: BufferPool,
    *,
    max_payload: int = MAX_PAYLOAD,
) -> Iterator[PackedShard]:
    """Pack batches into shards; see `Packer`."""
    packer = Packer(schema, pool, max_payload=max_payload)
    for batch in batches:
        yield from packer.add(batch)
    yield from packer.finish()


class _OpenPayload:
    """A shard's payload while records are being added."""

    def __init__(
        self, schema: pa.Schema, pool: BufferPool, max_payload: int, slots: int
    ) -> None:
        self._schema = schema
        self._slots = slots
        self._batches: list[ListedBatch] = []
        self._buffer = pool.lease()
        self._sink = pa.FixedSizeBufferWriter(pa.py_buffer(self._buffer))
        # The content of the index is known only at the end; until then, reserve its space.
        reserved = with_index(schema, [], slots)
        self._writer = pa.ipc.new_stream(self._sink, reserved)
        self._max_payload = max_payload
        # The writer emits the schema only with the first batch.
        self._schema_size = int(reserved.serialize().size)
        self.records = 0

    def write(self, batch: pa.RecordBatch) -> int:
        """Write as many leading records of a compact batch as fit; return their number."""
        written = self._sink.tell() or self._schema_size
        room = self._max_payload - _END_OF_STREAM - written
        rows = _rows_that_fit(batch, room)
        if rows:
            whole = rows == batch.num_rows
            self._writer.write_batch(batch if whole else compact(batch.slice(0, rows)))
            self._batches.append(ListedBatch(rows, self._sink.tell() - written))
            self.records += rows
        return rows

    def finish(self) -> PackedShard:
        self._writer.close()
        size = self._sink.tell()
        self._sink.close()
        size = self._write_schema(size)
        packed = PackedShard(self._buffer, size, self.records)
        # The shard must hold the only reference, so the buffer returns to the pool.
        del self._buffer, self._sink, self._writer
        return packed

    def _write_schema(self, size: int) -> int:
        """Write the schema with its index into the reserved space; return the payload size."""
        if len(self._batches) > 1:
            schema = with_index(self._schema, self._batches, self._slots).serialize()
            self._buffer[: self._schema_size] = memoryview(schema).cast("B")
            return size
        # With one record batch, a small shard does without the index.
        schema = self._schema.serialize()
        left = size - self._schema_size
        self._buffer[: schema.size] = memoryview(schema).cast("B")
        self._buffer[schema.size :][:left] = self._buffer[self._schema_size :][:left]
        return left + int(schema.size)


def _rows_that_fit(batch: pa.RecordBatch, room: int) -> int:
    """Return how many leading rows of a batch fit into `room` bytes, by bisection."""
    low, high = 0, int(batch.num_rows)
    guess = high
    while low < high:
        size = pa.ipc.get_record_batch_size(
            batch if guess == batch.num_rows else compact(batch.slice(0, guess))
        )
        if size <= room:
            low = guess
        else:
            high = guess - 1
        # Records of one source are alike, so the first guesses are proportional.
        share = max(room, 0) * guess // size
        guess = min(
            high, max(low + 1, share if low < share < high else (low + high + 1) // 2)
        )
    return low
