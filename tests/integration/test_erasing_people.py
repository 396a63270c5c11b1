"""A withdrawn consent is carried out: by the patient's own number, in every byte that is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sealift.crypto.signing import Identity
from sealift.owner.manage.resealing import open_again
from sealift.owner.manage.subjects import SubjectTagger, subject_named, subjects_of
from sealift.owner.push import packing
from sealift.policy.file import parse_policy, ready_policies, retired_policies
from sealift.policy.withdrawn import successor_of
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol.errors import InvalidArgument, SubjectNotFound

HASHING = b"""
format = 1
name = "ward"
version = "1"
unlisted = "refuse"
absent = "refuse"
[columns]
patient_id = { action = "hash", domain = "ward" }
days = "keep"
"""


def stored(session: Session, name: str) -> list[bytes]:
    """The payloads of a dataset's live shards."""
    opened = session._connection.open(name)
    member = session._connection.member
    return [bytes(p) for _, p in open_again(member, opened, opened.shards, "a test")]


def people(*numbers: object) -> pa.Table:
    return pa.table({"patient_id": list(numbers), "days": list(range(len(numbers)))})


# --- the patient's own number ----------------------------------------------------------------


def test_a_ready_policy_is_applied_to_the_patients_number(
    hospital: Session, tmp_path: Path
) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("patient_id\nMRN-00122\nMRN-00123\nMRN-00124\nMRN-00123\n")
    hospital.push(
        str(path),
        dataset="study",
        policy="gdpr-pseudonymous",
        subject_column="patient_id",
    )
    erased, receipt = hospital.dataset("study").erase("MRN-00123")
    assert (erased.records, erased.shards) == (2, 1)
    assert receipt is not None
    left = hospital.open_dataset("hospital/study").to_table()["patient_id"]
    assert len(set(left.to_pylist())) == 2
    with pytest.raises(SubjectNotFound):
        hospital.dataset("study").erase("MRN-00123")


def test_a_policy_of_ones_own_is_given_as_a_file(
    hospital: Session, tmp_path: Path
) -> None:
    file = tmp_path / "ward.toml"
    file.write_bytes(HASHING)
    policy = parse_policy(HASHING)
    hospital.push(
        people("a1", "a2"), dataset="study", policy=policy, subject_column="patient_id"
    )
    study = hospital.dataset("study")
    with pytest.raises(InvalidArgument, match="not at hand") as caught:
        study.erase("a1")
    assert policy.digest.hex()[:16] in caught.value.hint
    assert study.erase("a1", policy=file)[0].records == 1
    [pseudonym] = (
        hospital.open_dataset("hospital/study").to_table()["patient_id"].to_pylist()
    )
    # The pseudonym is no number, unless somebody says that it is one.
    with pytest.raises(SubjectNotFound):
        study.erase(pseudonym, policy=file)
    erased, _ = study.erase(pseudonym=pseudonym)
    assert (erased.records, erased.quarantined) == (1, None)


def test_a_rule_that_does_not_tell_people_apart_is_refused(
    hospital: Session,
) -> None:
    masking = HASHING.replace(
        b'{ action = "hash", domain = "ward" }', b'{ action = "mask" }'
    )
    policy = parse_policy(masking)
    hospital.push(
        people("a1", "b1"), dataset="study", policy=policy, subject_column="patient_id"
    )
    with pytest.raises(InvalidArgument, match="value of their own"):
        hospital.dataset("study").erase("a1", policy=policy)


def test_numbers_read_as_numbers_are_found_with_their_zeros(
    hospital: Session, tmp_path: Path
) -> None:
    path = tmp_path / "ids.parquet"
    pq.write_table(people(17, 18), path)
    hospital.push(
        str(path),
        dataset="study",
        policy=parse_policy(HASHING),
        subject_column="patient_id",
    )
    erased, _ = hospital.dataset("study").erase("0017", policy=[parse_policy(HASHING)])
    assert erased.records == 1


def test_17_is_one_subject_however_it_is_written(hospital: Session) -> None:
    columns = [
        pa.array(v) for v in ([17, 18], [17.0, 18.0], ["17", "18"], ["17.0", "1"])
    ]
    for number, values in enumerate(columns):
        typed = "17.0" if number % 2 == 0 else "17"
        table = pa.table({"patient": values, "n": [1, 2]})
        hospital.push(table, dataset=f"d{number}", subject_column="patient")
        assert hospital.dataset(f"d{number}").erase(typed)[0].records == 1
        left = hospital.open_dataset(f"hospital/d{number}").to_table()["n"]
        assert left.to_pylist() == [2]


def test_subjects_that_differ_stay_apart() -> None:
    texts = ["017", "17", "17.5", "+17", "None", None, "17.00", "1.70"]
    found = subjects_of(pa.array(texts)).to_pylist()
    assert found == ["017", "17", "17.5", "+17", "None", None, "17", "1.70"]
    assert subject_named("017", pa.string()) == "017"
    assert subject_named("017", pa.int64()) == "17"
    assert subject_named("1e3", pa.float64()) == "1000"
    assert subject_named("-0", pa.int8()) == "0"
    assert subject_named("nan", pa.float64()) == "nan"
    assert subject_named("ABCD", pa.binary()) == "abcd"


def test_one_way_to_name_a_person_is_needed(hospital: Session) -> None:
    for given in ({}, {"subject": "a", "pseudonym": "b"}, {"subject": " "}):
        with pytest.raises(InvalidArgument, match="two ways"):
            hospital.dataset("study").erase(**given)


# --- quarantined records ---------------------------------------------------------------------


