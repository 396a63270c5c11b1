"""The order of records in a training epoch: a function of seed, training epoch and commit.

See docs/spec/order.md. Pure arithmetic: nothing is read, and nothing proportional to the number
of records is kept, so that any position is found in constant time.

The shards are permuted and laid end to end. The resulting line is cut into `block` lanes of
equal length. The order takes one record from each lane in turn; inside a lane, the records of
each shard are permuted. So `block` shards are mixed at a time, and position p is in lane
p mod block: of several ranks that share an order, each opens only the shards of its own lanes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3

from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument

ALGORITHM = "sealift-order-1"
MAX_BLOCK = 1024
_CONTEXT = struct.Struct(">15s1sQQ16s16sQ")
_SHARDS, _RECORDS = b"s", b"r"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What an order needs to know about one dataset.

    Attributes:
        dataset_id: 16 bytes.
        shard_ids: 16 bytes each, in dataset order.
        counts: number of records in each shard, (shards,) int64.
        take: number of records that a training epoch takes from it; all by default.
    """

    dataset_id: bytes
    shard_ids: Sequence[bytes]
    counts: Integers
    take: int | None = None

    @property
    def total(self) -> int:
        """Number of records in all shards."""
        return int(self.counts.sum())

    @property
    def taken(self) -> int:
        """Number of records that a training epoch takes."""
        return self.total if self.take is None else self.take


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Records of one piece of a lane, and the places they go to.

    Attributes:
        shelf: index of the dataset.
        shard: index of the shard in its dataset.
        lane: lane of the dataset.
        rows: indices of the records in their shard, (n,).
        places: where they go among the requested positions, (n,) and ascending.
    """

    shelf: int
    shard: int
    lane: int
    rows: Integers
    places: Integers


def share_by_weight(totals: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Return how many records of each dataset a training epoch takes to match the weights.

    No record is taken twice: the epoch ends with the dataset that is smallest for its weight.

    Raises:
        InvalidArgument: a weight is not positive, or a dataset is empty.
    """
    if any(not weight > 0 for weight in weights):
        raise InvalidArgument("a dataset's weight must be more than 0")
    if not all(totals):
        raise InvalidArgument("a dataset to be mixed by weight has no records")
    unit = min(total / weight for total, weight in zip(totals, weights, strict=True))
    return [
        min(total, max(1, int(unit * weight)))
        for total, weight in zip(totals, weights, strict=True)
    ]


