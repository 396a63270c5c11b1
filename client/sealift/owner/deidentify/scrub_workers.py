"""Worker processes that scrub text.

They are spawned, not forked, because gRPC's threads do not survive a fork. Each has its own pipe
and one batch at a time, so that no process blocks on a full pipe and a dead worker is noticed at
once: its pipe closes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from sealift.owner.deidentify.scrub_engine import InProcess, Known, Scrubbed
from sealift.policy.texts import TextRules
from sealift.process.hardening import harden_process, keep_values_off_stderr
from sealift_protocol.errors import PolicyViolation

_DEFAULT = TextRules()
_FAREWELL_SECONDS = 2.0
# Batches per worker that may finish before their turn, which bounds the memory.
_AHEAD = 4


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    batch: int = -1


class Workers:
    """Analyses in a fixed number of processes, each of which loads the model once."""

    def __init__(
        self, count: int, entities: Collection[str], texts: TextRules = _DEFAULT
    ) -> None:
        """Start the processes; they load the model while the first batches are made.

        Args:
            count: number of processes.
            entities: types to replace.
            texts: languages, regions and model of a policy.
        """
        context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(theirs, sorted(entities), texts),
                daemon=True,
                name="sealift-scrub",
            )
            with _no_interrupts():
                process.start()
            # If this process kept the other end open, a worker's death would not close the pipe.
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def run(self, batches: Iterator[list[Known]]) -> Iterator[Scrubbed]:
        """Scrub batches of texts, in order.

        After an error, or if the iterator is not exhausted, only `close` may be called.

        Raises:
            PolicyViolation: a text could not be analysed, or a worker ended.
        """
        idle = deque(self._workers)
        busy: dict[Connection, _Worker] = {}
        done: dict[int, Scrubbed] = {}
        sent = given = 0
        more = True
        if not self._workers:
            raise _ended()
        while more or busy or done:
            while more and idle and sent - given < _AHEAD * len(self._workers):
                batch = next(batches, None)
                if batch is None:
                    more = False
                    break
                worker = idle.popleft()
                _send(worker, batch)
                worker.batch, sent = sent, sent + 1
                busy[worker.pipe] = worker
            if given in done:
                yield done.pop(given)
                given += 1
            elif busy:
                ready = wait(list(busy))
                for worker in [
                    worker for pipe, worker in busy.items() if pipe in ready
                ]:
                    del busy[worker.pipe]
                    done[worker.batch] = _receive(worker)
                    idle.append(worker)

    def close(self) -> None:
        """Stop the workers by closing their pipes, and terminate those that are busy."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_FAREWELL_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Block SIGINT for processes started inside: Ctrl-C goes to the whole terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(worker: _Worker, batch: list[Known]) -> None:
    try:
        worker.pipe.send(batch)
    except (BrokenPipeError, ConnectionResetError):
        raise _ended() from None


def _receive(worker: _Worker) -> Scrubbed:
    try:
        answer: Scrubbed | None = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        raise _ended() from None
    if answer is None:
        raise PolicyViolation(
            "a text could not be analysed",
            hint="drop the column, or remove the records with the longest texts",
        )
    return answer


def _ended() -> PolicyViolation:
    return PolicyViolation(
        "a process that scrubs text ended before it had finished",
        hint="it may have run out of memory: use fewer workers; a script that starts workers "
        'needs `if __name__ == "__main__":`',
    )


def _serve(pipe: Connection, entities: list[str], texts: TextRules) -> None:
    """Run a worker: batches in, scrubbed batches out, until the pipe closes."""
    # The parent process handles Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    harden_process()
    keep_values_off_stderr()
    # spaCy imports torch if it is installed, which costs seconds and memory and is not used here.
    sys.modules["torch"] = None  # type: ignore[assignment]
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        engine = InProcess(entities, texts)
        while True:
            batch = pipe.recv()
            answer: tuple[list[str], Counter[str]] | None
            try:
                answer = engine.scrub(batch)
            except PolicyViolation:
                answer = None
            pipe.send(answer)
