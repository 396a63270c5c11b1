"""The journal of reversals: against vectors, added to in order, and changed by nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from places import VECTORS

from sealift.home.journal import Journal, Reversal, journal_key
from sealift.process.secret import Secret
from sealift_protocol.errors import ProfileError

VECTOR = json.loads((VECTORS / "journal" / "journal.json").read_text())
KEY = journal_key(Secret(bytes.fromhex(VECTOR["owner_secret"])))
ENTRIES = [Reversal(**entry) for entry in VECTOR["entries"]]


def test_the_vectors_are_what_their_script_writes(vector_script) -> None:
    made = vector_script("make_journal_vectors").render()
    assert json.loads(made["journal.json"]) == VECTOR


def test_a_journal_is_written_and_read_as_in_the_vector(tmp_path: Path) -> None:
    path = tmp_path / "reversals.jsonl"
    journal = Journal(path, KEY)
    assert journal.entries() == []
    for entry in ENTRIES:
        journal.append(entry)
    assert path.read_text() == VECTOR["file"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert Journal(path, KEY).entries() == ENTRIES


@pytest.mark.parametrize("case", VECTOR["refused"])
def test_a_changed_journal_is_refused_and_not_added_to(
    case: str, tmp_path: Path
) -> None:
    path = tmp_path / "reversals.jsonl"
    path.write_text(VECTOR["refused"][case])
    journal = Journal(path, KEY)
    with pytest.raises(ProfileError):
        journal.entries()
    with pytest.raises(ProfileError):
        journal.append(ENTRIES[0])
    assert path.read_text() == VECTOR["refused"][case]


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_empty(content: bytes) -> None:
    journal = Journal(Path("unused"), KEY)
    try:
        entries, _ = journal._verified(content)
    except ProfileError:
        return
    assert entries == []


def test_an_entry_holds_no_more_than_its_six_fields() -> None:
    assert list(asdict(ENTRIES[0])) == [
        "time",
        "who",
        "why",
        "policy",
        "asked",
        "found",
    ]
