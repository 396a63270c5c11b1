"""How well a shuffle block mixes a sorted dataset, compared with a permutation of all its records.

    python bench/shuffle_quality.py
    python bench/shuffle_quality.py --page docs/trainer/shuffle-quality.md

Pure arithmetic on the order that a training loop follows (docs/spec/order.md): nothing is read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sealift.trainer.engine.order import Order, Shelf

BLOCKS = (1, 2, 4, 8, 16, 32, 64)
SHARD_MIB = 64
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """The dataset that is shuffled.

    Attributes:
        shards: number of shards.
        records: records of a shard; the last one is half full, as in a dataset that was pushed.
        batch_size: records of a batch.
        ranks: number of ranks, for what one of them sees.
        seeds: number of orders that are averaged.
    """

    shards: int = 64
    records: int = 4096
    batch_size: int = 256
    ranks: int = 8
    seeds: int = 8

    @property
    def counts(self) -> Integers:
        counts = np.full(self.shards, self.records, np.int64)
        counts[-1] //= 2
        return counts


@dataclass(frozen=True)
class Quality:
    """The quality of one order; a record's label is its place in the sorted dataset.

    Attributes:
        displacement: mean distance of a record from its place, over that of a permutation.
        correlation: correlation of the labels of consecutive records of the order.
        scatter: standard deviation of the batches' mean labels, over that of a permutation.
        shards_in_batch: mean number of distinct shards in a batch.
        shards_in_rank_batch: the same, for a batch of one of several ranks.
        together: the share of neighbours in the dataset that are in one batch.
    """

    displacement: float
    correlation: float
    scatter: float
    shards_in_batch: float
    shards_in_rank_batch: float
    together: float


def measure(order: Integers, setting: Setting) -> Quality:
    """Measures an order: the place in the dataset of each of its records, (records,)."""
    total, size = len(order), setting.batch_size
    ends = np.cumsum(setting.counts)
    whole = order[: total // size * size].reshape(-1, size)
    step = size * setting.ranks
    # A rank takes every n-th record of a step.
    of_ranks = order[: total // step * step].reshape(-1, size, setting.ranks)
    of_ranks = of_ranks.transpose(0, 2, 1).reshape(-1, size)
    batch_of = np.empty(total, np.int64)
    batch_of[order] = np.arange(total) // size
    # Without replacement: Cochran, Sampling Techniques, 1977, theorem 2.2.
    deviation = np.std(order) * np.sqrt((1 / size) * (total - size) / (total - 1))
    return Quality(
        displacement=float(np.abs(order - np.arange(total)).mean() / (total / 3)),
        correlation=float(np.corrcoef(order[:-1], order[1:])[0, 1]),
        scatter=float(whole.mean(axis=1).std() / deviation),
        shards_in_batch=_distinct(np.searchsorted(ends, whole, side="right")),
        shards_in_rank_batch=_distinct(np.searchsorted(ends, of_ranks, side="right")),
        together=float((batch_of[1:] == batch_of[:-1]).mean()),
    )


def order_of(block: int, seed: int, setting: Setting) -> Integers:
    """The order with a shuffle block, as places in the dataset."""
    ids = [number.to_bytes(16, "big") for number in range(setting.shards)]
    shelf = Shelf(bytes(16), ids, setting.counts)
    order = Order([shelf], seed=seed, epoch=0, shuffle=True, block=block)
    firsts = np.concatenate(([0], np.cumsum(setting.counts)[:-1]))
    places = np.empty(order.records, np.int64)
    for run in order.locate(np.arange(order.records)):
        places[run.places] = firsts[run.shard] + run.rows
    return places


def table(setting: Setting, blocks: Sequence[int] = BLOCKS) -> str:
    """A Markdown table, one line a block and one for a permutation of all records."""
    lines = [
        "| shuffle block | displacement | correlation | scatter of means | shards in a batch "
        f"| of one of {setting.ranks} ranks | neighbours together | memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for block in blocks:
        found = [
            measure(order_of(block, s, setting), setting) for s in range(setting.seeds)
        ]
        lines.append(_line(str(block), found, f"{block * SHARD_MIB:,} MiB"))
    total = int(setting.counts.sum())
    found = [
        measure(np.random.default_rng(seed).permutation(total), setting)
        for seed in range(setting.seeds)
    ]
    lines.append(
        _line("all records", found, f"{-(-total * SHARD_MIB // setting.records):,} MiB")
    )
    return "\n".join(lines)


def _distinct(batches: Integers) -> float:
    in_order = np.sort(batches, axis=1)
    return float((np.diff(in_order, axis=1) > 0).sum(axis=1).mean() + 1)


def _line(name: str, found: Sequence[Quality], memory: str) -> str:
    mean = {
        f.name: np.mean([getattr(q, f.name) for q in found]) for f in fields(Quality)
    }
    # No "-0.00": which side of zero it is on is chance.
    correlation = f"{mean['correlation'] + 1e-9:.2f}".replace("-0.00", "0.00")
    cells = (
        f"{mean['displacement']:.2f}",
        correlation,
        f"{mean['scatter']:.2f}",
        f"{mean['shards_in_batch']:.1f}",
        f"{mean['shards_in_rank_batch']:.1f}",
        f"{mean['together']:.2%}",
        memory,
    )
    return "| " + " | ".join((name, *cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Setting()
    for field in fields(Setting):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=int, default=getattr(default, field.name))
    parser.add_argument(
        "--page", type=Path, help="a Markdown file whose table is replaced"
    )
    options = vars(parser.parse_args())
    page = options.pop("page")
    made = table(Setting(**options))
    print(made)
    if page is not None:
        text = re.sub(
            r"\| shuffle block \|.*?(?=\n\n)",
            lambda _: made,
            page.read_text(),
            flags=re.S,
        )
        page.write_text(text)


if __name__ == "__main__":
    main()
