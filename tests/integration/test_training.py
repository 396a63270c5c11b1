"""The trainer's side over a real relay: batches, orders, caches, workers, resuming."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from patience import PATIENCE
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

import sealift
from sealift.session import Session
from sealift.trainer import dataset as dataset_module
from sealift.trainer.forms.columns import Ragged
from sealift_protocol.errors import (
    GrantExpired,
    InvalidArgument,
    RelayUnavailable,
    SchemaMismatch,
    ShardsGone,
)

PUSHES = 5
ROWS = 300


def wide(first: int, rows: int = ROWS) -> pa.Table:
    """A column of every kind; `number` says which record it is."""
    numbers = list(range(first, first + rows))
    frames = np.arange(rows * 12, dtype=np.uint8).reshape(rows, 12)
    tensor = pa.fixed_shape_tensor(pa.uint8(), (4, 3), permutation=[1, 0])
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "vector": pa.FixedSizeListArray.from_arrays(
                pa.array(np.repeat(np.float32(numbers), 4)), 4
            ),
            "frame": pa.ExtensionArray.from_storage(
                tensor, pa.FixedSizeListArray.from_arrays(pa.array(frames.ravel()), 12)
            ),
            "flag": [n % 2 == 0 for n in numbers],
            "word": [f"word-{n}" for n in numbers],
            "blob": pa.array(
                [bytes([n % 256]) * (n % 50) for n in numbers], pa.binary()
            ),
            "ragged": pa.array(
                [list(range(n % 5)) for n in numbers], pa.list_(pa.int32())
            ),
            "day": pa.array(np.array(numbers, np.int32), pa.int32()).view(pa.date32()),
            "time": pa.array(np.array(numbers), pa.int64()).view(pa.timestamp("us")),
            "nested": [{"a": n, "b": [str(n)]} for n in numbers],
        }
    )


@pytest.fixture
def study(hospital: Session, laboratory: Session) -> pa.Table:
    """Five shards or more, of a wide table each."""
    tables = [wide(number * ROWS) for number in range(PUSHES)]
    for table in tables:
        hospital.push(table, dataset="study", to="laboratory")
    return pa.concat_tables(tables)


@pytest.fixture
def opened(laboratory: Session, study: pa.Table) -> sealift.Dataset:
    return laboratory.open_dataset("hospital/study", cache=None)


def numbers(batches: Any) -> list[list[int]]:
    return [np.asarray(batch["number"]).tolist() for batch in batches]


def same(value: Any, expected: pa.Array) -> None:
    """A batch's column in any form, against what was pushed."""
    if isinstance(value, pa.Array):
        assert value.equals(expected)
    elif isinstance(value, Ragged):
        assert [np.asarray(value[row]).tolist() for row in range(len(value))] == (
            expected.to_pylist()
        )
    elif isinstance(value, list):
        found = [bytes(v) if isinstance(v, memoryview) else v for v in value]
        assert found == expected.to_pylist()
    elif isinstance(expected.type, pa.FixedShapeTensorType):
        shown = np.asarray(value)
        assert shown.shape[1:] == (3, 4)
        np.testing.assert_array_equal(shown, expected.to_numpy_ndarray())
    elif pa.types.is_fixed_size_list(expected.type):
        np.testing.assert_array_equal(np.asarray(value), np.array(expected.to_pylist()))
    elif isinstance(value, torch.Tensor) and pa.types.is_temporal(expected.type):
        whole = pa.int32() if pa.types.is_date32(expected.type) else pa.int64()
        assert value.tolist() == expected.view(whole).to_pylist()
    elif pa.types.is_temporal(expected.type):
        np.testing.assert_array_equal(value, expected.to_numpy(zero_copy_only=False))
    else:
        assert np.asarray(value).tolist() == expected.to_pylist()


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["batches", "numpy", "torch"])
@pytest.mark.parametrize(
    "how", ["natural", "sequential", "shuffled", "copied", "filtered"]
)
def test_every_form_and_order_shows_what_was_pushed(
    opened: sealift.Dataset, study: pa.Table, form: str, how: str
) -> None:
    options: dict[str, Any] = {
        "natural": {},
        "sequential": {"batch_size": 64},
        "shuffled": {"batch_size": 64, "shuffle": True, "shuffle_block": 2},
        "copied": {"batch_size": 64, "copy": True},
        "filtered": {"batch_size": 64, "filter": pc.field("number") >= 0},
    }[how]
    seen: list[int] = []
    for batch in getattr(opened, form)(**options):
        rows = np.asarray(batch["number"]).tolist()
        expected = study.take(rows)
        for name in study.column_names:
            same(batch[name], expected[name].combine_chunks())
        seen += rows
    assert sorted(seen) == list(range(PUSHES * ROWS))
    assert (seen == sorted(seen)) == (how != "shuffled")