class Order:
    """The order of one training epoch.

    Attributes:
        records: number of records.
        lanes: number of lanes that each dataset is cut into.
    """

    def __init__(
        self,
        shelves: Sequence[Shelf],
        *,
        seed: int,
        epoch: int,
        shuffle: bool,
        block: int,
    ) -> None:
        """Lay out the lanes.

        Args:
            shelves: the datasets.
            seed: 0 to 2**64 - 1.
            epoch: the training epoch, from 0.
            shuffle: whether to shuffle; without it, the order is the dataset's own.
            block: number of shards mixed at a time.

        Raises:
            InvalidArgument: a number is out of range.
        """
        if not (0 <= seed < 1 << 64 and 0 <= epoch < 1 << 64):
            raise InvalidArgument("seed and training epoch must be from 0 to 2**64 - 1")
        if not 1 <= block <= MAX_BLOCK:
            raise InvalidArgument(f"a shuffle block has 1 to {MAX_BLOCK} shards")
        self.lanes = block if shuffle else 1
        self._seed, self._epoch, self._shuffle = seed, epoch, shuffle
        self._lines = [
            _Line(shelf, self._shards(shelf), self.lanes) for shelf in shelves
        ]
        self._rounds = np.array([line.rounds for line in self._lines], np.int64)
        self._full = int(self._rounds.sum()) * self.lanes
        self._rests = np.cumsum([0, *(line.rest for line in self._lines)])
        self.records = self._full + int(self._rests[-1])
        self._permutations: dict[tuple[int, int], tuple[int, Integers]] = {}

    def locate(self, positions: Integers) -> list[Piece]:
        """Return where the records at some positions are, grouped by piece.

        Args:
            positions: ascending, each below `records`, (n,).
        """
        shelf, lane, offset = self._in_lanes(positions)
        place, shard = np.empty_like(offset), np.empty_like(offset)
        for number, line in enumerate(self._lines):
            of_it = (
                slice(None)
                if len(self._lines) == 1
                else np.flatnonzero(shelf == number)
            )
            place[of_it] = line.starts[lane[of_it]] + offset[of_it]
            shard[of_it] = np.searchsorted(line.ends, place[of_it], side="right")
        key = (shelf * self.lanes + lane) * (1 << 40) + shard
        if len(key) and (key[0] == key[-1]) and (key == key[0]).all():
            return [
                self._piece(shelf[0], lane[0], shard[0], place, np.arange(len(key)))
            ]
        sorting = np.argsort(key, kind="stable")
        cuts = np.flatnonzero(np.diff(key[sorting])) + 1
        return [
            self._piece(
                shelf[group[0]], lane[group[0]], shard[group[0]], place[group], group
            )
            for group in np.split(sorting, cuts)
            if len(group)
        ]

    def _piece(
        self, shelf: Any, lane: Any, shard: Any, place: Integers, places: Integers
    ) -> Piece:
        line = self._lines[shelf]
        first = int(line.begins[shard])
        original = int(line.order[shard])
        if not self._shuffle:
            return Piece(int(shelf), original, int(lane), place - first, places)
        begin = max(first, int(line.starts[lane]))
        end = min(int(line.ends[shard]), int(line.starts[lane + 1]))
        permutation = self._permutation(
            int(shelf), int(lane), original, begin - first, end - begin
        )
        rows = permutation[place - begin] + (begin - first)
        return Piece(int(shelf), original, int(lane), rows, places)

    def _in_lanes(self, positions: Integers) -> tuple[Integers, Integers, Integers]:
        """Return the dataset, lane and offset in the lane of each position."""
        lane, rounds = positions % self.lanes, positions // self.lanes
        if len(self._lines) == 1:
            return np.zeros_like(lane), lane, rounds
        shelf, offset = np.empty_like(lane), np.empty_like(lane)
        whole = int(np.searchsorted(positions, self._full))
        if whole:
            first = int(rounds[0])
            merged = _merge(self._rounds, first, int(rounds[whole - 1]) - first + 1)
            shelf[:whole], offset[:whole] = (
                part[rounds[:whole] - first] for part in merged
            )
        tail = positions[whole:] - self._full
        shelf[whole:] = np.searchsorted(self._rests, tail, side="right") - 1
        lane[whole:] = tail - self._rests[shelf[whole:]]
        offset[whole:] = self._rounds[shelf[whole:]]
        return shelf, lane, offset

    def _shards(self, shelf: Shelf) -> Integers:
        count = len(shelf.counts)
        if not self._shuffle:
            return np.arange(count, dtype=np.int64)
        return self._permute(count, _SHARDS, shelf.dataset_id, bytes(16), 0)

    def _permutation(
        self, shelf: int, lane: int, shard: int, first: int, count: int
    ) -> Integers:
        kept = self._permutations.get((shelf, lane))
        if kept is not None and kept[0] == shard:
            return kept[1]
        source = self._lines[shelf].shelf
        made = self._permute(
            count, _RECORDS, source.dataset_id, source.shard_ids[shard], first
        )
        # A lane goes through its pieces in turn.
        self._permutations[shelf, lane] = shard, made
        return made

    def _permute(
        self, count: int, kind: bytes, dataset_id: bytes, shard_id: bytes, first: int
    ) -> Integers:
        context = _CONTEXT.pack(
            ALGORITHM.encode(),
            kind,
            self._seed,
            self._epoch,
            dataset_id,
            shard_id,
            first,
        )
        keys = np.frombuffer(blake3(context).digest(length=8 * count), "<u8")
        order = np.argsort(keys)
        in_order = keys[order]
        if (in_order[1:] == in_order[:-1]).any():
            order = np.argsort(keys, kind="stable")
        return order


