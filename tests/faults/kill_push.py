"""Kills a push, its relay and their connection at random, again and again, and counts afterwards.

    python tests/faults/kill_push.py --kills 200

Every record of the source has to be in the dataset exactly once, with the content that it has in
the source, however the pushes before ended.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
COLUMNS = "id,patient,value"
ROWS_A_FILE = 4_000


class Line:
    """A TCP connection to the relay that can be cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._cut_until = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Drops every connection, and refuses new ones for a while."""
        self._cut_until = time.monotonic() + seconds
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if time.monotonic() < self._cut_until:
                near.close()
                continue
            try:
                far = socket.create_connection(("localhost", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := one.recv(1 << 16):
            other.sendall(content)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclass
class Outcome:
    """What happened, and what is in the dataset afterwards."""

    kills: Counter[str] = field(default_factory=Counter)
    pushes: int = 0
    finished: int = 0
    commits: int = 0
    records: int = 0
    missing: int = 0
    doubled: int = 0
    same_digest: bool = False

    @property
    def exact(self) -> bool:
        return self.same_digest and not self.missing and not self.doubled


class Ordeal:
    """A relay, an owner, a source that grows, and what befalls them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self._source = folder / "exports"
        self._source.mkdir()
        self._rows = 0
        self._environment = {
            **os.environ,
            "SEALIFT_HOME": str(folder / "profiles"),
            "SEALIFT_PASSPHRASE": "correct horse battery staple",
            "SEALIFT_KEYSTORE_COST": "interactive",
        }
        self._relay_folder = folder / "relay"
        self._run(
            "sealift-relay",
            "init",
            self._relay_folder,
            "--port",
            0,
            "--enrolment-port",
            0,
        )
        self._relay = self._serve()
        self._run("sealift", "join", self._invite("hospital", "owner"))
        profile = folder / "profiles" / "hospital" / "profile.json"
        document = json.loads(profile.read_text())
        self._line = Line(int(document["address"].rpartition(":")[2]))
        document["address"] = f"localhost:{self._line.port}"
        profile.write_text(json.dumps(document))
        self.outcome = Outcome()

    def close(self) -> None:
        self._relay.kill()
        self._relay.wait()

    def run(self, kills: int) -> Outcome:
        while sum(self.outcome.kills.values()) < kills:
            self._add_records()
            self._push_until_done(kills)
        self._count()
        return self.outcome

    def _push_until_done(self, kills: int) -> None:
        for _ in range(20 * kills):
            push = self._start_push()
            self.outcome.pushes += 1
            if sum(self.outcome.kills.values()) < kills:
                self._harm(push)
            _, errors = push.communicate(timeout=1800)
            if push.returncode == 0:
                self.outcome.finished += 1
                return
            # Killed, or the relay stayed away for longer than the push was told to wait.
            if push.returncode not in (-signal.SIGKILL, 6):
                raise SystemExit(f"a push ended with {push.returncode}: {errors}")
        raise SystemExit("the pushes never came to an end")

    def _harm(self, push: subprocess.Popen[str]) -> None:
        time.sleep(self._random.uniform(0.3, 2.5))
        if push.poll() is not None:
            return
        what = self._random.choices(("owner", "relay", "line", "sleep"), (5, 3, 2, 1))[
            0
        ]
        self.outcome.kills[what] += 1
        match what:
            case "owner":
                push.kill()
            case "relay":
                self._relay.kill()
                self._relay.wait()
                time.sleep(self._random.uniform(0, 0.5))
                self._relay = self._serve()
            case "line":
                self._line.cut(self._random.uniform(0, 1))
            case "sleep":
                push.send_signal(signal.SIGSTOP)
                time.sleep(self._random.uniform(0.5, 2))
                push.send_signal(signal.SIGCONT)

    def _add_records(self) -> None:
        """New files, or an old one that continues."""
        files = sorted(self._source.iterdir())
        for _ in range(self._random.randint(1, 4)):
            grows = files and self._random.random() < 0.3
            path = (
                self._random.choice(files)
                if grows
                else self._source / f"{self._rows:09d}.csv"
            )
            with path.open("a") as file:
                if not grows:
                    file.write(COLUMNS + "\n")
                for i in range(self._rows, self._rows + ROWS_A_FILE):
                    file.write(f"{i},patient-{i % 977:05d},{i / 7:.6f}\n")
            self._rows += ROWS_A_FILE

    def _count(self) -> None:
        out = self._folder / "out"
        self._run("sealift", "pull", "hospital/study", "--out", out)
        import pyarrow as pa
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        found = pa.concat_tables(
            [pq.read_table(path) for path in sorted(out.iterdir())]
        )
        wanted = pa.concat_tables(
            [pc.read_csv(path) for path in sorted(self._source.iterdir())]
        )
        ids = Counter(found["id"].to_pylist())
        self.outcome.records = found.num_rows
        self.outcome.missing = sum(i not in ids for i in range(self._rows))
        self.outcome.doubled = sum(number - 1 for number in ids.values())
        self.outcome.same_digest = _digest(found) == _digest(wanted)
        shown = json.loads(self._run("sealift", "ls", "--json"))
        self.outcome.commits = shown["data"][0]["commits"]

    def _start_push(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                SCRIPTS / "sealift",
                *("push", self._source, "--dataset", "study", "--retry-for", "20s"),
                *("--commit-every", "100KB", "--limit-rate", "500KB"),
            ],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _serve(self) -> subprocess.Popen[str]:
        with (self._folder / "relay.log").open("a") as log:
            relay = subprocess.Popen(
                [SCRIPTS / "sealift-relay", "serve", self._relay_folder],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert relay.stdout is not None
        if "ready" not in relay.stdout.readline():
            raise SystemExit("the relay does not start; see relay.log")
        return relay

    def _invite(self, name: str, role: str) -> str:
        return self._run(
            "sealift-relay", "invite", name, "--role", role, "--dir", self._relay_folder
        ).strip()

    def _run(self, script: str, *arguments: object) -> str:
        done = subprocess.run(
            [SCRIPTS / script, *map(str, arguments)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{script} {arguments[0]} ended: {done.stderr}")
        return done.stdout


def _digest(table) -> str:  # type: ignore[no-untyped-def] # pyarrow has no types
    rows = table.sort_by("id").combine_chunks()
    digest = hashlib.sha256()
    for name in COLUMNS.split(","):
        for value in rows[name].to_pylist():
            digest.update(f"{value}\n".encode())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ordeal = Ordeal(Path(folder), chosen.seed)
        try:
            outcome = ordeal.run(chosen.kills)
        finally:
            ordeal.close()
    said = ", ".join(
        f"{what} {number}" for what, number in sorted(outcome.kills.items())
    )
    print(f"interruptions  {sum(outcome.kills.values())} ({said})")
    print(
        f"pushes         {outcome.pushes}, of which {outcome.finished} came to their end"
    )
    print(f"commits        {outcome.commits}")
    lost = f"missing {outcome.missing}, twice {outcome.doubled}"
    print(f"records        {outcome.records:,}; {lost}")
    content = "the same" if outcome.same_digest else "DIFFERENT"
    print(f"content        {content} (SHA-256 of all values)")
    print(f"seconds        {time.monotonic() - started:.0f}")
    if not outcome.exact:
        sys.exit(1)


if __name__ == "__main__":
    main()