def test_batches_have_the_size_asked_for(opened: sealift.Dataset) -> None:
    sizes = [batch.num_rows for batch in opened.batches(128)]
    assert sizes == [128] * 11 + [92]
    assert [b.num_rows for b in opened.batches(128, drop_last=True)] == [128] * 11


def test_a_table_has_everything_and_columns_in_the_order_asked_for(
    opened: sealift.Dataset, study: pa.Table
) -> None:
    assert opened.to_table().equals(study)
    assert len(opened) == study.num_rows
    some = opened.to_table(columns=["word", "number"])
    assert some.equals(study.select(["word", "number"]))
    assert opened.to_table(["word"], filter=pc.field("number") < 7).equals(
        study.slice(0, 7).select(["word"])
    )


def test_batches_that_are_kept_stay_as_they_were(opened: sealift.Dataset) -> None:
    kept = list(opened.torch(50, columns=["number", "vector"], shuffle=True))
    before = [batch["number"].clone() for batch in kept]
    for _ in opened.torch(50, shuffle=True, epoch=1):
        pass
    for batch, numbers_ in zip(kept, before, strict=True):
        assert torch.equal(batch["number"], numbers_)
        assert torch.equal(batch["vector"][:, 0].to(torch.int64), numbers_)


def test_a_sequential_batch_is_a_view_of_its_shard(opened: sealift.Dataset) -> None:
    first, second = itertools.islice(opened.torch(64, columns=["number"]), 2)
    # The tensors' storage is the column of the whole shard.
    assert first["number"].untyped_storage().nbytes() == 8 * ROWS
    assert second["number"].data_ptr() == first["number"].data_ptr() + 8 * 64
    copied = next(iter(opened.torch(64, columns=["number"], copy=True)))["number"]
    assert torch.equal(copied, first["number"])
    assert (
        copied.untyped_storage().data_ptr()
        != first["number"].untyped_storage().data_ptr()
    )


def test_records_by_number_in_any_order(
    opened: sealift.Dataset, study: pa.Table
) -> None:
    wanted = [1499, 0, 777, 777, 300, 299]
    taken = opened.take(wanted)
    for name in study.column_names:
        assert taken[name].to_pylist() == study.take(wanted)[name].to_pylist()
    assert opened.take([3], columns=["word"]).to_pylist() == [{"word": "word-3"}]
    assert opened.head(3).equals(study.slice(0, 3).combine_chunks())
    assert opened.take([]).num_rows == 0
    for wrong in ([1500], [-1]):
        with pytest.raises(InvalidArgument, match="out of range"):
            opened.take(wrong)


def test_a_loop_that_stops_early_stops_the_reading(opened: sealift.Dataset) -> None:
    before = set(threading.enumerate())
    batches = opened.torch(16, shuffle=True)
    next(batches)
    ours = {
        thread
        for thread in set(threading.enumerate()) - before
        if "sealift" in thread.name
    }
    assert ours
    batches.close()
    for thread in ours:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in ours)


def test_what_cannot_be_asked_for_is_named(opened: sealift.Dataset) -> None:
    with pytest.raises(InvalidArgument, match="columns asked for"):
        opened.batches(columns=["number", "nothing"])
    with pytest.raises(InvalidArgument, match="batch_size"):
        opened.batches(shuffle=True)
    with pytest.raises(InvalidArgument, match="at least one record"):
        opened.batches(0)
    with pytest.raises(InvalidArgument, match="rank 2"):
        opened.batches(5, rank=2, world=2)
    with pytest.raises(InvalidArgument, match="filter does not fit"):
        list(opened.batches(filter=pc.field("nothing") > 1))


