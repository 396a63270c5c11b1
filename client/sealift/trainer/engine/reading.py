"""Read ahead: threads open shards in the order in which a loop will need them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from sealift.history.records import read_batches
from sealift.process.buffers import BufferPools
from sealift.trainer.engine.order import Order, Piece
from sealift.trainer.engine.sealed import (
    Interrupted,
    SealedDataset,
    ShardLoader,
)
from sealift.trainer.forms.gathering import Selection, Stack
from sealift.trainer.forms.numbers import Integers
from sealift.trainer.metrics.counters import Counters
from sealift_protocol.errors import MalformedObject, VerificationError
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, plaintext_size
from sealift_protocol.objects.commits import ShardEntry

# Shards smaller than this are fetched together, many per call.
_SMALL_SHARD = 1 << 20
_GROUP_SHARDS, _GROUP_BYTES = 64, 8 << 20
_NOTICE_SECONDS = 0.1


@dataclass(slots=True, eq=False)
class Opening:
    """A shard that is being opened, or is open.

    Attributes:
        entry: its entry in the commit.
        records: number of records it holds, according to its commit.
        size: about how many bytes of memory it takes.
        selected: the wanted records, ascending; None for all.
    """

    entry: ShardEntry
    records: int
    size: int
    selected: Integers | None
    payload: memoryview = field(default=memoryview(b""), repr=False)
    batches: list[pa.RecordBatch] = field(default_factory=list, repr=False)
    stack: Stack = field(default_factory=lambda: Stack(memoryview(b""), []), repr=False)
    taken: bool = False
    _done: threading.Event = field(default_factory=threading.Event, repr=False)
    _error: BaseException | None = field(default=None, repr=False)

    def wait(self) -> None:
        """Wait until it is open.

        Raises:
            SealiftError: it cannot be opened.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error

    def finish(self, error: BaseException | None = None) -> None:
        """Mark it as open, or as failed."""
        self._error = error
        self._done.set()

    def fill(
        self, payload: memoryview, schema: pa.Schema, columns: tuple[str, ...] | None
    ) -> None:
        """Read the records of an opened payload.

        Raises:
            MalformedObject: they are not what the commit states.
        """
        batches = [batch for batch in read_batches(payload, schema) if batch.num_rows]
        if sum(batch.num_rows for batch in batches) != self.records:
            raise MalformedObject(
                "the number of records in a shard differs from its commit"
            )
        self.payload = payload
        self.batches = (
            batches if columns is None else [b.select(list(columns)) for b in batches]
        )
        self.stack = Stack(payload, self.batches)

    def part(self, piece: Piece) -> Selection:
        """Return some of its records."""
        rows = piece.rows if self.selected is None else self.selected[piece.rows]
        if len(self.batches) == 1:
            return Selection(self.payload, self.batches[0], rows, piece.places)
        return Selection(self.payload, self.stack, rows, piece.places)


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """A dataset's shards, and how to load them.

    Attributes:
        sealed: the dataset.
        schema: the schema of the wanted records.
        columns: names of the wanted columns; None for all.
        records: number of records in each shard, (shards,).
        counts: number of wanted records in each shard, (shards,).
        selected: returns the wanted records of the shard at an index; None if all are wanted.
        loader: loads its shards.
    """

    sealed: SealedDataset
    schema: pa.Schema = field(repr=False)
    columns: tuple[str, ...] | None = field(repr=False)
    records: Integers
    counts: Integers
    selected: Callable[[int], Integers] | None
    loader: ShardLoader


def opened_size(entry: ShardEntry) -> int:
    """Return the bytes of memory that an opened shard takes."""
    return plaintext_size(entry.stored_size, 1 << LOG2_SEGMENT_SIZE)


Step: TypeAlias = list[tuple[Opening, Piece]]
_Planned: TypeAlias = tuple[Step | None, BaseException | None]


