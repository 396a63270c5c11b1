"""Several people on one dataset: co-owners, grants, revocation, rotation, long histories."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from fakes.lying_relay import lying_to

from sealift.history.overview import record_count
from sealift.owner.push import committing
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    Conflict,
    ContextMismatch,
    EndorsementExpired,
    HistoryInvalid,
    InvalidArgument,
    KeyEpochMoved,
    NotTrusted,
    RollbackDetected,
    SealiftError,
    WrongKey,
)
from sealift_protocol.objects.commits import verify_commit
from sealift_protocol.v1 import datasets_pb2

ROWS = pa.table({"value": list(range(10))})


def records_in(session: Session, path: str = "hospital/study") -> int:
    return session.open_dataset(path).to_table().num_rows


# --- co-owners -----------------------------------------------------------------------------------


def test_two_owners_who_push_at_once_both_succeed(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    failures: list[SealiftError] = []

    def push_often(session: Session, path: str) -> None:
        try:
            for _ in range(8):
                session.push(ROWS, dataset=path)
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
    assert records_in(laboratory) == 170
    commits = laboratory._connection.open("hospital/study").history.commits
    assert len(commits) == 18
    signers = [commit.signer for commit in commits if commit.added]
    assert signers.count(clinic.fingerprint) == 8
    assert signers.count(hospital.fingerprint) == 9


def test_a_push_that_loses_every_race_gives_up(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    honest = clinic._connection.relay.append

    def lose(commit, grants):
        hospital.push(ROWS.slice(0, 1), dataset="study")
        return honest(commit, grants)

    clinic._connection.relay.append = lose
    with pytest.raises(Conflict, match="faster"):
        clinic.push(ROWS, dataset="hospital/study")
    clinic._connection.relay.append = honest
    assert records_in(laboratory) == 30


def test_a_push_across_a_rotation_says_that_it_must_be_repeated(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    honest = clinic._connection.relay.append

    def rotate_first(commit, grants):
        clinic._connection.relay.append = honest
        hospital.dataset("study").rotate()
        return honest(commit, grants)

    clinic._connection.relay.append = rotate_first
    with pytest.raises(KeyEpochMoved) as caught:
        clinic.push(ROWS, dataset="hospital/study")
    assert caught.value.hint
    clinic.push(ROWS, dataset="hospital/study")
    assert records_in(laboratory) == 20


def test_a_removed_co_owner_keeps_reading_until_revoked(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study")
    hospital.dataset("study").add_co_owner("clinic")
    hospital.dataset("study").remove_co_owner("clinic")
    assert records_in(clinic) == 10
    hospital.dataset("study").revoke("clinic")
    with pytest.raises(AccessDenied):
        records_in(clinic)
    with pytest.raises(AccessDenied, match="not a co-owner"):
        hospital.dataset("study").remove_co_owner("clinic")


def test_only_owners_and_co_owners_change_a_dataset(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to=["laboratory", "clinic"])
    for change in (
        lambda: clinic.dataset("hospital/study").grant(to="laboratory"),
        lambda: clinic.dataset("hospital/study").revoke("laboratory"),
        lambda: clinic.dataset("hospital/study").rotate(),
        lambda: clinic.dataset("hospital/study").access(),
        lambda: clinic.dataset("hospital/study").disclosures(),
        lambda: clinic.dataset("hospital/study").delete(),
        lambda: laboratory.dataset("hospital/study").delete(),
    ):
        with pytest.raises(AccessDenied):
            change()


# --- granting and revoking -----------------------------------------------------------------------


def test_a_grant_covers_what_was_there_and_what_comes(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study")
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="study")
    with pytest.raises(AccessDenied):
        records_in(laboratory)
    until = int(time.time()) + 3600
    hospital.dataset("study").grant(
        to="laboratory", until=until, purpose="sepsis model"
    )
    assert records_in(laboratory) == 20
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="study")
    assert records_in(laboratory) == 30
    report = hospital.dataset("study").access()
    line = next(
        line for line in report.recipients if line.recipient == laboratory.fingerprint
    )
    assert line.key_epochs == (1, 2, 3)
    assert (line.not_after, line.purposes, line.live) == (
        until,
        ("sepsis model",),
        True,
    )
    assert line.grantors == (hospital.fingerprint,)
    assert [(e.key_epoch, e.shards) for e in report.key_epochs] == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]
    assert all(laboratory.fingerprint in epoch.holders for epoch in report.key_epochs)


def test_a_grant_that_cannot_be_meant_is_refused(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study")
    past = int(time.time()) - 1
    for wrong in (
        {"until": past},
        {"since": past + 100, "until": past + 50},
        {"purpose": "x" * 257},
    ):
        with pytest.raises(InvalidArgument):
            hospital.dataset("study").grant(to="laboratory", **wrong)
    with pytest.raises(InvalidArgument, match="no member is named"):
        hospital.dataset("study").grant(to=[])


def test_a_revocation_reports_what_the_member_had_fetched(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory", purpose="model")
    hospital.push(ROWS, dataset="study")
    records_in(laboratory)
    hospital.push(ROWS, dataset="study")
    revoked = hospital.dataset("study").revoke("laboratory")
    lines = [
        x.disclosure
        for x in revoked.account.lines
        if x.disclosure.signer in revoked.identities
    ]
    assert [(d.number, d.shard_count, d.purpose) for d in lines] == [(1, 2, "model")]
    assert (revoked.key_epoch, revoked.open_epochs) == (2, {1: 3})
    with pytest.raises(AccessDenied, match="no grant"):
        hospital.dataset("study").revoke("laboratory")
    # Given back, the member opens what it is given: all key epochs.
    hospital.dataset("study").grant(to="laboratory")
    assert records_in(laboratory) == 30


def test_somebody_who_is_not_trusted_any_more_is_revoked_by_fingerprint(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital._connection.profile.trust.remove("laboratory")
    with pytest.raises(NotTrusted, match="with access"):
        hospital.dataset("study").rotate()
    hospital.dataset("study").revoke(str(laboratory.fingerprint))
    with pytest.raises(AccessDenied):
        records_in(laboratory)
    hospital.dataset("study").rotate()


def test_resealing_closes_the_old_keys(relay, hospital, laboratory) -> None:
    for _ in range(3):
        hospital.push(ROWS, dataset="study", to="laboratory")
    old_key = laboratory._connection.open("hospital/study").epoch_keys[1]
    before = {
        p.name for p in (relay.folder / "blobs" / "shards").rglob("*") if p.is_file()
    }
    hospital.dataset("study").revoke("laboratory")
    hospital.dataset("study").reseal()
    after = {
        p.name for p in (relay.folder / "blobs" / "shards").rglob("*") if p.is_file()
    }
    assert len(before) == len(after) + 2 == 3
    assert before.isdisjoint(after)
    opened = hospital._connection.open("hospital/study")
    assert {entry.key_epoch for entry in opened.shards} == {2}
    assert opened.epoch_keys[1] == old_key
    assert records_in(hospital) == 30
    assert hospital.dataset("study").reseal() is None
    hospital.push(ROWS, dataset="study")
    assert records_in(hospital) == 40


def test_an_endorsement_that_expires_between_open_and_read(relay, hospital) -> None:
    """The read that was begun finishes; the next open fails."""
    with (
        relay.join("institute", "trainer") as institute,
        relay.join("intern", "trainer") as intern,
    ):
        # The intern trusts the hospital only through the institute.
        institute.trust("hospital", str(hospital.fingerprint))
        hospital.trust("intern", str(intern.fingerprint))
        intern.trust("institute", str(institute.fingerprint), organisation=True)
        hospital.push(ROWS, dataset="study", to="intern")
        institute.people.endorse("hospital", not_after=int(time.time()) + 3600)
        dataset = intern.open_dataset("hospital/study")
        later = lambda: datetime.now(UTC) + timedelta(hours=2)  # noqa: E731
        intern._connection.contacts._now = later
        assert dataset.to_table().num_rows == 10
        with pytest.raises(EndorsementExpired):
            intern.open_dataset("hospital/study")


# --- long histories ------------------------------------------------------------------------------


@pytest.fixture
def long_history(hospital, laboratory, monkeypatch) -> Session:
    """Snapshots every 4 commits instead of 64, and pages of 3 shards instead of 1024."""
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 4)
    monkeypatch.setattr(committing, "MAX_PAGE_SHARDS", 3)
    for _ in range(14):
        hospital.push(ROWS, dataset="study", to="laboratory")
    return laboratory


def test_opening_begins_with_the_newest_snapshot(relay, hospital, long_history) -> None:
    opened = long_history._connection.open("hospital/study")
    assert opened.history.commits[0].number == 12
    assert len(opened.history.commits) == 2
    assert long_history.open_dataset("hospital/study").num_records == 140
    assert records_in(long_history) == 140
    whole = hospital._connection.open("hospital/study", whole=True).history
    assert whole.commits[0].number == 0
    assert (whole.shards, whole.grants) == (
        opened.history.shards,
        opened.history.grants,
    )


def test_pages_that_did_not_change_are_stored_once(
    relay, hospital, long_history
) -> None:
    snapshots = [
        commit.snapshot
        for commit in hospital._connection.open(
            "hospital/study", whole=True
        ).history.commits
        if commit.snapshot
    ]
    assert [len(snapshot.pages) for snapshot in snapshots] == [2, 3, 5]
    assert snapshots[1].pages[0] == snapshots[0].pages[0]
    assert snapshots[2].pages[:3] == snapshots[1].pages


def test_a_reader_from_before_a_snapshot_checks_the_way_to_it(
    relay, hospital, laboratory, monkeypatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 4)
    hospital.push(ROWS, dataset="study", to="laboratory")
    assert records_in(laboratory) == 10
    for _ in range(5):
        hospital.push(ROWS, dataset="study")
    with lying_to(relay, laboratory) as lying:

        def skip_one(request, answers):
            return answers if request.from_snapshot else answers[1:]

        lying.lies["Datasets/GetCommits"] = skip_one
        with pytest.raises(RollbackDetected):
            laboratory.open_dataset("hospital/study")
        lying.lies["Datasets/GetPages"] = lambda _, answers: answers[:-1]
    assert records_in(laboratory) == 60


def test_pages_that_the_relay_keeps_back_are_missed(
    relay, hospital, long_history
) -> None:
    with lying_to(relay, long_history) as lying:
        lying.lies["Datasets/GetPages"] = lambda _, answers: answers[:-1]
        with pytest.raises(HistoryInvalid):
            long_history.open_dataset("hospital/study")
        lying.lies["Datasets/GetPages"] = lambda _, answers: answers[::-1]
        with pytest.raises(ContextMismatch):
            long_history.open_dataset("hospital/study")


def test_a_history_that_begins_in_the_middle_without_a_snapshot_is_refused(
    relay, hospital, long_history
) -> None:
    with lying_to(relay, long_history) as lying:
        lying.lies["Datasets/GetCommits"] = lambda _, answers: answers[1:]
        with pytest.raises(
            HistoryInvalid, match="does not begin at commit 0 or a snapshot"
        ):
            long_history.open_dataset("hospital/study")


def test_a_co_owner_pushes_onto_a_snapshot(
    relay, hospital, long_history, clinic
) -> None:
    hospital.dataset("study").add_co_owner("clinic")
    clinic.push(ROWS, dataset="hospital/study")
    assert records_in(long_history) == 150
    # A co-owner never writes a snapshot; the owner's next commit does.
    for _ in range(5):
        clinic.push(ROWS, dataset="hospital/study")
    commits = [
        verify_commit(signed)
        for signed in hospital._connection.relay.get_commits(
            hospital._connection.open("hospital/study").dataset_id
        )
    ]
    assert all(c.signer == hospital.fingerprint for c in commits if c.snapshot)
    hospital.push(ROWS, dataset="study")
    assert long_history._connection.open("hospital/study").history.commits[
        0
    ].number == len(commits)


def test_a_recipient_without_the_newest_key_epoch_is_told(
    relay, hospital, laboratory, monkeypatch
) -> None:
    """The owner's client always grants all key epochs; another client might not."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="study")
    with lying_to(relay, laboratory) as lying:

        def first_only(_, answers):
            return [datasets_pb2.GetGrantsResponse(grants=answers[0].grants[:1])]

        lying.lies["Datasets/GetGrants"] = first_only
        with pytest.raises(WrongKey, match="key epoch 2"):
            laboratory.open_dataset("hospital/study")


def test_a_handle_decides_on_the_dataset_as_it_is_now(
    hospital: Session, laboratory: Session, clinic: Session
) -> None:
    """Not on what it had opened before another session, or this one, committed."""
    handle = hospital.dataset("study")
    rows = pa.table({"patient": ["a", "b"], "age": [1, 2]})
    hospital.push(rows, dataset="study", to="laboratory", subject_column="patient")
    assert record_count(handle.describe().opened) == 2
    hospital.push(rows, dataset="study", to="clinic")
    assert record_count(handle.describe().opened) == 4
    erased, _ = handle.erase("a")
    assert (erased.records, erased.searched) == (2, 2)
    left = hospital.open_dataset("hospital/study").to_table()
    assert left["patient"].to_pylist() == ["b", "b"]
    assert len(handle.access().recipients) == 3
    hospital.push(rows, dataset="study")
    live = len(handle.describe().opened.shards)
    revoked = handle.revoke("clinic")
    assert sum(revoked.open_epochs.values()) == live == 2
    with pytest.raises(AccessDenied):
        clinic.open_dataset("hospital/study")