def test_nulls_are_shown_where_they_can_be(
    hospital: Session, laboratory: Session
) -> None:
    table = pa.table(
        {"number": range(100), "gap": [None if n % 3 else n for n in range(100)]}
    )
    hospital.push(table, dataset="gaps", to="laboratory")
    dataset = laboratory.open_dataset("hospital/gaps")
    for batch in dataset.batches(10, shuffle=True):
        rows = batch["number"].to_pylist()
        assert batch["gap"].to_pylist() == [None if n % 3 else n for n in rows]
    with pytest.raises(InvalidArgument, match="nulls"):
        list(dataset.torch(10))
    assert numbers(dataset.torch(50, columns=["number"])) == [
        [*range(50)],
        [*range(50, 100)],
    ]


# --- order ---------------------------------------------------------------------------------------


def test_the_order_is_the_same_for_any_number_of_ranks(opened: sealift.Dataset) -> None:
    alone = list(itertools.chain(*numbers(opened.numpy(24, shuffle=True, seed=4))))
    assert alone != sorted(alone)
    for world in (2, 4, 8):
        each = [
            numbers(
                opened.numpy(24 // world, shuffle=True, seed=4, rank=rank, world=world)
            )
            for rank in range(world)
        ]
        together: list[int] = []
        for step in zip(*each, strict=True):
            place = [next(iter(p)) for p in step]
            assert len(place) == world
            merged = [
                r for row in itertools.zip_longest(*step) for r in row if r is not None
            ]
            together += merged
        assert together == alone


def test_an_epoch_a_seed_and_a_commit_make_the_order(
    opened: sealift.Dataset, hospital: Session, laboratory: Session
) -> None:
    def order(dataset: sealift.Dataset, **options: int) -> list[list[int]]:
        return numbers(dataset.numpy(100, shuffle=True, columns=["number"], **options))

    first = order(opened)
    assert order(opened) == first
    assert order(opened, seed=1) != first
    assert order(opened, epoch=1) != first
    pinned = opened.commit
    hospital.push(wide(5000, 10), dataset="study", to="laboratory")
    newest = laboratory.open_dataset("hospital/study")
    assert order(newest) != first
    assert order(newest.pin_commit(pinned)) == first
    assert (
        order(laboratory.open_dataset("hospital/study", pin={"hospital/study": pinned}))
        == first
    )


def test_a_commit_whose_shards_were_removed_cannot_be_pinned(
    opened: sealift.Dataset, hospital: Session
) -> None:
    hospital.dataset("study").rotate(reseal=True)
    with pytest.raises(ShardsGone, match="removed"):
        opened.pin_commit(1)
    with pytest.raises(InvalidArgument, match="no commit 99"):
        opened.pin_commit(99)


def test_a_filter_leaves_full_batches_in_every_order(opened: sealift.Dataset) -> None:
    few = opened.filter(pc.field("flag") & (pc.field("number") < 1000))
    expected = list(range(0, 1000, 2))
    assert len(few) == 500
    assert list(itertools.chain(*numbers(few.numpy(64)))) == expected
    shuffled = numbers(few.numpy(64, shuffle=True))
    assert [len(batch) for batch in shuffled] == [64] * 7 + [52]
    assert sorted(itertools.chain(*shuffled)) == expected
    assert few.take([0, 499])["number"].to_pylist() == [0, 998]
    assert few.to_table()["number"].to_pylist() == expected
    again = few.filter(pc.field("number") > 989)
    assert again.to_table()["number"].to_pylist() == [990, 992, 994, 996, 998]
    assert few.runs[0].filter
    nothing = opened.filter(pc.field("number") < 0)
    assert len(nothing) == 0
    assert list(nothing.numpy(10)) == []
    assert list(nothing.numpy()) == []


# --- several datasets ----------------------------------------------------------------------------


@pytest.fixture
def two(
    hospital: Session, clinic: Session, laboratory: Session, study: pa.Table
) -> tuple[Session, pa.Table]:
    theirs = wide(10_000, 500)
    clinic.push(theirs, dataset="icu", to="laboratory")
    return laboratory, theirs


def test_several_datasets_are_read_as_one(two: tuple[Session, pa.Table]) -> None:
    laboratory, _ = two
    mix = laboratory.open_dataset(["hospital/study", "clinic/icu"])
    everything = [*range(1500), *range(10_000, 10_500)]
    assert len(mix) == 2000
    for options in ({"batch_size": 64, "shuffle": True}, {"batch_size": 64}, {}):
        assert sorted(itertools.chain(*numbers(mix.numpy(**options)))) == everything
    assert mix.take([1499, 1500])["number"].to_pylist() == [1499, 10_000]
    assert [part.owner for part in mix.parts] == ["hospital", "clinic"]


def test_weights_are_shares_of_each_batch(two: tuple[Session, pa.Table]) -> None:
    laboratory, _ = two
    mix = laboratory.open_dataset({"hospital/study": 1.0, "clinic/icu": 1.0})
    batches = numbers(mix.numpy(100, shuffle=True))
    assert sum(map(len, batches)) == 1000
    for batch in batches:
        assert abs(sum(number < 10_000 for number in batch) - 50) <= 8
    seen = list(itertools.chain(*batches))
    assert len(set(seen)) == 1000
    # Other training epochs take others of the larger dataset: it has three shards, so that one
    # epoch in three begins with the same.
    assert any(
        set(itertools.chain(*numbers(mix.numpy(100, shuffle=True, epoch=epoch))))
        != set(seen)
        for epoch in range(1, 25)
    )


def test_datasets_of_other_columns_are_not_mixed(
    hospital: Session, laboratory: Session, study: pa.Table
) -> None:
    hospital.push(pa.table({"other": [1]}), dataset="other", to="laboratory")
    with pytest.raises(SchemaMismatch, match="same columns"):
        laboratory.open_dataset(["hospital/study", "hospital/other"])
    with pytest.raises(InvalidArgument):
        laboratory.open_dataset([])


# --- cache and relay -----------------------------------------------------------------------------


def test_the_second_epoch_runs_without_the_relay(
    relay, laboratory: Session, study: pa.Table
) -> None:
    dataset = laboratory.open_dataset("hospital/study", patience=0)
    first = numbers(dataset.numpy(50, shuffle=True))
    fetched = dataset.counters["fetched_bytes"]
    assert fetched > 0
    relay.server.stop()
    assert numbers(dataset.numpy(50, shuffle=True)) == first
    assert dataset.counters["fetched_bytes"] == fetched
    # What is not in the cache is missed by name.
    for file in Path(os.environ["SEALIFT_CACHE"]).rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(RelayUnavailable):
        list(dataset.numpy(50))


def test_a_changed_cache_is_fetched_again_and_counted(
    laboratory: Session, study: pa.Table
) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    expected = dataset.to_table()
    files = [f for f in Path(os.environ["SEALIFT_CACHE"]).rglob("*/*") if f.is_file()]
    assert len(files) == PUSHES
    for file, place in zip(files, (0, 30, 100, 500, -10), strict=True):
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)
    before = dataset.counters
    assert dataset.to_table().equals(expected)
    after = dataset.counters
    assert after["cache_misses"] - before["cache_misses"] == PUSHES
    assert after["fetched_bytes"] > before["fetched_bytes"]
    # And what was fetched is in the cache again.
    assert dataset.to_table().equals(expected)
    assert dataset.counters["fetched_bytes"] == after["fetched_bytes"]


