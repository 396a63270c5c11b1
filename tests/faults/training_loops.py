"""Training loops to be interrupted: what they go through, ranks in step, their processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))

import pyarrow as pa
import pyarrow.compute as pc
from harness import Stage, stage

import sealift
from sealift.trainer.dataset import Dataset
from sealift.trainer.frameworks.pytorch import TorchLoader

GROUPS = 7
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
        weights = {
            path: weight for path, weight in self.paths.items() if weight is not None
        }
        cache = "auto" if self.cached else None
        paths = weights or list(self.paths)
        dataset = session.open_dataset(paths, cache=cache, read_ahead=1 << 20)
        return (
            dataset
            if self.below is None
            else dataset.filter(pc.field("group") < self.below)
        )

    def order(self, dataset: Dataset, epoch: int) -> list[int]:
        """The numbers of the records, as one uninterrupted loop sees them."""
        loader = dataset.torch_loader(64, epoch=epoch, rank=0, world=1, **self.loader)
        return [number for batch in loader for number in batch["id"].tolist()]


@dataclass(frozen=True)
class Leg:
    """How the loop runs until it is stopped.

    Attributes:
        world: ranks, all in one process here.
        workers: processes of each rank.
        start_method: of the workers.
        batch_size: records of a batch.
        state: where the leg before was stopped; None for the beginning.
    """

    world: int
    workers: int
    start_method: str
    batch_size: int
    state: dict[str, Any] | None

    def start(self, dataset: Dataset, course: Course) -> Lockstep:
        loaders = [
            dataset.torch_loader(
                self.batch_size,
                num_workers=self.workers,
                multiprocessing_context=self.start_method,
                rank=rank,
                world=self.world,
                **course.loader,
            )
            for rank in range(self.world)
        ]
        if self.state is not None:
            for loader in loaders:
                # As it comes out of a file.
                loader.load_state_dict(json.loads(json.dumps(self.state)))
        return Lockstep(loaders)


@dataclass(frozen=True)
class Seen:
    """One step of all ranks.

    Attributes:
        ranks: the numbers of the records that each of them saw.
        states: of each after it.
        changed: how many records are not as they were pushed.
    """

    ranks: list[list[int]]
    states: list[dict[str, Any]]
    changed: int


class Lockstep:
    """Several ranks that take their steps together."""

    def __init__(self, loaders: Sequence[TorchLoader]) -> None:
        self._loaders = loaders
        self._iterators = [iter(loader) for loader in loaders]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [loader.state_dict() for loader in self._loaders]

    @property
    def lengths(self) -> list[int]:
        return [loader.steps_left for loader in self._loaders]

    def step(self) -> Seen:
        batches = [next(iterator) for iterator in self._iterators]
        changed = sum(count_changed(batch) for batch in batches)
        return Seen([batch["id"].tolist() for batch in batches], self.states, changed)

    def is_over(self) -> bool:
        """Whether no rank has a further batch; the next training epoch begins."""
        return all(next(iterator, None) is None for iterator in self._iterators)

    def close(self) -> None:
        for iterator in self._iterators:
            iterator.close()


class LoopProcesses:
    """Starts a process for each leg that is to be killed, which has torch already."""

    def __init__(self, folder: Path) -> None:
        self._saved = folder / "saved.json"
        # Workers whose loop was killed complain.
        self._log = (folder / "loops.log").open("a")
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        self._log.close()

    def start(self, course: Course, leg: Leg, *, every: int) -> tuple[int, int]:
        """Starts a loop that saves its state every so many steps.

        Returns the process's id, and how many steps it will take.
        """
        assert self._server.stdin is not None
        self._saved.unlink(missing_ok=True)
        job = asdict(course), asdict(leg), every, str(self._saved)
        print(json.dumps(job), file=self._server.stdin, flush=True)
        return int(self.hear()), int(self.hear())

    def hear(self) -> str:
        """The next report: that a state was saved, or how the process ended."""
        assert self._server.stdout is not None
        heard = self._server.stdout.readline().strip()
        if heard in ("", "ended 1"):
            raise SystemExit(f"a loop failed: {Path(self._log.name).read_text()}")
        return heard

    def end(self, process: int) -> bool:
        """Kills the process; returns whether it was not through yet."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        heard = ""
        while not heard.startswith("ended"):
            heard = self.hear()
        return heard == f"ended {-signal.SIGKILL}"

    def saved(self) -> tuple[dict[str, Any], list[Seen]] | None:
        """The last state that was saved, and what had been seen by then."""
        if not self._saved.exists():
            return None
        state, steps = json.loads(self._saved.read_text())
        return state, [Seen(**step) for step in steps]


def make_records(ids: range) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "id": pa.array(ids, pa.int64()),
            "group": pa.array([i % GROUPS for i in ids], pa.int32()),
            "value": pa.array([i / 7 for i in ids], pa.float64()),
            "text": [_text(i) for i in ids],
        }
    )


def count_changed(batch: dict[str, Any]) -> int:
    """How many records of a batch are not as they were pushed."""
    numbers = [batch[name].tolist() for name in ("id", "group", "value")]
    rows = zip(*numbers, batch["text"], strict=True)
    return sum((g, v, t) != (i % GROUPS, i / 7, _text(i)) for i, g, v, t in rows)


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """A relay and its members `owner` and `trainer`, in this process's environment."""
    # A few workers more than the machine has cores are what is wanted here.
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    with stage() as at, tempfile.TemporaryDirectory() as cache:
        before = dict(os.environ)
        os.environ.update(at.environment, SEALIFT_CACHE=cache)
        try:
            yield at
        finally:
            os.environ.clear()
            os.environ.update(before)


def _text(number: int) -> str:
    return f"record {number} " + "x" * (number % 40)


def _serve() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            print(os.getpid(), flush=True)
            _loop(*json.loads(line))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _loop(course: dict[str, Any], leg: dict[str, Any], every: int, saved: str) -> None:
    """Saves, now and then, its state and what it saw; in one file, as a checkpoint is."""
    chosen = Course(**course)
    with sealift.connect("trainer") as trainer, chosen.open(trainer) as dataset:
        run = Leg(**leg).start(dataset, chosen)
        print(run.lengths[0], flush=True)
        steps = []
        for number in range(1, run.lengths[0] + 1):
            steps.append(asdict(run.step()))
            time.sleep(STEP_SECONDS)
            if number % every == 0:
                partial = Path(saved).with_suffix(".partial")
                partial.write_text(json.dumps([run.states[-1], steps]))
                partial.replace(saved)
                print("saved", flush=True)


if __name__ == "__main__":
    _serve()
