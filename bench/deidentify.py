"""Rows a second of de-identification: 1,000,000 rows, column by column and all together.

    python bench/deidentify.py --json

Measured in CPU time of one core, so that other work on the machine counts little, and in wall-clock
time as well. The reference of the same run is a copy of the same table by Arrow. Slow actions are
reported apart: tokens (FF1 in Python) by distinct value, free text by note.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from sealift.owner.deidentify import Deidentifier, Tokeniser, parse_policy
from sealift.owner.push.deidentifying import Deidentifying
from sealift.owner.push.rehearsing import rehearse
from sealift.owner.sources import SourceOptions, StopAtRejects, open_source
from sealift.process.secret import Secret
from sealift_protocol.errors import SealiftError

ROWS = 1_000_000
BATCH_ROWS = 65_536
PATIENTS = 100_000
SECRET = Secret(bytes(range(32)))
GOAL_ROWS_S = 200_000
GOAL_MIB = 500
GOAL_LAST_LOOK = 1.5

RULES = {
    "patient": '{ action = "hash", domain = "patient" }',
    "phone": '{ action = "mask", keep_last = 2 }',
    "name": '"drop"',
    "diagnosis": '"keep"',
    "age": '{ action = "generalise", to = "age-band" }',
    "zip": '{ action = "generalise", to = "zip3" }',
    "born": '{ action = "generalise", to = "year" }',
    "admitted": '{ action = "shift", by = "patient" }',
    "score": '{ action = "noise", scale = 0.5 }',
    "weight": '{ action = "generalise", to = "band", width = 10 }',
}
NOTE = (
    "Mrs. {name}, MRN {number}, was admitted on 03/14/2024 to St. Mary's Hospital in Boston with "
    "chest pain. Call her daughter at (617) 555-0{tail:03d} or write to {name}@example.com."
)


def table() -> pa.Table:
    random = np.random.default_rng(0)

    def texts(form: str, top: int) -> pa.Array:
        distinct = pa.array(
            [form.format(number) for number in range(min(top, 200_000))]
        )
        return distinct.take(pa.array(random.integers(0, len(distinct), ROWS)))

    days = random.integers(-20_000, 12_000, ROWS).astype(np.int32)
    stays = random.integers(18_000, 20_000, ROWS).astype(np.int32)
    return pa.table(
        {
            "patient": texts("patient-{:07d}", PATIENTS),
            "phone": texts("+1 617 555 {:06d}", 200_000),
            "name": texts("Person Number {:06d}", 200_000),
            "diagnosis": texts("I{:02d}.9", 99),
            "age": random.integers(0, 105, ROWS),
            "zip": texts("{:05d}", 99_999),
            "born": pa.array(days).view(pa.date32()),
            "admitted": pa.array(stays).view(pa.date32()),
            "score": random.normal(50, 10, ROWS),
            "weight": random.normal(75, 15, ROWS),
        }
    )


def policy_of(rules: dict[str, str], others: str = "refuse") -> bytes:
    head = (
        f'format = 1\nname = "bench"\nversion = "1"\nunlisted = "{others}"\n[columns]\n'
    )
    return (
        head + "".join(f"{name} = {rule}\n" for name, rule in rules.items())
    ).encode()


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """CPU seconds of this process, and wall-clock seconds."""
    elapsed = [0.0, 0.0]
    core, wall = time.process_time(), time.perf_counter()
    yield elapsed
    elapsed[:] = time.process_time() - core, time.perf_counter() - wall


def run(rows: pa.Table, rules: dict[str, str], others: str = "refuse") -> list[float]:
    with Deidentifier(
        parse_policy(policy_of(rules, others)), rows.schema, secret=SECRET
    ) as it:
        with stopwatch() as elapsed:
            done = sum(
                it.apply(batch).num_rows for batch in rows.to_batches(BATCH_ROWS)
            )
        assert done == ROWS == it.take_report().records
    return elapsed


def copy(rows: pa.Table) -> float:
    indices = [pa.array(range(len(batch))) for batch in rows.to_batches(BATCH_ROWS)]
    with stopwatch() as elapsed:
        for batch, all_of_it in zip(rows.to_batches(BATCH_ROWS), indices, strict=True):
            batch.take(all_of_it)
    return elapsed[0]


def tokens_per_second() -> float:
    cards = pa.array(
        [f"4111 1111 {n // 10000:04d} {n % 10000:04d}" for n in range(20_000)]
    )
    tokeniser = Tokeniser(SECRET, keep_first=6, keep_last=4)
    with stopwatch() as elapsed:
        assert tokeniser.apply(cards).null_count == 0
    return len(cards) / elapsed[0]


def notes_per_second(workers: int, notes: int = 400) -> float:
    from sealift.owner.deidentify.scrub import TextScrubber

    texts = pa.array(
        [
            NOTE.format(name=f"Jane{n}", number=100_000 + n, tail=n % 1000)
            for n in range(notes)
        ]
    )
    scrubber = TextScrubber(workers=workers)
    try:
        scrubber.scrub(texts.slice(0, 2 * max(workers, 1)))
        with stopwatch() as elapsed:
            scrubber.scrub(texts)
    finally:
        scrubber.close()
    return notes / elapsed[1]


def ratio_to_presidio(notes: int = 60) -> float:
    """CPU time of the analysis as a ratio to plain Presidio's, on the unseen notes."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from corpus.marked import read_marked
    from corpus.measure_recall import Plain

    from sealift.owner.deidentify.analysis import Analysis

    file = Path(__file__).resolve().parents[1] / "tests/corpus/unseen/notes.jsonl"
    texts = [note.text for note in read_marked(file)][:notes]
    spent = []
    for finder in (Analysis(), Plain()):
        finder.find(texts[:2])
        with stopwatch() as elapsed:
            finder.find(texts)
        spent.append(elapsed[0])
    return round(spent[0] / spent[1], 2)


