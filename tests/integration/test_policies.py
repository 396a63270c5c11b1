"""Policies on their way: applied before sealing, signed with the commit, required."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sealift
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    InvalidArgument,
    PolicyInvalid,
    PolicyUnmet,
    PolicyViolation,
    SchemaMismatch,
)

POLICY = """
format = 1
name = "ward"
version = "1"
unlisted = "refuse"

[columns]
patient = { action = "hash", domain = "patient" }
name = "drop"
age = { action = "generalise", to = "age-band", width = 10 }
zip = { action = "generalise", to = "zip3" }
score = "keep"
"""
PRIVACY = """
[privacy]
quasi_identifiers = ["age", "zip"]
sensitive = ["score"]
min_k = 5
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "ward.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def patients() -> pa.Table:
    return pa.table(
        {
            "patient": [f"canary-{i % 50:04d}" for i in range(500)],
            "name": [f"Canary Name {i}" for i in range(500)],
            "age": [20 + i % 75 for i in range(500)],
            "zip": [f"{10001 + i % 3}" for i in range(500)],
            "score": [i / 2 for i in range(500)],
        }
    )


def stored(relay) -> list[Path]:
    return [path for path in (relay.folder / "blobs").rglob("*") if path.is_file()]


def test_what_is_sealed_is_what_the_policy_leaves(
    hospital: Session, laboratory: Session, policy: Path, patients: pa.Table
) -> None:
    pushed = hospital.push(patients, dataset="ward", to="laboratory", policy=policy)
    digest = sealift.load_policy(policy).digest
    assert pushed.policy == digest
    opened = laboratory.open_dataset("hospital/ward", require_policy=policy)
    table = opened.to_table()
    assert table.schema.names == ["patient", "age", "zip", "score"]
    assert "anary" not in str(table.to_pydict())
    assert set(table["zip"].to_pylist()) == {"100"}
    assert opened.policies == [digest.hex()]
    [report] = [json.loads(text) for text in opened.policy_reports]
    assert report["records"] == 500
    assert report["policy"]["sha256"] == digest.hex()
    assert {column["column"]: column["action"] for column in report["columns"]}[
        "name"
    ] == "drop"
    assert "anary" not in json.dumps(report)


def test_a_patient_has_one_pseudonym_over_pushes_and_another_at_another_owner(
    hospital: Session, clinic: Session, policy: Path, patients: pa.Table
) -> None:
    for part in (patients.slice(0, 250), patients.slice(250)):
        hospital.push(part, dataset="ward", policy=policy)
    hospital.identity.succeed()
    hospital.push(patients, dataset="again", policy=policy)
    clinic.push(patients, dataset="ward", policy=policy)
    ward = hospital.open_dataset("hospital/ward").to_table()["patient"].to_pylist()
    assert (
        ward
        == hospital.open_dataset("hospital/again").to_table()["patient"].to_pylist()
    )
    assert len(set(ward)) == 50
    elsewhere = clinic.open_dataset("clinic/ward").to_table()["patient"].to_pylist()
    assert not set(ward) & set(elsewhere)


def test_a_dataset_that_began_under_a_policy_takes_nothing_else(
    relay,
    hospital: Session,
    laboratory: Session,
    policy: Path,
    patients: pa.Table,
    tmp_path: Path,
) -> None:
    hospital.push(patients, dataset="ward", policy=policy)
    before = stored(relay)
    other = tmp_path / "other.toml"
    other.write_text(POLICY.replace('version = "1"', 'version = "2"'))
    for chosen in (None, other):
        with pytest.raises(PolicyUnmet):
            hospital.push(patients, dataset="ward", policy=chosen)
        with pytest.raises(PolicyUnmet), hospital.writer("ward", policy=chosen):
            pass
    assert stored(relay) == before
    hospital.push(
        patients, dataset="ward", policy=other, accept_policy=True, to="laboratory"
    )
    hospital.push(patients, dataset="ward", policy=other)
    hospital.push(patients, dataset="ward", policy=policy)
    assert len(laboratory.open_dataset("hospital/ward").policies) == 2
    with pytest.raises(PolicyUnmet):
        laboratory.open_dataset("hospital/ward", require_policy=policy)
    laboratory.open_dataset("hospital/ward", require_policy=[policy, other])


