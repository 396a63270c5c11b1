"""A dataset as Hugging Face's own: types, orders, resuming, and nothing left on the disk."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from patience import PATIENCE

from sealift.session import Session
from sealift.trainer.dataset import Dataset
from sealift_protocol.errors import InvalidArgument

datasets = pytest.importorskip("datasets")
torch = pytest.importorskip("torch")

from datasets.distributed import split_dataset_by_node  # noqa: E402
from datasets.fingerprint import Hasher  # noqa: E402

from sealift.trainer.frameworks.huggingface import as_hf_dataset  # noqa: E402

PUSHES, ROWS = 5, 100
TOTAL = PUSHES * ROWS


def tensors(
    first: int, shape: tuple[int, ...], permutation: list[int] | None = None
) -> pa.Array:
    size = int(np.prod(shape))
    values = np.arange(first * size, (first + ROWS) * size, dtype=np.float32)
    kind = pa.fixed_shape_tensor(pa.float32(), shape, permutation=permutation)
    storage = pa.FixedSizeListArray.from_arrays(pa.array(values), size)
    return pa.ExtensionArray.from_storage(kind, storage)


def wide(first: int) -> pa.Table:
    """A column of every kind; `number` says which record it is."""
    numbers = list(range(first, first + ROWS))
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "patient": [f"canary-patient-{n:04d}" for n in numbers],
            "score": pa.array(
                [None if n % 7 == 0 else n / 4 for n in numbers], pa.float32()
            ),
            "frame": tensors(first, (4, 3)),
            "turned": tensors(first, (2, 3, 2), [2, 0, 1]),
            "embedding": tensors(first, (5,)),
            "vector": pa.array([[n, n + 1] for n in numbers], pa.list_(pa.int16(), 2)),
            "ragged": pa.array(
                [list(range(n % 5)) for n in numbers], pa.list_(pa.int32())
            ),
            "blob": pa.array(
                [bytes([n % 256]) * (n % 9) for n in numbers], pa.large_binary()
            ),
            "kind": pa.array([f"kind-{n % 3}" for n in numbers]).dictionary_encode(),
            "day": pa.array(np.array(numbers, np.int32), pa.int32()).view(pa.date32()),
            "nested": [{"a": n, "b": [str(n)]} for n in numbers],
        }
    )


@pytest.fixture
def study(hospital: Session, laboratory: Session) -> pa.Table:
    """Five shards of a wide table each."""
    tables = [wide(number * ROWS) for number in range(PUSHES)]
    for table in tables:
        hospital.push(table, dataset="study", to="laboratory")
    return pa.concat_tables(tables).unify_dictionaries()


@pytest.fixture
def opened(laboratory: Session, study: pa.Table) -> Dataset:
    return laboratory.open_dataset("hospital/study", cache=None)


def numbers(records: Any) -> list[int]:
    return [int(record["number"]) for record in records]


def ours(dataset: Dataset, epoch: int = 0, seed: int = 7, **options: Any) -> list[int]:
    """Our own order of a training epoch."""
    batches = dataset.batches(64, shuffle=True, seed=seed, epoch=epoch, **options)
    return [n for batch in batches for n in batch["number"].to_pylist()]


# --- types ---------------------------------------------------------------------------------------


def test_features_follow_from_the_arrow_schema(opened: Dataset) -> None:
    value = datasets.Value
    assert as_hf_dataset(opened).features == datasets.Features(
        {
            "number": value("int64"),
            "patient": value("string"),
            "score": value("float32"),
            "frame": datasets.Array2D((4, 3), "float32"),
            "turned": datasets.Array3D((2, 2, 3), "float32"),
            "embedding": datasets.List(value("float32"), length=5),
            "vector": datasets.List(value("int16"), length=2),
            "ragged": datasets.List(value("int32")),
            "blob": value("large_binary"),
            "kind": value("string"),
            "day": value("date32"),
            "nested": {"a": value("int64"), "b": datasets.List(value("string"))},
        }
    )


def test_records_are_those_that_were_pushed(opened: Dataset, study: pa.Table) -> None:
    plain = [
        name
        for name in study.schema.names
        if name not in ("frame", "turned", "embedding")
    ]
    records = list(as_hf_dataset(opened, batch_size=64))
    assert [{name: record[name] for name in plain} for record in records] == (
        study.select(plain).to_pylist()
    )
    for name in ("frame", "embedding", "turned"):
        kind = study.schema.field(name).type
        stored = np.concatenate(
            [chunk.storage.flatten() for chunk in study[name].chunks]
        )
        stored = stored.reshape(TOTAL, *kind.shape)
        axes = [axis + 1 for axis in kind.permutation or range(len(kind.shape))]
        found = np.array([record[name] for record in records])
        np.testing.assert_array_equal(found, stored.transpose(0, *axes))


def test_batches_reach_torch_as_tensors(opened: Dataset) -> None:
    columns = ["number", "patient", "frame", "vector"]
    records = as_hf_dataset(opened, columns=columns).with_format("torch")
    batches = list(records.iter(batch_size=128))
    assert [len(batch["number"]) for batch in batches] == [128, 128, 128, 116]
    assert torch.cat([batch["number"] for batch in batches]).tolist() == list(
        range(TOTAL)
    )
    assert batches[0]["frame"].shape == (128, 4, 3)
    assert batches[0]["frame"][2, 1, 1] == 2 * 12 + 4
    assert batches[0]["vector"].shape == (128, 2)
    assert batches[1]["patient"][0] == "canary-patient-0128"
    one = next(iter(records))
    assert set(one) == set(columns)
    assert one["frame"].shape == (4, 3)


def test_batches_reach_arrow_with_the_types_of_the_features(opened: Dataset) -> None:
    records = as_hf_dataset(opened)
    tables = list(records.with_format("arrow").iter(batch_size=200))
    assert [len(table) for table in tables] == [200, 200, 100]
    assert tables[0].schema == records.features.arrow_schema


def test_a_column_that_is_not_there_or_has_no_type_there_is_refused_at_once(
    hospital: Session, laboratory: Session, opened: Dataset
) -> None:
    with pytest.raises(InvalidArgument):
        as_hf_dataset(opened, columns=["height"])
    pairs = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32()))
    hospital.push(pa.table({"n": [1], "pairs": pairs}), dataset="odd", to="laboratory")
    odd = laboratory.open_dataset("hospital/odd", cache=None)
    with pytest.raises(InvalidArgument, match="lack") as caught:
        as_hf_dataset(odd)
    assert "columns=" in caught.value.hint
    assert list(as_hf_dataset(odd, columns=["n"])) == [{"n": 1}]


# --- what Hugging Face does with it --------------------------------------------------------------


def test_map_filter_take_and_skip_work(opened: Dataset) -> None:
    records = as_hf_dataset(opened, columns=["number"], batch_size=64)
    assert numbers(records.take(3)) == [0, 1, 2]
    assert numbers(records.skip(TOTAL - 2)) == [TOTAL - 2, TOTAL - 1]
    assert numbers(records.filter(lambda record: record["number"] % 100 == 0)) == list(
        range(0, TOTAL, 100)
    )
    doubled = records.map(lambda record: {"twice": 2 * record["number"]})
    assert [record["twice"] for record in doubled] == list(range(0, 2 * TOTAL, 2))
    batched = records.map(
        lambda batch: {"size": [len(batch["number"])] * len(batch["number"])},
        batched=True,
        batch_size=50,
    )
    assert {record["size"] for record in batched} == {50}
    assert records.select_columns("number").rename_column("number", "n").take(
        1
    ).to_list() == ([{"n": 0}])


def test_hugging_faces_own_shuffle_keeps_every_record(opened: Dataset) -> None:
    found = numbers(
        as_hf_dataset(opened, columns=["number"], num_shards=4).shuffle(seed=3)
    )
    assert sorted(found) == list(range(TOTAL))
    assert found != list(range(TOTAL))


# --- orders --------------------------------------------------------------------------------------


def test_the_training_epoch_chooses_the_order_that_our_own_batches_have(
    opened: Dataset,
) -> None:
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, seed=7)
    mapped = records.map(lambda record: record).filter(lambda record: True)
    for epoch in (0, 3, 1):
        for made in (records, mapped):
            made.set_epoch(epoch)
            assert numbers(made) == ours(opened, epoch)
    assert ours(opened, 0) != ours(opened, 1)
    other = as_hf_dataset(
        opened, columns=["number"], shuffle=True, seed=8, shuffle_block=2
    )
    assert numbers(other) == ours(opened, seed=8, shuffle_block=2)


def test_without_shuffle_every_training_epoch_has_the_datasets_own_order(
    opened: Dataset,
) -> None:
    records = as_hf_dataset(opened, columns=["number"])
    for epoch in (0, 1):
        records.set_epoch(epoch)
        assert numbers(records) == list(range(TOTAL))


def test_training_epochs_are_noted_for_the_bill_of_materials(opened: Dataset) -> None:
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, seed=7)
    records.set_epoch(4)
    assert opened.runs == []
    numbers(records)
    plans = [run.plan for run in opened.runs]
    assert [(plan.seed, plan.epoch, plan.shuffle) for plan in plans] == [(7, 4, True)]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_nodes_share_the_records(opened: Dataset, world: int) -> None:
    # Two divides the parts, three does not: Hugging Face then skips records.
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, num_shards=4)
    nodes = [
        numbers(split_dataset_by_node(records, rank, world)) for rank in range(world)
    ]
    assert sorted(n for node in nodes for n in node) == list(range(TOTAL))
    assert max(map(len, nodes)) - min(map(len, nodes)) <= 1


def test_parts_of_nodes_share_the_records(opened: Dataset) -> None:
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, num_shards=6)
    parts = [
        numbers(split_dataset_by_node(records.shard(3, part), rank, 2))
        for part in range(3)
        for rank in range(2)
    ]
    assert sorted(n for part in parts for n in part) == list(range(TOTAL))
    assert {len(part) for part in parts} <= {TOTAL // 6, TOTAL // 6 + 1}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_workers_of_a_loader_share_the_records(
    opened: Dataset, method: str
) -> None:
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, num_shards=2)
    records.set_epoch(1)
    loader = torch.utils.data.DataLoader(
        records, batch_size=50, num_workers=2, multiprocessing_context=method
    )
    found = [n for batch in loader for n in batch["number"].tolist()]
    assert sorted(found) == list(range(TOTAL))
    assert found != list(range(TOTAL))


# --- resuming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["records", "mapped", "torch", "batches"])
def test_a_state_goes_on_at_the_next_record(opened: Dataset, way: str) -> None:
    def make() -> Any:
        records = as_hf_dataset(
            opened,
            columns=["number"],
            batch_size=64,
            shuffle=True,
            seed=7,
            shuffle_block=2,
        )
        if way == "mapped":
            records = records.map(lambda record: {"twice": 2 * record["number"]})
        if way == "torch":
            records = records.with_format("torch")
        records.set_epoch(2)
        return records

    def read(records: Any) -> Generator[int, None, None]:
        for record in records.iter(batch_size=1) if way == "batches" else records:
            yield int(np.ravel(record["number"])[0])

    for stop in (1, 63, 64, 65, 300):
        records = make()
        found = read(records)
        before = list(islice(found, stop))
        state = pickle.loads(pickle.dumps(records.state_dict()))
        found.close()
        resumed = make()
        resumed.load_state_dict(state)
        assert before + list(read(resumed)) == ours(opened, 2, shuffle_block=2)


def test_resuming_fetches_only_what_follows(opened: Dataset) -> None:
    records = as_hf_dataset(opened, columns=["number"], batch_size=ROWS)
    iterator = iter(records)
    for _ in range(3 * ROWS + 1):
        next(iterator)
    state = records.state_dict()
    iterator.close()
    opened.feed.counters.fetched_bytes = 0
    resumed = as_hf_dataset(opened, columns=["number"], batch_size=ROWS)
    resumed.load_state_dict(state)
    assert numbers(resumed) == list(range(3 * ROWS + 1, TOTAL))
    sizes = [entry.stored_size for entry in opened.parts[0].opened.shards]
    assert 0 < opened.counters["fetched_bytes"] <= sum(sizes[3:])


def test_a_state_of_another_order_is_refused(
    opened: Dataset, hospital: Session
) -> None:
    records = as_hf_dataset(opened, columns=["number"], shuffle=True, seed=1)
    next(iter(records))
    state = records.state_dict()
    hospital.push(wide(TOTAL), dataset="study", to="laboratory")
    for changed in (
        as_hf_dataset(opened, columns=["number"], shuffle=True, seed=2),
        as_hf_dataset(opened.refresh(), columns=["number"], shuffle=True, seed=1),
    ):
        changed.load_state_dict(state)
        with pytest.raises(InvalidArgument, match="another order"):
            next(iter(changed))


# --- what stays where ----------------------------------------------------------------------------


def test_neither_a_pickle_nor_a_fingerprint_can_be_made_of_it(opened: Dataset) -> None:
    records = as_hf_dataset(opened)
    for make in (pickle.dumps, Hasher.hash):
        for made in (records, records.map(lambda record: record)):
            with pytest.raises((RuntimeError, TypeError)):
                make(made)


SCRIPT = """
import socket
import sealift
from sealift.trainer.frameworks.huggingface import as_hf_dataset

