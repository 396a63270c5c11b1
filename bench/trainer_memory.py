"""Resident memory of a training loop over a dataset ten times larger than its memory bound.

    python bench/trainer_memory.py
    python bench/trainer_memory.py --plot trainer-memory.png

Sampled every 50 ms, in a separate process for each way to read: in the dataset's order, shuffled,
and, for comparison, all records held at once. The bound is what `dataset.memory` returns.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from harness import HERE, stage

import sealift

WAYS = ("in order", "shuffled", "everything held")
MIB = 1 << 20
FLOATS = 1024
BATCH_SIZE = 256
SAMPLE_SECONDS = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Setting:
    """What is read, and with how much memory.

    Attributes:
        mib: of the dataset.
        shard_mib: of each of its shards.
        read_ahead_mib: plaintext that is opened ahead of the loop.
        shuffle_block: shards that are mixed at a time.
    """

    mib: int = 3072
    shard_mib: int = 64
    read_ahead_mib: int = 32
    shuffle_block: int = 2


@dataclass
class Samples:
    """Resident memory over time, MiB above the start."""

    seconds: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)


def as_owner(setting: Setting) -> None:
    """Pushes shards of a chosen size: each commit ends a shard."""
    random = np.random.default_rng(0)
    records = MIB // (4 * FLOATS)
    # Room for the framing, so that a piece is one shard.
    pieces = range(0, setting.mib, setting.shard_mib)
    with (
        sealift.connect("owner") as owner,
        owner.writer("images", to="trainer") as writer,
    ):
        for number in pieces:
            for _ in range(max(1, setting.shard_mib - 1)):
                values = pa.array(random.random(records * FLOATS, dtype=np.float32))
                images = pa.FixedSizeListArray.from_arrays(values, FLOATS)
                labels = pa.array(np.full(records, number))
                writer.write_batch(pa.record_batch({"image": images, "label": labels}))
            writer.flush()
    print(json.dumps({}))


def as_trainer(way: str, setting: Setting) -> None:
    """Runs one training epoch; prints the memory that it took."""
    options = {"cache": None, "read_ahead": setting.read_ahead_mib * MIB}
    shuffle = {"shuffle": way == "shuffled", "shuffle_block": setting.shuffle_block}
    with sealift.connect("trainer") as trainer:
        dataset = trainer.open_dataset("owner/images", **options)
        before = _resident()
        with sampled(before) as samples:
            held = []
            total, started = 0.0, time.perf_counter()
            for batch in dataset.numpy(BATCH_SIZE, **shuffle):
                total += float(batch["image"].sum())
                if way == WAYS[-1]:
                    held.append(batch)
                del batch
            seconds = time.perf_counter() - started
    result = {
        "before_mib": before / MIB,
        "peak_mib": max(samples.mib),
        "bound_mib": dataset.memory(**shuffle) / MIB,
        "records": dataset.num_records,
        "shards": dataset.num_shards,
        "mean": total / dataset.num_records / FLOATS,
        "seconds": seconds,
        "samples": [samples.seconds, samples.mib],
    }
    print(json.dumps(result))


@contextmanager
def sampled(before: int) -> Iterator[Samples]:
    """Samples this process's resident memory while the block runs."""
    samples, over = Samples(), threading.Event()
    started = time.perf_counter()

    def sample() -> None:
        while True:
            samples.seconds.append(time.perf_counter() - started)
            samples.mib.append((_resident() - before) / MIB)
            if over.wait(SAMPLE_SECONDS):
                return

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def measure(setting: Setting) -> dict[str, dict[str, Any]]:
    """Measures each way to read."""
    script = str(HERE / "trainer_memory.py")
    rest = [f"{_option(f.name)}={getattr(setting, f.name)}" for f in fields(Setting)]
    with stage() as at:
        at.run(script, "--as", "owner", *rest)
        return {way: at.run(script, "--as", way, *rest) for way in WAYS}


def plot(found: dict[str, dict[str, Any]], setting: Setting, file: Path) -> None:
    """Draws the samples, and the bounds as lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    for way, color in zip(WAYS, ("tab:blue", "tab:orange", "tab:gray"), strict=True):
        seconds, mib = found[way]["samples"]
        axes.plot(
            seconds, mib, color=color, label=f"{way}: at most {max(mib):,.0f} MiB"
        )
        if way != WAYS[-1]:
            bound = found[way]["bound_mib"]
            label = f"{way}: dataset.memory() says {bound:,.0f} MiB"
            axes.axhline(bound, color=color, linestyle="--", linewidth=1, label=label)
    axes.set_xlabel("seconds")
    axes.set_ylabel("resident memory above that before the first batch, MiB")
    axes.set_title(
        f"One training epoch of {setting.mib:,} MiB in shards of {setting.shard_mib} MiB, "
        f"read-ahead {setting.read_ahead_mib} MiB, shuffle block {setting.shuffle_block}",
        fontsize=10,
    )
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend()
    figure.savefig(file, dpi=120)


def _resident() -> int:
    """Bytes (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for size in fields(Setting):
        parser.add_argument(_option(size.name), type=int, default=size.default)
    parser.add_argument("--plot", type=Path, help="a PNG file to draw")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--as", dest="role", help=argparse.SUPPRESS)
    options = parser.parse_args()
    setting = Setting(*(getattr(options, size.name) for size in fields(Setting)))
    if options.role == "owner":
        as_owner(setting)
        return
    if options.role:
        as_trainer(options.role, setting)
        return
    found = measure(setting)
    if options.plot:
        plot(found, setting, options.plot)
    if options.json:
        for result in found.values():
            del result["samples"]
        print(json.dumps(found))
        return
    one = found[WAYS[0]]
    print(
        f"{setting.mib:,} MiB in {one['shards']} shards; read-ahead {setting.read_ahead_mib} MiB, "
        f"shuffle block {setting.shuffle_block}; before the first batch {one['before_mib']:.0f} MiB"
    )
    for way, result in found.items():
        bound = "" if way == WAYS[-1] else f" (bound {result['bound_mib']:,.0f} MiB)"
        peak = f"at most {result['peak_mib']:,.0f} MiB more{bound}"
        print(f"  {way:<16} {peak}, {result['seconds']:.1f} s")


if __name__ == "__main__":
    main()
