"""The order of records: as the vectors say, whole, and shared without loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import VECTORS

from sealift.trainer.engine.order import Order, Shelf, Steps, _merge, share_by_weight
from sealift_protocol.errors import InvalidArgument

ORDERS = VECTORS / "order"


def shelf(counts: list[int], name: int = 0, take: int | None = None) -> Shelf:
    ids = [
        name.to_bytes(8, "big") + shard.to_bytes(8, "big")
        for shard in range(len(counts))
    ]
    return Shelf(name.to_bytes(16, "big"), ids, np.array(counts, np.int64), take)


def located(order: Order, positions: np.ndarray) -> list[tuple[int, int, int]]:
    found: list[Any] = [None] * len(positions)
    for run in order.locate(positions):
        for row, place in zip(run.rows.tolist(), run.places.tolist(), strict=True):
            assert found[place] is None
            found[place] = (run.shelf, run.shard, row)
    return found


def whole(order: Order) -> list[tuple[int, int, int]]:
    return located(order, np.arange(order.records))


# --- vectors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", json.loads((ORDERS / "orders.json").read_text()))
def test_orders_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    counts = [np.array(d["counts"], np.int64) for d in case["datasets"]]
    takes: list[int | None] = [None] * len(counts)
    if case["weights"]:
        takes = [*share_by_weight([int(c.sum()) for c in counts], case["weights"])]
    shelves = [
        Shelf(
            bytes.fromhex(d["id"]), [bytes.fromhex(s) for s in d["shards"]], count, take
        )
        for d, count, take in zip(case["datasets"], counts, takes, strict=True)
    ]
    names = ("seed", "epoch", "shuffle", "block")
    order = Order(shelves, **{name: case[name] for name in names})
    assert whole(order) == [tuple(place) for place in case["order"]]
    assert order.records == len(case["order"])


def test_the_vectors_are_what_their_script_makes(
    tmp_path: Path, vector_script: Callable[[str], ModuleType]
) -> None:
    vector_script("make_order_vectors").main(tmp_path)
    made = (tmp_path / "orders.json").read_bytes()
    assert made == (ORDERS / "orders.json").read_bytes()


# --- properties ----------------------------------------------------------------------------------

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=8)


@given(
    st.lists(COUNTS, min_size=1, max_size=3),
    st.integers(1, 12),
    st.integers(0, 2**64 - 1),
    st.booleans(),
)
@settings(max_examples=60)
def test_every_record_comes_exactly_once(
    datasets: list[list[int]], block: int, seed: int, shuffle: bool
) -> None:
    shelves = [shelf(counts, name) for name, counts in enumerate(datasets)]
    order = Order(shelves, seed=seed, epoch=0, shuffle=shuffle, block=block)
    everything = {
        (name, shard, row)
        for name, counts in enumerate(datasets)
        for shard, count in enumerate(counts)
        for row in range(count)
    }
    found = whole(order)
    assert len(found) == len(everything)
    assert set(found) == everything


@given(st.lists(COUNTS, min_size=1, max_size=3), st.integers(1, 9), st.data())
@settings(max_examples=60)
def test_any_positions_are_found_alone_as_they_are_together(
    datasets: list[list[int]], block: int, data: st.DataObject
) -> None:
    shelves = [shelf(counts, name) for name, counts in enumerate(datasets)]
    order = Order(shelves, seed=3, epoch=1, shuffle=True, block=block)
    if not order.records:
        return
    positions = data.draw(st.sets(st.integers(0, order.records - 1), min_size=1))
    wanted = np.array(sorted(positions))
    together = whole(order)
    assert located(order, wanted) == [together[position] for position in wanted]


@given(st.lists(st.integers(0, 40), min_size=2, max_size=5), st.data())
def test_rounds_of_several_datasets_are_interleaved_by_their_times(
    rounds: list[int], data: st.DataObject
) -> None:
    total = sum(rounds)
    if not total:
        return
    first = data.draw(st.integers(0, total - 1))
    count = data.draw(st.integers(1, total - first))
    expected = sorted(
        ((j + 0.5) / m, d, j) for d, m in enumerate(rounds) for j in range(m)
    )
    owners, numbers = _merge(np.array(rounds, np.int64), first, count)
    assert list(zip(owners.tolist(), numbers.tolist(), strict=True)) == [
        (d, j) for _, d, j in expected[first : first + count]
    ]


@given(
    st.integers(0, 300),
    st.integers(1, 17),
    st.sampled_from([1, 2, 3, 4, 8]),
    st.booleans(),
    st.data(),
)
def test_the_ranks_share_what_is_left_of_an_order(
    records: int, batch_size: int, world: int, shuffled: bool, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, records))
    steps = Steps(records, start, batch_size, world, drop_last=False)
    seen: list[int] = []
    for step in range(len(steps)):
        batches = [
            steps.positions(step, rank, shuffled=shuffled) for rank in range(world)
        ]
        sizes = [len(batch) for batch in batches]
        assert max(sizes) - min(sizes) <= 1
        # Only an order with fewer records than ranks leaves one of them with nothing to do.
        assert min(sizes) > 0 or records - start < world
        seen += sorted(np.concatenate(batches).tolist())
        assert len(seen) == steps.after(step + 1) - start
    assert seen == list(range(start, records))


@given(st.integers(0, 300), st.integers(1, 17), st.sampled_from([1, 2, 3, 8]))
def test_full_steps_alone_are_left_if_the_rest_is_dropped(
    records: int, batch_size: int, world: int
) -> None:
    steps = Steps(records, 0, batch_size, world, drop_last=True)
    assert len(steps) == records // (batch_size * world)
    for step in range(len(steps)):
        for rank in range(world):
            assert len(steps.positions(step, rank, shuffled=True)) == batch_size


def test_a_rank_keeps_to_its_own_shards() -> None:
    order = Order([shelf([50] * 64)], seed=1, epoch=0, shuffle=True, block=8)
    steps = Steps(order.records, 0, 16, 8, drop_last=False)
    shards: list[set[int]] = []
    for rank in range(8):
        positions = [steps.positions(s, rank, shuffled=True) for s in range(len(steps))]
        shards.append(
            {shard for _, shard, _ in located(order, np.concatenate(positions))}
        )
    # A lane begins or ends inside a shard where their lengths do not agree; here they do.
    assert sum(map(len, shards)) == 64
    assert not set.intersection(*shards)


def test_seed_epoch_and_dataset_each_make_another_order() -> None:
    def made(seed: int = 0, epoch: int = 0, name: int = 0) -> list[tuple[int, int]]:
        order = Order(
            [shelf([40, 40], name)], seed=seed, epoch=epoch, shuffle=True, block=2
        )
        return [(shard, row) for _, shard, row in whole(order)]

    orders = [made(), made(seed=1), made(epoch=1), made(name=1)]
    assert len({tuple(order) for order in orders}) == 4
    assert made() == made()


def test_weights_are_the_shares_of_every_stretch() -> None:
    totals = [9000, 2000]
    takes = share_by_weight(totals, [3, 1])
    assert takes == [6000, 2000]
    shelves = [shelf([1000] * 9, 0, takes[0]), shelf([500] * 4, 1, takes[1])]
    order = Order(shelves, seed=0, epoch=0, shuffle=True, block=4)
    for begin in range(0, order.records, 256):
        stretch = located(order, np.arange(begin, min(begin + 256, order.records)))
        of_first = sum(name == 0 for name, _, _ in stretch)
        assert abs(of_first - 0.75 * len(stretch)) <= 8


@pytest.mark.parametrize(
    ("seed", "epoch", "block"),
    [(-1, 0, 8), (2**64, 0, 8), (0, -1, 8), (0, 0, 0), (0, 0, 1025)],
)
def test_numbers_out_of_range_are_refused(seed: int, epoch: int, block: int) -> None:
    with pytest.raises(InvalidArgument):
        Order([shelf([3])], seed=seed, epoch=epoch, shuffle=True, block=block)


@pytest.mark.parametrize("weights", [[1, 0], [1, -1], [float("nan"), 1]])
def test_a_weight_is_positive(weights: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="weight"):
        share_by_weight([10, 10], weights)


def test_an_empty_dataset_has_no_share() -> None:
    with pytest.raises(InvalidArgument, match="no records"):
        share_by_weight([10, 0], [1, 1])
