"""Counts what commands cost in calls, files and transactions: the same in every run.

    python bench/calls.py --json

bench/calls.toml has the counts that are expected, each with its reason; a test compares.

A relay in this process, over mutual TLS and on SQLite, and four members who joined it. Each command
runs as a user runs it; three seams are watched meanwhile: the relay's gRPC server for calls, the
operating system for reads and fsyncs of files in the profile's folder, and SQLAlchemy for the
transactions of the relay's calls.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
import structlog
from click.testing import CliRunner

import sealift
from sealift.cli.main import cli
from sealift.home.profile import profiles_folder
from sealift.process import files
from sealift.session import Session
from sealift_relay import app
from sealift_relay.ca import write_tls
from sealift_relay.checkpoints import write_log_key
from sealift_relay.cli import _free_port, invite
from sealift_relay.config import Config, Limits, Listen, load_config, write_config
from sealift_relay.store.metadata import Metadata

PASSPHRASE = "bench passphrase"
OWNERS = ("hospital", "clinic", "practice")
TRAINER = "laboratory"
OTHERS = 8
FLUSHES = 10


@dataclass(frozen=True)
class Counts:
    """The cost of one command.

    Attributes:
        calls: to the relay, by method.
        reads: files of the profile's folder opened to be read.
        fsyncs: fsyncs of these files and of the folder.
        transactions: of the relay's calls at its database.
    """

    calls: dict[str, int]
    reads: int
    fsyncs: int
    transactions: int

    @property
    def total(self) -> int:
        """Calls of every method."""
        return sum(self.calls.values())


@dataclass
class Tally:
    """Counts inside its blocks; the hooks that it needs stay installed."""

    folder: Path | None = None
    calls: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, method: str) -> None:
        with self._lock:
            if self.folder is not None:
                self.calls[method.removeprefix("/sealift.v1.")] += 1

    def transaction(self, _connection: object) -> None:
        # The sweeper runs on its own schedule; its work belongs to no command.
        if threading.current_thread().name.startswith("relay-call"):
            self._add("transactions")

    def file(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self.folder is None:
            return
        path, _, flags = arguments
        reading = not flags & (os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY)
        if reading and isinstance(path, str | os.PathLike) and self._is_ours(path):
            self._add("reads")

    def fsync(self, descriptor: int) -> None:
        if self.folder is not None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if self._is_ours(path):
                self._add("fsyncs")

    @contextmanager
    def of(self, profile: str) -> Iterator[Callable[[], Counts]]:
        """Counts in the block; yields the counts."""
        self.calls.clear()
        self.seen.clear()
        # A command in a separate process has read nothing yet.
        files._contents.clear()
        self.folder = profiles_folder() / profile
        try:
            yield lambda: Counts(
                dict(sorted(self.calls.items())),
                self.seen["reads"],
                self.seen["fsyncs"],
                self.seen["transactions"],
            )
        finally:
            self.folder = None

    def _is_ours(self, path: str | os.PathLike[str]) -> bool:
        folder = self.folder
        found = Path(path)
        return folder is not None and (found == folder or folder in found.parents)

    def _add(self, what: str) -> None:
        with self._lock:
            if self.folder is not None:
                self.seen[what] += 1


@contextmanager
def relay(folder: Path, tally: Tally) -> Iterator[Path]:
    """A relay on SQLite whose calls and transactions are counted; yields its folder."""
    folder.mkdir(parents=True)
    write_tls(folder / "tls", ["localhost", "127.0.0.1"])
    write_log_key(folder / "tls")
    write_config(folder, Listen(port=_free_port(), enrolment_port=_free_port()))
    loaded = load_config(folder, {})
    limits = Limits(drain_seconds=1, sweep_seconds=3600)
    config = Config(folder, loaded.listen, loaded.storage, limits)
    Metadata(config.storage.metadata).upgrade()

    class Counting(app.CallInterceptor):
        def intercept_service(
            self, continuation: Any, handler_call_details: Any
        ) -> Any:
            tally.call(handler_call_details.method)
            return super().intercept_service(continuation, handler_call_details)

    plain, app.CallInterceptor = app.CallInterceptor, Counting  # type: ignore[misc]
    try:
        server = app.Relay(config)
    finally:
        app.CallInterceptor = plain  # type: ignore[misc]
    engine = server._metadata.database._engine
    sa.event.listen(engine, "begin", tally.transaction)
    with server:
        yield folder


@contextmanager
def watched(tally: Tally) -> Iterator[None]:
    """Reports reads and fsyncs to the tally. An audit hook cannot be removed; it is idle later."""
    sys.addaudithook(tally.file)
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        plain(descriptor)
        tally.fsync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync = plain


def run(profile: str, *arguments: object) -> str:
    """Runs one command of `sealift` in this process; returns what it prints."""
    done = CliRunner().invoke(
        cli, ["--profile", profile, *map(str, arguments)], catch_exceptions=False
    )
    if done.exit_code:
        raise SystemExit(f"sealift {arguments[0]} failed: {done.output}")
    return done.output


def join(folder: Path) -> None:
    """All members join, and trust each other."""
    prints = {}
    for name in (*OWNERS, TRAINER):
        role = "owner" if name in OWNERS else "trainer"
        made = [name, "--role", role, "--dir", str(folder)]
        token = CliRunner().invoke(invite, made, catch_exceptions=False).output.strip()
        sealift.join(token, sealift.Secret(os.environ["SEALIFT_PASSPHRASE"].encode()))
        with sealift.connect(name) as session:
            prints[name] = str(session.fingerprint)
    for owner in OWNERS:
        run(owner, "trust", "add", TRAINER, prints[TRAINER])
        run(TRAINER, "trust", "add", owner, prints[owner])


def csv(path: Path, *values: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("value\n" + "".join(f"{value}\n" for value in values))
    return path


def play(folder: Path) -> dict[str, Counts]:
    """Runs every command in a fresh folder; SEALIFT_HOME must be used by this run alone."""
    tally, found = Tally(), {}

    def count(name: str, profile: str, *arguments: object) -> None:
        with tally.of(profile) as counts:
            run(profile, *arguments)
            found[name] = counts()

    with relay(folder / "relay", tally) as relay_folder, watched(tally):
        join(relay_folder)
        first, study = csv(folder / "files" / "first.csv", 1, 2), folder / "study"
        csv(study / "1.csv", 1, 2)
        to = ("--to", TRAINER, "--yes")
        for number in range(OTHERS - 1):
            run("hospital", "push", first, "--dataset", f"other-{number}", *to)
        for owner in OWNERS[1:]:
            run(owner, "push", first, "--dataset", "theirs", *to)
        push = ("push", study, "--dataset", "study", *to)
        run("hospital", *push)
        # All users of the names know them by now; the first time is counted apart.
        count("ls, the first time", TRAINER, "ls")
        run(TRAINER, "head", "hospital/study")
        csv(study / "2.csv", 3, 4)
        run("hospital", *push)

        count("ls", TRAINER, "ls")
        count("head", TRAINER, "head", "hospital/study")
        csv(study / "3.csv", 5, 6)
        count("push one new file", "hospital", *push)
        count("push nothing new", "hospital", *push)
        new = ("push", first, "--dataset", "new", *to)
        count("first push", "hospital", *new)
        with sealift.connect("hospital") as session:
            found |= write(session, tally)
    return found


def write(session: Session, tally: Tally) -> dict[str, Counts]:
    """Opens a writer and flushes it ten times."""
    found = {}
    with tally.of("hospital") as counts:
        writer = session.writer("study", pa.schema([("value", pa.int64())]), to=TRAINER)
        found["open a writer"] = counts()
    with writer, tally.of("hospital") as counts:
        for number in range(FLUSHES):
            writer.write({"value": number})
            writer.flush()
        found["ten flushes"] = counts()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs"
    )
    options = parser.parse_args()
    os.environ["SEALIFT_KEYSTORE_COST"] = "interactive"
    os.environ["SEALIFT_PASSPHRASE"] = PASSPHRASE
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(dir=os.environ.get("SEALIFT_BENCH_DIR")) as name:
        os.environ["SEALIFT_HOME"] = str(Path(name) / "profiles")
        found = play(Path(name))
    if options.json:
        print(json.dumps({name: asdict(counts) for name, counts in found.items()}))
        return
    if options.markdown:
        print("| | calls | reads | fsyncs | transactions |\n|---|---|---|---|---|")
        for name, counts in found.items():
            row = (counts.total, counts.reads, counts.fsyncs, counts.transactions)
            print(f"| {name} | " + " | ".join(map(str, row)) + " |")
        return
    print(f"{'':<20} calls  reads  fsyncs  transactions")
    for name, counts in found.items():
        print(
            f"{name:<20} {counts.total:>5}  {counts.reads:>5}  {counts.fsyncs:>6}"
            f"  {counts.transactions:>12}"
        )
        print("    " + ", ".join(f"{m} {n}" for m, n in counts.calls.items()))


if __name__ == "__main__":
    main()