def test_the_cache_holds_nothing_that_can_be_read(
    laboratory: Session, study: pa.Table
) -> None:
    laboratory.open_dataset("hospital/study").to_table()
    content = b"".join(
        file.read_bytes() + str(file).encode()
        for file in Path(os.environ["SEALIFT_CACHE"]).rglob("*")
        if file.is_file()
    )
    assert content
    for word in (b"word-1", b"study", b"hospital", b"number"):
        assert word not in content.replace(os.environ["SEALIFT_CACHE"].encode(), b"")


def test_erased_records_leave_the_cache(
    hospital: Session, laboratory: Session, relay
) -> None:
    people = pa.table({"patient": [f"p{n}" for n in range(10)], "value": range(10)})
    hospital.push(people, dataset="cohort", to="laboratory", subject_column="patient")
    laboratory.open_dataset("hospital/cohort").to_table()
    cached = set(Path(os.environ["SEALIFT_CACHE"]).rglob("*/*"))
    assert len(cached) == 1
    hospital.dataset("cohort").erase("p3")
    laboratory.open_dataset("hospital/cohort")
    assert not cached & set(Path(os.environ["SEALIFT_CACHE"]).rglob("*/*"))


def test_few_records_cost_few_segments(hospital: Session, laboratory: Session) -> None:
    rows = 3000
    table = pa.table(
        {
            "number": range(rows),
            "text": [str(n).zfill(40) for n in range(rows)],
            "vector": pa.FixedSizeListArray.from_arrays(
                pa.array(np.arange(rows * 1024, dtype=np.float32)), 1024
            ),
        }
    )
    hospital.push(table, dataset="large", to="laboratory")
    dataset = laboratory.open_dataset("hospital/large")
    assert dataset.num_shards == 1
    taken = dataset.take([17, 2999], columns=["vector", "text"])
    assert taken["text"].to_pylist() == ["17".zfill(40), "2999".zfill(40)]
    assert taken["vector"][1][5].as_py() == np.float32(2999 * 1024 + 5)
    # 12 MiB in all: the segments of the two vectors, of the texts and the numbers, and the first.
    assert dataset.counters["fetched_bytes"] < 6 << 20
    assert dataset.take([17])["number"].to_pylist() == [17]
    # What a few records left in the cache is not taken for the whole.
    assert dataset.to_table().equals(table)


