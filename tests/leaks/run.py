"""Plants identifiers of synthetic people, pushes them under the ready policies, and looks for them.

    cd tests && python -m leaks.run --documents 10000 --seed 7 --table leaks.csv

Each document is pushed under each ready policy, and under one that keeps everything, which shows
that the search finds what is there. What the relay stores is searched, too. The exit code is 1 if
anything was found that a policy does not keep, or if the control missed something.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import conftest  # first: it sets what other modules read when they are imported
import structlog

from leaks.files import Ready, write
from leaks.headers import Vocabulary
from leaks.results import Results, leaks_of
from leaks.search import Needles
from leaks.sheets import ROWS, STANDARD, Laid, Planned, Sheet, cell_and_row, lay, plan
from sealift.owner.push.push import Pushed
from sealift.policy.file import Policy, load_policy, ready_policies
from sealift.session import Session
from sealift_protocol.errors import PolicyViolation, SealiftError
from sealift_relay.app import Relay

CONTROL = "keeps everything"
# A member's datasets are opened to find one by its name, so few are in a relay.
_SHEETS_IN_RELAY = 16
_TRIES = 6
_KEEP = """
format = 2
name = "keeps-everything"
version = "1"
unlisted = "refuse"
absent = "ignore"
[columns]
"*" = "keep"
"**" = "keep"
[metadata]
keep = ["source", "pandas", "comment"]
"""


class Trainer:
    """The trainer's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leaks.trainer"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def connect(self, home: Path, hospital: str) -> None:
        """Open another profile, and trust the owner."""
        self._ask({"home": str(home), "hospital": hospital})

    def search(self, planned: Planned, dataset: str) -> dict[str, Any]:
        """Return what is found in a dataset, or the error."""
        job = (
            planned.seed,
            planned.number,
            planned.format,
            planned.rows,
            planned.spots,
        )
        return self._ask({"sheet": job, "dataset": f"hospital/{dataset}"})

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        print(json.dumps(job), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the trainer's process ended")
        return json.loads(line)


@dataclass(slots=True)
class Exchange:
    """An owner, a relay and a trainer who trust each other."""

    folder: Path
    hospital: Session
    trainer: Trainer
    results: Results

    def go(
        self, planned: Planned, vocabularies: Sequence[Vocabulary], control: Policy
    ) -> None:
        """Push a sheet under each policy, and search what arrives."""
        sheet = planned.sheet()
        self.results.add_sheet(sheet)
        for number, vocabulary in enumerate(vocabularies):
            policy = vocabulary.policy
            dataset = f"sheet-{sheet.number}-{number}"
            if self._push(sheet, vocabulary, policy, dataset):
                answer = self.trainer.search(planned, dataset)
                self._note(sheet, policy.name, dataset, answer)
        self._control(planned, sheet, vocabularies, control)

    def _note(
        self, sheet: Sheet, policy: str, dataset: str, answer: dict[str, Any]
    ) -> None:
        if "error" in answer:
            self.results.errors.append(f"{dataset}: {answer['error']}")
            return
        self.results.leaks += leaks_of(sheet, policy, answer["found"])

    def _push(
        self, sheet: Sheet, vocabulary: Vocabulary, policy: Policy, dataset: str
    ) -> bool:
        """Push a sheet without the columns for which it is refused; return whether it went."""
        results, name = self.results, vocabulary.policy.name
        without: set[int] = set()
        went = False
        for _ in range(_TRIES):
            laid = None if sheet.format in STANDARD else lay(sheet, vocabulary, without)
            missing = laid.missing if laid else set()
            if len(missing | without) == len(sheet.cells):
                break
            try:
                self._send(sheet, laid, policy, dataset)
            except Exception as error:  # noqa: BLE001 - what is no error of ours is noted
                if not isinstance(error, SealiftError):
                    results.errors.append(
                        f"{dataset}, {name}: {type(error).__name__}: {error}"
                    )
                results.pushes[name]["refused"] += 1
                results.reasons[name][f"{type(error).__name__}: {error}"] += 1
                named = _cells_named(error, laid) - missing - without
                if not named:
                    without = set(range(len(sheet.cells))) - missing
                    break
                without |= named
                continue
            results.pushes[name]["sent"] += 1
            went = True
            break
        else:
            without = set(range(len(sheet.cells))) - missing
        results.documents[name]["sent" if went else "refused"] += sheet.rows
        for place, cell in enumerate(sheet.cells):
            count = len(cell.seen)
            if place in missing:
                results.missing[cell.spot][name] += count
            elif went and place not in without:
                results.sent[cell.spot][name] += count
            else:
                results.refused[cell.spot][name] += count
        return went

    def _send(
        self, sheet: Sheet, laid: Laid | None, policy: Policy | None, name: str
    ) -> Ready:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            ready = write(sheet, laid, Path(scratch))
            pushed: Pushed = self.hospital.push(
                ready.records,
                dataset=name,
                to="laboratory",
                policy=policy,
                reading=ready.reading,
            )
        if pushed.records != (laid.rows if laid else sheet.rows):
            self.results.errors.append(f"{name}: {pushed.records} records")
        return ready

    def _control(
        self,
        planned: Planned,
        sheet: Sheet,
        vocabularies: Sequence[Vocabulary],
        control: Policy,
    ) -> None:
        """Push a sheet under a policy that keeps everything, and what that loses under none."""
        results = self.results
        laid = None
        if sheet.format not in STANDARD:
            laid = max(
                (lay(sheet, one, set()) for one in vocabularies[:3]),
                key=lambda one: -len(one.missing),
            )
        found: set[tuple[int, int]] = set()
        for number, policy in enumerate((control, None)):
            dataset = f"sheet-{sheet.number}-control-{number}"
            try:
                ready = self._send(sheet, laid, policy, dataset)
            except Exception as error:  # noqa: BLE001 - what is no error of ours is noted
                if policy is None or not isinstance(error, SealiftError):
                    results.errors.append(f"{dataset}: {type(error).__name__}: {error}")
                continue
            answer = self.trainer.search(planned, dataset)
            if "error" in answer:
                results.errors.append(f"{dataset}: {answer['error']}")
                continue
            if not number:
                self._look_behind(sheet, ready)
            for leak in leaks_of(sheet, CONTROL, answer["found"]):
                place = next(
                    p for p, cell in enumerate(sheet.cells) if cell.spot == leak.spot
                )
                found.add((place, leak.document))
                results.forms[leak.form] += 1
                if leak.hidden:
                    results.leaks.append(leak)
            if all(
                (place, row) in found
                for place, cell in enumerate(sheet.cells)
                for row in range(len(cell.seen))
                if cell.has_column and (laid is None or place not in laid.missing)
            ):
                break
        for place, cell in enumerate(sheet.cells):
            if not cell.has_column or (laid is not None and place in laid.missing):
                continue
            for row in range(len(cell.seen)):
                if (place, row) in found:
                    results.kept[cell.spot] += 1
                else:
                    results.lost[cell.spot, cell.kind] += 1

    def _look_behind(self, sheet: Sheet, ready: Ready) -> None:
        """Count the hidden identifiers that the owner's own buffers hold."""
        if any(cell.hidden for cell in sheet.cells) and ready.raw:
            # Numbers of a buffer lie where they lay.
            padded = b"".join(one + bytes(-len(one) % 8) for one in ready.raw)
            there = {one.owner for one in Needles(sheet.owned()).find(padded)}
            for owner in there:
                place, row = cell_and_row(owner)
                self.results.behind += row >= len(sheet.cells[place].seen)


def _cells_named(error: Exception, laid: Laid | None) -> set[int]:
    """Return the cells whose columns an error names."""
    if laid is None or not isinstance(error, PolicyViolation):
        return set()
    return {
        place
        for name, place in laid.cell_of.items()
        for column in error.columns
        if column == name or column.startswith(f"{name}.")
    }


@contextlib.contextmanager
def exchange(folder: Path, trainer: Trainer, results: Results) -> Iterator[Exchange]:
    """Start a relay, and let an owner and a trainer join it."""
    config = conftest.make_relay(folder / "relay")
    before = os.environ.get("SEALIFT_HOME"), os.environ.get("SEALIFT_CACHE")
    os.environ["SEALIFT_HOME"] = str(folder / "profiles")
    os.environ["SEALIFT_CACHE"] = str(folder / "cache")
    try:
        with Relay(config) as server:
            relay = conftest.RunningRelay(config.folder, config, server)
            with relay.join("laboratory", "trainer") as laboratory:
                fingerprint = str(laboratory.fingerprint)
            with relay.join("hospital", "owner") as hospital:
                hospital.trust("laboratory", fingerprint)
                trainer.connect(folder / "profiles", str(hospital.fingerprint))
                yield Exchange(folder, hospital, trainer, results)
    finally:
        for name, value in zip(("SEALIFT_HOME", "SEALIFT_CACHE"), before, strict=True):
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def search_relay(folder: Path, planned: Sequence[Planned], results: Results) -> None:
    """Search every byte that a relay stored for what was planted."""
    sheets = [one.sheet() for one in planned]
    owned = [
        (place * 1_000_000 + owner, forms)
        for place, sheet in enumerate(sheets)
        for owner, forms in sheet.owned()
    ]
    needles = Needles(owned)
    for path in (folder / "relay").rglob("*"):
        if not path.is_file():
            continue
        data = path.name.encode() + b"\0" + path.read_bytes()
        for what in needles.find(data, numbers=False):
            place, owner = divmod(what.owner, 1_000_000)
            results.leaks += leaks_of(
                sheets[place], "relay", [(owner, what.form, "relay")]
            )


def run(
    documents: int, seed: int, folder: Path, rows: int = ROWS, *, progress: bool = False
) -> Results:
    """Plant, push and search.

    Args:
        documents: how many.
        seed: what is planted follows from it.
        folder: an empty folder for the relays.
        rows: documents in a push.
        progress: whether to say on standard error how far it is.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    # Values that do not fit their VR are part of the test.
    warnings.filterwarnings("ignore", module="pydicom")
    vocabularies = [Vocabulary(policy) for policy in ready_policies().values()]
    keep = folder / "keep.toml"
    keep.write_text(_KEEP)
    control = load_policy(keep)
    results = Results()
    for vocabulary in vocabularies:
        results.pushes[vocabulary.policy.name] = results.pushes[vocabulary.policy.name]
    sheets = plan(seed, documents, rows)
    began = time.monotonic()
    with Trainer() as trainer:
        for begin in range(0, len(sheets), _SHEETS_IN_RELAY):
            group = sheets[begin : begin + _SHEETS_IN_RELAY]
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                with exchange(Path(scratch), trainer, results) as between:
                    for planned in group:
                        between.go(planned, vocabularies, control)
                search_relay(Path(scratch), group, results)
            if progress:
                done = begin + len(group)
                seconds = time.monotonic() - began
                print(
                    f"{done} of {len(sheets)} sheets, {len(results.leaks)} found, {seconds:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    return results


def shown(results: Results) -> str:
    """Return what a run found, in a page."""
    lines = []
    for policy in results.policies:
        went, kept_back = (
            results.documents[policy][end] for end in ("sent", "refused")
        )
        sent = sum(counts[policy] for counts in results.sent.values())
        refused = sum(counts[policy] for counts in results.refused.values())
        missing = sum(counts[policy] for counts in results.missing.values())
        leaked = sum(leak.policy == policy for leak in results.leaks)
        lines.append(
            f"{policy:<20} documents: {went} sent, {kept_back} refused; identifiers: {sent} sent, "
            f"{refused} refused, {missing} without a rule; pushes refused: "
            f"{results.pushes[policy]['refused']}; found: {leaked}"
        )
    least = min(results.planted.values(), default=0)
    scarce = min((results.sent_in_all(spot) for spot in results.planted), default=0)
    lines += [
        f"relay                found: {sum(leak.policy == 'relay' for leak in results.leaks)}",
        f"places x types x formats: {len(results.planted)}; fewest planted {least}, "
        f"fewest sent under all policies {scarce}",
        f"hidden identifiers: {results.hidden.total()}, {results.behind} of them in buffers that "
        "were pushed",
        f"control: {results.kept.total()} found, {results.lost.total()} not found; "
        + ", ".join(f"{form} {count}" for form, count in sorted(results.forms.items())),
    ]
    for (spot, kind), count in results.lost.most_common(20):
        lines.append(f"control missed {count}: {kind} in {spot}")
    lines += results.errors[:20]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=ROWS, help="documents in a push")
    parser.add_argument("--seed", type=int, help="default: a random one")
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="write all counts as CSV"
    )
    parser.add_argument(
        "--reasons", action="store_true", help="show why pushes were refused"
    )
    chosen = parser.parse_args(arguments)
    seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        results = run(chosen.documents, seed, Path(folder), chosen.rows, progress=True)
    print(shown(results))
    for leak in results.leaks[:50]:
        print(json.dumps(asdict(leak), ensure_ascii=False))
    if chosen.reasons:
        for policy, reasons in results.reasons.items():
            for reason, count in reasons.most_common(15):
                print(f"{policy}: {count} x {reason[:300]}")
    if chosen.table:
        results.write(chosen.table)
    return int(failed(results))


def failed(results: Results) -> bool:
    """Return whether anything got out, or the control is not what it should be."""
    return bool(results.leaks or results.lost or results.errors)


if __name__ == "__main__":
    raise SystemExit(main())