class ReadAhead:
    """Open shards for a loop, a bounded number of bytes ahead of it.

    Shards that the loop has begun are not counted: `block` shards in a shuffled order, one
    otherwise.
    """

    def __init__(
        self,
        datasets: Sequence[Readable],
        pools: BufferPools,
        counters: Counters,
        *,
        ahead: int,
        threads: int,
        stopped: threading.Event,
    ) -> None:
        self._datasets = datasets
        self._pools = pools
        self._counters = counters
        self._ahead = ahead
        self._waiting = 0
        self._changed = threading.Condition()
        self._stopped = stopped
        self._work: queue.SimpleQueue[list[tuple[Readable, Opening]] | None] = (
            queue.SimpleQueue()
        )
        # Daemon threads: a stalled stream must not keep a program from exiting.
        self._threads = [
            threading.Thread(target=self._open_all, name="sealift-open", daemon=True)
            for _ in range(threads)
        ]

    def steps(
        self, order: Order, positions: Iterator[Integers], *, steps_ahead: int
    ) -> Iterator[Step]:
        """Yield what each step needs: opened shards, and which of their records.

        Args:
            order: the order of the records.
            positions: the positions of each step, in the order in which they will be needed.
            steps_ahead: maximum number of steps planned before the loop asks for them.

        Raises:
            SealiftError: a shard cannot be opened.
        """
        ready: queue.Queue[_Planned] = queue.Queue(maxsize=steps_ahead)
        planner = threading.Thread(
            target=self._plan,
            args=(order, positions, ready),
            name="sealift-plan",
            daemon=True,
        )
        for thread in (*self._threads, planner):
            thread.start()
        try:
            while True:
                step, error = ready.get()
                if error is not None:
                    raise error
                if step is None:
                    return
                for opening, _ in step:
                    opening.wait()
                    self._take(opening)
                yield step
                del step
                # Drop the loop's references too, or the last shard lives one step longer.
                opening = None  # type: ignore[assignment]
        finally:
            self.close()

    def close(self) -> None:
        """End the threads; what they were reading is dropped."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=1.0)

    # --- the planner's thread ----------------------------------------------------------------

    def _plan(
        self,
        order: Order,
        positions: Iterator[Integers],
        ready: queue.Queue[_Planned],
    ) -> None:
        lanes: dict[tuple[int, int], tuple[int, int]] = {}
        openings: dict[tuple[int, int], tuple[Opening, int]] = {}
        try:
            for wanted in positions:
                pieces = order.locate(wanted)
                step, fresh = [], []
                for piece in pieces:
                    shard, lane = (piece.shelf, piece.shard), (piece.shelf, piece.lane)
                    before = lanes.get(lane)
                    if before != shard:
                        lanes[lane] = shard
                        opening, users = openings.get(shard) or (
                            self._opening(*shard),
                            0,
                        )
                        if not users:
                            fresh.append((self._datasets[piece.shelf], opening))
                        openings[shard] = opening, users + 1
                        if before is not None:
                            old, others = openings.pop(before)
                            if others > 1:
                                openings[before] = old, others - 1
                    step.append((openings[shard][0], piece))
                self._reserve(sum(opening.size for _, opening in fresh))
                for group in _groups(fresh):
                    self._work.put(group)
                self._hand_over(ready, (step, None))
                del step, fresh, pieces
                # Drop references to finished shards, or they would live one lane longer.
                old = opening = None  # type: ignore[assignment]
            self._hand_over(ready, (None, None))
        except Interrupted:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the loop's thread
            self._hand_over(ready, (None, error))

    def _hand_over(self, ready: queue.Queue[_Planned], planned: _Planned) -> None:
        while not self._stopped.is_set():
            try:
                ready.put(planned, timeout=_NOTICE_SECONDS)
            except queue.Full:
                continue
            return
        raise Interrupted

    def _opening(self, shelf: int, shard: int) -> Opening:
        dataset = self._datasets[shelf]
        entry = dataset.sealed.shards[shard]
        selected = None if dataset.selected is None else dataset.selected(shard)
        return Opening(entry, int(dataset.records[shard]), opened_size(entry), selected)

    def _reserve(self, size: int) -> None:
        """Wait until there is room, or the loop has begun every earlier shard."""
        with self._changed:
            while self._waiting and self._waiting + size > self._ahead:
                if self._stopped.is_set():
                    raise Interrupted
                self._changed.wait()
            self._waiting += size

    def _take(self, opening: Opening) -> None:
        """Note that the loop has begun a shard: it no longer counts as read ahead."""
        if opening.taken:
            return
        opening.taken = True
        with self._changed:
            self._waiting -= opening.size
            self._changed.notify_all()

    # --- the openers' threads ----------------------------------------------------------------

    def _open_all(self) -> None:
        while not self._stopped.is_set():
            group = self._work.get()
            if group is None:
                return
            dataset = group[0][0]
            openings = [opening for _, opening in group]
            # Keep no reference while waiting for the next shard: the loop may be done with these.
            del group
            try:
                self._open_group(dataset, openings)
            except BaseException as error:  # noqa: BLE001 - raised again in the loop's thread
                for opening in openings:
                    opening.finish(error)
            del openings

    def _open_group(self, dataset: Readable, openings: Sequence[Opening]) -> None:
        loaded = [
            dataset.sealed.shard(opening.entry, self._pools) for opening in openings
        ]
        dataset.loader.load(loaded, [None] * len(loaded))
        for opening, shard in zip(openings, loaded, strict=True):
            error = shard.failed
            if error is None:
                try:
                    opening.fill(shard.payload(), dataset.schema, dataset.columns)
                except VerificationError as failure:
                    error = failure
            if error is not None:
                dataset.loader.leave_out(error)
                self._counters.add(skipped_shards=1, skipped_records=opening.records)
            opening.finish()


def _groups(
    fresh: Sequence[tuple[Readable, Opening]],
) -> Iterator[list[tuple[Readable, Opening]]]:
    """Yield large shards one by one, and small ones of the same dataset together."""
    group: list[tuple[Readable, Opening]] = []
    size = 0
    for dataset, opening in fresh:
        alone = opening.size >= _SMALL_SHARD
        full = len(group) == _GROUP_SHARDS or size + opening.size > _GROUP_BYTES
        if group and (alone or full or group[0][0] is not dataset):
            yield group
            group, size = [], 0
        group.append((dataset, opening))
        size += opening.size
    if group:
        yield group
