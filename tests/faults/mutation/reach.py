"""Which test reaches which check: a map, made by one run of the tests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutation.checks import PACKAGES, Check
from mutation.copies import Copy, Notes

# Of a whole run of tests, during which one of them may take minutes.
SILENCE = 1800.0


@dataclass(slots=True)
class Reach:
    """Which checks each test reaches.

    Attributes:
        built: the folders of tests that were run, and the keys of the checks that were looked for.
        tests: by node id, the seconds that a test took and the keys of the checks it reached.
    """

    built: dict[str, set[str]] = field(default_factory=dict)
    tests: dict[str, tuple[float, set[str]]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Reach:
        stored = json.loads(file.read_text("utf-8"))
        return cls(
            {folder: set(keys) for folder, keys in stored["built"].items()},
            {name: (one[0], set(one[1])) for name, one in stored["tests"].items()},
        )

    def write(self, file: Path) -> None:
        stored = {
            "built": {folder: sorted(keys) for folder, keys in self.built.items()},
            "tests": {
                name: (one[0], sorted(one[1])) for name, one in self.tests.items()
            },
        }
        file.write_text(json.dumps(stored, separators=(",", ":")), "utf-8")

    def knows(self, check: Check, folders: Sequence[str]) -> bool:
        """Whether the check was looked for in these folders, as far as they are in the map."""
        return all(
            check.key in keys
            for part, keys in self.built.items()
            if any(_is_in(part, one) or _is_in(one, part) for one in folders)
        )

    def of(self, check: Check, folders: Sequence[str]) -> dict[str, float]:
        """The tests in these folders that reach a check, the fastest first, with their seconds."""
        found = [
            (seconds, name)
            for name, (seconds, keys) in self.tests.items()
            if check.key in keys and any(_is_in(name, one) for one in folders)
        ]
        return {name: seconds for seconds, name in sorted(found)}

    def forget(self, folders: Sequence[str]) -> None:
        """Forgets the tests of these folders."""
        for part in (self.built, self.tests):
            for name in list(part):
                if any(_is_in(name, one) for one in folders):
                    del part[name]


def _is_in(inner: str, outer: str) -> bool:
    """Whether a test, file or folder is in a file or folder."""
    file = inner.partition("::")[0].rstrip("/")
    return f"{file}/".startswith(outer.rstrip("/") + "/")


def build(
    reach: Reach,
    source: Path,
    checks: Sequence[Check],
    folders: Sequence[str],
    *,
    jobs: int = 1,
    packages: Sequence[str] = PACKAGES,
) -> list[str]:
    """Runs the tests of some folders, and notes what they reach.

    Returns those that failed. They are left out: that one fails without a check proves nothing.
    """
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        copy = Copy(source, Path(scratch), packages)
        copy.probe(checks)
        parallel = ["-n", str(jobs), "--dist", "worksteal"] if jobs > 1 else []
        notes = copy.pytest([*parallel, *folders], SILENCE)
    if notes.status not in (0, 1):
        raise SystemExit("the tests did not run to their end; nothing is in the map")
    reached = _reached(notes)
    failed = {line["failed"] for line in notes.of("failed")}
    reach.forget(folders)
    for folder in folders:
        reach.built[folder] = {check.key for check in checks}
    for line in notes.of("ended"):
        name = line["ended"]
        if name in reached and name not in failed:
            reach.tests[name] = (line["seconds"], reached[name])
    return sorted(failed)


def _reached(notes: Notes) -> dict[str, set[str]]:
    """The checks that each test reached.

    A server that tests share has the environment of the test that started it. So a check counts for
    the test that ran at the time, too.
    """
    found: dict[str, set[str]] = {}
    running: dict[str, str] = {}
    for line in notes.lines:
        if "started" in line:
            running[line["worker"]] = line["started"]
        elif "reached" in line:
            for test in (line["test"], running.get(line["worker"], "")):
                found.setdefault(test, set()).add(line["reached"])
    return found