# --- disclosures ---------------------------------------------------------------------------------


def test_a_disclosure_says_what_was_fetched(
    hospital: Session, laboratory: Session, study: pa.Table
) -> None:
    dataset = laboratory.open_dataset("hospital/study", cache=None)
    dataset.head(2)
    dataset.to_table()
    dataset.to_table()
    found = [line.disclosure for line in hospital.dataset("study").disclosures().lines]
    # One shard for the head; all of them, once a day, for reading everything.
    assert [d.shard_count for d in found] == [1, PUSHES]
    assert dataset.bill_of_materials()


def test_a_grant_that_has_ended_ends_the_next_epoch(
    hospital: Session,
    laboratory: Session,
    study: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    dataset.to_table()
    monkeypatch.setattr(
        "sealift.history.opened.History.grants_of",
        lambda history, identity: [
            type("Ended", (), {"live_at": staticmethod(lambda time: False)})()
        ],
    )
    with pytest.raises(GrantExpired):
        dataset.to_table()


# --- live datasets -------------------------------------------------------------------------------


def test_a_watched_dataset_goes_on_with_what_is_committed_next(
    hospital: Session, laboratory: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "_POLL_SECONDS", 0.05)
    hospital.push(pa.table({"number": [0, 1]}), dataset="live", to="laboratory")
    watched = laboratory.open_dataset("hospital/live").batches(watch=True)
    assert numbers([next(watched)]) == [[0, 1]]
    pusher = threading.Timer(
        0.2,
        lambda: hospital.push(
            pa.table({"number": [2]}), dataset="live", to="laboratory"
        ),
    )
    pusher.start()
    assert numbers([next(watched)]) == [[2]]
    pusher.join()
    with pytest.raises(InvalidArgument, match="cannot be shuffled"):
        laboratory.open_dataset("hospital/live").batches(5, shuffle=True, watch=True)
    fresh = laboratory.open_dataset("hospital/live")
    hospital.push(pa.table({"number": [3]}), dataset="live", to="laboratory")
    assert len(fresh) == 3
    assert len(fresh.refresh()) == 4


# --- metrics -------------------------------------------------------------------------------------


def test_a_loop_can_see_what_it_waits_for(laboratory: Session, study: pa.Table) -> None:
    told: list[sealift.BatchMetrics] = []
    dataset = laboratory.open_dataset("hospital/study", metrics=told.append)
    batches = list(dataset.torch(100, shuffle=True, epoch=3))
    assert [m.records for m in told] == [len(b["number"]) for b in batches]
    assert [m.batch for m in told] == list(range(15))
    assert {m.epoch for m in told} == {3}
    assert sum(m.fetched_bytes for m in told) == dataset.counters["fetched_bytes"]
    assert all(m.bytes > 0 and m.wait_seconds >= 0 for m in told)
    told.clear()
    list(dataset.torch_loader(100))
    assert len(told) == 15
    assert sum(m.cached_bytes for m in told) > 0
    assert not sum(m.fetched_bytes for m in told)


# --- torch's loaders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workers", "context"), [(1, "fork"), (3, "fork"), (2, "spawn"), (2, "forkserver")]
)
def test_workers_do_not_change_the_order(
    laboratory: Session, study: pa.Table, workers: int, context: str
) -> None:
    columns = ["number", "vector", "blob", "word"]
    dataset = laboratory.open_dataset("hospital/study")
    list(dataset.torch(500))  # the channel of this process is in use before any fork
    alone = list(dataset.torch_loader(64, columns=columns, seed=5))
    assert all(
        isinstance(blob, memoryview) for batch in alone for blob in batch["blob"]
    )
    loader = dataset.torch_loader(
        64,
        columns=columns,
        seed=5,
        num_workers=workers,
        multiprocessing_context=context,
    )
    for batch, expected in zip(loader, alone, strict=True):
        assert torch.equal(batch["number"], expected["number"])
        assert torch.equal(batch["vector"], expected["vector"])
        assert batch["word"] == expected["word"]
        assert batch["blob"] == [bytes(view) for view in expected["blob"]]


