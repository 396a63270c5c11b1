"""What the tests rest on: nothing outlives a run of them, and missing parts are reported."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE
from places import TESTS
from services import guard, programs
from startup import warm

_RUN = """
import subprocess, sys, time
from services import guard

guard.watch()
subprocess.Popen(["sleep", "1000"], start_new_session=True)
inner = "import subprocess, time; subprocess.Popen(['sleep', '1000']); time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", inner])
print("started", flush=True)
try:
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("reason", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_a_run_started_ends_with_it(reason: signal.Signals) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "started\n"
    ours = f"{guard.VARIABLE}={run.pid}-".encode()
    while len(_of(ours)) < 3:
        time.sleep(0.01)
    run.send_signal(reason)
    run.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while left := _of(ours):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _of(mark: bytes) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_what_is_missing_is_named_by_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(programs.missing()) <= set(programs.NEEDED)
    monkeypatch.setenv("PATH", "/nowhere")
    assert {"gdb", "strace", "softhsm2", "dbus"} <= set(programs.missing())


def test_a_forked_program_that_is_killed_ends_as_such_a_process_does(
    warm_programs: None, tmp_path: Path
) -> None:
    program = Path(sys.executable).with_name("sealift")
    words = ("policy", "reverse", "-", "--policy=p", "--column=c", "--why=w")
    waiting = subprocess.Popen(
        [program, *words],
        stdin=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, warm.FOLDER: os.environ[warm.OF_THIS_RUN]},
    )
    while not (forked := set(_in(tmp_path)) - {waiting.pid}):
        assert waiting.poll() is None
        time.sleep(0.01)
    os.kill(forked.pop(), signal.SIGKILL)
    assert waiting.wait(PATIENCE) == -signal.SIGKILL


def _in(folder: Path) -> Iterator[int]:
    """The processes that work in a folder."""
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if path.readlink() == folder:
                yield int(path.parent.name)