asked = []
for name in ("connect", "connect_ex"):
    def refuse(self, address, _name=name):
        asked.append(address)
        raise OSError("no network in this test")
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = lambda *a, **k: asked.append(a) or []

with sealift.open_dataset("hospital/study", profile="laboratory", cache=None) as dataset:
    columns = ["number", "patient", "frame"]
    records = as_hf_dataset(dataset, columns=columns, shuffle=True, seed=1)
    names = set()
    for epoch in range(2):
        records.set_epoch(epoch)
        mapped = records.map(lambda r: {"name": r["patient"].upper()})
        mapped = mapped.filter(lambda r: r["number"] > 9).shuffle(seed=2, buffer_size=50)
        for batch in mapped.with_format("torch").iter(batch_size=32):
            names.update(batch["name"])
    state = records.state_dict()
print(len(names), len(asked))
"""


def test_records_leave_nothing_on_the_disk_and_ask_no_network(
    opened: Dataset, tmp_path: Path, profiles: Path
) -> None:
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    environment = {
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home / "tmp"),
        "SEALIFT_HOME": str(profiles),
        "SEALIFT_PASSPHRASE": "correct horse battery staple",
        "PATH": "/usr/bin:/bin",
        # Keystores of tests open at a cost that only tests allow.
        "PYTHONPATH": os.environ["PYTHONPATH"],
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(TOTAL - 10), "0"]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in files if (home / "hf") in path.parents]
    for path in files:
        content = path.read_bytes()
        assert b"canary-patient" not in content, path
        assert b"CANARY-PATIENT" not in content, path


def test_without_datasets_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sealift.trainer.frameworks.huggingface")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InvalidArgument) as caught:
        import sealift.trainer.frameworks.huggingface  # noqa: F401
    assert "sealift[huggingface]" in caught.value.hint
