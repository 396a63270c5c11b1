"""A patient keeps its pseudonym from file to file, from release to release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest

from sealift.owner.deidentify.report import Report
from sealift.owner.push import options
from sealift.policy.reading import Reading
from sealift.session import Session
from sealift_protocol.errors import InvalidArgument, PolicyUnmet

HEAD = "name = 'ward'\nversion = '1'\n"
RULES = """
[columns]
mrn = { action = "hash" }
seen = { action = "shift", by = "mrn" }
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.toml"
    path.write_text("format = 1\n" + HEAD + RULES)
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.toml"
    path.write_text("format = 2\n" + HEAD + RULES)
    return path


@contextmanager
def release_0_1() -> Iterator[None]:
    """Push as release 0.1 did: numbers where there are any, and no word of it in the report."""
    real = Report.to_json

    def silent(report: Report) -> str:
        document = json.loads(real(report))
        del document["identifiers"]
        return json.dumps(document)

    def numbers(*_: object) -> object:
        return lambda _opened, _schema: Reading.NUMBERS

    with (
        patch.object(Report, "to_json", silent),
        patch.object(options, "reading_of", numbers),
    ):
        yield


def folder_of(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "records"
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        (folder / f"{name}.csv").write_text("mrn,seen\n" + rows)
    return folder


def ids(trainer: Session, dataset: str = "ward") -> list[str]:
    values: list[str] = (
        trainer.open_dataset(f"hospital/{dataset}").to_table()["mrn"].to_pylist()
    )
    return values


def test_one_patient_is_one_in_every_source(
    hospital: Session, laboratory: Session, new: Path, tmp_path: Path
) -> None:
    visits, labs = tmp_path / "visits.csv", tmp_path / "labs.jsonl"
    visits.write_text("mrn,seen\n007,2024-05-06\n0017,2024-05-06\n17,2024-05-06\n")
    labs.write_text(
        '{"mrn": " 007", "seen": "2024-05-06"}\n{"mrn": 17, "seen": null}\n'
    )
    table = pa.table({"mrn": [17], "seen": pa.array([None], pa.string())})
    for name, records in (("visits", visits), ("labs", labs), ("table", table)):
        hospital.push(records, dataset=name, to="laboratory", policy=new)
    seven, seventeen, other = ids(laboratory, "visits")
    assert len({seven, seventeen, other}) == 3
    assert ids(laboratory, "labs") == [seven, other]
    assert ids(laboratory, "table") == [other]


def test_a_dataset_of_release_0_1_goes_on_as_it_was_begun_and_says_so(
    hospital: Session, laboratory: Session, old: Path, new: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="007,2024-05-06\n8,2024-05-06\n")
    with release_0_1():
        hospital.push(folder, dataset="ward", to="laboratory", policy=old)
    before = ids(laboratory)
    folder_of(tmp_path, b="007,2024-05-06\n")
    pushed = hospital.push(folder, dataset="ward", policy=old)
    assert "zeros at their beginning are lost" in " ".join(pushed.notices)
    assert ids(laboratory) == [*before, before[0]]
    # Never in silence: not even where the owner accepts another policy.
    folder_of(tmp_path, c="007,2024-05-06\n")
    with pytest.raises(PolicyUnmet) as caught:
        hospital.push(folder, dataset="ward", policy=new, accept_policy=True)
    assert "sealift policy upgrade" in str(caught.value.hint)
    assert ids(laboratory) == [*before, before[0]]


def test_a_dataset_of_texts_goes_on_under_format_1_without_a_word(
    hospital: Session, laboratory: Session, old: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="A1,2024-05-06\n")
    with release_0_1():
        hospital.push(folder, dataset="ward", to="laboratory", policy=old)
    folder_of(tmp_path, b="A1,2024-05-06\n007,2024-05-06\n")
    assert hospital.push(folder, dataset="ward", policy=old).notices == ()
    first, second, third = ids(laboratory)
    assert first == second != third


def test_a_new_dataset_keeps_its_zeros_under_either_format(
    hospital: Session, laboratory: Session, old: Path, new: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="007,2024-05-06\n7,2024-05-06\n")
    for name, policy in (("one", old), ("two", new)):
        hospital.push(folder, dataset=name, to="laboratory", policy=policy)
        assert len(set(ids(laboratory, name))) == 2
    folder_of(tmp_path, b="7,2024-05-07\n")
    for name, policy in (("one", old), ("two", new)):
        assert hospital.push(folder, dataset=name, policy=policy).notices == ()
        first, second, third = ids(laboratory, name)
        assert first != second == third


@pytest.mark.usefixtures("laboratory")
def test_a_policy_of_format_1_does_not_follow_one_of_format_2(
    hospital: Session, old: Path, new: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="007,2024-05-06\n")
    hospital.push(folder, dataset="ward", to="laboratory", policy=new)
    folder_of(tmp_path, b="007,2024-05-06\n")
    with pytest.raises(PolicyUnmet) as caught:
        hospital.push(folder, dataset="ward", policy=old, accept_policy=True)
    assert "format 2" in str(caught.value)


@pytest.mark.usefixtures("laboratory")
def test_a_type_of_numbers_for_what_identifies_is_refused(
    hospital: Session, new: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="7,2024-05-06\n")
    with pytest.raises(InvalidArgument) as caught:
        hospital.push(
            folder, dataset="w", to="laboratory", policy=new, types={"mrn": "int64"}
        )
    assert "digits would be lost" in str(caught.value)


def test_a_subject_is_read_as_text_and_a_dataset_of_numbers_stays_one(
    hospital: Session, laboratory: Session, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, a="7,x\n")
    hospital.push(folder, dataset="s", to="laboratory", subject_column="mrn")
    assert ids(laboratory, "s") == ["7"]
    hospital.push(folder, dataset="n", to="laboratory")
    folder_of(tmp_path, b="007,y\n")
    hospital.push(folder, dataset="n")
    assert ids(laboratory, "n") == [7, 7]
