"""Processes that scrub text beside the one that pushes.

They are spawned, not forked, because gRPC's threads do not survive a fork. Each has a pipe of its
own and one batch at a time, so that nobody waits on a full pipe, and a worker that dies is noticed
at once: its pipe ends.
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

from sealift.owner.deidentify.scrub_engine import InProcess, Scrubbed
from sealift.process.hardening import harden_process, keep_values_off_stderr
from sealift_protocol.errors import PolicyViolation

_FAREWELL_SECONDS = 2.0
# Batches per worker that may be done before their turn: bounds what waits in memory.
_AHEAD = 4


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    batch: int = -1


class Workers:
    """A fixed number of processes, each with the model loaded once."""

    def __init__(self, count: int, entities: Collection[str]) -> None:
        """Starts them; they load the model while the first batches are made.

        Args:
            count: how many.
            entities: types to replace.
        """
        context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(theirs, sorted(entities)),
                daemon=True,
                name="sealift-scrub",
            )
            with _no_interrupts():
                process.start()
            # While this process holds the other end too, a worker's death would not end the pipe.
            theirs.close()
            self._workers.append(_Worker(process, ours))

    def run(self, batches: Iterator[list[str]]) -> Iterator[Scrubbed]:
        """Scrubs batches of texts, in their order.

        After an error, and if it is left before its end, only `close` may follow.

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
        """Ends the workers: by the end of their pipes, and if they are at work, by force."""
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
    """What is started inside never sees Ctrl-C, which goes to the whole terminal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(worker: _Worker, batch: list[str]) -> None:
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
            hint="drop the column, or leave out the records with the longest texts",
        )
    return answer


def _ended() -> PolicyViolation:
    return PolicyViolation(
        "a process that scrubs text ended before its work was done",
        hint="it may have run out of memory: use fewer workers; a script that starts workers "
        'needs `if __name__ == "__main__":`',
    )


def _serve(pipe: Connection, entities: list[str]) -> None:
    """A worker's life: batches in, scrubbed batches out, until the pipe ends."""
    # The parent decides what Ctrl-C means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    harden_process()
    keep_values_off_stderr()
    # spaCy takes torch in if it finds it, which costs seconds and memory, and does not use it here.
    sys.modules["torch"] = None  # type: ignore[assignment]
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        engine = InProcess(entities)
        while True:
            batch = pipe.recv()
            answer: tuple[list[str], Counter[str]] | None
            try:
                answer = engine.scrub(batch)
            except PolicyViolation:
                answer = None
            pipe.send(answer)
