"""The relay's metadata in a real PostgreSQL server, with everything that people do together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import RunningRelay, make_relay
from services.postgresql import postgresql_server

from sealift.session import Session
from sealift_protocol.errors import AccessDenied, DatasetDeleted, SealiftError
from sealift_relay.app import Relay
from sealift_relay.config import Storage
from sealift_relay.store.metadata import Metadata

PEOPLE = pa.table(
    {"person": [f"person-{i % 20}" for i in range(200)], "value": list(range(200))}
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Its URL without a database's name."""
    with postgresql_server() as url:
        yield url


@pytest.fixture
def relay(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningRelay]:
    made = make_relay(tmp_path / "relay")
    # For the operator's commands, which read the configuration again.
    monkeypatch.setenv("SEALIFT_RELAY_STORAGE_METADATA", f"{server}/postgres")
    (tmp_path / "relay" / "relay.db").unlink()
    storage = Storage(blobs=made.storage.blobs, metadata=f"{server}/postgres")
    config = replace(made, storage=storage)
    Metadata(storage.metadata).upgrade()
    with Relay(config) as running:
        yield RunningRelay(config.folder, config, running)


def test_everything_works_on_postgresql(
    relay: RunningRelay,
    hospital: Session,
    laboratory: Session,
    clinic: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory", subject_column="person")
    hospital.dataset("study").add_co_owner("clinic")
    failures: list[SealiftError] = []

    def push_often(session: Session, path: str) -> None:
        try:
            for _ in range(5):
                session.push(PEOPLE, dataset=path)
        except SealiftError as error:
            failures.append(error)

    threads = [
        threading.Thread(target=push_often, args=(hospital, "study")),
        threading.Thread(target=push_often, args=(clinic, "hospital/study")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert laboratory.open_dataset("hospital/study").to_table().num_rows == 2200
    laboratory.keys.rotate()
    erased, receipt = hospital.dataset("study").erase("person-3")
    assert (erased.records, erased.shards) == (110, 11)
    assert receipt is not None
    assert laboratory.dataset("hospital/study").confirm_purge()
    monkeypatch.setattr("sealift.owner.push.committing.SNAPSHOT_EVERY", 16)
    for _ in range(10):
        hospital.push(PEOPLE.slice(0, 1), dataset="study")
    assert laboratory._connection.open("hospital/study").history.commits[0].number > 0
    assert laboratory.open_dataset("hospital/study").to_table().num_rows == 2100
    assert len(hospital.dataset("study").disclosures().lines) >= 3
    hospital.dataset("study").revoke("laboratory")
    with pytest.raises(AccessDenied):
        laboratory.open_dataset("hospital/study")
    hospital.identity.succeed()
    hospital.push(PEOPLE, dataset="study")
    with relay.join("auditor", "auditor") as auditor:
        audit = auditor.log.verify()
        assert sum(audit.kinds.values()) == audit.size == hospital.log.verify().size
    receipt = hospital.dataset("study").delete()
    assert receipt.shards > 0
    with pytest.raises((DatasetDeleted, AccessDenied)):
        clinic.open_dataset("hospital/study")
