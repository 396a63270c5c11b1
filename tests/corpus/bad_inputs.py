"""Sources with something wrong in them, each under the name that docs/owner/bad-inputs.md uses."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

POLICY = """format = 1
name = "ward"
version = "1"

[columns]
patient = "hash"
days = "keep"
ward = "keep"
"""


def make(folder: Path, commands: list[str]) -> None:
    """Writes those that commands name, or all that are small."""
    rows = "".join(f"p{i},{i % 9}\n" for i in range(5000))
    good = "patient,days\n" + rows
    (folder / "good.csv").write_text(good)
    (folder / "ragged.csv").write_text("patient,days\np1,3\np2\np3,4\n")
    (folder / "value.csv").write_text("patient,days\n" + rows + "p9,many\n")
    (folder / "quote.csv").write_text('patient,days\np1,"3\n' + rows)
    (folder / "twice.csv").write_text("patient,days,days\np1,3,4\n")
    (folder / "latin.csv").write_bytes(
        "patient,ward\np1,Chirurgie\np2,Pädiatrie\n".encode("latin-1")
    )
    (folder / "header.csv").write_text("patient,days\n")
    (folder / "empty.csv").write_text("")
    (folder / "broken.ndjson").write_text('{"id": 1}\n{"id": 2\n{"id": 3}\n')
    (folder / "records.txt.zip").write_bytes(b"PK")
    packed = gzip.compress(good.encode())
    (folder / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "policy.toml").write_text(POLICY)
    (folder / "typo.toml").write_text(POLICY.replace('"hash"', '"hsah"'))
    pq.write_table(pa.table({"id": range(1000)}), folder / "whole.parquet")
    (folder / "cut.parquet").write_bytes((folder / "whole.parquet").read_bytes()[:-20])
    text = pa.array([b"Chirurgie", "Pädiatrie".encode("latin-1")]).view(pa.string())
    pq.write_table(pa.table({"id": [1, 2], "ward": text}), folder / "latin.parquet")
    two = folder / "two"
    two.mkdir()
    (two / "1.csv").write_text(good)
    (two / "2.csv").write_text("patient,weight\np1,70\n")
    mixed = folder / "mixed"
    mixed.mkdir()
    (mixed / "1.csv").write_text(good)
    (mixed / "2.parquet").write_bytes((folder / "whole.parquet").read_bytes())
    if any("large" in command for command in commands):
        with (folder / "large.bin").open("wb") as file:
            file.truncate(200 << 20)
        many = folder / "many"
        many.mkdir()
        for i in range(10_000):
            (many / f"{i:05d}.txt").write_text(str(i))
    os.mkfifo(folder / "pipe.csv")
    _studies(folder)


def _studies(folder: Path) -> None:
    import pydicom.data

    for name, files in {
        "plan": ["rtplan.dcm"],
        "private": ["CT_small.dcm"],
        "cut-study": ["MR_small.dcm"],
    }.items():
        place = folder / name
        place.mkdir()
        for file in files:
            shutil.copy(str(pydicom.data.get_testdata_file(file)), place / file)
    cut = folder / "cut-study" / "MR_small.dcm"
    cut.write_bytes(cut.read_bytes()[:5000])
