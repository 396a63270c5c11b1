"""Writes the samples of CSV with programs and libraries that hospitals use.

    python tests/samples/make_csv.py

sqlite3 and psql are Debian's; psql needs a server (`PGHOST` and so on). Node.js is any. Sealift
reads the files with pyarrow. All names and numbers are invented.
"""

import csv
import datetime as dt
import subprocess
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent / "csv"
ROWS = [
    ["000123", "Müller, Anna", dt.date(2024, 1, 31), 1234.5, "stabil"],
    ["004711", 'Jonas "Jo" Weiß', dt.date(2024, 12, 1), 70.25, None],
]
NAMES = ["mrn", "name", "visit", "cost", "note"]
FRAME = pd.DataFrame(ROWS, columns=NAMES)
SELECT = (
    "select '000123' as mrn, 'Lee, Ann' as name, {date}'2024-01-31' as visit, 1234.5 as cost, "
    "null as note union all select '004711', 'Jo', {date}'2024-12-01', 70.25, 'fine'"
)


def standard_library() -> None:
    """Write with Python's csv module."""
    for dialect in ("excel", "excel-tab", "unix"):
        suffix = "tsv" if dialect == "excel-tab" else "csv"
        with (FOLDER / f"python-{dialect}.{suffix}").open("w", newline="") as file:
            csv.writer(file, dialect).writerows([NAMES, *ROWS])
    with (FOLDER / "excel-german.csv").open("w", newline="", encoding="cp1252") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(NAMES)
        for mrn, name, visit, cost, note in ROWS:
            text = f"{cost:,.2f}".translate(str.maketrans(",.", ".,"))
            writer.writerow([mrn, name, f"{visit:%d.%m.%Y}", text, note])
    with (FOLDER / "excel-sep.csv").open("w", newline="", encoding="utf-8-sig") as file:
        file.write("sep=;\r\n")
        csv.writer(file, delimiter=";").writerows([NAMES, *ROWS])
    with (FOLDER / "excel-us.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        for mrn, name, visit, cost, note in ROWS:
            writer.writerow([mrn, name, f"{visit:%m/%d/%Y}", f"{cost:,.2f}", note])
    with (FOLDER / "swiss.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="|")
        writer.writerow(NAMES)
        for mrn, name, visit, cost, note in ROWS:
            text = f"{cost:,.2f}".replace(",", "'")
            writer.writerow([mrn, name, f"{visit:%d.%m.%Y}", text, note])


def pandas() -> None:
    """Write with pandas 3.1."""
    FRAME.to_csv(FOLDER / "pandas.csv", index=False)
    FRAME.to_csv(FOLDER / "pandas-index.csv")
    FRAME.to_csv(FOLDER / "pandas-europe.csv", index=False, sep=";", decimal=",")
    FRAME.to_csv(FOLDER / "pandas-no-header.csv", index=False, header=False)
    FRAME.to_csv(FOLDER / "pandas-quoted.csv", index=False, quoting=csv.QUOTE_ALL)
    FRAME.to_csv(
        FOLDER / "pandas.csv.gz",
        index=False,
        compression={"method": "gzip", "mtime": 0},
    )


def sqlite() -> None:
    """Write with the program sqlite3 (3.40)."""
    for name, options in {
        "sqlite-csv.csv": ["-csv", "-header"],
        "sqlite-list.csv": ["-list", "-header"],
        "sqlite-tabs.tsv": ["-tabs", "-header", "-nullvalue", r"\N"],
    }.items():
        done = subprocess.run(
            ["sqlite3", *options, ":memory:", SELECT.format(date="")],
            capture_output=True,
            check=True,
        )
        (FOLDER / name).write_bytes(done.stdout)


def postgresql() -> None:
    """Write with psql (15)."""
    query = SELECT.format(date="date ")
    for name, options in {
        "psql-aligned.csv": ["-c", query],
        "psql-unaligned.csv": ["-A", "-c", query],
        "psql-csv.csv": ["--csv", "-c", query],
        "psql-copy.tsv": [
            "-c",
            rf"copy ({query}) to stdout with (format text, header)",
        ],
    }.items():
        done = subprocess.run(["psql", "-X", *options], capture_output=True, check=True)
        (FOLDER / name).write_bytes(done.stdout)


def node() -> None:
    """Write as web applications do, by joining what JSON.stringify gives."""
    script = """
    const rows = [["mrn", "name", "cost"], ["000123", "Lee, Ann", 1234.5], ["004711", "Jo", 70]];
    process.stdout.write(rows.map(row => row.map(v => JSON.stringify(v)).join(",")).join("\\n"));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, check=True)
    (FOLDER / "node.csv").write_bytes(done.stdout)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for write in (standard_library, pandas, sqlite, node, postgresql):
        write()
