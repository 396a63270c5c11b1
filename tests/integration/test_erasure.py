"""What is deleted, erased, kept for a time, and accounted for."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import obstore
import pyarrow as pa
import pytest
from conftest import RunningRelay, make_relay
from fakes.lying_relay import lying_to
from obstore.store import S3Store
from patience import PATIENCE

from sealift.history.disclosures import disclose, verify_report, write_report
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AccessDenied,
    ContextMismatch,
    DatasetDeleted,
    DisclosureRequired,
    InvalidArgument,
    LogInvalid,
    MalformedObject,
    NotInLog,
    SealiftError,
    SignatureInvalid,
    SubjectNotFound,
)
from sealift_protocol.notes import VerifierKey
from sealift_protocol.v1 import objects_pb2, shards_pb2
from sealift_relay.app import Relay
from sealift_relay.config import Config, Storage

PEOPLE = pa.table(
    {"person": [f"person-{i % 20}" for i in range(200)], "value": list(range(200))}
)


def blobs_of(relay: RunningRelay) -> dict[str, int]:
    files = (relay.folder / "blobs" / "shards").rglob("*")
    return {path.name: path.stat().st_size for path in files if path.is_file()}


def refused(session: Session, path: str = "hospital/study") -> type[SealiftError]:
    with pytest.raises(SealiftError) as caught:
        session.open_dataset(path)
    return type(caught.value)


# --- deletion ------------------------------------------------------------------------------------


def test_a_deleted_dataset_is_destroyed_and_the_log_keeps_that_it_happened(
    relay, hospital, laboratory
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    hospital.push(PEOPLE, dataset="kept", to="laboratory")
    laboratory.open_dataset("hospital/study").to_table()
    stored = blobs_of(relay)
    entries = hospital._connection.open("hospital/study").shards
    assert {entry.shard_id.hex() for entry in entries} < set(stored)
    receipt = hospital.dataset("study").delete()
    assert (receipt.shards, receipt.grants) == (1, 2)
    assert receipt.size == sum(entry.stored_size for entry in entries)
    assert set(blobs_of(relay)) == set(stored) - {
        entry.shard_id.hex() for entry in entries
    }
    assert refused(laboratory) is DatasetDeleted
    assert refused(hospital) is AccessDenied
    assert laboratory.open_dataset("hospital/kept").num_records == 200
    assert [info.name for info in hospital.datasets()] == ["kept"]
    # The name is free, and means the new dataset from now on.
    hospital.push(PEOPLE.slice(0, 7), dataset="study", to="laboratory")
    assert laboratory.open_dataset("hospital/study").num_records == 7
    with relay.join("auditor", "auditor") as auditor:
        audit = auditor.log.verify()
        assert audit.destroyed == 2


@pytest.mark.parametrize("lie", ["none", "of another", "of another deletion"])
def test_a_receipt_that_the_log_did_not_sign_is_refused(
    lie: str, relay, hospital, laboratory
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    hospital.push(PEOPLE, dataset="other")
    kept: list[objects_pb2.Signed] = []
    with lying_to(relay, hospital) as lying:

        def change(_, answers):
            receipt = answers[0].receipt
            if lie == "none":
                answers[0].ClearField("receipt")
            elif lie == "of another":
                signed = laboratory._connection.member.identity.sign(
                    envelope.DELETION_RECEIPT, receipt.payload
                )
                receipt.CopyFrom(signed)
            else:
                kept.append(objects_pb2.Signed.FromString(receipt.SerializeToString()))
                receipt.CopyFrom(kept[0])
            return answers

        lying.lies["Datasets/Append"] = change
        if lie == "of another deletion":
            hospital.dataset("other").delete()
        with pytest.raises(AccessDenied, match="receipt"):
            hospital.dataset("study").delete()


def test_one_shard_is_deleted(relay, hospital, laboratory) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    hospital.push(PEOPLE.slice(0, 50), dataset="study")
    first, second = hospital._connection.open("hospital/study").shards
    receipt = hospital.dataset("study").delete(shards=[first.shard_id])
    assert receipt.shards == 1
    assert set(blobs_of(relay)) == {second.shard_id.hex()}
    dataset = laboratory.open_dataset("hospital/study")
    assert dataset.num_records == 50
    assert dataset.to_table().num_rows == 50
    with pytest.raises(AccessDenied, match="no such shard"):
        hospital.dataset("study").delete(shards=[first.shard_id])


def test_a_read_that_is_under_way_meets_the_deletion_as_a_named_error(
    relay, hospital, laboratory
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    dataset = laboratory.open_dataset("hospital/study")
    hospital.dataset("study").delete()
    with pytest.raises((DatasetDeleted, AccessDenied)):
        dataset.to_table()


# --- withdrawn consent ---------------------------------------------------------------------------


def test_a_person_is_taken_out_of_the_shards_that_hold_the_person(
    relay, hospital, laboratory
) -> None:
    for start in (0, 10):
        people = [f"person-{start + i % 10}" for i in range(100)]
        table = pa.table({"person": people, "value": list(range(100))})
        hospital.push(table, dataset="study", to="laboratory", subject_column="person")
    first, second = hospital._connection.open("hospital/study").shards
    laboratory.open_dataset("hospital/study").to_table()
    erased, receipt = hospital.dataset("study").erase("person-13")
    assert (erased.records, erased.shards, erased.searched) == (10, 1, 1)
    assert receipt is not None
    assert receipt.shards == 1
    left = hospital._connection.open("hospital/study").shards
    assert first in left
    assert second.shard_id.hex() not in blobs_of(relay)
    # The trainer is told at its next open, and answers.
    dataset = laboratory.open_dataset("hospital/study")
    assert dataset.pending_purges == [2]
    table = dataset.to_table()
    assert table.num_rows == 190
    assert "person-13" not in table["person"].to_pylist()
    assert laboratory.dataset("hospital/study").confirm_purge() == [2]
    assert laboratory.open_dataset("hospital/study").pending_purges == []
    account = hospital.dataset("study").disclosures()
    assert [(p.signer, p.number) for p in account.purges] == [
        (laboratory.fingerprint, 2)
    ]
    # The history stays provable from commit 0.
    assert (
        len(hospital._connection.open("hospital/study", whole=True).history.commits)
        == 3
    )
    with pytest.raises(SubjectNotFound):
        hospital.dataset("study").erase("person-13")


def test_a_dataset_without_a_subject_column_cannot_find_anybody(
    relay, hospital
) -> None:
    hospital.push(PEOPLE, dataset="study")
    with pytest.raises(InvalidArgument, match="subject column"):
        hospital.dataset("study").erase("person-1")


def test_what_a_co_owner_pushed_is_searched_too(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory", subject_column="person")
    hospital.dataset("study").add_co_owner("clinic")
    clinic.push(PEOPLE, dataset="hospital/study")
    erased, _ = hospital.dataset("study").erase("person-3")
    assert (erased.records, erased.shards) == (20, 2)
    table = laboratory.open_dataset("hospital/study").to_table()
    assert "person-3" not in table["person"].to_pylist()
    assert table.num_rows == 380


def test_a_shard_with_too_many_people_is_searched(
    relay, hospital, laboratory, monkeypatch
) -> None:
    monkeypatch.setattr("sealift.owner.manage.subjects.MAX_SUBJECTS", 5)
    hospital.push(PEOPLE, dataset="study", to="laboratory", subject_column="person")
    with pytest.raises(SubjectNotFound) as caught:
        hospital.dataset("study").erase("nobody")
    assert caught.value.searched == 1
    erased, _ = hospital.dataset("study").erase("person-7")
    assert (erased.records, erased.searched) == (10, 1)


def test_a_dataset_of_one_person_becomes_empty(relay, hospital, laboratory) -> None:
    table = pa.table({"person": [7] * 10, "value": list(range(10))})
    hospital.push(table, dataset="study", to="laboratory", subject_column="person")
    erased, _ = hospital.dataset("study").erase("7")
    assert erased.records == 10
    assert laboratory.open_dataset("hospital/study").to_table().num_rows == 0


# --- retention -----------------------------------------------------------------------------------


def test_what_is_kept_for_a_time_is_gone_after_it(relay, hospital, laboratory) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory", retain_seconds=5)
    hospital.push(PEOPLE.slice(0, 10), dataset="study", retain_seconds=3600)
    assert laboratory.open_dataset("hospital/study").num_records == 210
    assert len(blobs_of(relay)) == 2
    deadline = time.monotonic() + PATIENCE
    while len(blobs_of(relay)) == 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(blobs_of(relay)) == 1
    dataset = laboratory.open_dataset("hospital/study")
    assert dataset.num_records == 10
    assert dataset.to_table().num_rows == 10
    # A push without a time of its own has the dataset's.
    hospital.push(PEOPLE.slice(0, 5), dataset="study")
    ends = [
        entry.not_after for entry in hospital._connection.open("hospital/study").shards
    ]
    assert all(ends)
    assert ends[1] < ends[0]


# --- the account of disclosures ------------------------------------------------------------------


def names(*sessions: Session) -> dict:
    return {session.fingerprint: session.identity.name for session in sessions}


def test_a_report_is_checked_offline_and_no_line_can_be_changed(
    relay, hospital, laboratory
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    for purpose in ("sepsis model", "quality control", "sepsis model"):
        laboratory.open_dataset(
            "hospital/study", purpose=purpose, cache=None
        ).to_table()
    account = hospital.dataset("study").disclosures()
    report = json.dumps(
        write_report(account, account.lines, names(laboratory), str(hospital.log.key))
    )
    for key in (None, hospital.log.key):
        verified = verify_report(report, key)
        assert [d.purpose for d in verified] == [
            "sepsis model",
            "quality control",
            "sepsis model",
        ]
    other_log = VerifierKey("other", hospital.log.key.kind, bytes(32))
    with pytest.raises(LogInvalid):
        verify_report(report, other_log)
    changes: list[tuple[str, object, tuple[type[SealiftError], ...]]] = [
        ("time", 1, (LogInvalid,)),
        ("purpose", "marketing", (LogInvalid,)),
        ("commit", 7, (LogInvalid,)),
        ("shards", 7, (LogInvalid,)),
        ("fingerprint", str(hospital.fingerprint), (LogInvalid,)),
        ("index", 0, (LogInvalid,)),
        ("proof", [], (LogInvalid,)),
        ("entry", "00" * 66, (LogInvalid, SealiftError)),
    ]
    for field, value, expected in changes:
        changed = json.loads(report)
        changed["disclosures"][1][field] = value
        with pytest.raises(expected):
            verify_report(json.dumps(changed), None)
    swapped = json.loads(report)
    lines = swapped["disclosures"]
    lines[0]["signed"], lines[1]["signed"] = lines[1]["signed"], lines[0]["signed"]
    with pytest.raises(NotInLog):
        verify_report(json.dumps(swapped), None)
    forged = json.loads(report)
    content = bytearray.fromhex(forged["disclosures"][0]["signed"])
    content[-1] ^= 1
    forged["disclosures"][0]["signed"] = content.hex()
    with pytest.raises((SignatureInvalid, MalformedObject)):
        verify_report(json.dumps(forged), None)
    other_dataset = json.loads(report)
    other_dataset["dataset_id"] = "00" * 16
    with pytest.raises(NotInLog):
        verify_report(json.dumps(other_dataset), None)
    for content in ("", "[]", "{}", json.dumps({**json.loads(report), "version": 2})):
        with pytest.raises(MalformedObject):
            verify_report(content, None)


def test_a_disclosure_names_a_commit_of_the_history(
    relay, hospital, laboratory
) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    opened = laboratory._connection.open("hospital/study")
    message = objects_pb2.Disclosure(
        dataset_id=opened.dataset_id,
        number=0,
        commit=bytes(32),
        time=int(time.time()),
        nonce=bytes(16),
    )
    signed = laboratory._connection.member.identity.sign(
        envelope.DISCLOSURE, message.SerializeToString()
    )
    with pytest.raises(ContextMismatch):
        laboratory._connection.relay.disclose(signed)


def fetch(session: Session, shard_id: bytes, disclosure: bytes) -> int:
    request = shards_pb2.GetRequest(
        dataset_id=session._connection.open("hospital/study").dataset_id,
        ranges=[shards_pb2.SegmentRange(shard_id=shard_id)],
        disclosure=disclosure,
    )
    return len(list(session._connection.relay.get_segments(request)))


def test_a14_a_disclosure_covers_what_it_names(relay, hospital, laboratory) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    hospital.push(PEOPLE, dataset="study")
    opened = laboratory._connection.open("hospital/study")
    first, second = (entry.shard_id for entry in opened.shards)
    member = laboratory._connection.member
    one = disclose(member, opened, purpose="one shard", shard_ids=[first])
    assert fetch(laboratory, first, one) > 1
    with pytest.raises(DisclosureRequired, match="does not cover"):
        fetch(laboratory, second, one)
    everything = disclose(member, opened, purpose="all that was there")
    assert fetch(laboratory, second, everything) > 1
    hospital.push(PEOPLE, dataset="study")
    third = laboratory._connection.open("hospital/study").shards[2].shard_id
    with pytest.raises(DisclosureRequired, match="does not cover"):
        fetch(laboratory, third, everything)


@pytest.mark.limits(disclosure_seconds=1)
def test_a14_a_disclosure_is_for_now(relay, hospital, laboratory) -> None:
    hospital.push(PEOPLE, dataset="study", to="laboratory")
    opened = laboratory._connection.open("hospital/study")
    disclosure = disclose(laboratory._connection.member, opened, purpose="now")
    time.sleep(2.1)
    with pytest.raises(DisclosureRequired, match="too old"):
        fetch(laboratory, opened.shards[0].shard_id, disclosure)


# --- the same in an object store -----------------------------------------------------------------


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """moto's S3 server: a real one over HTTP, though not Amazon's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        Path(sys.executable).parent / "moto_server",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    for line in server.stderr:
        if re.search("Running on", line):
            break
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"relay-{os.getpid()}-{time.monotonic_ns()}"
    urllib.request.urlopen(
        urllib.request.Request(f"{s3_server}/{bucket}", method="PUT")
    ).close()
    return S3Store(bucket)


def test_shards_in_s3_are_destroyed_too(s3: S3Store, tmp_path: Path) -> None:
    made = make_relay(tmp_path / "relay")
    bucket = s3.config["bucket"]
    storage = Storage(blobs=f"s3://{bucket}", metadata=made.storage.metadata)
    config = Config(made.folder, made.listen, storage, made.limits)

    def objects() -> set[str]:
        return {meta["path"] for batch in obstore.list(s3) for meta in batch}

    with Relay(config) as server:
        relay = RunningRelay(config.folder, config, server)
        with relay.join("hospital", "owner") as hospital:
            hospital.push(PEOPLE, dataset="study", subject_column="person")
            hospital.push(PEOPLE, dataset="other")
            assert len(objects()) == 2
            before = objects()
            erased, receipt = hospital.dataset("study").erase("person-4")
            assert (erased.records, receipt.shards) == (10, 1)
            assert len(objects()) == 2
            assert len(objects() & before) == 1
            assert hospital.open_dataset("hospital/study").to_table().num_rows == 190
            hospital.dataset("study").delete()
            assert objects() < before
            hospital.dataset("other").delete()
            assert objects() == set()
