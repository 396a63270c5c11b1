"""Co-owners and relays that lie in what commits seal: schema, policies, source cursors."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from sealift.owner.push.committing import Change, append
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol.errors import (
    CursorUnreadable,
    HistoryInvalid,
    MalformedObject,
    VerificationError,
    WrongKey,
)

POLICY = 'format = 1\nname = "p"\nversion = "1"\n\n[columns]\nid = "keep"\n'
ROWS = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def cohort(hospital: Session, clinic: Session, laboratory: Session) -> str:
    """A dataset of the hospital's that the clinic co-owns."""
    hospital.push(ROWS, dataset="cohort", to="laboratory")
    hospital.dataset("cohort").add_co_owner("clinic")
    return "hospital/cohort"


def test_a22_a_co_owner_does_not_decide_which_policies_are_required(
    hospital: Session,
    clinic: Session,
    laboratory: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, other = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(POLICY)
    other.write_text(POLICY.replace('"1"', '"2"'))
    hospital.push(ROWS, dataset="cohort", to="laboratory", policy=first)
    hospital.dataset("cohort").add_co_owner("clinic")
    with monkeypatch.context() as patched:
        patched.setattr("sealift.owner.push.push.check_policy", lambda *_: None)
        patched.setattr("sealift.owner.push.appending.check_policy", lambda *_: None)
        with pytest.raises(HistoryInvalid, match="required policies"):
            clinic.push(
                ROWS, dataset="hospital/cohort", policy=other, accept_policy=True
            )
    for reader in (hospital, laboratory):
        with pytest.raises(HistoryInvalid, match="required policies"):
            reader.open_dataset("hospital/cohort")


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        pytest.param(True, MalformedObject, "beyond adding and widening", id="other"),
        pytest.param("x", HistoryInvalid, "other than the owner widened", id="wider"),
    ],
)
def test_a22_a_co_owner_does_not_change_the_type_of_a_column(
    value: object,
    error: type[VerificationError],
    told: str,
    hospital: Session,
    clinic: Session,
    laboratory: Session,
    cohort: str,
    monkeypatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sealift.owner.push.appending.grow", lambda _, fresh: fresh)
        patched.setattr("sealift.owner.push.appending.extends", lambda *_: True)
        with pytest.raises(error, match=told):
            clinic.push(pa.table({"id": [value], "more": ["y"]}), dataset=cohort)
    with pytest.raises(error, match=told):
        laboratory.open_dataset(cohort)


def test_a22_metadata_that_nobody_can_open_does_no_harm_once_its_shards_are_gone(
    hospital: Session, clinic: Session, laboratory: Session, cohort: str, monkeypatch
) -> None:
    opened = clinic.open_dataset(cohort)._opened
    from sealift.crypto.metadata import seal_metadata

    with monkeypatch.context() as patched:
        patched.setattr(
            "sealift.owner.push.committing.seal_metadata",
            lambda metadata, **named: seal_metadata(
                metadata, **{**named, "epoch_key": Secret.random(32)}
            ),
        )
        with pytest.raises(WrongKey):
            clinic.push(ROWS, dataset=cohort)
    with pytest.raises(WrongKey):
        laboratory.open_dataset(cohort)
    from sealift_protocol.objects.commits import verify_commit

    number = opened.history.head.number + 1
    [lying] = [
        verify_commit(s)
        for s in clinic._connection.relay.get_commits(opened.dataset_id, number, number)
    ]
    opened.history.append(lying)
    removed = [entry.shard_id for entry in lying.added]
    append(clinic._connection.member, opened, lambda _: Change(removed=removed))
    assert laboratory.open_dataset(cohort).to_table().equals(ROWS)
    assert hospital.push(ROWS, dataset="cohort").commits == 1


def two_files_with_a_snapshot_between(
    hospital: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    monkeypatch.setattr("sealift.owner.push.committing.SNAPSHOT_EVERY", 8)
    first, second = folder / "1.csv", folder / "2.csv"
    first.write_text("id\n1\n")
    second.write_text("id\n2\n")
    hospital.push(first, dataset="study")
    for i in range(9):
        hospital.push(pa.table({"id": [i]}), dataset="study")
    hospital.push(second, dataset="study")
    return first, second


@pytest.mark.parametrize("lie", ["nothing", "another commit"])
def test_a06_a_relay_does_not_hide_what_was_pushed_before(
    lie: str, hospital: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it could make an owner push everything twice."""
    first, second = two_files_with_a_snapshot_between(hospital, tmp_path, monkeypatch)
    assert hospital.push(first, dataset="study").unchanged == 1
    honest = hospital._connection.relay.get_commits

    def lying(dataset_id: bytes, begin: int = 0, last: int = 0, **options: bool):
        if begin == 0 and last == 1:
            found = honest(dataset_id, 1, 1)
            return iter(()) if lie == "nothing" else found
        return honest(dataset_id, begin, last, **options)

    monkeypatch.setattr(hospital._connection.relay, "get_commits", lying)
    with pytest.raises(CursorUnreadable, match="does not serve"):
        hospital.push(second, dataset="study")


def test_a08_a_cursor_is_taken_from_its_authors_own_commits_only(
    hospital: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = two_files_with_a_snapshot_between(hospital, tmp_path, monkeypatch)
    from sealift.owner.push import cursor

    honest = cursor._fetch
    monkeypatch.setattr(cursor, "_fetch", lambda *args: honest(*args[:-1], 1))
    with pytest.raises(CursorUnreadable, match="does not serve"):
        hospital.push(second, dataset="study")
