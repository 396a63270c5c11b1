"""Removes checks, one at a time, and says which of them no test misses.

    python tests/faults/mutate.py --map map.json --build --jobs 2   # takes as long as the tests
    python tests/faults/mutate.py --map map.json --seed 7

A check is a `raise` of a verification error, a denial or a refusal (mutation/checks.py). Some are
drawn; each is replaced by `pass` in a copy of the tree, and the tests that reach it run, the
fastest first, until one fails: the check is *killed*. If all of them pass it has *survived*;
*unreached* is a check that no test reaches. At the end the tests that killed run once more with
every check in place: if one fails even so, what it killed is *doubtful*.

--build finds out which test reaches which check, by one run of the tests that --tests names; a map
may be built folder by folder. What a test reaches in processes that it starts counts too.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation.checks import PACKAGES, Check, find_checks, without
from mutation.copies import Copy
from mutation.reach import Reach, build

ROOT = Path(__file__).resolve().parents[2]
VERDICTS = ("killed", "survived", "unreached", "doubtful")


@dataclass(slots=True)
class Verdict:
    """What came of the removal of one check.

    Attributes:
        check: which.
        verdict: one of VERDICTS.
        test: the node id of the test that failed.
        how: failed, hung or crashed.
        ran: how many tests reach the check.
        seconds: that their run took.
    """

    check: Check
    verdict: str
    test: str = ""
    how: str = ""
    ran: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        usual = self.how in ("", "failed")
        return self.verdict if usual else f"{self.verdict} ({self.how})"


def judge(copy: Copy, check: Check, number: int, tests: dict[str, float]) -> Verdict:
    """Removes a check and runs the tests that reach it."""
    if not tests:
        return Verdict(check, "unreached")
    began = time.monotonic()
    with copy.edited(check.path, lambda source: without(source, check), number):
        notes = copy.run(tests, first=True)
    seconds = round(time.monotonic() - began, 1)
    failed = [line["failed"] for line in notes.of("failed")]
    if notes.status == 0 and not failed:
        return Verdict(check, "survived", ran=len(tests), seconds=seconds)
    how = "hung" if notes.status is None else "failed" if failed else "crashed"
    test = failed[0] if how == "failed" else notes.last_started
    return Verdict(check, "killed", test, how, len(tests), seconds)


def judge_all(
    source: Path,
    drawn: Sequence[Check],
    reach: Reach,
    folders: Sequence[str],
    *,
    jobs: int = 1,
    packages: Sequence[str] = PACKAGES,
) -> Iterator[Verdict]:
    """Verdicts as they come; when all are there, some may become doubtful."""
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        copies = []
        for job in range(min(jobs, len(drawn))):
            folder = Path(scratch) / str(job)
            folder.mkdir()
            copies.append(Copy(source, folder, packages))
        if not copies:
            return
        _check_whole(copies[0], reach)
        verdicts = []
        for verdict in _side_by_side(copies, drawn, reach, folders):
            verdicts.append(verdict)
            yield verdict
        _doubt(copies[0], verdicts, reach)


def _side_by_side(
    copies: Sequence[Copy],
    drawn: Sequence[Check],
    reach: Reach,
    folders: Sequence[str],
) -> Iterator[Verdict]:
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judged(number: int, check: Check) -> Verdict:
        copy = free.get()
        try:
            return judge(copy, check, number, reach.of(check, folders))
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        waiting = [pool.submit(judged, *numbered) for numbered in enumerate(drawn)]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            for copy in copies:
                copy.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _check_whole(copy: Copy, reach: Reach) -> None:
    """Where a test fails with every check in place, all that follows would be wrong."""
    if not reach.tests:
        return
    name = min(reach.tests, key=lambda one: reach.tests[one][0])
    notes = copy.run({name: reach.tests[name][0]}, first=True)
    if notes.status != 0:
        raise SystemExit(f"tests fail in a copy of the tree\n{notes.said}")


def _doubt(copy: Copy, verdicts: Sequence[Verdict], reach: Reach) -> None:
    """Runs the tests that killed with every check in place."""
    killing = {one.test for one in verdicts if one.verdict == "killed"}
    tests = {
        name: reach.tests[name][0] for name in sorted(killing & reach.tests.keys())
    }
    if not tests:
        return
    notes = copy.run(tests, first=False)
    failed = {line["failed"] for line in notes.of("failed")}
    ended = {line["ended"] for line in notes.of("ended")}
    for one in verdicts:
        if one.test in tests and (one.test in failed or one.test not in ended):
            one.verdict = "doubtful"


# --- the command ----------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--map", type=Path, metavar="FILE", help="which tests reach which checks"
    )
    parser.add_argument(
        "--build", action="store_true", help="build the map, or the part of --tests"
    )
    parser.add_argument(
        "--tests",
        nargs="+",
        default=["tests"],
        metavar="FOLDER",
        help="folders or files of tests (default: tests)",
    )
    parser.add_argument(
        "--count", type=int, default=40, help="how many checks to draw (default: 40)"
    )
    parser.add_argument("--seed", type=int, help="of the draw (default: a random one)")
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="PATH:LINE",
        help="remove this check; nothing is drawn",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs of tests at a time (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.build and chosen.map is None:
        parser.error("--build needs --map")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parse(arguments)
    # As Ctrl-C does: the tests that run end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    checks = find_checks(ROOT)
    say(f"{len(checks)} checks: {_counted(check.kind for check in checks)}")
    say(_counted(check.error for check in checks))
    try:
        if chosen.build:
            build_map(chosen, checks)
        elif chosen.map is not None:
            remove(chosen, checks)
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def build_map(chosen: argparse.Namespace, checks: Sequence[Check]) -> None:
    """Makes a map, or the part of it that --tests names."""
    reach = Reach.read(chosen.map) if chosen.map.exists() else Reach()
    failed = build(reach, ROOT, checks, chosen.tests, jobs=chosen.jobs)
    reach.write(chosen.map)
    for name in failed:
        say(f"left out of the map, because it fails: {name}")
    reached = set().union(*(keys for _, keys in reach.tests.values()))
    reached &= {check.key for check in checks}
    say(f"{len(reach.tests)} tests reach {len(reached)} of {len(checks)} checks")


def remove(chosen: argparse.Namespace, checks: Sequence[Check]) -> None:
    """Draws checks, removes each, and prints what came of it."""
    if not chosen.map.exists():
        raise SystemExit(f"{chosen.map} does not exist: make it with --build")
    reach = Reach.read(chosen.map)
    say(f"the map has {len(reach.tests)} tests of {', '.join(reach.built)}")
    seed = chosen.seed
    if chosen.at:
        drawn = [check for check in checks if check.place in chosen.at]
        if len(drawn) < len(chosen.at):
            raise SystemExit("there is no check at one of these places")
    else:
        if seed is None:
            seed = random.SystemRandom().randrange(1 << 32)
        say(f"seed {seed}")
        drawn = random.Random(seed).sample(checks, min(chosen.count, len(checks)))
    newer = [check.place for check in drawn if not reach.knows(check, chosen.tests)]
    if newer:
        raise SystemExit(f"the map is older than {', '.join(newer)}: build it again")
    verdicts = []
    for verdict in judge_all(ROOT, drawn, reach, chosen.tests, jobs=chosen.jobs):
        verdicts.append(verdict)
        say(f"{len(verdicts):3} of {len(drawn)}: {_line(verdict)}")
    verdicts.sort(key=lambda one: (VERDICTS.index(one.verdict), one.check))
    if chosen.json:
        _print_json(seed, checks, verdicts)
    else:
        _print_table(verdicts)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(names).most_common())


def _line(one: Verdict) -> str:
    cost = f", {one.ran} tests, {one.seconds} s" if one.ran else ""
    return f"{one}  {one.check.error}  {one.check.place}{cost}"


def _print_table(verdicts: Sequence[Verdict]) -> None:
    rows = [("verdict", "class", "place", "message", "test")]
    for one in verdicts:
        check = one.check
        said = check.message if len(check.message) < 50 else f"{check.message[:48]}…"
        rows.append((str(one), check.error, check.place, said, one.test))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())
    print()
    print(f"{len(verdicts)} removed: {_counted(one.verdict for one in verdicts)}")
    for one in verdicts:
        if one.verdict != "killed":
            print(f"{one.verdict}: {one.check.place}  {one.check.message}")


def _print_json(
    seed: int | None, checks: Sequence[Check], verdicts: Sequence[Verdict]
) -> None:
    found = {
        "seed": seed,
        "checks": Counter(check.error for check in checks),
        "verdicts": Counter(one.verdict for one in verdicts),
        "removed": [asdict(one) for one in verdicts],
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
