"""The trainer's engine: sealed shards in, batches out, in this process or a worker process."""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing.context import assert_spawning
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sealift.process.buffers import BufferPools
from sealift.relay.connections import STREAM_WINDOW, RelayAccess
from sealift.relay.transport import Relay, RelayClient
from sealift.trainer.engine.cache import ShardCache, default_folder
from sealift.trainer.engine.lookup import RandomAccess
from sealift.trainer.engine.order import Order, Shelf, share_by_weight
from sealift.trainer.engine.plan import Plan, bundles
from sealift.trainer.engine.reading import (
    Opening,
    Readable,
    ReadAhead,
    Step,
    opened_size,
)
from sealift.trainer.engine.sealed import Declarations, SealedDataset, ShardLoader
from sealift.trainer.forms.columns import pick_columns
from sealift.trainer.forms.gathering import (
    Form,
    Gathered,
    Selection,
    View,
    are_neighbours,
)
from sealift.trainer.forms.numbers import Integers
from sealift.trainer.metrics.counters import Counters
from sealift.trainer.options import ReadOptions

# Small batches are gathered together, up to about this many bytes.
_BUNDLE_BYTES = 4 << 20
_MAX_BUNDLE = 64
_MIN_STEPS_AHEAD = 4


@dataclass(frozen=True)
class Supply:
    """One dataset's part in a feed.

    Attributes:
        sealed: its shards and keys.
        records: number of records in each shard, (shards,).
        chosen: for each shard, the wanted records as packed bits; None for all.
        weight: its share, if datasets are mixed by weight.
    """

    sealed: SealedDataset
    records: Integers = field(repr=False)
    chosen: tuple[bytes, ...] | None = field(default=None, repr=False)
    weight: float | None = None

    @cached_property
    def counts(self) -> Integers:
        """Number of wanted records in each shard, (shards,)."""
        if self.chosen is None:
            return self.records
        return np.array(
            [int.from_bytes(bits).bit_count() for bits in self.chosen], np.int64
        )

    def selected(self, shard: int) -> Integers:
        """Return the wanted records of a shard, ascending."""
        bits = (self.chosen or ())[shard]
        return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))