VISITS = 10
LOOKED_AT = """format = 2
name = "bench"
version = "1"
{known}
[identifiers]
record-number = {{ action = "hash" }}
name = "drop"
phone = "drop"
place = "drop"
[columns]
note = "{action}"
"""


def visits(rows: int) -> str:
    """CSV of patients who come ten times each, with notes on them that name nobody."""
    lines = ["mrn,first_name,last_name,phone,street,note"]
    for row in range(rows):
        n = row * 7919 % (rows // VISITS)
        note = f"stable on day {row % 30}; 40 mg once daily; BP 120/80; seen on {row % 28 + 1}/3"
        lines.append(
            f"MRN{n:07d},Ann{n:x},Zor{n:x}an,617 555 {n:04d},{n} Elm St,{note}"
        )
    return "\n".join(lines) + "\n"


def last_look(action: str, rows: int, rounds: int) -> float:
    """CPU time of reading and de-identifying with [known] as a ratio to the same without it."""
    spent: dict[str, list[float]] = {"": [], '[known]\nby = ["mrn"]': []}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "visits.csv"
        path.write_text(visits(rows))
        for _ in range(rounds + 1):
            for known, seconds in spent.items():
                policy = parse_policy(
                    LOOKED_AT.format(known=known, action=action).encode()
                )
                rejects = StopAtRejects()
                source = open_source(str(path), SourceOptions(rejects=rejects))
                with stopwatch() as elapsed:
                    transform = Deidentifying(source, policy, owner_secret=SECRET)
                    rehearse(source, transform, rejects)
                seconds.append(elapsed[0])
    without, with_it = (min(seconds[1:]) for seconds in spent.values())
    return round(with_it / without, 2)


def scrubbing() -> dict[str, float]:
    try:
        return {f"workers_{n}": round(notes_per_second(n), 1) for n in (1, 2)}
    except (ImportError, SealiftError) as error:
        print(f"free text was left out: {error}")
        return {}


def on_one_core(measure: Callable[[], None]) -> None:
    cores = os.sched_getaffinity(0)
    pa.set_cpu_count(1)
    os.sched_setaffinity(0, {max(cores)})
    measure()
    os.sched_setaffinity(0, cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--text", action="store_true", help="measure free text as well")
    options = parser.parse_args()
    rows = table()
    result: dict[str, object] = {"rows": ROWS, "columns": len(RULES)}

    def measure() -> None:
        run(rows, RULES)
        together = [run(rows, RULES) for _ in range(options.rounds)]
        core = statistics.median(seconds for seconds, _ in together)
        wall = statistics.median(seconds for _, seconds in together)
        copied = statistics.median(copy(rows) for _ in range(options.rounds))
        alone = {
            name: run(rows, {name: rule}, "drop")[0] for name, rule in RULES.items()
        }
        result["rows_s"] = round(ROWS / core)
        result["rows_s_wall"] = round(ROWS / wall)
        result["ratio_to_arrow_copy"] = round(copied / core, 4)
        result["rows_s_by_column"] = {
            name: round(ROWS / s) for name, s in alone.items()
        }
        result["peak_mib"] = round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        )
        result["tokens_s"] = round(tokens_per_second())
        result["ratio_of_last_look_kept"] = last_look("keep", 50_000, options.rounds)

    on_one_core(measure)
    if options.text:
        result["notes_s"] = scrubbing()
        if result["notes_s"]:
            result["ratio_to_presidio"] = ratio_to_presidio()
            on_one_core(
                lambda: result.update(
                    ratio_of_last_look=last_look("scrub", 400, options.rounds)
                )
            )
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{ROWS:,} rows of {len(RULES)} columns on one core, median of {options.rounds} rounds"
    )
    print(
        f"  all together: {result['rows_s']:,} rows/s (goal {GOAL_ROWS_S:,}), "
        f"{result['rows_s_wall']:,} in wall-clock time"
    )
    print(f"  ratio to a copy by Arrow: {result['ratio_to_arrow_copy']}")
    for name, speed in sorted(
        result["rows_s_by_column"].items(), key=lambda item: item[1]
    ):
        print(f"    {name:10} {RULES[name]:52} {speed:>14,} rows/s")
    print(f"  tokens: {result['tokens_s']:,} distinct values/s")
    for workers, speed in result.get("notes_s", {}).items():
        print(f"  free text, {workers}: {speed} notes/s")
    if "ratio_to_presidio" in result:
        print(
            f"  free text, CPU time to plain Presidio's: {result['ratio_to_presidio']}"
        )
        print(
            f"  last look at scrubbed texts, CPU time to the same push without: "
            f"{result['ratio_of_last_look']} (goal {GOAL_LAST_LOOK})"
        )
    print(
        f"  last look at texts that are kept: {result['ratio_of_last_look_kept']} times "
        "the same push without"
    )
    print(
        f"  peak memory: {result['peak_mib']} MiB (goal {GOAL_MIB}), the table in memory included"
    )


if __name__ == "__main__":
    main()
