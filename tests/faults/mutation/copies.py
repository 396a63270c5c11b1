"""Copies of the source tree in which checks are missing, and runs of tests in them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation.checks import PACKAGES, Check, with_probes

NOT_COPIED = (".git", ".venv*", ".*_cache", ".hypothesis", ".coverage*", "__pycache__")
# The parent may be a test run, or may have told Python not to keep compiled files.
NOT_INHERITED = ("PYTEST_", "PYTHONDONTWRITEBYTECODE", "COV_CORE_", "COVERAGE_")
# A run that notes nothing for so many seconds hangs; ten times the slowest of its tests are added.
SILENCE = 120.0
# Seconds that an interrupted run has to end what its tests started.
GRACE = 20.0
GONE = "the map names tests that do not exist: build it again"


@dataclass(frozen=True, slots=True)
class Notes:
    """What a run of tests noted, and how it ended.

    Attributes:
        lines: as the plugin and the probes wrote them.
        status: of the process; None if it hung and was killed.
        said: the end of its output; empty if that was shown.
    """

    lines: list[dict[str, Any]]
    status: int | None
    said: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if kind in line]

    @property
    def last_started(self) -> str:
        """The test that began last; empty if none did."""
        started = self.of("started")
        return str(started[-1]["started"]) if started else ""


class Copy:
    """A copy of the tree, from which the processes of its runs import."""

    def __init__(
        self, source: Path, scratch: Path, packages: Sequence[str] = PACKAGES
    ) -> None:
        """Copies.

        Args:
            source: the root of the tree.
            scratch: an empty folder; its path is short, for tests make sockets below it.
            packages: as for `find_checks`.

        Raises:
            SystemExit: Python would import a package from elsewhere.
        """
        self.root = scratch / "tree"
        self._scratch = scratch
        self._stop = threading.Event()
        skipped = shutil.ignore_patterns(*NOT_COPIED)
        shutil.copytree(source, self.root, ignore=skipped, symlinks=True)
        parts = scratch / "parts"
        shutil.copytree(Path(__file__).parent, parts / "mutation", ignore=skipped)
        roots = dict.fromkeys(str((self.root / package).parent) for package in packages)
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(NOT_INHERITED)
        }
        self._environment["PYTHONPATH"] = os.pathsep.join([str(parts), *roots])
        self._check_imports(packages)

    def _check_imports(self, packages: Sequence[str]) -> None:
        names = [Path(package).name for package in packages]
        print_paths = "".join(f"print({name}.__path__[0])\n" for name in names)
        done = subprocess.run(
            [sys.executable, "-c", f"import {', '.join(names)}\n{print_paths}"],
            env=self._environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.splitlines() != [
            str(self.root / package) for package in packages
        ]:
            raise SystemExit(f"Python does not import from the copy\n{done.stderr}")

    def stop(self) -> None:
        """Ends the run that is under way in another thread."""
        self._stop.set()

    def probe(self, checks: Iterable[Check]) -> None:
        """Puts a probe before each check."""
        by_file: dict[str, list[tuple[Check, str]]] = {}
        for check in checks:
            call = f"__import__('mutation.probe').probe.reached('{check.key}')"
            by_file.setdefault(check.path, []).append((check, call))
        for path, probes in by_file.items():
            file = self.root / path
            file.write_bytes(with_probes(file.read_bytes(), probes))

    @contextmanager
    def edited(
        self, path: str, edit: Callable[[bytes], bytes], number: int
    ) -> Iterator[None]:
        """The tree with another content of one file.

        Args:
            path: of the file, below the root.
            edit: returns the other content.
            number: another one for each edit in this copy.
        """
        file = self.root / path
        kept, times = file.read_bytes(), file.stat()
        file.write_bytes(edit(kept))
        # Python tells what it compiled before by size and whole seconds.
        os.utime(file, (times.st_atime, times.st_mtime + 1 + number))
        try:
            yield
        finally:
            file.write_bytes(kept)
            os.utime(file, (times.st_atime, times.st_mtime))

    def run(self, tests: dict[str, float], *, first: bool) -> Notes:
        """Runs tests in their order.

        Args:
            tests: node ids, and how many seconds each takes.
            first: end at the first that fails.

        Raises:
            SystemExit: one of the tests does not exist.
        """
        files = dict.fromkeys(name.partition("::")[0] for name in tests)
        if not all((self.root / file).exists() for file in files):
            raise SystemExit(GONE)
        end = ["-x"] if first else []
        patience = SILENCE + 10 * max(tests.values(), default=0)
        notes = self.pytest([*end, "-n", "0", *files], patience, list(tests))
        # Where collecting failed, fewer are chosen.
        for line in [] if notes.of("failed") else notes.of("chosen"):
            if line["chosen"] != len(tests):
                raise SystemExit(GONE)
        return notes

    def pytest(
        self,
        arguments: Sequence[str],
        patience: float,
        chosen: list[str] | None = None,
    ) -> Notes:
        """Runs pytest in the copy.

        Args:
            arguments: of its command line.
            patience: seconds without a note after which it is killed.
            chosen: node ids, in their order; by default everything runs, and is shown.
        """
        notes, said = self._scratch / "notes", self._scratch / "said"
        notes.write_bytes(b"")
        environment = {**self._environment, "SEALIFT_MUTATION_NOTES": str(notes)}
        if chosen is not None:
            names = self._scratch / "chosen"
            names.write_text(json.dumps(chosen), "utf-8")
            environment["SEALIFT_MUTATION_TESTS"] = str(names)
        command = [sys.executable, "-m", "pytest", "-p", "mutation.plugin"]
        command += ["-p", "no:cacheprovider", "--tb=short", f"--rootdir={self.root}"]
        command += [f"--basetemp={self._scratch / 'tmp'}", *arguments]
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=None if chosen is None else output,
                stderr=None if chosen is None else output,
                start_new_session=True,
            )
            try:
                status = self._wait(process, notes, patience)
            finally:
                _end(process)
        lines = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
        return Notes(lines, status, said.read_text("utf-8", "replace")[-2000:])

    def _wait(
        self, process: subprocess.Popen[bytes], notes: Path, patience: float
    ) -> int | None:
        size, since = 0, time.monotonic()
        while True:
            try:
                return process.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
            if self._stop.is_set():
                raise KeyboardInterrupt
            if notes.stat().st_size != size:
                size, since = notes.stat().st_size, time.monotonic()
            elif time.monotonic() - since > patience:
                return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a run: tests first, so that they stop their servers."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
