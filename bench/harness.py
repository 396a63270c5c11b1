"""Shared by the benches: a relay and two members in a temporary folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSPHRASE = "bench passphrase"


@dataclass(frozen=True)
class Stage:
    """A running relay, with the profiles `owner` and `trainer` who trust each other."""

    folder: Path
    relay: subprocess.Popen[str]
    environment: dict[str, str]

    def run(self, *arguments: str) -> dict[str, float]:
        """Runs a bench script in a separate process; returns the JSON that it prints last."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout.strip().splitlines()[-1])

    def relay_peak_mib(self) -> float:
        """Peak resident memory of the relay."""
        return peak_mib(self.relay.pid)


@contextmanager
def stage() -> Iterator[Stage]:
    """Starts a relay and enrols two members."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SEALIFT_BENCH_DIR")) as name:
        folder = Path(name)
        environment = {
            **os.environ,
            "SEALIFT_HOME": str(folder / "profiles"),
            "SEALIFT_PASSPHRASE": PASSPHRASE,
            "SEALIFT_KEYSTORE_COST": "interactive",
        }
        relay_folder = folder / "relay"
        _call(
            environment,
            "sealift-relay",
            "init",
            relay_folder,
            "--port=0",
            "--enrolment-port=0",
        )
        relay = subprocess.Popen(
            [_script("sealift-relay"), "serve", relay_folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        try:
            assert relay.stdout is not None
            relay.stdout.readline()
            fingerprints = {}
            for name_, role in (("owner", "owner"), ("trainer", "trainer")):
                invite = ("invite", name_, "--role", role, "--dir", relay_folder)
                token = _call(environment, "sealift-relay", *invite)
                joined = _call(environment, "sealift", "join", token.strip(), "--json")
                fingerprints[name_] = json.loads(joined)["data"]["fingerprint"]
            for who, other in (("owner", "trainer"), ("trainer", "owner")):
                pin = ("trust", "add", other, fingerprints[other])
                _call(environment, "sealift", "--profile", who, *pin)
            yield Stage(folder, relay, environment)
        finally:
            relay.terminate()
            relay.wait()


def peak_mib(pid: int | None = None) -> float:
    """Peak resident memory of a process, MiB, from /proc."""
    text = Path(f"/proc/{pid or 'self'}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    return round(int(match[1]) / 1024, 1) if match else 0.0


def report(seconds: float, **more: float) -> None:
    """Prints a bench process's result for its parent."""
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib(), **more}))


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Yields a list that gets the seconds that the block took."""
    elapsed = [0.0]
    started = time.perf_counter()
    yield elapsed
    elapsed[0] = time.perf_counter() - started


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _call(environment: dict[str, str], name: str, *arguments: object) -> str:
    return subprocess.run(
        [_script(name), *map(str, arguments)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
