"""Files of HL7 messages that another library wrote, as they come out."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from places import TESTS

from sealift.owner.sources import BEGINNING, open_source

SAMPLES = TESTS / "samples"

EXPECTED: dict[str, list[tuple[str, str, str, str]]] = {
    "batch-latin1.hl7": [
        ("C0", "Müller", "Jörg", "nüchtern"),
        ("C1", "Peña", "Inés", "nüchtern"),
    ],
    "mllp-report.hl7": [
        ("C2", "Nowák", "Eva", "Impression:\nno change\n\nsigned"),
        ("C3", "Иванова", "Анна", "без изменений"),
    ],
    "japan.hl7": [("C4", "山田", "太郎", "異常なし")],
    "windows-utf16.hl7": [("C5", "Ελένη", "Παπά", "ok")],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_another_library_comes_out_as_its_messages(name: str) -> None:
    source = open_source(SAMPLES / "hl7" / name)
    rows: list[dict[str, Any]] = [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]
    assert [
        (
            row["control_id"],
            row["family_name"],
            row["given_name"],
            row["observations"][0]["value"],
        )
        for row in rows
    ] == EXPECTED[name]
    assert {row["birth_date"] for row in rows} == {datetime.datetime(1970, 5, 17)}
    assert {row["observations"][0]["status"] for row in rows} == {"F"}


def test_every_sample_is_read() -> None:
    assert {path.name for path in (SAMPLES / "hl7").iterdir()} == EXPECTED.keys()