def test_workers_fetch_each_shard_once(
    laboratory: Session, hospital: Session, study: Any
) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    loader = dataset.torch_loader(64, num_workers=3, columns=["number"])
    assert sorted(n for batch in loader for n in batch["number"].tolist()) == list(
        range(1500)
    )
    assert len(hospital.dataset("study").disclosures().lines) == 1


def test_each_iteration_is_the_next_training_epoch(opened: sealift.Dataset) -> None:
    loader = opened.torch_loader(100, columns=["number"])
    assert len(loader) == 15
    first, second = numbers(loader), numbers(loader)
    assert first != second
    assert loader.epoch == 2
    loader.set_epoch(0)
    assert numbers(loader) == first
    assert [(run.plan.epoch, run.plan.shuffle) for run in opened.runs] == [
        (0, True),
        (1, True),
    ]


def test_a_loop_that_counts_its_batches_goes_on_to_the_next_epoch(
    opened: sealift.Dataset,
) -> None:
    loader = opened.torch_loader(100, columns=["number"])
    epochs = [numbers(itertools.islice(iter(loader), len(loader))) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert loader.state_dict()["epoch"] == 2


def test_the_bill_of_a_resumed_run_is_that_of_the_whole_run(
    opened: sealift.Dataset,
) -> None:
    loader = opened.torch_loader(100, columns=["number"], seed=3)
    numbers(loader)
    next(iter(loader))
    state = loader.state_dict()
    again = opened.refresh()
    assert again.runs == []
    again.torch_loader(50, columns=["number"], seed=3).load_state_dict(state)
    assert again.runs == opened.runs
    assert [run.plan.epoch for run in again.runs] == [0, 1]


def test_an_iteration_that_is_left_begins_anew(opened: sealift.Dataset) -> None:
    loader = opened.torch_loader(100, columns=["number"])
    first = next(iter(loader))["number"].tolist()
    assert numbers(loader)[0] == first


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loop_goes_on_where_it_was_on_any_number_of_ranks(
    laboratory: Session, study: pa.Table, workers: int
) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    whole = list(
        itertools.chain(*numbers(dataset.torch_loader(10, columns=["number"])))
    )
    ranks = [
        dataset.torch_loader(
            10, columns=["number"], rank=rank, world=2, num_workers=workers
        )
        for rank in range(2)
    ]
    seen: list[int] = []
    states = []
    for loader in ranks:
        iterator = iter(loader)
        for _ in range(7):
            seen += next(iterator)["number"].tolist()
        states.append(loader.state_dict())
        iterator.close()
    assert states[0] == states[1]
    assert sorted(seen) == sorted(whole[:140])
    state = pickle.loads(pickle.dumps(states[0]))
    rest: list[int] = []
    for rank in range(3):
        loader = dataset.torch_loader(25, columns=["number"], rank=rank, world=3)
        loader.load_state_dict(state)
        assert loader.steps_left == -(-(1500 - 140) // 75)
        assert len(loader) == 1500 // 75
        rest += itertools.chain(*numbers(loader))
        assert loader.epoch == 1
    assert sorted(rest) == sorted(whole[140:])


def test_a_state_of_something_else_is_refused(
    opened: sealift.Dataset, hospital: Session
) -> None:
    state = opened.torch_loader(10).state_dict()
    for options, what in (
        ({"seed": 1}, "seed"),
        ({"shuffle_block": 4}, "shuffle block"),
    ):
        with pytest.raises(InvalidArgument, match=what):
            opened.torch_loader(10, **options).load_state_dict(state)
    hospital.push(wide(7000, 5), dataset="study", to="laboratory")
    with pytest.raises(InvalidArgument, match="commits") as caught:
        opened.refresh().torch_loader(10).load_state_dict(state)
    assert "pin_commit" in caught.value.hint
    with pytest.raises(InvalidArgument, match="version"):
        opened.torch_loader(10).load_state_dict({**state, "version": 2})


def test_a_stateful_loader_of_torchdata_goes_on(
    laboratory: Session, study: pa.Table
) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    dataset = laboratory.open_dataset("hospital/study")

    def loader(workers: int) -> Any:
        batches = dataset.torch_iterable(50, columns=["number"], seed=2)
        return stateful.StatefulDataLoader(
            batches, batch_size=None, num_workers=workers
        )

    for workers in (0, 2):
        expected = numbers(loader(workers))
        assert len(expected) == 30
        begun = loader(workers)
        iterator = iter(begun)
        first = [next(iterator)["number"].tolist() for _ in range(11)]
        state = begun.state_dict()
        del iterator
        resumed = loader(workers)
        resumed.load_state_dict(state)
        assert first + numbers(resumed) == expected


def test_records_by_number_serve_samplers(laboratory: Session, study: pa.Table) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    records = dataset.torch_map(columns=["number", "vector", "word"])
    assert len(records) == 1500
    assert records[7]["word"] == "word-7"
    for workers in (0, 2):
        sampler = RandomSampler(records, generator=torch.Generator().manual_seed(1))
        loader = DataLoader(
            records, batch_size=100, sampler=sampler, num_workers=workers
        )
        seen = []
        for batch in loader:
            assert torch.equal(batch["vector"][:, 0].to(torch.int64), batch["number"])
            seen += batch["number"].tolist()
        assert sorted(seen) == list(range(1500))
        assert seen != sorted(seen)
    batched = DataLoader(
        records, sampler=BatchSampler(range(1500), 7, drop_last=False), batch_size=None
    )
    assert list(itertools.chain(*numbers(batched))) == list(range(1500))


def test_a_transform_runs_where_the_batch_is_made(
    laboratory: Session, study: pa.Table
) -> None:
    dataset = laboratory.open_dataset("hospital/study")
    loader = dataset.torch_loader(100, num_workers=2, transform=_with_process)
    processes = {batch["process"] for batch in loader}
    assert len(processes) == 2
    assert os.getpid() not in processes


def _with_process(batch: dict[str, Any]) -> dict[str, Any]:
    return {"number": batch["number"], "process": os.getpid()}


def test_keys_are_not_pickled_into_files(opened: sealift.Dataset) -> None:
    for thing in (opened.feed, opened.torch_iterable(10), opened.torch_map()):
        with pytest.raises((RuntimeError, TypeError)):
            pickle.dumps(thing)


def test_a_device_that_is_not_there_is_named(opened: sealift.Dataset) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(InvalidArgument, match="cannot find that device"):
        list(opened.torch_loader(10, device="cuda"))
    assert numbers(
        opened.torch_loader(1500, columns=["number"], device="cpu", shuffle=False)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_reach_a_cuda_device_whole(opened: sealift.Dataset) -> None:
    expected = numbers(opened.torch_loader(64, columns=["number"], seed=1))
    found = []
    for batch in opened.torch_loader(
        64, columns=["number", "vector"], seed=1, device="cuda"
    ):
        assert batch["vector"].is_cuda
        assert torch.equal(batch["vector"][:, 0].to(torch.int64), batch["number"])
        found.append(batch["number"].tolist())
    assert found == expected


def test_one_call_opens_and_closes(laboratory: Session, study: pa.Table) -> None:
    with sealift.open_dataset("hospital/study", profile="laboratory") as dataset:
        assert len(dataset) == 1500
    with pytest.raises(InvalidArgument, match="unknown option `nonsense`"):
        laboratory.open_dataset("hospital/study", nonsense=1)
    with pytest.raises(InvalidArgument, match="on_corrupt"):
        laboratory.open_dataset("hospital/study", on_corrupt="ignore")


def test_memory_is_told_beforehand(opened: sealift.Dataset) -> None:
    small, large = opened.memory(shuffle_block=1), opened.memory(shuffle_block=4)
    assert 0 < small < large
