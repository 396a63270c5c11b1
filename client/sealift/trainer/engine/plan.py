"""What a loop goes through in one training epoch, and on which rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypedDict

import numpy as np

from sealift.trainer.engine.order import Steps
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument


class Settings(TypedDict, total=False):
    """What a caller may say of a `Plan`, as keywords; `Plan` has what is left out."""

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
        batch_size: records of a batch.
        shuffle: whether the order is any but the dataset's own.
        seed: of the order.
        epoch: the training epoch, from 0.
        shuffle_block: shards that are mixed at a time.
        drop_last: whether records that fill no step are left out.
        rank: this process among those that share the order.
        world: how many those are.
        start: position in the order at which it begins.
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
            raise InvalidArgument("a batch has at least one record")
        if not 0 <= self.rank < self.world:
            raise InvalidArgument(f"there is no rank {self.rank} among {self.world}")
        if self.start < 0:
            raise InvalidArgument("a position in an order is not negative")

    def steps(self, records: int) -> Steps:
        """The steps through an order of that many records."""
        return Steps(records, self.start, self.batch_size, self.world, self.drop_last)

    @property
    def order(self) -> dict[str, Any]:
        """What the order of every training epoch depends on, by name."""
        return {
            name: getattr(self, name) for name in ("seed", "shuffle", "shuffle_block")
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One training epoch that was begun, for the bill of materials.

    A bill holds digests of the columns and the filter; their text stays here.

    Attributes:
        plan: the settings of all ranks, from the beginning of the order.
        columns: names of those that were read, in their order; None for all.
        filter: which records were, as text; empty for all.
        batched: whether in batches of the plan's size, or as records lie in the shards.
    """

    plan: Plan
    columns: tuple[str, ...] | None = field(default=None, repr=False)
    filter: str = field(default="", repr=False)
    batched: bool = True

    @classmethod
    def of(cls, plan: Plan | None, columns: Sequence[str] | None, text: str) -> Self:
        """The run that a plan on one rank is part of; None for records as they lie."""
        whole = replace(plan or Plan(1), drop_last=False, rank=0, start=0)
        names = None if columns is None else tuple(columns)
        return cls(whole, names, text, plan is not None)

    @property
    def batch_size(self) -> int | None:
        """Records of a batch; None where records were read as they lie."""
        return self.plan.batch_size if self.batched else None


def bundles(
    plan: Plan, records: int, *, worker: int, workers: int, together: int
) -> Iterator[tuple[Integers, list[int]]]:
    """The positions that a worker gathers at a time, and how many of them each batch has.

    Args:
        plan: whose steps worker `worker` of `workers` takes every `workers`-th of.
        records: in the order.
        worker: this one.
        workers: how many take turns.
        together: how many batches are gathered at a time.
    """
    steps = plan.steps(records)
    own = range(worker, len(steps), workers)
    for begin in range(0, len(own), together):
        batches = [
            steps.positions(step, plan.rank, shuffled=plan.shuffle)
            for step in own[begin : begin + together]
        ]
        yield np.concatenate(batches), [len(batch) for batch in batches]