def test_what_the_quarantine_holds_is_erased_too(
    hospital: Session, tmp_path: Path
) -> None:
    path = tmp_path / "q.csv"
    path.write_text("person,days\np1,1\np1,notanumber\np12,alsonone\np2,2\n")
    reading = {"types": {"days": "int64"}, "on_error": "quarantine"}
    hospital.push(str(path), dataset="study", subject_column="person", **reading)
    study = hospital.dataset("study")
    erased, receipt = study.erase("p1")
    assert (erased.records, erased.quarantined) == (1, 1)
    assert receipt is not None
    assert not any(b"p1," in payload for payload in stored(hospital, "study"))
    [payload] = stored(hospital, "study.quarantine")
    assert b"p1," not in payload
    assert b"p12,alsonone" in payload
    # A person of whom only quarantined lines are left is found there.
    erased, receipt = study.erase("p12")
    assert (erased.records, erased.quarantined, receipt) == (0, 1, None)
    with pytest.raises(SubjectNotFound):
        study.erase("p12")


def test_a_quarantined_record_in_arrow_is_searched_by_value(
    hospital: Session,
) -> None:
    bad = pa.array([b"ok", b"M\xfcller", b"M\xfcller"]).view(pa.string())
    table = pa.table({"person": [1_000_017, 1_000_017, 1_000_018], "name": bad})
    pushed = hospital.push(
        table, dataset="study", subject_column="person", on_error="quarantine"
    )
    assert pushed.rejected == 2
    erased, _ = hospital.dataset("study").erase("1000017")
    assert (erased.records, erased.quarantined) == (1, 1)


# --- what 0.1 left behind --------------------------------------------------------------------


@pytest.fixture
def as_0_1(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Packs without compacting and tags without a key check, as release 0.1 did."""
    tags_of = SubjectTagger.tags_of

    def unchecked(self, shard, schema):
        tags = tags_of(self, shard, schema)
        tags.ClearField("key_check")
        return tags

    monkeypatch.setattr(packing, "compact", lambda batch: batch)
    monkeypatch.setattr(SubjectTagger, "tags_of", unchecked)
    return monkeypatch


def test_bytes_that_0_1_left_in_the_shards_beside_are_erased(
    hospital: Session, as_0_1: pytest.MonkeyPatch
) -> None:
    # Ten names have 130 bytes, so that a shard goes on for 62 bytes into the next.
    names = [f"person-{n:06d}" for n in range(30)]
    table = pa.table({"person": names, "days": list(range(30))})
    who = {"first": names[10], "middle": names[15], "last": names[19]}
    for place in who:
        for begin in (0, 10, 20):
            part = table.slice(begin, 10)
            hospital.push(part, dataset=place, subject_column="person")
    assert who["first"].encode() in stored(hospital, "first")[0]
    as_0_1.undo()
    for place, person in who.items():
        erased, _ = hospital.dataset(place).erase(person)
        assert (erased.records, erased.shards, erased.searched) == (1, 3, 3)
        payloads = stored(hospital, place)
        assert not any(person.encode() in payload for payload in payloads)
    # Sealed by this release, shards are told apart by their tags from then on.
    hospital.push(table.slice(0, 10), dataset="last")
    erased, _ = hospital.dataset("last").erase(names[25])
    assert (erased.shards, erased.searched) == (1, 1)


def test_a_person_whom_0_1_erased_is_erased_from_the_shard_before(
    hospital: Session, as_0_1: pytest.MonkeyPatch
) -> None:
    names = [f"person-{n:06d}" for n in range(20)]
    table = pa.table({"person": names})
    hospital.push(table.slice(0, 10), dataset="study", subject_column="person")
    assert names[10].encode() in stored(hospital, "study")[0]
    as_0_1.undo()
    erased, _ = hospital.dataset("study").erase(names[10])
    assert (erased.records, erased.shards) == (0, 1)
    assert names[10].encode() not in stored(hospital, "study")[0]


def test_tags_of_another_secret_are_searched_not_skipped(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"person": ["a", "b"]})
    hospital.push(table, dataset="study", subject_column="person")
    opened = hospital._connection.member
    other = Identity(opened.identity.key, Secret.random(32))
    monkeypatch.setattr(
        hospital._connection,
        "member",
        type(opened)(**{**_fields(opened), "identity": other}),
    )
    erased, _ = hospital.dataset("study").erase("a")
    assert (erased.records, erased.searched) == (1, 1)


def _fields(value: object) -> dict[str, object]:
    import dataclasses

    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)  # type: ignore[arg-type]
        if field.init
    }


# --- the command -----------------------------------------------------------------------------


def test_the_command_says_by_its_exit_code_that_nobody_was_found(
    hospital: Session, tmp_path: Path
) -> None:
    hospital.push(people("a1", "a2"), dataset="study", subject_column="patient_id")

    def erase(*options: str) -> tuple[int, dict]:
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("sealift"), "--profile", "hospital"),
                *("erase-subject", "study", "--yes", "--json", *options),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    code, said = erase("--subject", "nobody")
    assert (code, said["ok"], said["error"]["code"]) == (10, False, "SUBJECT_NOT_FOUND")
    code, said = erase("--subject", "a1")
    assert code == 0
    assert said["data"]["records"] == said["data"]["shards"] == 1
    assert said["data"]["quarantined"] == 0
    assert said["data"]["receipt"]
    code, said = erase("--pseudonym", "a2")
    assert (code, said["data"]["quarantined"]) == (0, None)
    assert erase("--subject", "a", "--pseudonym", "b")[0] == 2


def test_people_are_erased_whose_ready_policy_was_withdrawn_since() -> None:
    retired = retired_policies()
    assert sorted(policy.name for policy in retired) == sorted(ready_policies())
    for policy in retired:
        assert successor_of(policy.digest) == policy.name
        assert policy.digest not in {new.digest for new in ready_policies().values()}
