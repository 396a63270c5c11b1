"""Writes tests/vectors/order/orders.json: whole orders of small datasets.

This script's own, straight from docs/spec/order.md, record by record and with nothing shared.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from blake3 import blake3


def permutation(
    count: int, kind: bytes, seed: int, epoch: int, *place: bytes | int
) -> list[int]:
    context = (
        b"sealift-order-1" + kind + seed.to_bytes(8, "big") + epoch.to_bytes(8, "big")
    )
    for part in place:
        context += part if isinstance(part, bytes) else part.to_bytes(8, "big")
    stream = blake3(context).digest(length=8 * count)
    keys = [int.from_bytes(stream[8 * i : 8 * i + 8], "little") for i in range(count)]
    return sorted(range(count), key=lambda i: (keys[i], i))


def lanes(
    name: int,
    counts: list[int],
    taken: int,
    seed: int,
    epoch: int,
    block: int,
    shuffle: bool,
) -> list[list[tuple[int, int, int]]]:
    """A dataset's lanes: (dataset, shard, record) for each place."""
    order = list(range(len(counts)))
    if shuffle:
        order = permutation(
            len(counts), b"s", seed, epoch, dataset_id(name), bytes(16), 0
        )
    line = [(shard, record) for shard in order for record in range(counts[shard])][
        :taken
    ]
    whole, extra = divmod(taken, block)
    cut: list[list[tuple[int, int, int]]] = []
    begin = 0
    for lane in range(block):
        end = begin + whole + (lane < extra)
        places: list[tuple[int, int, int]] = []
        while begin < end:
            shard, first = line[begin]
            size = 1
            while begin + size < end and line[begin + size][0] == shard:
                size += 1
            within = list(range(size))
            if shuffle:
                id_ = shard_id(name, shard)
                within = permutation(
                    size, b"r", seed, epoch, dataset_id(name), id_, first
                )
            places += [(name, shard, first + i) for i in within]
            begin += size
        cut.append(places)
    return cut


def whole_order(case: dict[str, Any]) -> list[tuple[int, int, int]]:
    block = case["block"] if case["shuffle"] else 1
    totals = [sum(counts) for counts in case["counts"]]
    taken = totals
    if case["weights"]:
        unit = min(n / w for n, w in zip(totals, case["weights"], strict=True))
        taken = [
            min(n, max(1, int(unit * w)))
            for n, w in zip(totals, case["weights"], strict=True)
        ]
    cut = [
        lanes(d, counts, taken[d], case["seed"], case["epoch"], block, case["shuffle"])
        for d, counts in enumerate(case["counts"])
    ]
    rounds = sorted(
        ((j + 0.5) / (taken[d] // block), d, j)
        for d in range(len(cut))
        for j in range(taken[d] // block)
    )
    order = [cut[d][lane][j] for _, d, j in rounds for lane in range(block)]
    for d in range(len(cut)):
        order += [cut[d][lane][taken[d] // block] for lane in range(taken[d] % block)]
    return order


def dataset_id(number: int) -> bytes:
    return hashlib.sha256(f"dataset {number}".encode()).digest()[:16]


def shard_id(dataset: int, shard: int) -> bytes:
    return hashlib.sha256(f"shard {dataset} {shard}".encode()).digest()[:16]


CASES: list[dict[str, Any]] = [
    {"counts": [[10]], "seed": 0, "epoch": 0, "block": 1},
    {"counts": [[10]], "seed": 0, "epoch": 1, "block": 1},
    {"counts": [[10]], "seed": 0, "epoch": 0, "block": 4},
    {"counts": [[3, 0, 7, 1, 12]], "seed": 2**64 - 1, "epoch": 3, "block": 2},
    {"counts": [[3, 0, 7, 1, 12]], "seed": 7, "epoch": 0, "block": 8},
    {"counts": [[2, 1]], "seed": 7, "epoch": 0, "block": 8},
    {"counts": [[3, 0, 7, 1, 12]], "seed": 7, "epoch": 0, "block": 8, "shuffle": False},
    {"counts": [[5, 9], [20], [1, 1]], "seed": 5, "epoch": 2, "block": 2},
    {
        "counts": [[5, 9], [20]],
        "seed": 5,
        "epoch": 2,
        "block": 4,
        "weights": [2.0, 1.0],
    },
    {"counts": [[5, 9], [20]], "seed": 5, "epoch": 2, "block": 4, "shuffle": False},
    {
        "counts": [[40, 2], [30, 10], [7]],
        "seed": 1,
        "epoch": 0,
        "block": 3,
        "weights": [1, 1, 0.1],
    },
]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for case in CASES:
        case = {"shuffle": True, "weights": None, **case}
        order = whole_order(case)
        case["datasets"] = [
            {
                "id": dataset_id(d).hex(),
                "shards": [shard_id(d, s).hex() for s in range(len(counts))],
                "counts": counts,
            }
            for d, counts in enumerate(case.pop("counts"))
        ]
        written.append({**case, "order": order})
    text = json.dumps(written, separators=(",", ":")).replace('{"seed"', '\n{"seed"')
    (folder / "orders.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "order")
