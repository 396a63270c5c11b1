"""The last look before sealing, from a source to a trainer, in whatever order records come."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sealift.owner.push import deidentifying, waiting
from sealift.owner.sources import SourceOptions
from sealift.session import Session
from sealift_protocol.errors import PolicyViolation

HEAD = """format = 2
name = "ward"
version = "1"
[identifiers]
record-number = { action = "hash" }
name = "drop"
[known]
by = ["patient_id", "Patient.id", "Resource.subject.reference.id"]
columns = ["Patient.name.{family,given}"]
"""
CSV = SourceOptions(kind="csv")
KEEP = HEAD + '[columns]\ntext = "keep"\n'
HEADER = "patient_id,last_name,text\n"
SCHEMA = pa.schema([(name, pa.string()) for name in HEADER.strip().split(",")])


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    path = tmp_path / "keep.toml"
    path.write_text(KEEP)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "records"
    made.mkdir()
    return made


def texts(trainer: Session, dataset: str, column: str = "text") -> list[str]:
    found: list[str] = trainer.open_dataset(dataset).to_table()[column].to_pylist()
    return found


def rows(*values: tuple[str, str | None, str]) -> pa.RecordBatch:
    columns = zip(*values, strict=True)
    return pa.record_batch([pa.array(c, pa.string()) for c in columns], schema=SCHEMA)


def line(kind: str, number: str, **values: object) -> str:
    return json.dumps({"resourceType": kind, "id": number, **values}) + "\n"


def report(number: str, patient: str, conclusion: str) -> str:
    return line(
        "DiagnosticReport",
        number,
        status="final",
        subject={"reference": f"Patient/{patient}"},
        conclusion=conclusion,
    )


@pytest.mark.parametrize("place", ["the same file", "another file"])
def test_a_fhir_patient_may_come_after_the_text_about_it(
    hospital: Session, laboratory: Session, folder: Path, place: str
) -> None:
    patient = line(
        "Patient",
        "p1",
        name=[{"family": "Zorblax", "given": ["Quorra"]}],
        # A patient that cannot be pushed is known all the same.
        modifierExtension=[{"url": "https://example.org/x", "valueBoolean": True}],
    )
    reports = report("a", "p1", "zorblax rests, quorra too") + report(
        "b", "p2", "zorblax"
    )
    first, last = folder / "a.ndjson", folder / "b.ndjson"
    first.write_text(reports + (patient if place == "the same file" else ""))
    last.write_text(
        report("c", "p1", "no pain") + (patient if place != "the same file" else "")
    )
    pushed = hospital.push(
        folder,
        dataset="reports",
        to="laboratory",
        reading=SourceOptions(kind="fhir", resource="DiagnosticReport"),
        policy="hipaa-safe-harbor",
    )
    assert pushed.records == 3
    found = texts(laboratory, "hospital/reports", "conclusion")
    assert found == ["<KNOWN> rests, <KNOWN> too", "zorblax", "no pain"]
    opened = laboratory.open_dataset("hospital/reports")
    [told] = [json.loads(text) for text in opened.policy_reports]
    assert told["known"] == {"early": 0, "removed": 2, "searched": 3, "unknown": 1}
    assert "orblax" not in json.dumps(told)
    assert any("2 identifiers of patients" in notice for notice in pushed.notices)
    assert any(notice.startswith("1 of 3 records") for notice in pushed.notices)


def test_a_kept_text_stops_the_push_though_the_name_is_in_another_file(
    hospital: Session, folder: Path, keep: Path, relay
) -> None:
    (folder / "a.csv").write_text(HEADER + "1,,zorbla rests\n")
    (folder / "b.csv").write_text(HEADER + "1,Zorbla,stable\n")
    with pytest.raises(PolicyViolation, match="column 3") as caught:
        hospital.push(folder, dataset="notes", policy=keep)
    assert caught.value.columns == ("text",)
    assert not [path for path in (relay.folder / "blobs").rglob("*") if path.is_file()]


def test_a_file_that_was_pushed_before_is_known(
    hospital: Session,
    folder: Path,
    keep: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "a.csv").write_text(HEADER + "1,Zorbla,stable\n")
    hospital.push(folder, dataset="notes", policy=keep)
    (folder / "b.csv").write_text(HEADER + "1,,zorbla rests\n")
    with pytest.raises(PolicyViolation, match="column 3"):
        hospital.push(folder, dataset="notes", policy=keep)
    monkeypatch.setattr(deidentifying, "EARLIER_BYTES", 0)
    pushed = hospital.push(folder, dataset="notes", policy=keep)
    assert any("1 file that was pushed before" in told for told in pushed.notices)


def stream(*batches: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(SCHEMA, batches)


EARLY, LATE = rows(("1", None, "zorbla rests")), rows(("1", "Zorbla", "stable"))


def test_texts_of_a_stream_wait_for_their_patient(
    hospital: Session, keep: Path
) -> None:
    with pytest.raises(PolicyViolation, match="column 3"):
        hospital.push(stream(EARLY, LATE), dataset="notes", policy=keep)
    assert hospital.push(stream(LATE, LATE), dataset="notes", policy=keep).records == 2


def test_texts_on_standard_input_wait(
    hospital: Session, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe(content: str) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(content.encode()))
        monkeypatch.setattr(sys, "stdin", stdin)

    pipe(HEADER + "1,,zorbla rests\n1,Zorbla,stable\n")
    with pytest.raises(PolicyViolation, match="column 3"):
        hospital.push("-", dataset="notes", reading=CSV, policy=keep)
    pipe(HEADER + "2,,zorbla rests\n1,Zorbla,stable\n")
    pushed = hospital.push("-", dataset="notes", reading=CSV, policy=keep)
    assert pushed.records == 2


def test_texts_that_cannot_wait_are_counted_and_stop_the_push(
    hospital: Session,
    laboratory: Session,
    keep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "WAITING_BYTES", 1)
    with pytest.raises(PolicyViolation, match="of 1 of 2 records") as caught:
        hospital.push(stream(EARLY, LATE), dataset="notes", policy=keep)
    assert "max_unknown" in (caught.value.hint or "")
    # People before their texts are known in time.
    hospital.push(stream(LATE, LATE), dataset="notes", policy=keep)
    lax = tmp_path / "lax.toml"
    lax.write_text(KEEP.replace("[known]", "[known]\nmax_unknown = 0.5"))
    pushed = hospital.push(
        stream(EARLY, LATE), dataset="lax", to="laboratory", policy=lax
    )
    assert any("1 of them sent before all was read" in told for told in pushed.notices)
    assert texts(laboratory, "hospital/lax") == ["zorbla rests", "stable"]


def test_a_writer_holds_records_until_it_flushes(
    hospital: Session, laboratory: Session, keep: Path
) -> None:
    def write() -> None:
        with hospital.writer("notes", SCHEMA, to="laboratory", policy=keep) as writer:
            writer.write_batch(rows(("2", "Quorra", "stable")))
            assert writer.flush() == 0
            writer.write_batch(EARLY)
            writer.write_batch(LATE)

    with pytest.raises(PolicyViolation, match="column 3"):
        write()
    assert texts(laboratory, "hospital/notes") == ["stable"]
