"""Random access: records out of the few segments that hold them.

An Arrow stream says where things lie: each message's metadata names its buffers, and a buffer of
numbers or offsets says where a record is in it. So a shard's plaintext is a buffer with holes,
which are filled when somebody needs to look there; nothing is read where nothing was opened.

Source: Apache Arrow columnar format 1.5, "Encapsulated message format", "RecordBatch message".
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sealift.history.schemas import extends, fit
from sealift.process.buffers import BufferPools
from sealift.trainer.engine.arrowspans import (
    Span,
    is_compressed,
    is_walkable,
    needed,
    pick,
)
from sealift.trainer.engine.reading import Readable
from sealift.trainer.engine.sealed import LoadedShard
from sealift.trainer.forms.gathering import Selection
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.objects import ShardEntry

_CONTINUATION = b"\xff\xff\xff\xff"
_PREFIX = 8


class RandomAccess:
    """Records of some datasets by number, counted through all of them."""

    def __init__(
        self,
        datasets: Sequence[Readable],
        schema: pa.Schema,
        pools: BufferPools,
        budget: int,
    ) -> None:
        """Opens nothing yet.

        Args:
            datasets: end to end.
            schema: of the records.
            pools: where memory is from.
            budget: bytes of opened segments that are kept for the next call.
        """
        self._datasets = datasets
        self._schema = schema
        self._pools = pools
        self._budget = budget
        self._places = [
            (shelf, shard)
            for shelf, dataset in enumerate(datasets)
            for shard in range(len(dataset.counts))
        ]
        self._ends = np.cumsum(np.concatenate([d.counts for d in datasets]))
        self._kept: OrderedDict[int, _SparseShard] = OrderedDict()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def parts(self, indices: Integers, *, declare_all: bool) -> list[Selection]:
        """Where some records lie, opened.

        Args:
            indices: from 0, in any order, (n,).
            declare_all: whether a disclosure is for the whole dataset, rather than for the shards
                of these records.

        Raises:
            InvalidArgument: there is no such record.
            SealiftError: they cannot be read.
        """
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(
            self
        ):
            raise InvalidArgument(
                f"the dataset has {len(self):,} records: one is not there"
            )
        places = np.searchsorted(self._ends, indices, side="right")
        wanted = sorted(set(places.tolist()))
        ids = [] if declare_all else [self._entry(place).shard_id for place in wanted]
        parts: list[Selection] = []
        for place in wanted:
            of_it = np.flatnonzero(places == place)
            dataset = self._datasets[self._places[place][0]]
            rows = indices[of_it] - (self._ends[place - 1] if place else 0)
            if dataset.selected is not None:
                rows = dataset.selected(self._places[place][1])[rows]
            parts += self._shard(place).parts(rows, of_it, ids)
        self._forget_oldest(set(wanted))
        return parts

    def _entry(self, place: int) -> ShardEntry:
        shelf, shard = self._places[place]
        return self._datasets[shelf].sealed.shards[shard]

    def _shard(self, place: int) -> _SparseShard:
        kept = self._kept.get(place)
        if kept is None:
            shelf, shard = self._places[place]
            kept = _SparseShard(self._datasets[shelf], shard, self._schema, self._pools)
            self._kept[place] = kept
        self._kept.move_to_end(place)
        return kept

    def _forget_oldest(self, needed: set[int]) -> None:
        size = sum(shard.opened_bytes for shard in self._kept.values())
        for place in list(self._kept):
            if size <= self._budget or place in needed:
                return
            size -= self._kept.pop(place).opened_bytes


class _SparseShard:
    """One shard's records, as far as somebody looked at them."""

    def __init__(
        self, dataset: Readable, shard: int, schema: pa.Schema, pools: BufferPools
    ) -> None:
        self._dataset = dataset
        self._loaded = LoadedShard(dataset.sealed, dataset.sealed.shards[shard], pools)
        self._schema = schema
        self._own_schema: pa.Schema | None = None
        self._batches: list[pa.RecordBatch] = []
        self._ends: list[int] = []
        self._next = 0
        self._ids: Sequence[bytes] = ()

    @property
    def opened_bytes(self) -> int:
        """Memory that was filled, about."""
        return self._loaded.opened << 20

    def parts(
        self, rows: Integers, places: Integers, ids: Sequence[bytes]
    ) -> list[Selection]:
        """Some records, by record batch."""
        self._ids = ids
        try:
            self._find(int(rows.max()))
            of_batch = np.searchsorted(self._ends, rows, side="right")
            found = []
            for number in sorted(set(of_batch.tolist())):
                chosen = np.flatnonzero(of_batch == number)
                begin = self._ends[number - 1] if number else 0
                found.append(self._part(number, rows[chosen] - begin, places[chosen]))
        except (
            pa.ArrowException,
            OSError,
            struct.error,
            IndexError,
            UnicodeDecodeError,
        ):
            raise MalformedObject(
                "a shard's payload is not a well-formed Arrow stream"
            ) from None
        return found

    def _part(self, number: int, rows: Integers, places: Integers) -> Selection:
        batch = self._batches[number]
        # Until nothing is missing: where strings lie is known when their offsets were read.
        while True:
            needs = [
                need
                for column in batch.columns
                for need in needed(column, rows, self._lacks)
            ]
            if not self._open(
                [place for need in needs if (place := self._place(need))]
            ):
                break
        taken = pa.RecordBatch.from_arrays(
            [pick(column, rows) for column in batch.columns], schema=batch.schema
        )
        taken.validate(full=True)
        order = np.arange(len(rows))
        return Selection(memoryview(b""), fit(taken, self._schema), order, places)

    # --- the stream's messages ---------------------------------------------------------------

    def _find(self, row: int) -> None:
        """Reads metadata until the record batch with a row is known."""
        while not self._ends or row >= self._ends[-1]:
            message, self._next = self._message(self._next)
            if message is None:
                raise MalformedObject(
                    "a shard holds fewer records than its commit says"
                )
            if self._own_schema is None:
                self._own_schema = pa.ipc.read_schema(message)
                if not extends(self._own_schema, self._schema):
                    raise MalformedObject("a shard's schema is not the dataset's")
                continue
            batch = pa.ipc.read_record_batch(message, self._own_schema)
            # Not validated: that looks at offsets which may not be there yet. Each record is, when
            # it is picked out.
            if not all(map(is_walkable, batch.schema.types)):
                self._open_all()
                batch.validate(full=True)
            if batch.num_rows < 0:
                raise MalformedObject(
                    "a shard's payload has a batch of fewer than no records"
                )
            if batch.num_rows:
                self._batches.append(batch)
                self._ends.append(
                    batch.num_rows + (self._ends[-1] if self._ends else 0)
                )

    def _message(self, offset: int) -> tuple[pa.ipc.Message | None, int]:
        """The message there and where the next one begins; None at the end of the stream."""
        self._read_bytes(offset, _PREFIX)
        buffer = self._loaded.buffer
        if bytes(buffer[offset : offset + 4]) != _CONTINUATION:
            raise MalformedObject("a shard's payload is not a well-formed Arrow stream")
        (size,) = struct.unpack_from("<i", buffer, offset + 4)
        if size == 0:
            return None, offset
        if size < 0:
            raise MalformedObject("a shard's payload is not a well-formed Arrow stream")
        self._read_bytes(offset + _PREFIX, size)
        metadata = buffer[offset + _PREFIX : offset + _PREFIX + size]
        if is_compressed(metadata):
            # Such buffers are read whole.
            self._open_all()
        message = pa.ipc.read_message(pa.py_buffer(buffer[offset:]))
        return message, offset + _PREFIX + size + message.body.size

    def _read_bytes(self, offset: int, size: int) -> None:
        if self._loaded.head is None:
            self._load([0])
        if offset + size > len(self._loaded.buffer):
            raise MalformedObject("a shard's payload ends too early")
        self._open([(offset, offset + size)])

    # --- segments ----------------------------------------------------------------------------

    def _open_all(self) -> None:
        self._load(None)

    def _open(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Opens what is missing of some ranges of the plaintext; False if nothing was."""
        wanted = sorted(
            {i for begin, end in ranges for i in self._segments(begin, end)}
        )
        missing = self._loaded.missing(wanted)
        if missing:
            self._load(missing)
        return bool(missing)

    def _load(self, wanted: Sequence[int] | None) -> None:
        self._dataset.loader.load([self._loaded], [wanted], declare=self._ids)
        if self._loaded.failed is not None:
            raise self._loaded.failed

    def _segments(self, begin: int, end: int) -> range:
        head = self._loaded.head
        if head is None or begin >= end:
            return range(0)
        size = head.header.segment_size
        return range(begin // size, (end - 1) // size + 1)

    def _lacks(self, span: Span) -> bool:
        """Whether something in a span of memory was not opened yet."""
        place = self._place(span)
        # What Arrow made itself, such as decompressed buffers, lies elsewhere.
        return place is not None and bool(self._loaded.missing(self._segments(*place)))

    def _place(self, span: Span) -> tuple[int, int] | None:
        """Where a span of memory lies in the plaintext, if it does."""
        begin = span[0] - pa.py_buffer(self._loaded.buffer).address
        end = begin + span[1]
        return (begin, end) if 0 <= begin <= end <= len(self._loaded.buffer) else None
