"""Random access: open only the record batches that hold the wanted records.

A shard's plaintext is a buffer with holes. Its first segment has the schema, which lists the
record batches (`sealift.history.batchindex`). The segments of the batches that hold a wanted
record are opened, and pyarrow reads those batches whole. A shard without such a list, as made
by 0.1, is walked from header to header until the record is found.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sealift.formats.soundness import is_sound
from sealift.history.batchindex import read_index, without_index
from sealift.history.schemas import fit, follows
from sealift.process.buffers import BufferPools
from sealift.trainer.engine.messages import (
    ARROW_ERRORS,
    PREFIX_SIZE,
    Header,
    metadata_size,
    read_batch,
    read_header,
)
from sealift.trainer.engine.reading import Readable
from sealift.trainer.forms.gathering import Selection
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.objects.commits import ShardEntry


class RandomAccess:
    """Records of some datasets by number, counted across all of them."""

    def __init__(
        self,
        datasets: Sequence[Readable],
        schema: pa.Schema,
        pools: BufferPools,
        budget: int,
    ) -> None:
        """Open nothing yet.

        Args:
            datasets: the datasets, end to end.
            schema: the schema of the records.
            pools: provides memory.
            budget: bytes of opened segments to keep for the next call.
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
        self._kept: OrderedDict[int, _PartlyOpenShard] = OrderedDict()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def parts(self, indices: Integers, *, declare_all: bool) -> list[Selection]:
        """Open some records, and return where they are.

        Args:
            indices: record numbers from 0, in any order, (n,).
            declare_all: whether the disclosure covers the whole dataset, not just the shards of
                these records.

        Raises:
            InvalidArgument: there is no record of that number.
            SealiftError: they cannot be read.
        """
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(
            self
        ):
            raise InvalidArgument(
                f"a record number is out of range: the dataset has {len(self):,} records"
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
            # The records have their own memory, so however many are requested, no more shards
            # are open than the budget allows.
            self._forget_oldest(place)
        return parts

    def _entry(self, place: int) -> ShardEntry:
        shelf, shard = self._places[place]
        return self._datasets[shelf].sealed.shards[shard]

    def _shard(self, place: int) -> _PartlyOpenShard:
        kept = self._kept.get(place)
        if kept is None:
            shelf, shard = self._places[place]
            kept = _PartlyOpenShard(
                self._datasets[shelf], shard, self._schema, self._pools
            )
            self._kept[place] = kept
        self._kept.move_to_end(place)
        return kept

    def _forget_oldest(self, needed: int) -> None:
        size = sum(shard.opened_bytes for shard in self._kept.values())
        for place in list(self._kept):
            if size <= self._budget or place == needed:
                return
            size -= self._kept.pop(place).opened_bytes


@dataclass(frozen=True, slots=True)
class _Located:
    """Where a record batch's message begins and ends, and how many records it has."""

    begin: int
    end: int
    rows: int


class _PartlyOpenShard:
    """One shard's record batches, opened as far as their records were needed."""

    def __init__(
        self, dataset: Readable, shard: int, schema: pa.Schema, pools: BufferPools
    ) -> None:
        self._dataset = dataset
        self._loaded = dataset.sealed.shard(dataset.sealed.shards[shard], pools)
        self._records = int(dataset.records[shard])
        self._schema = schema
        self._own_schema: pa.Schema | None = None
        self._located: list[_Located] = []
        self._ends: list[int] = []
        self._batches: dict[int, pa.RecordBatch] = {}
        self._next = 0
        self._ids: Sequence[bytes] = ()

    @property
    def opened_bytes(self) -> int:
        """Return about how many bytes of memory are filled."""
        return self._loaded.opened << 20

    def parts(
        self, rows: Integers, places: Integers, ids: Sequence[bytes]
    ) -> list[Selection]:
        """Return some records, by record batch, in memory of their own."""
        self._ids = ids
        try:
            self._find(int(rows.max()))
            of_batch = np.searchsorted(self._ends, rows, side="right")
            wanted = sorted(set(of_batch.tolist()))
            self._open(
                (self._located[number].begin, self._located[number].end)
                for number in wanted
                if number not in self._batches
            )
            found = []
            for number in wanted:
                chosen = np.flatnonzero(of_batch == number)
                begin = self._ends[number - 1] if number else 0
                taken = self._batch(number).take(pa.array(rows[chosen] - begin))
                order = np.arange(len(chosen))
                found.append(Selection(memoryview(b""), taken, order, places[chosen]))
        except ARROW_ERRORS:
            raise MalformedObject(
                "a shard's payload is not a well-formed Arrow stream"
            ) from None
        return found

    def _batch(self, number: int) -> pa.RecordBatch:
        """Return an opened record batch, validated before first use."""
        found = self._batches.get(number)
        if found is None:
            where = self._located[number]
            message = self._loaded.buffer[where.begin : where.end]
            found = read_batch(message, self._own_schema)
            if found.num_rows != where.rows:
                raise MalformedObject(
                    "a shard's index of record batches does not fit it"
                )
            if not is_sound(found):
                raise MalformedObject(
                    "a shard's payload is not a well-formed Arrow stream"
                )
            found = self._batches[number] = fit(found, self._schema)
        return found

    # --- where record batches are ------------------------------------------------------------

    def _find(self, row: int) -> None:
        """Read headers until the record batch with a given row is found."""
        if self._own_schema is None:
            self._begin()
        while not self._ends or row >= self._ends[-1]:
            header = self._header()
            if header is None:
                raise MalformedObject(
                    "a shard holds fewer records than its commit states"
                )
            if header.kind != "record batch":
                raise MalformedObject(
                    "a shard's payload has a message that is not a record batch"
                )
            self._locate(header.size, header.rows)

    def _begin(self) -> None:
        """Read the schema, and its list of record batches if there is one."""
        self._located, self._ends, self._next = [], [], 0
        header = self._header()
        if header is None or header.schema is None or header.kind != "schema":
            raise MalformedObject("a shard's payload is not a well-formed Arrow stream")
        own = without_index(header.schema)
        if not follows(own, self._schema):
            raise MalformedObject("a shard's schema is not the dataset's")
        self._next = header.size
        for listed in read_index(header.schema):
            self._locate(listed.size, listed.rows)
        if self._ends and self._ends[-1] > self._records:
            raise MalformedObject("a shard's index of record batches does not fit it")
        self._own_schema = own

    def _locate(self, size: int, rows: int | None) -> None:
        """Record that a record batch begins where the previous one ended."""
        begin, end = self._next, self._next + size
        if size < PREFIX_SIZE or end > len(self._loaded.buffer):
            raise MalformedObject("a shard's payload ends too early")
        if rows is None:
            self._open([(begin, end)])
            rows = read_batch(self._loaded.buffer[begin:end], self._own_schema).num_rows
        if rows < 0:
            raise MalformedObject(
                "a shard's payload has a record batch with a negative row count"
            )
        if rows:
            self._located.append(_Located(begin, end, rows))
            self._ends.append(rows + (self._ends[-1] if self._ends else 0))
        self._next = end

    def _header(self) -> Header | None:
        """Return what the next message declares before its body; None at the end of the stream."""
        begin = self._next
        self._open_bytes(begin, PREFIX_SIZE)
        buffer = self._loaded.buffer
        size = metadata_size(buffer[begin : begin + PREFIX_SIZE])
        if size == 0:
            return None
        self._open_bytes(begin, PREFIX_SIZE + size)
        end = begin + PREFIX_SIZE + size
        return read_header(buffer[begin:end], len(buffer) - end, self._own_schema)

    # --- segments ----------------------------------------------------------------------------

    def _open_bytes(self, begin: int, size: int) -> None:
        if self._loaded.head is None:
            self._load([0])
        if begin + size > len(self._loaded.buffer):
            raise MalformedObject("a shard's payload ends too early")
        self._open([(begin, begin + size)])

    def _open(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Open, in one call, the segments of some plaintext ranges that are not open yet."""
        head = self._loaded.head
        if head is None:
            return
        size = head.header.segment_size
        wanted = {
            index
            for begin, end in ranges
            for index in range(begin // size, (end - 1) // size + 1)
        }
        missing = self._loaded.missing(sorted(wanted))
        if missing:
            self._load(missing)

    def _load(self, wanted: Sequence[int]) -> None:
        self._dataset.loader.load([self._loaded], [wanted], declare=self._ids)
        if self._loaded.failed is not None:
            raise self._loaded.failed
