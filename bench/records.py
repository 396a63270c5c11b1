"""Rows a second: 1,000,000 rows of 32 float32 columns, pushed and pulled.

    python bench/records.py --json

The reference of the same run is Arrow alone: the same rows written as an IPC stream to memory, and
read back from it. The ratio shows what sealing, the relay and the network cost on top.
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np
import pyarrow as pa
from harness import HERE, report, stage, stopwatch

import sealift

ROWS = 1_000_000
COLUMNS = 32
BATCH_ROWS = 65_536


def table() -> pa.Table:
    random = np.random.default_rng(0)
    columns = {
        f"column_{i}": random.random(ROWS, dtype=np.float32) for i in range(COLUMNS)
    }
    return pa.table(columns)


def as_owner(dataset: str) -> None:
    rows = table()
    reader = pa.RecordBatchReader.from_batches(
        rows.schema, iter(rows.to_batches(BATCH_ROWS))
    )
    with sealift.connect("owner") as owner:
        with stopwatch() as elapsed:
            pushed = owner.push(reader, dataset=dataset, to="trainer")
        assert pushed.records == ROWS
    report(elapsed[0])


def as_trainer(dataset: str) -> None:
    with sealift.connect("trainer") as trainer, stopwatch() as elapsed:
        opened = trainer.open_dataset(f"owner/{dataset}")
        rows = sum(len(batch["column_0"]) for batch in opened.numpy())
    assert rows == ROWS
    report(elapsed[0])


def reference() -> tuple[float, float]:
    rows = table()
    sink = pa.BufferOutputStream()
    with stopwatch() as wrote, pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=BATCH_ROWS)
    buffer = sink.getvalue()
    with stopwatch() as read:
        total = 0
        for batch in pa.ipc.open_stream(buffer):
            total += len(
                {n: c.to_numpy() for n, c in zip(rows.column_names, batch, strict=True)}
            )
    return wrote[0], read[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--as", dest="role", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, dataset = options.role
        (as_owner if role == "owner" else as_trainer)(dataset)
        return
    here = str(HERE / "records.py")
    pushes, pulls = [], []
    with stage() as at:
        for number in range(options.rounds):
            pushes.append(at.run(here, "--as", "owner", f"round-{number}")["seconds"])
            pulls.append(at.run(here, "--as", "trainer", f"round-{number}")["seconds"])
    wrote, read = reference()
    pushed, pulled = statistics.median(pushes), statistics.median(pulls)
    result = {
        "rows": ROWS,
        "columns": COLUMNS,
        "push_rows_s": round(ROWS / pushed),
        "pull_rows_s": round(ROWS / pulled),
        "push_ratio_to_arrow_in_memory": round(wrote / pushed, 4),
        "pull_ratio_to_arrow_in_memory": round(read / pulled, 4),
    }
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{ROWS:,} rows of {COLUMNS} float32 columns, median of {options.rounds} rounds"
    )
    print(f"  push: {result['push_rows_s']:,} rows/s")
    print(f"  pull: {result['pull_rows_s']:,} rows/s")


if __name__ == "__main__":
    main()
