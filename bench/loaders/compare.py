"""The same records through every loader, in one run: records a second, cold and cached.

    python bench/loaders/compare.py --plot loaders.png

Two shapes: rows of 256 float32 and a label in batches of 256, and blobs of 256 KiB and a label in
batches of 16. The loop reads one number of each row and one byte of each page of a blob.

*Cold* is the first training epoch of a fresh process, including opening. A loader with its own
cache (Sealift, MosaicML Streaming) starts with an empty one: Sealift fetches from a relay over TLS,
MosaicML from a folder, and neither the relay's pages nor that folder's are evicted. The others
read their files in place, and the pages of these are evicted before. The second epoch of the same
process is *cached*: from that cache, or from the files in the page cache. With Sealift both take
ciphertext only: the cache holds what the relay holds. Without a cache, its second epoch goes over
TLS like the first. The ratios compare second epochs with Sealift's from its cache and with plain
Parquet.

Each measurement is a separate process, with no worker processes and with two; the better one
counts. Rounds go through all loaders in turn, so that other work on the machine affects all of
them; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from harness import Stage, report, stage, stopwatch
from hub import Hub
from lit import Lit
from loader import BATCH_SIZE, Loader, Shape, run_epoch
from mosaic import Mosaic
from parquet import Parquet
from sealed import Sealed
from table import print_table, warm
from tarred import Tarred

LOADERS: dict[str, Loader] = {
    "sealift": Sealed(caches=True),
    "sealift-shuffled": Sealed(caches=True, shuffle=True),
    "sealift-tls": Sealed(caches=False),
    "parquet-encrypted": Parquet(encrypted=True),
    "parquet-encrypted-lists": Parquet(encrypted=True, lists=True),
    "litdata-encrypted": Lit("chunk"),
    "parquet": Parquet(encrypted=False),
    "parquet-lists": Parquet(encrypted=False, lists=True),
    "litdata": Lit(),
    "mosaic": Mosaic(),
    "webdataset": Tarred(),
    "datasets": Hub(),
}
OURS, REFERENCE = "sealift", "parquet"
_TIMEOUT = 900


# --- one measurement, in a separate process ------------------------------------------------------


def write(keys: list[str], at: Path, shape: Shape) -> None:
    """Writes every store that these loaders read; reports which could not be written, and why."""
    failed: dict[str, str] = {}
    for key in keys:
        folder = place(at, LOADERS[key], shape)
        if not folder.exists():
            folder.mkdir(parents=True)
            try:
                LOADERS[key].write(folder, shape)
            except Exception as error:  # noqa: BLE001 - whatever a peer raises
                failed[LOADERS[key].store] = f"{type(error).__name__}: {error}"
    os.sync()
    report(0, failed=failed)


def read(loader: Loader, at: Path, shape: Shape, workers: int) -> None:
    """Runs two training epochs."""
    warnings.simplefilter("ignore")
    importlib.import_module(loader.needs)
    with contextlib.suppress(ImportError):
        # If it is installed, pyarrow imports it on the first conversion to an array.
        importlib.import_module("pandas")
    folder = place(at, loader, shape)
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    if not loader.caches:
        evict(folder)
    with stopwatch() as cold:
        batches = loader.read(folder, shape, BATCH_SIZE[shape.kind], workers)
        first = run_epoch(shape.kind, batches)
    with stopwatch() as again:
        second = run_epoch(shape.kind, batches)
    shutil.rmtree(cache, ignore_errors=True)
    report(
        cold[0] + again[0],
        first=cold[0],
        second=again[0],
        tallies=[asdict(first), asdict(second)],
    )


def evict(folder: Path) -> None:
    """Asks the system to evict the pages of all files in a folder, which are on disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- all of them ---------------------------------------------------------------------------------