def test_a_co_owner_neither_drops_the_policy_nor_admits_another(
    relay,
    hospital: Session,
    clinic: Session,
    policy: Path,
    patients: pa.Table,
    tmp_path: Path,
) -> None:
    hospital.push(patients, dataset="ward", policy=policy)
    hospital.dataset("ward").add_co_owner("clinic")
    before = stored(relay)
    other = tmp_path / "other.toml"
    other.write_text(POLICY.replace('version = "1"', 'version = "2"'))
    with pytest.raises(PolicyUnmet):
        clinic.push(patients, dataset="hospital/ward")
    with pytest.raises(AccessDenied, match="only the dataset's owner"):
        clinic.push(patients, dataset="hospital/ward", policy=other, accept_policy=True)
    assert stored(relay) == before
    assert clinic.push(patients, dataset="hospital/ward", policy=policy).records == 500


def test_a_trainer_refuses_records_under_no_policy(
    hospital: Session, laboratory: Session, policy: Path, patients: pa.Table
) -> None:
    hospital.push(patients, dataset="raw", to="laboratory")
    assert laboratory.open_dataset("hospital/raw").policies == [""]
    with pytest.raises(PolicyUnmet):
        laboratory.open_dataset("hospital/raw", require_policy=policy)
    with pytest.raises(PolicyUnmet):
        laboratory.open_dataset("hospital/raw", require_policy="0" * 64)
    with pytest.raises(PolicyInvalid):
        laboratory.open_dataset("hospital/raw", require_policy="no-such-policy")


