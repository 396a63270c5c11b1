"""Stops a training loop at random, again and again, and goes on with other ranks and workers.

    python tests/faults/resume_loop.py --interruptions 200

Every record has to be seen exactly once in each training epoch, in the order of a loop that nobody
stopped, whatever the number of ranks, of workers and of records in a batch was in between.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import pyarrow as pa
import pyarrow.compute as pc
from harness import stage

import sealift
from sealift.trainer.dataset import Dataset
from sealift.trainer.torch import TorchLoader

WORLDS = (1, 2, 3, 4, 8)
GROUPS = 7
# Records that two datasets hold, and how many shards they lie in.
ONE, TWO = (4_000, 23), (1_500, 9)
OTHER_IDS = 1_000_000
# More processes than these at a time would only show how slow this machine is.
MAX_WORKERS = 8
HANGING_SECONDS = 240
STEP_SECONDS = 0.002


@dataclass(frozen=True)
class Course:
    """What is trained on, and in which order.

    Attributes:
        paths: one dataset, or several with their weights (None: everything of each).
        below: only records of the groups below this one; None for all.
        cached: whether ciphertext is kept.
        epochs: how many training epochs.
        loader: what every loader of it is given.
    """

    paths: dict[str, float | None]
    below: int | None
    cached: bool
    epochs: int
    loader: dict[str, Any]

    @property
    def weighted(self) -> bool:
        return len(self.paths) > 1 and None not in self.paths.values()

    def open(self, session: sealift.Session) -> Dataset:
        weights = {path: weight for path, weight in self.paths.items() if weight is not None}
        cache = "auto" if self.cached else None
        dataset = session.open_dataset(weights or list(self.paths), cache=cache, read_ahead=1 << 20)
        if self.below is None:
            return dataset
        return dataset.filter(pc.field("group") < self.below)

    def expected(self) -> list[int]:
        """The numbers of all records that may be seen, ascending."""
        sizes = {"owner/one": range(ONE[0]), "owner/two": range(OTHER_IDS, OTHER_IDS + TWO[0])}
        found = (i for path in self.paths for i in sizes[path])
        return sorted(i for i in found if self.below is None or i % GROUPS < self.below)


@dataclass(frozen=True)
class Leg:
    """How the loop runs until it is stopped.

    Attributes:
        world: ranks, all in one process here.
        workers: processes of each rank.
        batch_size: records of a batch.
        state: where the leg before was stopped; None for the beginning.
    """

    world: int
    workers: int
    batch_size: int
    state: dict[str, Any] | None

    def loaders(self, dataset: Dataset, course: Course) -> list[TorchLoader]:
        made = [
            dataset.torch_loader(
                self.batch_size,
                num_workers=self.workers,
                rank=rank,
                world=self.world,
                **course.loader,
            )
            for rank in range(self.world)
        ]
        if self.state is not None:
            for loader in made:
                # As it comes out of a file.
                loader.load_state_dict(json.loads(json.dumps(self.state)))
        return made


@dataclass
class Outcome:
    """What happened, and what the loops saw."""

    interruptions: Counter[str] = field(default_factory=Counter)
    amid: int = 0
    worlds: Counter[int] = field(default_factory=Counter)
    workers: Counter[int] = field(default_factory=Counter)
    courses: Counter[str] = field(default_factory=Counter)
    legs: int = 0
    epochs: int = 0
    steps: int = 0
    records: int = 0
    missing: int = 0
    twice: int = 0
    changed: int = 0
    other_steps: int = 0
    unequal_states: int = 0
    unequal_lengths: int = 0
    wrong_shares: int = 0

    @property
    def exact(self) -> bool:
        wrong = (self.missing, self.twice, self.changed, self.other_steps, self.wrong_shares)
        return not any((*wrong, self.unequal_states, self.unequal_lengths))


class Epoch:
    """What was seen of one training epoch so far, against what has to be."""

    def __init__(self, order: Sequence[int], outcome: Outcome) -> None:
        self._order = order
        self._outcome = outcome
        self._seen: Counter[int] = Counter()
        self._position = 0

    def step(self, ranks: Sequence[Sequence[int]], position: int) -> None:
        """Takes what the ranks saw in one step, after which the state is at a position."""
        found = [number for rank in ranks for number in rank]
        wanted = list(self._order[self._position : position])
        same = found == wanted if len(ranks) == 1 else sorted(found) == sorted(wanted)
        self._outcome.other_steps += not same
        self._outcome.steps += 1
        self._outcome.records += len(found)
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
        # Records that no uninterrupted loop has count as being in the wrong place.
        self._outcome.other_steps += bool(self._seen.keys() - set(self._order))


class Ordeal:
    """A trainer whose loops are stopped."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Pushes two datasets; needs the profiles that `staged` makes.

        Args:
            folder: for what a loop saves.
            seed: of everything that is random.
        """
        self._random = random.Random(seed)
        self._folder = folder
        self.outcome = Outcome()
        with sealift.connect("owner") as owner:
            self._push(owner, "one", 0, *ONE)
            self._push(owner, "two", OTHER_IDS, *TWO)
        self._trainer = sealift.connect("trainer")
        self._loops = subprocess.Popen(
            [sys.executable, __file__, "--loops"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._loops.stdin is not None
        self._loops.stdin.close()
        self._loops.wait()
        self._trainer.close()

    def run(self, interruptions: int) -> Outcome:
        while self.outcome.interruptions.total() < interruptions:
            self._go_through(self._course(), interruptions)
        return self.outcome

    def _push(self, owner: sealift.Session, name: str, first: int, count: int, shards: int) -> None:
        """Shards of very different sizes, some of one record."""
        cuts = sorted(self._random.sample(range(1, count), shards - 2))
        cuts = [0, 1, *[cut for cut in cuts if cut > 1], count]
        with owner.writer(name, to="trainer") as writer:
            for low, high in itertools.pairwise(cuts):
                writer.write_batch(_records(range(first + low, first + high)))
                writer.flush()

    def _course(self) -> Course:
        choose = self._random
        kinds: dict[str, dict[str, float | None]] = {
            "one dataset": {"owner/one": None},
            "two datasets": {"owner/one": None, "owner/two": None},
            "a weighted mix": {"owner/one": choose.choice((1.0, 2.0, 0.3)), "owner/two": 1.0},
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
                order = _order(dataset, course, number)
                self._check_order(order, course)
                epoch = Epoch(order, self.outcome)
                for _ in range(40 * (2 + interruptions)):
                    if state is not None and state["epoch"] > number:
                        break
                    if self._random.random() < 0.2:
                        opened.close()
                        dataset = opened.enter_context(course.open(self._trainer))
                    before = self.outcome.interruptions.total()
                    enough = before >= interruptions
                    state = self._leg(dataset, course, epoch, state, to_the_end=enough)
                    interrupted = self.outcome.interruptions.total() > before
                    self.outcome.amid += interrupted and epoch.is_amid
                else:
                    raise SystemExit("a training epoch never came to an end")
                epoch.finish()

    def _check_order(self, order: list[int], course: Course) -> None:
        """An order has what it has to have even where nobody interrupts."""
        expected = course.expected()
        if not course.weighted:
            self.outcome.missing += sorted(order) != expected
            return
        self.outcome.missing += bool(set(order) - set(expected))
        self.outcome.twice += len(order) - len(set(order))
        one, two = (float(weight or 0) for weight in course.paths.values())
        totals = sum(i < OTHER_IDS for i in expected), sum(i >= OTHER_IDS for i in expected)
        taken = sum(i < OTHER_IDS for i in order), sum(i >= OTHER_IDS for i in order)
        unit = min(totals[0] / one, totals[1] / two)
        wanted = unit * one, unit * two
        self.outcome.wrong_shares += any(
            abs(found - right) >= 1 for found, right in zip(taken, wanted, strict=True)
        )

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
        leg = Leg(world, workers, choose.choice((1, 3, 7, 16, 32, 64, 500)), state)
        self.outcome.legs += 1
        self.outcome.worlds[world] += 1
        self.outcome.workers[workers] += 1
        faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True)
        try:
            if not to_the_end and choose.random() < 0.2:
                return self._killed(course, epoch, leg)
            return self._stopped(dataset, course, epoch, leg, to_the_end=to_the_end)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _stopped(
        self, dataset: Dataset, course: Course, epoch: Epoch, leg: Leg, *, to_the_end: bool
    ) -> dict[str, Any]:
        """Runs until all ranks stop after the same step; returns the state."""
        loaders = leg.loaders(dataset, course)
        self._check_lengths(loaders)
        steps = len(loaders[0])
        longest = self._random.choice((steps, min(steps, 12)))
        last = steps if to_the_end else self._random.randint(0, longest)
        run = Lockstep(loaders)
        for _ in range(last):
            ranks = run.step()
            self._take_step(epoch, ranks, run)
        if to_the_end or (last == steps and self._random.random() < 0.5):
            self.outcome.unequal_lengths += not run.is_over()
        elif self._random.random() < 0.5:
            self.outcome.interruptions["stop"] += 1
            run.close()
        else:
            # As a loop does that breaks off and forgets its loader.
            self.outcome.interruptions["forget"] += 1
        return self._common_state(run)

    def _killed(self, course: Course, epoch: Epoch, leg: Leg) -> dict[str, Any] | None:
        """Runs in a process of its own, killed between two saved states or after the last."""
        saved = self._folder / "saved.json"
        saved.unlink(missing_ok=True)
        every = self._random.randint(1, 6)
        job = {"course": asdict(course), "leg": asdict(leg), "every": every, "saved": str(saved)}
        process = int(self._tell(json.dumps(job)))
        saves = int(self._tell()) // every
        heard = ""
        for _ in range(self._random.randint(0, self._random.choice((saves, min(saves, 4))))):
            heard = self._tell()
        time.sleep(self._random.uniform(0, 3 * every * STEP_SECONDS))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        while not heard.startswith("ended"):
            heard = self._tell()
        ended = int(heard.split()[1])
        if ended not in (0, -signal.SIGKILL):
            raise SystemExit(f"a loop ended with {ended}")
        # A loop that was through already is not an interruption.
        self.outcome.interruptions["kill"] += ended != 0
        if not saved.exists():
            return leg.state
        found = json.loads(saved.read_text())
        for step in found["steps"]:
            epoch.step(step["ranks"], step["position"])
            self.outcome.changed += step["changed"]
            self.outcome.unequal_states += step["unequal"]
        state: dict[str, Any] = found["state"]
        return state

    def _tell(self, job: str = "") -> str:
        """Gives a job to the process that starts loops; what is said next."""
        assert self._loops.stdin is not None
        assert self._loops.stdout is not None
        if job:
            print(job, file=self._loops.stdin, flush=True)
        heard = self._loops.stdout.readline()
        if not heard:
            raise SystemExit(f"the process of the loops ended with {self._loops.wait()}")
        return heard.strip()

    def _take_step(self, epoch: Epoch, ranks: Sequence[Sequence[int]], run: Lockstep) -> None:
        state = self._common_state(run)
        epoch.step(ranks, state["position"])
        self.outcome.changed += run.changed

    def _check_lengths(self, loaders: Sequence[TorchLoader]) -> None:
        self.outcome.unequal_lengths += len({len(loader) for loader in loaders}) != 1

    def _common_state(self, run: Lockstep) -> dict[str, Any]:
        self.outcome.unequal_states += run.unequal
        return self._random.choice(run.states)


class Lockstep:
    """Several ranks that take their steps together.

    Attributes:
        changed: records of the last step that are not as they were pushed.
    """

    def __init__(self, loaders: Sequence[TorchLoader]) -> None:
        self._loaders = loaders
        self._iterators = [iter(loader) for loader in loaders]
        self.changed = 0

    @property
    def states(self) -> list[dict[str, Any]]:
        return [loader.state_dict() for loader in self._loaders]

    @property
    def unequal(self) -> bool:
        states = self.states
        return any(state != states[0] for state in states)

    def step(self) -> list[list[int]]:
        batches = [next(iterator) for iterator in self._iterators]
        self.changed = sum(_changed(batch) for batch in batches)
        return [batch["id"].tolist() for batch in batches]

    def is_over(self) -> bool:
        """Whether no rank has a further batch; the next training epoch begins."""
        return all(next(iterator, None) is None for iterator in self._iterators)

    def close(self) -> None:
        for iterator in self._iterators:
            iterator.close()


def _order(dataset: Dataset, course: Course, number: int) -> list[int]:
    """What one loop sees that nobody interrupts."""
    loader = dataset.torch_loader(64, epoch=number, rank=0, world=1, **course.loader)
    return [i for batch in loader for i in batch["id"].tolist()]


def _records(ids: range) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "id": pa.array(ids, pa.int64()),
            "group": pa.array([i % GROUPS for i in ids], pa.int32()),
            "value": pa.array([i / 7 for i in ids], pa.float64()),
            "text": [_text(i) for i in ids],
        }
    )


def _text(number: int) -> str:
    return f"record {number} " + "x" * (number % 40)


def _changed(batch: dict[str, Any]) -> int:
    """How many records of a batch are not as they were pushed."""
    rows = zip(
        batch["id"].tolist(),
        batch["group"].tolist(),
        batch["value"].tolist(),
        batch["text"],
        strict=True,
    )
    return sum((g, v, t) != (i % GROUPS, i / 7, _text(i)) for i, g, v, t in rows)


def _serve_loops() -> None:
    """Starts a process for each job, which has torch already."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            print(os.getpid(), flush=True)
            _loop(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _loop(job: dict[str, Any]) -> None:
    """The process that is killed: saves, now and then, its state and what it saw."""
    course, leg = Course(**job["course"]), Leg(**job["leg"])
    saved = Path(job["saved"])
    with sealift.connect("trainer") as trainer, course.open(trainer) as dataset:
        loaders = leg.loaders(dataset, course)
        run, steps = Lockstep(loaders), len(loaders[0])
        print(steps, flush=True)
        seen: list[dict[str, Any]] = []
        for number in range(1, steps + 1):
            ranks = run.step()
            state = run.states[-1]
            step = {"ranks": ranks, "position": state["position"]}
            seen.append(step | {"changed": run.changed, "unequal": run.unequal})
            time.sleep(STEP_SECONDS)
            if number % job["every"] == 0:
                partial = saved.with_suffix(".partial")
                partial.write_text(json.dumps({"state": state, "steps": seen}))
                partial.replace(saved)
                print("saved", flush=True)


@contextlib.contextmanager
def staged() -> Iterator[Path]:
    """A relay and its members, in this process's environment; a folder."""
    # A few workers more than the machine has cores are what is wanted here.
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    with stage() as at, tempfile.TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ.update(at.environment, SEALIFT_CACHE=str(at.folder / "cache"))
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


def _listed(counts: Counter[Any]) -> str:
    return ", ".join(f"{what} {number}" for what, number in sorted(counts.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interruptions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loops", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.loops:
        _serve_loops()
        return
    started = time.monotonic()
    with staged() as folder:
        ordeal = Ordeal(folder, chosen.seed)
        try:
            outcome = ordeal.run(chosen.interruptions)
        finally:
            ordeal.close()
    total = outcome.interruptions.total()
    print(f"interruptions  {total} ({_listed(outcome.interruptions)}), {outcome.amid} of them amid")
    print(f"courses        {_listed(outcome.courses)}")
    print(f"legs           {outcome.legs}, by ranks: {_listed(outcome.worlds)}")
    print(f"               by workers of each rank: {_listed(outcome.workers)}")
    print(f"epochs         {outcome.epochs} training epochs in {outcome.steps:,} steps")
    lost = f"missing {outcome.missing}, twice {outcome.twice}, changed {outcome.changed}"
    print(f"records        {outcome.records:,}; {lost}")
    same = "the same as without interruptions, in every step"
    differs = f"DIFFERENT in {outcome.other_steps} steps, {outcome.wrong_shares} shares wrong"
    ordered = not outcome.other_steps and not outcome.wrong_shares
    print(f"order          {same if ordered else differs}")
    uneven = f"UNEQUAL {outcome.unequal_states} times, lengths {outcome.unequal_lengths} times"
    equal = not outcome.unequal_states and not outcome.unequal_lengths
    print(f"states         {'equal on all ranks' if equal else uneven}")
    print(f"seconds        {time.monotonic() - started:.0f}")
    if not outcome.exact:
        sys.exit(1)


if __name__ == "__main__":
    main()