def compare(
    at: Stage,
    shapes: list[Shape],
    chosen: list[str],
    all_workers: list[int],
    rounds: int,
) -> Iterator[dict[str, Any]]:
    """One result for each shape and loader."""
    for shape in shapes:
        expected = asdict(shape.expected())
        ready = [key for key in chosen if shape.kind in LOADERS[key].kinds]
        failed: dict[str, str] = {
            key: f"{LOADERS[key].needs} is not installed"
            for key in ready
            if importlib.util.find_spec(LOADERS[key].needs) is None
        }
        unwritten = start(
            at, "write", shape, *(key for key in ready if key not in failed)
        )
        for key in ready:
            if LOADERS[key].store in unwritten["failed"]:
                failed[key] = unwritten["failed"][LOADERS[key].store]
        runs: dict[str, list[dict[str, Any]]] = {}
        for number, key, workers in itertools.product(
            range(rounds), ready, all_workers
        ):
            if key in failed:
                continue
            try:
                run = start(at, "read", shape, key, str(workers))
                check(run["tallies"], expected)
            except RuntimeError as error:
                failed[key] = str(error)
            else:
                note(f"{shape.kind} {key}, round {number}, {workers} workers: {run}")
                runs.setdefault(key, []).append({**run, "workers": workers})
        for key in ready:
            shutil.rmtree(place(at.folder, LOADERS[key], shape), ignore_errors=True)
        yield from summary(shape, ready, runs, failed)


def place(at: Path, loader: Loader, shape: Shape) -> Path:
    return at / loader.store / shape.kind


def start(at: Stage, what: str, shape: Shape, *more: str) -> dict[str, Any]:
    """Runs `write` or `read` in a separate process."""
    arguments = [what, str(at.folder), shape.kind, str(shape.records), *more]
    done = subprocess.run(
        [sys.executable, __file__, "--as", *arguments],
        env=at.environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no word"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def check(tallies: list[dict[str, int]], expected: dict[str, int]) -> None:
    for tally in tallies:
        if tally != expected:
            raise RuntimeError(f"read {tally}, not {expected}")


def note(text: str) -> None:
    if os.environ.get("SEALIFT_BENCH_VERBOSE"):
        print(text, file=sys.stderr, flush=True)


def summary(
    shape: Shape,
    ready: list[str],
    runs: dict[str, list[dict[str, Any]]],
    failed: dict[str, str],
) -> list[dict[str, Any]]:
    results = []
    for key in ready:
        loader = LOADERS[key]
        result = {
            "shape": shape.kind,
            "records": shape.records,
            "loader": key,
            "name": loader.name,
            "encrypted": loader.encrypted,
        }
        if key in failed:
            result["failed"] = failed[key]
        else:
            result |= best(shape, runs[key], "cold", "first")
            second = "cached" if loader.again else "uncached"
            result |= best(shape, runs[key], second, "second")
        results.append(result)
    by_key = {result["loader"]: result for result in results}
    for result in results:
        for other, name in ((OURS, "to_sealift"), (REFERENCE, "to_parquet")):
            if theirs := warm(by_key.get(other, {})):
                result[name] = round(warm(result) / theirs, 3)
    return results


def best(
    shape: Shape, runs: list[dict[str, Any]], when: str, of: str
) -> dict[str, Any]:
    rates = {
        workers: statistics.median(
            shape.records / run[of] for run in runs if run["workers"] == workers
        )
        for workers in {run["workers"] for run in runs}
    }
    workers = max(rates, key=rates.__getitem__)
    return {when: round(rates[workers], 1), f"{when}_workers": workers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, default=200_000, help="number of rows; 0 for none"
    )
    parser.add_argument(
        "--blobs", type=int, default=2_000, help="number of blobs; 0 for none"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0, 2], help="which are tried"
    )
    parser.add_argument(
        "--only", nargs="+", choices=LOADERS, default=list(LOADERS), metavar="L"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it")
    parser.add_argument("--as", dest="role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        what, folder, kind, records, *more = options.role
        shape = Shape(kind, int(records))
        if what == "write":
            write(more, Path(folder), shape)
        else:
            read(LOADERS[more[0]], Path(folder), shape, int(more[1]))
        return
    shapes = [Shape("rows", options.rows), Shape("blobs", options.blobs)]
    shapes = [shape for shape in shapes if shape.records]
    with stage() as at:
        # No lookups over the network.
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(at.folder / "hub-home")}
        at.environment.update(offline, LITDATA_DISABLE_VERSION_CHECK="1")
        results = list(
            compare(at, shapes, options.only, options.workers, options.rounds)
        )
    if options.plot:
        from plot import draw

        draw(results, options.plot)
    if options.json:
        print(json.dumps({"rounds": options.rounds, "results": results}))
    else:
        for shape in shapes:
            of_shape = [result for result in results if result["shape"] == shape.kind]
            print_table(of_shape, shape, options.rounds)
    if any("failed" in result for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