def test_a_co_owner_that_goes_past_the_policy_is_found_out(
    hospital: Session,
    clinic: Session,
    laboratory: Session,
    policy: Path,
    patients: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A modified client would not check; anyone who opens the dataset does."""
    hospital.push(patients, dataset="ward", policy=policy, to="laboratory")
    hospital.dataset("ward").add_co_owner("clinic")
    monkeypatch.setattr("sealift.owner.push.push.check_policy", lambda *_: None)
    monkeypatch.setattr("sealift.owner.push.appending.check_policy", lambda *_: None)
    bypass = hospital.open_dataset("hospital/ward").to_table()
    clinic.push(bypass, dataset="hospital/ward")
    with pytest.raises(PolicyUnmet, match="owner requires"):
        laboratory.open_dataset("hospital/ward")


def test_policies_survive_a_snapshot_and_sealing_again(
    hospital: Session,
    policy: Path,
    patients: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sealift.owner.push.committing.SNAPSHOT_EVERY", 8)
    for _ in range(10):
        hospital.push(patients.slice(0, 1), dataset="ward", policy=policy)
    opened = hospital.open_dataset("hospital/ward", require_policy=policy)
    assert opened._opened.history.commits[0].number == 8
    with pytest.raises(PolicyUnmet):
        hospital.push(patients, dataset="ward")
    hospital.dataset("ward").rotate(reseal=True)
    hospital.open_dataset("hospital/ward", require_policy=policy)


def test_too_small_groups_stop_the_push_before_anything_is_sealed(
    relay, hospital: Session, policy: Path, patients: pa.Table, tmp_path: Path
) -> None:
    policy.write_text(POLICY + PRIVACY)
    pushed = hospital.push(patients, dataset="ward", policy=policy)
    [report] = hospital.open_dataset("hospital/ward").policy_reports
    assert json.loads(report)["anonymity"]["k"] >= 5
    before = stored(relay)
    with pytest.raises(PolicyViolation):
        hospital.push(patients.slice(0, 4), dataset="ward", policy=policy)
    assert stored(relay) == before
    assert pushed.records == 500


def test_quasi_identifiers_are_found_however_a_source_spells_them(
    hospital: Session, policy: Path, patients: pa.Table
) -> None:
    spelled = patients.rename_columns(["Patient", "NAME", "AGE", "Zip", "score"])
    policy.write_text(POLICY.replace("format = 1", "format = 2") + PRIVACY)
    hospital.push(spelled, dataset="ward", policy=policy)
    [report] = hospital.open_dataset("hospital/ward").policy_reports
    assert json.loads(report)["anonymity"]["k"] >= 5
    with pytest.raises(PolicyViolation, match="k-anonymity is"):
        hospital.push(spelled.slice(0, 4), dataset="ward", policy=policy)


def test_a_stream_cannot_promise_k_anonymity(
    hospital: Session, policy: Path, patients: pa.Table
) -> None:
    policy.write_text(POLICY + PRIVACY)
    reader = pa.RecordBatchReader.from_batches(patients.schema, patients.to_batches())
    with pytest.raises(PolicyViolation, match="read only once"):
        hospital.push(reader, dataset="ward", policy=policy)
    writer = hospital.writer("ward", patients.schema, policy=policy)
    with writer, pytest.raises(PolicyViolation, match="read only once"):
        writer.write_batch(patients)


def test_a_column_that_no_rule_names_stops_the_push(
    relay, hospital: Session, policy: Path, patients: pa.Table
) -> None:
    more = patients.append_column("note", pa.array(["canary"] * 500))
    with pytest.raises(PolicyViolation) as caught:
        hospital.push(more, dataset="ward", policy=policy)
    assert "note" not in str(caught.value)
    with pytest.raises(PolicyViolation):
        hospital.push(patients.drop_columns(["zip"]), dataset="ward", policy=policy)
    assert stored(relay) == []


def test_the_records_of_a_writer_are_de_identified(
    hospital: Session, policy: Path, patients: pa.Table
) -> None:
    with hospital.writer("ward", policy=policy) as writer:
        for record in patients.slice(0, 30).to_pylist():
            writer.write(record)
    table = hospital.open_dataset("hospital/ward", require_policy=policy).to_table()
    assert table.num_rows == 30
    assert "anary" not in str(table.to_pydict())


def test_a_quarantine_is_under_no_policy_and_nobody_elses(
    hospital: Session, laboratory: Session, policy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ward.csv"
    path.write_text("patient,name,age,zip,score\np,n,40,10001,1\np,n,old,10001,1\n" * 3)
    pushed = hospital.push(
        path,
        dataset="ward",
        to="laboratory",
        policy=policy,
        on_error="quarantine",
        types={"age": "int64", "score": "int64", "zip": "string"},
    )
    assert pushed.rejected
    with pytest.raises(AccessDenied):
        laboratory.open_dataset("hospital/ward.quarantine")


def test_another_schema_after_de_identification_is_refused(
    hospital: Session, policy: Path, patients: pa.Table
) -> None:
    hospital.push(patients.drop_columns(["name"]), dataset="raw")
    with pytest.raises(SchemaMismatch):
        hospital.push(patients, dataset="raw", policy=policy)


WITHDRAWN = Path(__file__).parents[2] / "client" / "sealift" / "policy" / "retired"


def test_a_withdrawn_policy_takes_no_more_records_and_is_replaced_by_its_owner(
    hospital: Session,
    clinic: Session,
    laboratory: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, visits = WITHDRAWN / "pci-transactions.toml", tmp_path / "visits.csv"
    visits.write_text("amount,mcc\n1.5,5411\n")
    with pytest.raises(PolicyViolation, match="withdrawn"):
        hospital.push(visits, dataset="cards", policy=old)
    # What an earlier release pushed.
    with monkeypatch.context() as earlier:
        earlier.setattr("sealift.owner.push.appending.refuse_withdrawn", lambda _: None)
        hospital.push(visits, dataset="cards", policy=old, to="laboratory")
    hospital.dataset("cards").add_co_owner("clinic")
    more = pa.table({"amount": [2.5], "mcc": [5541]})
    with pytest.raises(PolicyUnmet) as caught:
        hospital.push(more, dataset="cards", policy="pci-transactions")
    assert "upgrade_policy" in caught.value.hint
    with pytest.raises(AccessDenied):
        clinic.dataset("hospital/cards").upgrade_policy()
    upgrade = hospital.dataset("cards").upgrade_policy()
    before, after = (
        sealift.load_policy(old).digest,
        sealift.load_policy("pci-transactions"),
    )
    assert upgrade.required == {before, after.digest}
    assert upgrade.live == {before}
    assert hospital.dataset("cards").upgrade_policy().committed is None
    pushed = hospital.push(more, dataset="cards", policy="pci-transactions")
    assert pushed.policy == after.digest
    assert laboratory.open_dataset("hospital/cards").to_table().num_rows == 2
    with pytest.raises(PolicyViolation, match="withdrawn"):
        clinic.push(more, dataset="hospital/cards", policy=old)


def test_an_owner_replaces_the_policy_that_a_dataset_requires(
    hospital: Session, policy: Path, patients: pa.Table, tmp_path: Path
) -> None:
    hospital.push(patients, dataset="ward", policy=policy)
    other = tmp_path / "other.toml"
    other.write_text(POLICY.replace('version = "1"', 'version = "2"'))
    with pytest.raises(InvalidArgument):
        hospital.dataset("ward").upgrade_policy()
    hospital.dataset("ward").upgrade_policy(other)
    assert hospital.push(patients, dataset="ward", policy=other).records == 500


FORMAT_2 = """
format = 2
name = "ward"
version = "2"
unlisted = "drop"
max_failed = 0.5
[columns]
sex = { action = "keep", values = ["F", "M"] }
seen = { action = "generalise", to = "year" }
"""


def test_what_became_null_is_told_to_the_owner_and_stops_a_push_that_loses_more(
    hospital: Session, policy: Path
) -> None:
    policy.write_text(FORMAT_2)
    some = pa.table(
        {"Sex": ["F", "Roe"], "seen": ["2024-01-02", "soon"], "Ann": [1, 2]}
    )
    pushed = hospital.push(some, dataset="ward", policy=policy)
    assert pushed.notices == (
        "Sex: 1 of 2 values did not fit what the rule allows and are null now",
        "seen: 1 of 2 values could not be changed and are null now",
    )
    [report] = hospital.open_dataset("hospital/ward").policy_reports
    assert "Ann" not in report
    assert json.loads(report)["others"][0]["columns"] == 1
    worse = pa.table({"Sex": ["F"], "seen": ["soon"]})
    with pytest.raises(PolicyViolation, match="more than the policy allows"):
        hospital.push(worse, dataset="ward", policy=policy)
    for nothing in (pa.table({"Ann": [1]}), pa.table({"Sex": ["Roe"]})):
        with pytest.raises(PolicyViolation):
            hospital.push(nothing, dataset="empty", policy=policy)
    assert hospital.open_dataset("hospital/ward").num_records == 2


def test_descriptions_are_the_owners_and_metadata_of_files_stays_behind(
    hospital: Session, policy: Path, tmp_path: Path
) -> None:
    from sealift.owner.sources.describing import describe

    policy.write_text(FORMAT_2.replace("max_failed", 'absent = "ignore"\nmax_failed'))
    path = tmp_path / "ward.parquet"
    told = {"label": "Jane Roe", "note": "701-555"}
    field = pa.field("sex", pa.string(), metadata=told)
    schema = pa.schema([field], metadata={"pandas": "Jane Roe"})
    pq.write_table(pa.table({"sex": ["F"]}, schema=schema), path)
    hospital.push(
        path,
        dataset="ward",
        policy=policy,
        describe=lambda schema: describe(schema, {"sex": {"unit": "one of two"}}),
    )
    sealed = hospital.open_dataset("hospital/ward").schema
    assert sealed.metadata is None
    assert sealed.field("sex").metadata == {b"unit": b"one of two"}


def test_a_push_goes_by_one_reading_of_the_policys_file(
    hospital: Session, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the file could change between the choice of columns and their rules."""
    from sealift.owner.push import options

    read = []

    def count(path: Path) -> sealift.Policy:
        read.append(path)
        return sealift.load_policy(path)

    monkeypatch.setattr(options, "load_policy", count)
    source = tmp_path / "ward.csv"
    source.write_text("patient,name,age,zip,score\np1,A B,40,10001,0.5\n")
    hospital.push(source, dataset="ward", policy=policy)
    assert read == [policy]