class _Line:
    """A dataset's shards, laid end to end in their order and cut into lanes.

    Attributes:
        shelf: the dataset.
        order: indices of the shards in their dataset, in the line's order.
        begins, ends: where each shard begins and ends in the line.
        starts: where each lane begins, and where the last one ends.
        rounds: number of records that every lane has.
        rest: number of lanes, the first ones, that have one record more.
    """

    def __init__(self, shelf: Shelf, order: Integers, lanes: int) -> None:
        self.shelf = shelf
        self.order = order
        self.ends = np.cumsum(shelf.counts[order])
        self.begins = self.ends - shelf.counts[order]
        self.rounds, self.rest = divmod(shelf.taken, lanes)
        lengths = self.rounds + (np.arange(lanes) < self.rest)
        self.starts = np.concatenate(([0], np.cumsum(lengths)))


def _merge(rounds: Integers, first: int, count: int) -> tuple[Integers, Integers]:
    """Return rounds `first` to `first + count` of several datasets, interleaved evenly.

    Round j of a dataset with m rounds has time (j + 1/2) / m; ties go to the earlier dataset.

    Returns:
        The dataset of each round, and the round's number in the dataset; (count,) each.
    """
    total = int(rounds.sum())
    margin = len(rounds) + 2
    owners, numbers = [], []
    before = 0
    for place, amount in enumerate(rounds.tolist()):
        low = min(amount, max(0, amount * (first - margin) // total - 1))
        high = min(amount, amount * (first + count + margin) // total + 2)
        owners.append(np.full(high - low, place))
        numbers.append(np.arange(low, high))
        before += low
    owner, number = np.concatenate(owners), np.concatenate(numbers)
    times = (number + 0.5) / rounds[owner]
    sorting = np.lexsort((owner, times))[first - before : first - before + count]
    return owner[sorting], number[sorting]


@dataclass(frozen=True, slots=True)
class Steps:
    """How the ranks of a run share an order: every rank takes the same number of steps.

    Each step takes `batch_size * world` records from the order. The remainder at the end is a
    smaller step or, with less than one record per rank, is added to the step before.

    Attributes:
        records: number of records in the order.
        start: position of the first step; earlier records were already seen.
        batch_size: number of records in a rank's batch.
        world: number of ranks.
        drop_last: whether to leave out the records that do not fill a step.
    """

    records: int
    start: int
    batch_size: int
    world: int
    drop_last: bool

    def __len__(self) -> int:
        """Return the number of steps."""
        whole, rest = divmod(
            max(0, self.records - self.start), self.batch_size * self.world
        )
        if self.drop_last or rest == 0 or (rest < self.world and whole):
            return whole
        return whole + 1

    def bounds(self, step: int) -> tuple[int, int]:
        """Return where a step begins and ends in the order."""
        begin = self.start + step * self.batch_size * self.world
        last = step == len(self) - 1 and not self.drop_last
        return begin, self.records if last else begin + self.batch_size * self.world

    def after(self, steps: int) -> int:
        """Return the position after that many steps."""
        return self.start if steps == 0 else self.bounds(steps - 1)[1]

    def positions(self, step: int, rank: int, *, shuffled: bool) -> Integers:
        """Return the positions of a rank's batch, ascending.

        In a shuffled order these are every `world`-th position, so that a rank keeps to its
        lanes. In the dataset's own order they are consecutive, so that a batch is one view.
        """
        begin, end = self.bounds(step)
        if shuffled:
            return np.arange(begin + rank, end, self.world, dtype=np.int64)
        size = end - begin
        low, high = size * rank // self.world, size * (rank + 1) // self.world
        return np.arange(begin + low, begin + high, dtype=np.int64)
