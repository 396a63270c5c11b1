"""Ends what a run of the tests left behind, when that run ends in any way.

It is told a mark, which is in the environment of all that the run starts, and waits until its
standard input is closed: by the run's end, by Ctrl-C or by a kill that nothing can catch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

VARIABLE = "SEALIFT_TEST_RUN"


def watch() -> None:
    """Starts a guard of this process and marks what this process starts from now on."""
    mark = f"{os.getpid()}-{time.time_ns()}"
    # Its own session: Ctrl-C at the terminal is for the run. Nothing waits for it: it ends last.
    guard = subprocess.Popen(
        [sys.executable, "-ISE", __file__, mark],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    guard.returncode = 0
    os.environ[VARIABLE] = mark
    _guards.append(guard)


_guards: list[subprocess.Popen[bytes]] = []


def marked(mark: str) -> list[int]:
    """The processes that were started with a mark in their environment."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def _main(mark: str) -> None:
    sys.stdin.buffer.read()
    # What was told to end may still be at it.
    for _ in range(20):
        if not marked(mark):
            return
        time.sleep(0.05)
    while left := marked(mark):
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    _main(sys.argv[1])
