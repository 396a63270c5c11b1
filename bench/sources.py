"""Rows a second from a file to Arrow batches, compared with pyarrow alone on the same file.

    python bench/sources.py --json

Every measurement is a separate process, so that its peak memory is its own; the best of a few
rounds counts. The references are pyarrow's readers for whole files, with one thread and with as
many as it likes; a source has one thread, since sealing and uploading need the others. The ratio
is to the reference with one thread; for Parquet, which is not read whole, to `iter_batches`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.json as pj
import pyarrow.parquet as pq
from harness import report, stopwatch

from sealift.owner.sources import BEGINNING, open_source

ROWS = {
    "csv": 1_000_000,
    "quoted.csv": 1_000_000,
    "jsonl": 300_000,
    "parquet": 1_000_000,
}
READERS = ("sealift", "pyarrow-1", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1, help="of the numbers of rows")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument(
        "--read", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.read:
        measure(options.read[0], Path(options.read[1]))
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, rows in ROWS.items():
            path = Path(folder) / f"visits.{kind}"
            write(path, int(rows * options.scale))
            results.append(compare(kind, path, options.rounds))
            path.unlink()
    if options.json:
        print(json.dumps(results))
        return
    print(
        f"pyarrow {pa.__version__}, {pa.cpu_count()} threads; best of {options.rounds} rounds"
    )
    print("             rows/s   of it   rows/s of pyarrow     peak MiB")
    print("            sealift   ratio   1 thread    threads   sealift  1 thread")
    for row in results:
        print(
            f"{row['kind']:<10} {row['sealift']:>9,} {row['ratio']:>7.2f} {row['pyarrow-1']:>10,}"
            f" {row['pyarrow']:>10,} {row['peak_mib']:>9} {row['reference_peak_mib']:>9}"
        )


def compare(kind: str, path: Path, rounds: int) -> dict[str, object]:
    # In turn, so that other work on the machine affects all of them.
    runs = [(reader, call(reader, path)) for _ in range(rounds) for reader in READERS]
    rates: dict[str, int] = {}
    peaks: dict[str, float] = {}
    for reader, run in runs:
        rates[reader] = max(rates.get(reader, 0), round(run["rows"] / run["seconds"]))
        peaks[reader] = max(peaks.get(reader, 0), run["peak_mib"])
    return {
        "kind": kind,
        **rates,
        "ratio": round(rates["sealift"] / rates["pyarrow-1"], 2),
        "peak_mib": peaks["sealift"],
        "reference_peak_mib": peaks["pyarrow-1"],
    }


def call(reader: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--read", reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(reader: str, path: Path) -> None:
    count = {"sealift": ours, "pyarrow-1": alone, "pyarrow": alone_threaded}[reader]
    with stopwatch() as elapsed:
        rows = count(path)
    report(elapsed[0], rows=rows)


def ours(path: Path) -> int:
    source = open_source(path)
    chunks = (
        chunk for part in source.parts() for chunk in source.read(part, BEGINNING)
    )
    return sum(chunk.batch.num_rows for chunk in chunks)


def alone(path: Path) -> int:
    return reference(path, threads=False)


def alone_threaded(path: Path) -> int:
    return reference(path, threads=True)


def reference(path: Path, *, threads: bool) -> int:
    match path.suffix:
        case ".csv":
            options = pc.ReadOptions(use_threads=threads)
            parse = pc.ParseOptions(newlines_in_values=True)
            return pc.read_csv(path, read_options=options, parse_options=parse).num_rows
        case ".jsonl":
            return pj.read_json(
                path, read_options=pj.ReadOptions(use_threads=threads)
            ).num_rows
        case _:
            batches = pq.ParquetFile(path).iter_batches(use_threads=threads)
            return sum(batch.num_rows for batch in batches)


# --- files ---------------------------------------------------------------------------------------


def write(path: Path, rows: int) -> None:
    """Visits, of numbers, text, dates, times, truth values and nulls."""
    make: Callable[[random.Random, int], str] = (
        as_json if path.suffix == ".jsonl" else as_csv
    )
    chance = random.Random(0)
    if path.suffix == ".parquet":
        text = path.with_suffix(".csv")
        write(text, rows)
        pq.write_table(pc.read_csv(text), path, row_group_size=131_072)
        text.unlink()
        return
    quote = '"' if ".quoted" in path.name else ""
    with path.open("w") as file:
        if path.suffix == ".csv":
            file.write("id,patient,ward,age,weight,admitted,seen,urgent,code,note\n")
        for number in range(rows):
            line = make(chance, number)
            if quote:
                fields = line.split(",")
                fields[9] = f'"{fields[9]}, ""as told"""'
                line = ",".join([fields[0], f'"{fields[1]}"', *fields[2:]])
            file.write(line + "\n")


def as_csv(chance: random.Random, number: int) -> str:
    return ",".join(map(str, fields_of(chance, number).values()))


def as_json(chance: random.Random, number: int) -> str:
    record = fields_of(chance, number)
    return json.dumps(
        {name: None if value == "" else value for name, value in record.items()}
    )


def fields_of(chance: random.Random, number: int) -> dict[str, object]:
    day = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return {
        "id": number,
        "patient": f"patient-{chance.randrange(100_000)}",
        "ward": ("north", "south", "intensive care")[number % 3],
        "age": chance.randrange(100),
        "weight": round(chance.gauss(75, 12), 1),
        "admitted": day,
        "seen": f"{day} {number % 24:02}:{number % 60:02}:00",
        "urgent": "true" if chance.random() < 0.1 else "false",
        "code": "" if chance.random() < 0.2 else chance.randrange(10_000),
        "note": "stable, no change"[: chance.randrange(6)] + " since the last visit",
    }


if __name__ == "__main__":
    main()
