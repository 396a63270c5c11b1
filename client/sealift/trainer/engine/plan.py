"""The settings of one training epoch on one rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypedDict

import numpy as np

from sealift.trainer.engine.order import Steps
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument


class Settings(TypedDict, total=False):
    """The settings of a `Plan` as keywords; `Plan` has the defaults."""

    shuffle: bool
    seed: int
    epoch: int
    shuffle_block: int
    drop_last: bool
    rank: int
    world: int
    start: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One training epoch on one rank.

    Attributes:
        batch_size: number of records in a batch.
        shuffle: whether to shuffle; without it, the order is the dataset's own.
        seed: seed of the order.
        epoch: the training epoch, from 0.
        shuffle_block: number of shards mixed at a time.
        drop_last: whether to leave out the records that do not fill a step.
        rank: number of this process among those that share the order.
        world: number of processes that share the order.
        start: position in the order at which to begin.
    """

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    epoch: int = 0
    shuffle_block: int = 8
    drop_last: bool = False
    rank: int = 0
    world: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InvalidArgument("a batch must have at least one record")
        if not 0 <= self.rank < self.world:
            raise InvalidArgument(
                f"rank {self.rank} is out of range for a world of {self.world}"
            )
        if self.start < 0:
            raise InvalidArgument("a position in an order cannot be negative")

    def steps(self, records: int) -> Steps:
        """Return the steps through an order of that many records."""
        return Steps(records, self.start, self.batch_size, self.world, self.drop_last)

    @property
    def order(self) -> dict[str, Any]:
        """Return what the order of every training epoch depends on, by name."""
        return {
            name: getattr(self, name) for name in ("seed", "shuffle", "shuffle_block")
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One training epoch that was begun, for the bill of materials.

    A bill holds digests of the columns and the filter; their text stays on this machine.

    Attributes:
        plan: the settings for all ranks, from the start of the order.
        columns: names of the columns read, in their order; None for all.
        filter: the filter for the records read, as text; empty for all.
        batched: whether records were read in batches of the plan's size, not as stored.
    """

    plan: Plan
    columns: tuple[str, ...] | None = field(default=None, repr=False)
    filter: str = field(default="", repr=False)
    batched: bool = True

    @classmethod
    def of(cls, plan: Plan | None, columns: Sequence[str] | None, text: str) -> Self:
        """Return the run of a plan on one rank; None for records in stored order."""
        whole = replace(plan or Plan(1), drop_last=False, rank=0, start=0)
        names = None if columns is None else tuple(columns)
        return cls(whole, names, text, plan is not None)

    @property
    def batch_size(self) -> int | None:
        """Number of records in a batch; None for batches as stored."""
        return self.plan.batch_size if self.batched else None


def bundles(
    plan: Plan, records: int, *, worker: int, workers: int, together: int
) -> Iterator[tuple[Integers, list[int]]]:
    """Yield the positions that a worker gathers at a time, and the size of each batch in them.

    Args:
        plan: the plan; worker `worker` of `workers` takes every `workers`-th of its steps.
        records: number of records in the order.
        worker: number of this worker.
        workers: number of workers that take turns.
        together: number of batches gathered at a time.
    """
    steps = plan.steps(records)
    own = range(worker, len(steps), workers)
    for begin in range(0, len(own), together):
        batches = [
            steps.positions(step, plan.rank, shuffled=plan.shuffle)
            for step in own[begin : begin + together]
        ]
        yield np.concatenate(batches), [len(batch) for batch in batches]
