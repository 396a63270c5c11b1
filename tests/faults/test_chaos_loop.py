"""A training loop whose relay dies, lies or refuses; chaos_loop.py does it at length."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from attacks.conftest import LyingRelay, put_in_front

from sealift.errors import CorruptShard
from sealift.session import Session
from sealift.trainer.dataset import Dataset
from sealift_protocol.v1 import shards_pb2

SHARDS, RECORDS = 6, 100
ORDER = {"seed": 5, "shuffle_block": 2}
SHARD = 3


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    module = importlib.import_module("chaos_loop")
    size = module.Size(shards=40, records=1_000, kills=3, seconds=5)
    with module.staged() as at:
        made = module.Chaos(at, tmp_path, size, seed=3)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def chaos_loop(chaos: Any) -> ModuleType:
    return importlib.import_module("chaos_loop")


def test_f1_a_loop_sees_the_same_whatever_befalls_relay_cache_and_grant(
    chaos: Any, chaos_loop: ModuleType
) -> None:
    found = (
        chaos.with_small_cache(),
        chaos.without_cache(),
        chaos.without_relay(),
        chaos.revoked(),
    )
    assert found[0].kills == found[1].kills == 3
    assert chaos_loop.holds(*found), found


# --- a relay that lies ---------------------------------------------------------------------------


@pytest.fixture
def lying_relay(hospital: Session, laboratory: Session) -> LyingRelay:
    """The relay as the laboratory sees it from now on; it has a dataset of some shards."""
    with hospital.writer("study", to="laboratory") as writer:
        for number in range(SHARDS):
            ids = pa.array(range(number * RECORDS, (number + 1) * RECORDS))
            writer.write_batch(pa.record_batch({"id": ids}))
            writer.flush()
    return put_in_front(laboratory)


def lie(relay: LyingRelay, dataset: Dataset, *, times: int = 1_000_000) -> None:
    """The relay changes a byte of a segment of one shard, so many times."""
    target = dataset.parts[0].opened.shards[SHARD].shard_id
    told = 0

    def change(messages: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal told
        shard = b""
        for message in messages:
            answer = shards_pb2.GetResponse.FromString(message)
            if answer.WhichOneof("part") == "head":
                shard = answer.head.header[32:48]
            elif shard == target and told < times:
                told += 1
                answer.segment = bytes([answer.segment[0] ^ 1]) + answer.segment[1:]
            yield answer.SerializeToString()

    relay.lies["get_segments"] = change


def see(dataset: Dataset, into: list[int], *, epoch: int = 0) -> list[int]:
    for batch in dataset.torch_loader(32, epoch=epoch, **ORDER):
        into += batch["id"].tolist()
    return into


@pytest.fixture
def order(lying_relay: LyingRelay, laboratory: Session) -> list[int]:
    """What a loop sees while the relay is honest."""
    found = see(laboratory.open_dataset("hospital/study", cache=None), [])
    assert sorted(found) == list(range(SHARDS * RECORDS))
    return found


def of_shard(number: int) -> range:
    return range(number * RECORDS, (number + 1) * RECORDS)


@pytest.mark.parametrize("cache", [None, "auto"])
def test_a_corrupt_shard_is_fetched_again_and_the_loop_does_not_notice(
    lying_relay: LyingRelay, laboratory: Session, order: list[int], cache: str | None
) -> None:
    dataset = laboratory.open_dataset(
        "hospital/study", cache=cache, on_corrupt="refetch"
    )
    lie(lying_relay, dataset, times=2)
    assert see(dataset, []) == order
    assert dataset.counters["refetched"] == 2
    assert dataset.counters["skipped_shards"] == 0


@pytest.mark.parametrize(("on_corrupt", "refetched"), [("raise", 0), ("refetch", 4)])
def test_a_shard_that_stays_corrupt_ends_the_loop_and_never_reaches_it(
    lying_relay: LyingRelay,
    laboratory: Session,
    order: list[int],
    on_corrupt: str,
    refetched: int,
) -> None:
    dataset = laboratory.open_dataset(
        "hospital/study", cache=None, on_corrupt=on_corrupt
    )
    lie(lying_relay, dataset)
    seen: list[int] = []
    with pytest.raises(CorruptShard):
        see(dataset, seen)
    assert seen == order[: len(seen)]
    assert not set(seen) & set(of_shard(SHARD))
    assert dataset.counters["refetched"] == refetched


@pytest.mark.parametrize("cache", [None, "auto"])
def test_a_shard_that_stays_corrupt_is_left_out_if_that_is_wished_and_counted(
    lying_relay: LyingRelay, laboratory: Session, order: list[int], cache: str | None
) -> None:
    dataset = laboratory.open_dataset("hospital/study", cache=cache, on_corrupt="skip")
    lie(lying_relay, dataset)
    assert see(dataset, []) == [
        number for number in order if number not in of_shard(SHARD)
    ]
    # Opened once or twice, for a shard may lie in two lanes.
    skipped = dataset.counters["skipped_shards"]
    assert 1 <= skipped <= 2
    assert dataset.counters["skipped_records"] == skipped * RECORDS
    del lying_relay.lies["get_segments"]
    assert see(dataset, []) == order


def test_ranks_take_as_many_steps_as_each_other_when_a_shard_is_left_out(
    lying_relay: LyingRelay, laboratory: Session, order: list[int]
) -> None:
    dataset = laboratory.open_dataset("hospital/study", cache=None, on_corrupt="skip")
    lie(lying_relay, dataset)
    ranks = [dataset.torch_loader(16, rank=rank, world=2, **ORDER) for rank in range(2)]
    steps = [[batch["id"].tolist() for batch in rank] for rank in ranks]
    assert len(steps[0]) == len(steps[1]) == len(ranks[0])
    seen = [number for rank in steps for batch in rank for number in batch]
    assert sorted(seen) == sorted(set(order) - set(of_shard(SHARD)))
