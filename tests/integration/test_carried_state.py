"""State that is carried: after its own commits a client knows what it would read again."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
import pytest
from conftest import RunningRelay
from fakes.lying_relay import lying_to

from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.owner.manage.access import rotate
from sealift.owner.manage.resealing import remove_shards
from sealift.owner.push import committing
from sealift.owner.push.committing import Change, append, opened_after
from sealift.session import Session
from sealift_protocol.errors import GrantExpired, NotInLog

VALUES = pa.schema([("value", pa.int64())])
ROWS = pa.table({"value": [1, 2]}, VALUES)
SAME = (
    *("dataset_id", "trusted", "name", "description", "schema", "retain_seconds"),
    *("subject_column", "policies", "required_policies", "policy_reports", "shards"),
    *("record_counts", "epoch_keys", "purpose"),
)
SAME_HISTORY = (
    *("owner", "co_owners", "shards", "grants", "key_epoch", "head", "last_snapshot"),
)
WIDER = VALUES.append(pa.field("more", pa.string()))


def member_of(session: Session) -> Member:
    return session._connection.member


def opened(session: Session, path: str) -> OpenedDataset:
    return session._connection.open(path)


def assert_same(carried: OpenedDataset | None, read: OpenedDataset) -> None:
    assert carried is not None
    for name in SAME:
        assert getattr(carried, name) == getattr(read, name), name
    for name in SAME_HISTORY:
        assert getattr(carried.history, name) == getattr(read.history, name), name


def test_a_writer_knows_what_it_would_read_again(
    hospital: Session, laboratory: Session
) -> None:
    with hospital.writer("study", VALUES, to="laboratory", purpose="a trial") as writer:
        for number in range(3):
            writer.write({"value": number})
            writer.flush()
            assert writer._appender is not None
            assert_same(writer._appender.opened, opened(hospital, "study"))
    with hospital.writer("study", WIDER) as writer:
        writer.write({"value": 3, "more": "columns"})
        writer.flush()
        assert writer._appender is not None
        assert_same(writer._appender.opened, opened(hospital, "study"))
    assert laboratory.open_dataset("hospital/study").num_records == 4


def test_a_writer_begins_anew_at_its_snapshots(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 4)
    with hospital.writer("study", VALUES) as writer:
        for number in range(10):
            writer.write({"value": number})
            writer.flush()
            assert writer._appender is not None
            carried, read = writer._appender.opened, opened(hospital, "study")
            assert_same(carried, read)
            assert carried.pages == read.pages
            assert len(carried.history.commits) == len(read.history.commits)
    assert read.history.commits[0].number == 8


def test_every_kind_of_commit_carries_a_dataset_on(
    hospital: Session, laboratory: Session
) -> None:
    for _ in range(2):
        hospital.push(ROWS, dataset="study", to="laboratory")
    member, before = member_of(hospital), opened(hospital, "study")
    first = before.shards[0].shard_id
    steps: list[Callable[[OpenedDataset], committing.Committed]] = [
        lambda at: append(member, at, lambda _: Change()),
        lambda at: remove_shards(member, at, [first]),
        lambda at: rotate(member, at, hospital._connection.find_card),
        lambda at: append(
            member, at, lambda _: Change(revoked=[laboratory.fingerprint])
        ),
    ]
    for step in steps:
        committed = step(before)
        shards = dict(before.history.shards)
        after = opened_after(member, before.trusted, committed)
        # What was opened before stays what it was.
        assert before.history.shards == shards
        read = opened(hospital, "study")
        counts = {entry.shard_id: 2 for entry in read.shards}
        assert read.record_counts.items() >= counts.items()
        assert_same(after, read)
        before = after


def test_keys_whose_grants_have_ended_are_not_carried_on(
    hospital: Session, laboratory: Session
) -> None:
    end = int(time.time()) + 3600
    hospital.push(ROWS, dataset="study", to="laboratory", until=end)
    before = opened(laboratory, "hospital/study")
    hospital.push(ROWS, dataset="study")
    commit = opened(hospital, "study").history.head
    identities = member_of(laboratory).identities
    assert before.after(commit, identities, end - 1).epoch_keys == before.epoch_keys
    with pytest.raises(GrantExpired):
        before.after(commit, identities, end)


def test_a_name_that_another_machine_made_is_still_found(
    relay: RunningRelay, hospital: Session, clinic: Session
) -> None:
    """The relay knows no names: what this profile has not opened yet is looked at."""
    for name in ("one", "two"):
        clinic.push(ROWS, dataset=name, to="hospital")
    assert hospital.open_dataset("clinic/two").num_records == 2
    clinic.push(ROWS, dataset="three", to="hospital")
    assert hospital.open_dataset("clinic/three").num_records == 2
    clinic.dataset("three").delete()
    clinic.push(pa.concat_tables([ROWS, ROWS]), dataset="three", to="hospital")
    assert hospital.open_dataset("clinic/three").num_records == 4


@pytest.mark.parametrize("kept_back", ["the recipient's card", "the head", "both"])
def test_a06_nothing_is_sealed_before_everything_was_proved(
    kept_back: str, relay: RunningRelay, hospital: Session, laboratory: Session
) -> None:
    """Cards and heads are proved together; one that is not in the log stops the push."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    head = opened(hospital, "study").history.head.digest
    card = laboratory._connection.contacts.own_card().digest
    hidden = {"the recipient's card": {card}, "the head": {head}}.get(
        kept_back, {card, head}
    )

    def lie(request: object, answers: list) -> list:
        for answer in answers:
            kept = [
                proof
                for proof in answer.inclusions
                if not any(digest in proof.entry for digest in hidden)
            ]
            del answer.inclusions[:]
            answer.inclusions.extend(kept)
        return answers

    with lying_to(relay, hospital) as lying:
        lying.lies["Log/Prove"] = lie
        with pytest.raises(NotInLog):
            hospital.push(ROWS, dataset="study", to="laboratory")
        assert "Shards/Put" not in lying.calls
        assert "Datasets/Append" not in lying.calls
        lying.lies.clear()
        hospital.push(ROWS, dataset="study", to="laboratory")
