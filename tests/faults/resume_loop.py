"""Stops a training loop at random, repeatedly, and continues with other ranks and workers.

    python tests/faults/resume_loop.py --interruptions 200

Every record has to be seen exactly once in each training epoch, in the order of a loop that nobody
stopped, whatever the number of ranks, of workers and of records in a batch was in between.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training_loops import (
    GROUPS,
    STEP_SECONDS,
    Course,
    Leg,
    LoopProcesses,
    Seen,
    make_records,
    staged,
)

import sealift
from sealift.trainer.dataset import Dataset

WORLDS = (1, 2, 3, 4, 8)
BATCH_SIZES = (1, 3, 7, 16, 32, 64, 500)
# Records that two datasets hold, and how many shards they lie in.
ONE, TWO = (4_000, 23), (1_500, 9)
OTHER_IDS = 1_000_000
# More processes than these at a time would only show how slow this machine is.
MAX_WORKERS = 8
HANGING_SECONDS = 240


@dataclass
class Outcome:
    """What happened, and what the loops saw."""

    interruptions: Counter[str] = field(default_factory=Counter)
    amid: int = 0
    courses: Counter[str] = field(default_factory=Counter)
    worlds: Counter[int] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    epochs: int = 0
    steps: int = 0
    records: int = 0
    missing: int = 0
    twice: int = 0
    changed: int = 0
    other_steps: int = 0
    wrong_shares: int = 0
    unequal_states: int = 0
    unequal_lengths: int = 0

    @property
    def exact(self) -> bool:
        lost = self.missing, self.twice, self.changed
        return not any((*lost, self.other_steps, self.wrong_shares, *self.unequal))

    @property
    def unequal(self) -> tuple[int, int]:
        return self.unequal_states, self.unequal_lengths


class Epoch:
    """What was seen of one training epoch so far, against what has to be."""

    def __init__(self, number: int, order: Sequence[int], outcome: Outcome) -> None:
        self._number = number
        self._order = order
        self._outcome = outcome
        self._seen: Counter[int] = Counter()
        self._position = 0

    def take(self, step: Seen) -> None:
        """Compares a step with those positions of the order that its state says it took."""
        # After the last step a state is that of the next training epoch.
        state = step.states[0]
        over = (state["epoch"], state["position"]) == (self._number + 1, 0)
        position = len(self._order) if over else state["position"]
        found = [number for rank in step.ranks for number in rank]
        wanted = list(self._order[self._position : position])
        same = (
            found == wanted if len(step.ranks) == 1 else sorted(found) == sorted(wanted)
        )
        sizes = [len(rank) for rank in step.ranks]
        outcome = self._outcome
        outcome.other_steps += not same or max(sizes) - min(sizes) > 1
        outcome.other_steps += not over and state["epoch"] != self._number
        outcome.unequal_states += any(other != state for other in step.states)
        outcome.changed += step.changed
        outcome.steps += 1
        outcome.records += len(found)
        self._seen.update(found)
        self._position = position

    @property
    def is_amid(self) -> bool:
        """Whether some of it was seen, and some not."""
        return 0 < self._position < len(self._order)

    def finish(self) -> None:
        self._outcome.epochs += 1
        self._outcome.missing += sum(number not in self._seen for number in self._order)
        self._outcome.twice += sum(number - 1 for number in self._seen.values())


class Ordeal:
    """A trainer whose loops are stopped."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Pushes two datasets; needs what `staged` makes.

        Args:
            folder: for what a loop saves.
            seed: of everything that is random.
        """
        self._random = random.Random(seed)
        self.outcome = Outcome()
        with sealift.connect("owner") as owner:
            self._push(owner, "one", 0, *ONE)
            self._push(owner, "two", OTHER_IDS, *TWO)
        self._trainer = sealift.connect("trainer")
        self._processes = LoopProcesses(folder)

    def close(self) -> None:
        self._processes.close()
        self._trainer.close()

    def run(self, interruptions: int) -> Outcome:
        while self.outcome.interruptions.total() < interruptions:
            self._go_through(self._course(), interruptions)
        return self.outcome

    def _push(
        self, owner: sealift.Session, name: str, first: int, count: int, shards: int
    ) -> None:
        """Shards of very different sizes, one of them of one record."""
        cuts = [0, 1, *sorted(self._random.sample(range(2, count), shards - 2)), count]
        with owner.writer(name, to="trainer") as writer:
            for low, high in itertools.pairwise(cuts):
                writer.write_batch(make_records(range(first + low, first + high)))
                writer.flush()

    def _course(self) -> Course:
        choose = self._random
        kinds: dict[str, dict[str, float | None]] = {
            "one dataset": {"owner/one": None},
            "two datasets": {"owner/one": None, "owner/two": None},
            "a weighted mix": {
                "owner/one": choose.choice((1.0, 2.0, 0.3)),
                "owner/two": 1.0,
            },
        }
        kind = choose.choice(list(kinds))
        below = choose.choice((None, None, None, 4, 1))
        self.outcome.courses[kind if below is None else f"{kind}, filtered"] += 1
        return Course(
            paths=kinds[kind],
            below=below,
            cached=choose.random() < 0.5,
            epochs=choose.randint(1, 3),
            loader={
                "shuffle": choose.random() < 0.75,
                "seed": choose.randrange(1 << 64),
                "shuffle_block": choose.choice((1, 2, 3, 5, 8, 16)),
                "drop_last": False,
            },
        )

    def _go_through(self, course: Course, interruptions: int) -> None:
        state = None
        with contextlib.ExitStack() as opened:
            dataset = opened.enter_context(course.open(self._trainer))
            for number in range(course.epochs):
                order = course.order(dataset, number)
                self._check(order, course)
                epoch = Epoch(number, order, self.outcome)
                for _ in range(40 * (2 + interruptions)):
                    if state is not None and state["epoch"] > number:
                        break
                    if self._random.random() < 0.2:
                        opened.close()
                        dataset = opened.enter_context(course.open(self._trainer))
                    before = self.outcome.interruptions.total()
                    last = before >= interruptions
                    state = self._leg(dataset, course, epoch, state, to_the_end=last)
                    interrupted = self.outcome.interruptions.total() > before
                    self.outcome.amid += interrupted and epoch.is_amid
                else:
                    raise SystemExit("a training epoch never came to an end")
                epoch.finish()

    def _check(self, order: Sequence[int], course: Course) -> None:
        """Whether an order is complete and correct, even without interruptions."""
        pushed = {
            "owner/one": range(ONE[0]),
            "owner/two": range(OTHER_IDS, OTHER_IDS + TWO[0]),
        }
        wanted = [
            [
                i
                for i in pushed[path]
                if course.below is None or i % GROUPS < course.below
            ]
            for path in course.paths
        ]
        everything = {number for numbers in wanted for number in numbers}
        self.outcome.twice += len(order) - len(set(order))
        self.outcome.other_steps += not everything.issuperset(order)
        if not course.weighted:
            self.outcome.missing += len(everything.difference(order))
            return
        weights = [float(weight or 0) for weight in course.paths.values()]
        unit = min(len(numbers) / w for numbers, w in zip(wanted, weights, strict=True))
        for numbers, weight in zip(wanted, weights, strict=True):
            taken = len(set(numbers).intersection(order))
            self.outcome.wrong_shares += abs(taken - unit * weight) >= 1

    def _leg(
        self,
        dataset: Dataset,
        course: Course,
        epoch: Epoch,
        state: dict[str, Any] | None,
        *,
        to_the_end: bool,
    ) -> dict[str, Any] | None:
        choose = self._random
        world = choose.choice(WORLDS)
        workers = choose.choice((0, 0, 0, 0, 0, 0, 1, 2, 3, 4))
        workers = workers if workers * world <= MAX_WORKERS else 0
        # Each process that is not forked takes seconds to import torch.
        slow = world * workers <= 2 and choose.random() < 0.2
        method = "spawn" if slow else "fork"
        leg = Leg(world, workers, method, choose.choice(BATCH_SIZES), state)
        self.outcome.worlds[world] += 1
        self.outcome.workers[f"{workers} {method}ed" if workers else "none"] += 1
        faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True)
        try:
            if not to_the_end and choose.random() < 0.2:
                return self._killed(course, epoch, leg)
            return self._stopped(dataset, course, epoch, leg, to_the_end=to_the_end)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _stopped(
        self,
        dataset: Dataset,
        course: Course,
        epoch: Epoch,
        leg: Leg,
        *,
        to_the_end: bool,
    ) -> dict[str, Any]:
        """Runs until all ranks stop after the same step; returns the state."""
        run = leg.start(dataset, course)
        steps = run.lengths[0]
        self.outcome.unequal_lengths += len(set(run.lengths)) > 1
        longest = self._random.choice((steps, min(steps, 12)))
        last = steps if to_the_end else self._random.randint(0, longest)
        for _ in range(last):
            epoch.take(run.step())
        if to_the_end or (last == steps and self._random.random() < 0.5):
            self.outcome.unequal_lengths += not run.is_over()
        elif self._random.random() < 0.5:
            self.outcome.interruptions["stop"] += 1
            run.close()
        else:
            # As a loop does that breaks off and forgets its loader.
            self.outcome.interruptions["forget"] += 1
        return self._random.choice(run.states)

    def _killed(self, course: Course, epoch: Epoch, leg: Leg) -> dict[str, Any] | None:
        """Runs in a process of its own, killed before, between or after states that it saves."""
        every = self._random.randint(1, 6)
        process, steps = self._processes.start(course, leg, every=every)
        saves = steps // every
        for _ in range(
            self._random.randint(0, self._random.choice((saves, min(saves, 4))))
        ):
            self._processes.hear()
        time.sleep(self._random.uniform(0, 3 * every * STEP_SECONDS))
        # A loop that was through already is not an interruption.
        self.outcome.interruptions["kill"] += self._processes.end(process)
        saved = self._processes.saved()
        if saved is None:
            return leg.state
        state, seen = saved
        for step in seen:
            epoch.take(step)
        return state


def _listed(counts: Counter[Any]) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(counts.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interruptions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    started = time.monotonic()
    with staged(), tempfile.TemporaryDirectory() as folder:
        ordeal = Ordeal(Path(folder), chosen.seed)
        try:
            found = ordeal.run(chosen.interruptions)
        finally:
            ordeal.close()
    total = found.interruptions.total()
    print(
        f"interruptions  {total} ({_listed(found.interruptions)}), {found.amid} of them amid"
    )
    print(f"courses        {_listed(found.courses)}")
    print(f"loops          {found.worlds.total()}, by ranks: {_listed(found.worlds)}")
    print(f"               by workers of each rank: {_listed(found.workers)}")
    print(f"epochs         {found.epochs} training epochs in {found.steps:,} steps")
    lost = f"missing {found.missing}, twice {found.twice}, changed {found.changed}"
    print(f"records        {found.records:,}; {lost}")
    same = not found.other_steps and not found.wrong_shares
    other = (
        f"OTHER RECORDS in {found.other_steps} steps, {found.wrong_shares} shares wrong"
    )
    print(
        f"order          {'in every step that of an uninterrupted loop' if same else other}"
    )
    unequal = "UNEQUAL {} times, lengths {} times".format(*found.unequal)
    print(f"states         {unequal if any(found.unequal) else 'equal on all ranks'}")
    print(f"seconds        {time.monotonic() - started:.0f}")
    if not found.exact:
        sys.exit(1)


if __name__ == "__main__":
    main()
