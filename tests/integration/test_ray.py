"""Ray Data reads a dataset through its own workers, none of which is sent a secret."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    InvalidArgument,
    KeystoreError,
    RollbackDetected,
    ShardsGone,
)

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

from ray import cloudpickle  # noqa: E402

from sealift import ray as raydata  # noqa: E402
from sealift.ray import SealiftDatasource  # noqa: E402

PUSHES, ROWS = 5, 200


def patients(first: int) -> pa.Table:
    numbers = range(first, first + ROWS)
    frames = np.arange(ROWS * 6, dtype=np.uint8)
    return pa.table(
        {
            "patient": [f"canary-patient-{n:04d}" for n in numbers],
            "age": pa.array(numbers, pa.int32()),
            "frame": pa.ExtensionArray.from_storage(
                pa.fixed_shape_tensor(pa.uint8(), (2, 3)),
                pa.FixedSizeListArray.from_arrays(pa.array(frames), 6),
            ),
        }
    )


@pytest.fixture
def icu(hospital: Session, laboratory: Session) -> pa.Table:
    """A dataset of five shards."""
    tables = [patients(number * ROWS) for number in range(PUSHES)]
    for table in tables:
        hospital.push(table, dataset="icu", to="laboratory")
    return pa.concat_tables(tables)


@pytest.fixture(autouse=True)
def no_session_from_before() -> Iterator[None]:
    raydata._open.cache_clear()
    yield
    raydata._open.cache_clear()


def source(**options: Any) -> SealiftDatasource:
    return SealiftDatasource("hospital/icu", profile="laboratory", **options)


# --- tasks, called in this process as a worker would ---------------------------------------------


def test_tasks_called_in_process_read_every_record_once(icu: pa.Table) -> None:
    tasks = source().get_read_tasks(2)
    assert [task.metadata.num_rows for task in tasks] == [2 * ROWS, 3 * ROWS]
    blocks = [block for task in tasks for block in task()]
    assert all(isinstance(block, pa.Table) for block in blocks)
    # One a shard, not one a task: a task's memory does not grow with what it reads.
    assert len(blocks) == PUSHES
    assert pa.concat_tables(blocks).equals(icu)


def test_there_are_no_more_tasks_than_shards(icu: pa.Table) -> None:
    made = source()
    assert [len(made.get_read_tasks(n)) for n in (1, 3, PUSHES, 200)] == [
        1,
        3,
        PUSHES,
        PUSHES,
    ]
    assert made.estimate_inmemory_data_size() == sum(
        task.metadata.size_bytes for task in made.get_read_tasks(3)
    )
    assert made.estimate_inmemory_data_size() >= icu.nbytes


def test_tasks_called_in_process_read_the_columns_that_were_named(
    icu: pa.Table,
) -> None:
    (task,) = source(columns=["age"]).get_read_tasks(1)
    assert task.schema == icu.select(["age"]).schema
    assert pa.concat_tables(task()).equals(icu.select(["age"]))
    with pytest.raises(InvalidArgument):
        source(columns=["height"])


def test_tasks_called_in_process_keep_to_a_limit_of_rows(icu: pa.Table) -> None:
    (task,) = source().get_read_tasks(1, per_task_row_limit=7)
    assert sum(block.num_rows for block in task()) == 7


def test_a_pinned_commit_is_read_as_it_was(hospital: Session, icu: pa.Table) -> None:
    columns = icu.append_column("height", pa.array(range(len(icu)), pa.int32()))
    hospital.push(columns.slice(0, ROWS), dataset="icu", to="laboratory")
    now, before = source(), source(commit=2)
    assert (
        sum(task.metadata.num_rows for task in now.get_read_tasks(9))
        == (PUSHES + 1) * ROWS
    )
    (task,) = before.get_read_tasks(1)
    assert pa.concat_tables(task()).equals(icu.slice(0, task.metadata.num_rows))
    assert 0 < task.metadata.num_rows < len(icu)


@pytest.mark.usefixtures("icu")
def test_each_task_discloses_the_shards_that_it_reads(hospital: Session) -> None:
    before = len(hospital.dataset("icu").disclosures().lines)
    made = source(purpose="sepsis model")
    tasks = made.get_read_tasks(2)
    # Planning fetches nothing.
    assert len(hospital.dataset("icu").disclosures().lines) == before
    for task in tasks:
        list(task())
    lines = hospital.dataset("icu").disclosures().lines[before:]
    assert [line.disclosure.shard_count for line in lines] == [2, 3]
    assert [line.disclosure.shard_ids for line in lines] == [
        frozenset(made._all.shard_ids[:2]),
        frozenset(made._all.shard_ids[2:]),
    ]
    assert {line.disclosure.purpose for line in lines} == {"sepsis model"}


def test_a_process_opens_its_keystore_once_for_many_tasks(
    icu: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = source().get_read_tasks(PUSHES)
    opened = []
    connect = raydata.connect
    monkeypatch.setattr(
        raydata, "connect", lambda name: opened.append(name) or connect(name)
    )
    assert sum(block.num_rows for task in tasks for block in task()) == len(icu)
    assert opened == ["laboratory"]


def test_an_empty_dataset_has_a_task_that_yields_nothing(
    hospital: Session, icu: pa.Table
) -> None:
    account = hospital.open_dataset("hospital/icu", cache=None)
    hospital.dataset("icu").delete(
        shards=[e.shard_id for e in account.parts[0].opened.shards]
    )
    (task,) = source().get_read_tasks(8)
    assert list(task()) == []
    assert task.schema == icu.schema


# --- what a task carries -------------------------------------------------------------------------


@pytest.mark.usefixtures("icu")
def test_neither_a_datasource_nor_a_task_carries_a_key_or_a_passphrase(
    laboratory: Session,
) -> None:
    made = source(purpose="sepsis model")
    keys = laboratory._connection.keychain.keys
    opened = laboratory._connection.open("hospital/icu")
    secrets = {
        "passphrase": os.environ["SEALIFT_PASSPHRASE"].encode(),
        "identity": keys.identity.reveal(),
        "tls": keys.tls_private_key.reveal(),
        **{
            f"recipient {n}": key.private.reveal()
            for n, key in enumerate(keys.recipient_keys)
        },
        **{
            f"epoch {number}": key.reveal() for number, key in opened.epoch_keys.items()
        },
    }
    assert len(secrets) >= 5
    pickled = [cloudpickle.dumps(thing) for thing in (made, *made.get_read_tasks(3))]
    # Ray's own pickle says where to find it; the task's is small for the same reason.
    assert all(b"sealift.ray" in content for content in pickled)
    for content in pickled:
        for name, secret in secrets.items():
            assert secret not in content, name
            assert secret.hex().encode() not in content, name
        assert b"canary-patient" not in content
        assert b"PRIVATE KEY" not in content
    # A secret by mistake would not even pickle.
    with pytest.raises(TypeError):
        cloudpickle.dumps(keys.identity)


@pytest.mark.usefixtures("icu")
def test_a_worker_without_a_passphrase_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = [pickle.loads(cloudpickle.dumps(t)) for t in source().get_read_tasks(1)]
    monkeypatch.delenv("SEALIFT_PASSPHRASE")
    with pytest.raises(KeystoreError) as caught:
        list(tasks[0]())
    assert "SEALIFT_PASSPHRASE" in caught.value.hint


# --- what changes between planning and reading ---------------------------------------------------


@pytest.mark.usefixtures("icu")
def test_a_shard_that_was_removed_since_is_an_error_that_says_so(
    hospital: Session,
) -> None:
    tasks = source().get_read_tasks(2)
    opened = hospital.open_dataset("hospital/icu", cache=None).parts[0].opened
    hospital.dataset("icu").delete(shards=[opened.shards[0].shard_id])
    with pytest.raises(ShardsGone, match="1 shards"):
        list(tasks[0]())
    assert sum(block.num_rows for block in tasks[1]()) == 3 * ROWS


@pytest.mark.usefixtures("icu")
def test_access_that_ended_since_is_refused(hospital: Session) -> None:
    (task,) = source().get_read_tasks(1)
    hospital.dataset("icu").revoke("laboratory")
    with pytest.raises(AccessDenied):
        list(task())


@pytest.mark.usefixtures("icu")
def test_a_worker_that_is_shown_another_history_than_the_planner_refuses() -> None:
    made = source()
    for changed in ({"commit": bytes(32)}, {"number": made._all.number + 1}):
        other = source()
        other._all = raydata.replace(other._all, **changed)
        (task,) = other.get_read_tasks(1)
        with pytest.raises(RollbackDetected):
            list(task())


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sealift.ray")
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(InvalidArgument) as caught:
        import sealift.ray  # noqa: F401
    assert "sealift[ray]" in caught.value.hint


# --- a local Ray ---------------------------------------------------------------------------------


@pytest.fixture
def cluster(relay: Any) -> Iterator[Path]:
    """A local Ray with two workers, which inherit this test's environment; and its folder."""
    # The paths of its sockets have to be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    try:
        for attempt in range(3):
            try:
                ray.init(
                    num_cpus=2,
                    include_dashboard=False,
                    object_store_memory=100 << 20,
                    _temp_dir=str(folder),
                    logging_level="ERROR",
                    log_to_driver=False,
                )
                break
            except Exception:
                # It waits half a minute, which a busy machine may need more than.
                ray.shutdown()
                if attempt == 2:
                    raise
        yield folder
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_local_ray_reads_a_dataset_and_keeps_no_secret_in_its_folder(
    icu: pa.Table, cluster: Path
) -> None:
    records = ray.data.read_datasource(source(), override_num_blocks=3)
    assert records.count() == len(icu)
    assert records.schema().names == icu.schema.names
    # A stage of Ray's, in its own processes.
    aged = records.map_batches(lambda batch: {**batch, "old": batch["age"] >= 900})
    batches = list(aged.iter_batches(batch_size=256, batch_format="numpy"))
    found = {
        name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]
    }
    order = np.argsort(found["age"])
    assert found["age"][order].tolist() == list(range(len(icu)))
    assert found["patient"][order].tolist() == icu["patient"].to_pylist()
    assert np.array_equal(
        np.stack(list(found["frame"][order])),
        icu["frame"].combine_chunks().to_numpy_ndarray(),
    )
    assert found["old"].sum() == 100
    sealed = os.environ["SEALIFT_PASSPHRASE"].encode()
    files = [path for path in cluster.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_bytes()
        assert sealed not in content, path.name
        assert b"canary-patient" not in content, path.name
