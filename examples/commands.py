"""Runs the project's commands as a user does, and shows what they print."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(sys.executable).parent


def step(text: str) -> None:
    """Prints what happens next."""
    print(f"\n{text}", flush=True)


def run(
    script: str, *arguments: object, quiet: bool = False, fails: bool = False
) -> str:
    """Runs a command, shows and returns its output; with `fails` it must fail.

    Raises:
        SystemExit: it failed, or with `fails` did not.
    """
    command = [str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not quiet:
        lines = (done.stdout + done.stderr).strip().splitlines()
        print("\n".join("  " + line for line in lines), flush=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"{script} {arguments[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


@contextmanager
def serving(script: str, *arguments: object, log: Path) -> Iterator[str]:
    """Runs a server until the block ends; yields the line that reports that it is ready.

    Raises:
        SystemExit: it did not stop cleanly.
    """
    with log.open("w") as file:
        server = subprocess.Popen(
            [str(SCRIPTS / script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
            code = server.wait(timeout=60)
    if code:
        sys.exit(f"{script} ended with {code}")
