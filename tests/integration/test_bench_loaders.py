"""The bench of loaders runs, and no loader in it leaves a record out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from patience import PATIENCE
from places import ROOT

BENCH = ROOT / "bench" / "loaders" / "compare.py"
pytestmark = pytest.mark.usefixtures("warm_scripts")
PEERS = {
    "sealift": "sealift",
    "parquet-encrypted": "pyarrow",
    "parquet": "pyarrow",
    "litdata-encrypted": "litdata",
    "litdata": "litdata",
    "mosaic": "streaming",
    "webdataset": "webdataset",
    "datasets": "datasets",
}
IMPORTABLE = [
    peer for peer, module in PEERS.items() if importlib.util.find_spec(module)
]


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(BENCH),
        "--rounds",
        "1",
        "--workers",
        "0",
        "--json",
        *arguments,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_every_loader_gives_every_record_of_both_shapes() -> None:
    pytest.importorskip("torch")
    # Not whole batches, and more than one row group, so that no remainder can be lost.
    done = compare("--rows", "8300", "--blobs", "37", "--only", *IMPORTABLE)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert [(result["shape"], result["loader"]) for result in results] == [
        (shape, peer) for shape in ("rows", "blobs") for peer in IMPORTABLE
    ]
    for result in results:
        # A loader that gave other records than were written has `failed` instead of rates.
        assert result["cold"] > 0, result
        assert result["cached"] > 0, result
        assert result["records"] == {"rows": 8300, "blobs": 37}[result["shape"]]