class Feed:
    """Everything a process needs to read some datasets.

    Attributes:
        supplies: the datasets.
        schema: the schema of their records.
        options: how they are read.
        counters: totals of reading so far.
        declarations: the disclosures logged so far, by dataset.
    """

    def __init__(
        self,
        relay: RelayClient,
        supplies: Sequence[Supply],
        schema: pa.Schema,
        options: ReadOptions,
        declarations: Sequence[Declarations] | None = None,
    ) -> None:
        self._relay = relay
        self.supplies = tuple(supplies)
        self.schema = schema
        self.options = options
        self.counters = Counters()
        self.declarations = (
            tuple(Declarations(supply.sealed) for supply in supplies)
            if declarations is None
            else tuple(declarations)
        )
        self._process = os.getpid()
        self._pools = BufferPools(options.read_ahead + (256 << 20))
        self._cache = _open_cache(options)
        self._random: RandomAccess | None = None

    def __reduce__(self) -> Any:
        # It holds keys: a child process may receive them, a file may not.
        assert_spawning(self)
        return _in_child, (
            self._relay.access,
            self.supplies,
            self.schema,
            replace(self.options, metrics=None),
            [declarations.whole for declarations in self.declarations],
        )

    def here(self) -> Feed:
        """Return this feed; in a forked process, a copy with its own locks and memory."""
        if os.getpid() == self._process:
            return self
        declarations = [
            Declarations(supply.sealed, declared.whole)
            for supply, declared in zip(self.supplies, self.declarations, strict=True)
        ]
        return Feed(self._relay, self.supplies, self.schema, self.options, declarations)

    def with_chosen(self, chosen: Sequence[tuple[bytes, ...]]) -> Feed:
        """Return the same feed, limited to some records of each dataset."""
        supplies = [
            replace(supply, chosen=bits)
            for supply, bits in zip(self.supplies, chosen, strict=True)
        ]
        return Feed(self._relay, supplies, self.schema, self.options, self.declarations)

    def close(self) -> None:
        """Wipe and free memory that is not in use; the rest is freed when its users are done."""
        self._random = None
        self._pools.close()

    @property
    def cache(self) -> ShardCache | None:
        """The cache of ciphertext; None without one."""
        return self._cache

    def records(self) -> int:
        """Return the number of records in a training epoch."""
        return sum(shelf.taken for shelf in self._shelves())

    def order(self, plan: Plan) -> Order:
        """Return the order of a training epoch."""
        return _order(self._shelves(), plan)

    def _shelves(self) -> list[Shelf]:
        totals = [int(supply.counts.sum()) for supply in self.supplies]
        weights = [supply.weight for supply in self.supplies]
        takes: Sequence[int | None] = [None] * len(totals)
        if len(totals) > 1 and all(weight is not None for weight in weights):
            takes = share_by_weight(totals, [float(weight or 0) for weight in weights])
        return [
            _shelf(supply, take)
            for supply, take in zip(self.supplies, takes, strict=True)
        ]

    def memory(self, plan: Plan) -> int:
        """Estimate an epoch's maximum memory in bytes: block, read-ahead, streams, batches."""
        sizes = [
            opened_size(entry)
            for supply in self.supplies
            for entry in supply.sealed.shards
        ]
        largest = max(sizes, default=0)
        block = plan.shuffle_block
        lanes = block // math.gcd(block, plan.world) if plan.shuffle else 1
        lanes = min(lanes * len(self.supplies), len(sizes))
        # Lanes of equal shards move to new ones in the same step: both sets are in memory then.
        ahead = max(self.options.read_ahead, lanes * largest)
        streams = self.options.threads * STREAM_WINDOW
        return lanes * largest + ahead + streams + 2 * _BUNDLE_BYTES

    def declare(self) -> None:
        """Log a disclosure of everything, unless today's disclosure already covers it."""
        for declarations in self.declarations:
            declarations.cover(self._relay)

    def batches(
        self,
        plan: Plan,
        form: Form,
        *,
        columns: Sequence[str] | None = None,
        copy: bool = False,
        worker: int = 0,
        workers: int = 1,
    ) -> Iterator[Any]:
        """Yield the batches of a training epoch on one rank.

        Args:
            plan: the training epoch's settings.
            form: the form of a batch.
            columns: names of the columns to read; all if None.
            copy: whether batches have memory of their own.
            worker: number of this worker, among `workers` that take turns.
            workers: number of workers that take turns.
        """
        order = self.order(plan)
        single = not plan.shuffle and len(self.supplies) == 1
        size = plan.batch_size * self._record_size()
        together = int(max(1, min(_MAX_BUNDLE, _BUNDLE_BYTES // max(1, size))))
        ahead = max(
            _MIN_STEPS_AHEAD, int(self.options.read_ahead // max(1, size * together))
        )
        schema = pick_columns(self.schema, columns)
        sizes: deque[list[int]] = deque()

        def positions() -> Iterator[Integers]:
            cut = bundles(
                plan, order.records, worker=worker, workers=workers, together=together
            )
            for places, lengths in cut:
                sizes.append(lengths)
                yield places

        pools = None if copy else self._pools
        views = _Views(schema, form, self._pools)
        for step in self._steps(order, positions(), columns, ahead):
            # A shard that is left out has no batches.
            parts = [o.part(piece) for o, piece in step if o.batches]
            lengths = sizes.popleft()
            if sum(len(part.rows) for part in parts) < sum(lengths):
                parts, lengths = _close_gaps(parts, lengths)
            if single and not copy:
                yield from views.batches(
                    [piece for part in parts for piece in part.split()], lengths
                )
            else:
                gathered = Gathered(parts, schema, form, pools)
                for begin, end in _bounds(lengths):
                    yield gathered.batch(begin, end)
                del gathered
            del parts, step

    def shards(self, columns: Sequence[str] | None = None) -> Iterator[Opening]:
        """Yield opened shards in the datasets' own order."""
        for number, supply in enumerate(self.supplies):
            order = _order([_shelf(supply)], Plan(batch_size=1))
            ends = np.cumsum(supply.counts)
            ranges = (
                np.arange(end - count, end)
                for end, count in zip(
                    ends.tolist(), supply.counts.tolist(), strict=True
                )
                if count
            )
            steps_ahead = max(_MIN_STEPS_AHEAD, len(ends))
            only = slice(number, number + 1)
            for step in self._steps(order, ranges, columns, steps_ahead, datasets=only):
                opening = step[0][0]
                del step
                if opening.batches:
                    yield opening
                del opening

    def take(
        self,
        indices: Sequence[int] | Integers,
        columns: Sequence[str] | None,
        form: Form,
        *,
        declare_all: bool,
    ) -> Any:
        """Return records by number, in the given order, as one batch with its own memory.

        Args:
            indices: record numbers from 0, in the datasets' own order, end to end.
            columns: names of the columns to read; all if None.
            form: the form of the batch.
            declare_all: whether the disclosure covers the whole dataset, not just the shards of
                these records.

        Raises:
            InvalidArgument: there is no record of that number.
        """
        schema = pick_columns(self.schema, columns)
        wanted = np.asarray(indices, np.int64).reshape(-1)
        found = self._random_access().parts(wanted, declare_all=declare_all)
        if columns is not None:
            found = [part.select(columns) for part in found]
        return Gathered(found, schema, form, None).batch(0, len(wanted))

    def _random_access(self) -> RandomAccess:
        if self._random is None:
            self._random = RandomAccess(
                self._readables(threading.Event(), None),
                self.schema,
                self._pools,
                self.options.read_ahead,
            )
        return self._random

    def _steps(
        self,
        order: Order,
        positions: Iterator[Integers],
        columns: Sequence[str] | None,
        steps_ahead: int,
        datasets: slice = slice(None),
    ) -> Iterator[Step]:
        stopped = threading.Event()
        ahead = ReadAhead(
            self._readables(stopped, columns)[datasets],
            self._pools,
            self.counters,
            ahead=self.options.read_ahead,
            threads=self.options.threads,
            stopped=stopped,
        )
        return ahead.steps(order, positions, steps_ahead=steps_ahead)

    def _readables(
        self, stopped: threading.Event, columns: Sequence[str] | None
    ) -> list[Readable]:
        return [
            Readable(
                sealed=supply.sealed,
                schema=self.schema,
                columns=None if columns is None else tuple(columns),
                records=supply.records,
                counts=supply.counts,
                selected=None if supply.chosen is None else supply.selected,
                loader=ShardLoader(
                    self._relay,
                    supply.sealed,
                    declarations,
                    self._cache,
                    self.counters,
                    patience=self.options.patience,
                    on_corrupt=self.options.on_corrupt,
                    stopped=stopped,
                ),
            )
            for supply, declarations in zip(
                self.supplies, self.declarations, strict=True
            )
        ]

    def _record_size(self) -> float:
        """Estimate the bytes of a record."""
        shards = [entry for supply in self.supplies for entry in supply.sealed.shards]
        records = sum(int(supply.records.sum()) for supply in self.supplies)
        return sum(entry.stored_size for entry in shards) / max(1, records)


def _in_child(
    access: RelayAccess,
    supplies: Sequence[Supply],
    schema: pa.Schema,
    options: ReadOptions,
    declared: Sequence[tuple[bytes, int] | None],
) -> Feed:
    """Recreate a feed in a process started by the one that had it."""
    declarations = [
        Declarations(supply.sealed, whole)
        for supply, whole in zip(supplies, declared, strict=True)
    ]
    return Feed(Relay.at(access), supplies, schema, options, declarations)


def _shelf(supply: Supply, take: int | None = None) -> Shelf:
    ids = [entry.shard_id for entry in supply.sealed.shards]
    return Shelf(supply.sealed.dataset_id, ids, supply.counts, take)


def _order(shelves: Sequence[Shelf], plan: Plan) -> Order:
    return Order(
        shelves,
        seed=plan.seed,
        epoch=plan.epoch,
        shuffle=plan.shuffle,
        block=plan.shuffle_block,
    )


class _Views:
    """Batches that view opened shards, except where a batch spans two shards."""

    def __init__(self, schema: pa.Schema, form: Form, pools: BufferPools) -> None:
        self._schema = schema
        self._form = form
        self._pools = pools
        self._last: View | None = None

    def batches(
        self, parts: Sequence[Selection], lengths: Sequence[int]
    ) -> Iterator[Any]:
        """Cut records, which are in the wanted order, into batches."""
        number = 0
        for begin, end in _bounds(lengths):
            while number < len(parts) and parts[number].places[-1] < begin:
                number += 1
            inside: list[Selection] = []
            place = number
            while place < len(parts) and parts[place].places[0] < end:
                inside.append(_between(parts[place], begin, end))
                place += 1
            if len(inside) == 1 and are_neighbours(inside[0].rows):
                yield self._view(inside[0])
            else:
                yield Gathered(inside, self._schema, self._form, self._pools).batch(
                    0, end - begin
                )
        self._last = None

    def _view(self, part: Selection) -> Any:
        if self._last is None or self._last.batch is not part.batch:
            self._last = View(part.payload, part.batch, self._form)
        first = int(part.rows[0])
        return self._last.rows(first, first + len(part.rows))


def _between(part: Selection, begin: int, end: int) -> Selection:
    """Return the records of a part between two places, counted from the first."""
    low, high = np.searchsorted(part.places, (begin, end))
    return replace(part, rows=part.rows[low:high], places=part.places[low:high] - begin)


def _bounds(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(itertools.accumulate(lengths, initial=0))


def _close_gaps(
    parts: Sequence[Selection], lengths: Sequence[int]
) -> tuple[list[Selection], list[int]]:
    """Return what is left of a selection after a shard's records are left out."""
    there = np.zeros(sum(lengths), np.int64)
    for part in parts:
        there[part.places] = 1
    moved = np.cumsum(there) - 1
    ends = np.cumsum(lengths)
    left = np.diff(np.concatenate(([0], np.cumsum(there)[ends - 1])))
    return [replace(part, places=moved[part.places]) for part in parts], left.tolist()


def _open_cache(options: ReadOptions) -> ShardCache | None:
    if options.cache is None:
        return None
    folder = default_folder() if options.cache == "auto" else Path(options.cache)
    return ShardCache(folder, options.cache_bytes)
