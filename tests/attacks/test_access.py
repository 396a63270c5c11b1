"""A relay and members that lie about access: who may write, who may read, until when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from fakes.lying_relay import lying_to
from patience import PATIENCE

import sealift
from sealift.crypto.signing import Identity, sign_commit
from sealift.history.disclosures import disclose
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AccessDenied,
    ContextMismatch,
    DatasetDeleted,
    DisclosureRequired,
    GrantExpired,
    GrantRevoked,
    HistoryInvalid,
    InvalidArgument,
    QuotaExceeded,
    RelayBusy,
    RollbackDetected,
    WrongKey,
    WrongSigner,
)
from sealift_protocol.objects.commits import Commit, CoOwners, verify_commit
from sealift_protocol.objects.grants import verify_grant
from sealift_protocol.v1 import datasets_pb2, objects_pb2, shards_pb2

ROWS = pa.table({"value": list(range(10))})
MALLORY = Identity.of_seed(sealift.Secret(b"m" * 32))


def next_commit(signer: Identity, head: Commit, **fields) -> objects_pb2.Signed:
    options = {"added": [], "key_epoch": head.key_epoch, **fields}
    return sign_commit(
        signer,
        dataset_id=head.dataset_id,
        number=head.number + 1,
        parent=head.digest,
        time=int(time.time()),
        metadata=head.metadata,
        **options,
    )


def adding(signed: objects_pb2.Signed) -> Callable:
    return lambda _, answers: [*answers, datasets_pb2.GetCommitsResponse(commit=signed)]


def head_of(session: Session, path: str = "hospital/study") -> Commit:
    return session._connection.open(path).history.head


# --- A8: commits of people who may not write -----------------------------------------------------


@pytest.mark.parametrize("who", ["stranger", "trainer", "removed co-owner"])
def test_a08_a_commit_of_somebody_who_may_not_write_is_refused(
    who: str, relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    clinic.push(ROWS, dataset="hospital/study")
    assert laboratory.open_dataset("hospital/study").num_records == 20
    hospital.dataset("study").remove_co_owner("clinic")
    signers = {"stranger": MALLORY, "trainer": laboratory._connection.member.identity}
    signer = signers.get(who, clinic._connection.member.identity)
    forged = next_commit(signer, head_of(laboratory))
    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = adding(forged)
        with pytest.raises(WrongSigner):
            laboratory.open_dataset("hospital/study")
    with pytest.raises((AccessDenied, WrongSigner)):
        clinic._connection.relay.append(
            next_commit(clinic._connection.member.identity, head_of(hospital)), []
        )
    with pytest.raises(AccessDenied):
        clinic.push(ROWS, dataset="hospital/study")
    # What it wrote while it could is still there.
    assert laboratory.open_dataset("hospital/study").num_records == 20


def test_a08_a_shard_that_the_owner_did_not_sign_for_is_not_served(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.push(ROWS, dataset="study")

    def without_the_first(_, answers):
        return answers[1:]

    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = without_the_first
        with pytest.raises(HistoryInvalid):
            laboratory.open_dataset("hospital/study")


# --- A9, A15: grants that are over, hidden revocations -------------------------------------------


def everything(
    hospital: Session, dataset_id: bytes, trainer: Session
) -> dict[str, list]:
    """What the relay has of a dataset, and would give to a trainer if it wished."""
    commits = hospital._connection.relay.get_commits(dataset_id)
    grants = hospital._connection.relay.get_grants(dataset_id, everybody=True).grants
    own = [g for g in grants if verify_grant(g).terms.recipient == trainer.fingerprint]
    return {
        "Datasets/GetCommits": [
            datasets_pb2.GetCommitsResponse(commit=c) for c in commits
        ],
        "Datasets/GetGrants": [datasets_pb2.GetGrantsResponse(grants=own)],
        "Datasets/List": [
            datasets_pb2.ListResponse(
                datasets=[
                    datasets_pb2.DatasetSummary(
                        dataset_id=dataset_id, owner=hospital.fingerprint.digest
                    )
                ]
            )
        ],
    }


def answering(lying, answers: dict[str, list]) -> None:
    for method, kept in answers.items():
        lying.lies[method] = lambda *_, kept=kept: kept
        lying.refuse.add(method)


def test_a09_a_grant_after_its_revocation_opens_nothing(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.open_dataset("hospital/study")
    dataset_id = head_of(hospital).dataset_id
    before = everything(hospital, dataset_id, laboratory)
    hospital.dataset("study").revoke("laboratory")
    with pytest.raises(AccessDenied):
        laboratory.open_dataset("hospital/study")
    with lying_to(relay, laboratory) as lying:
        answering(
            lying,
            {
                **everything(hospital, dataset_id, laboratory),
                "Datasets/GetGrants": before["Datasets/GetGrants"],
            },
        )
        with pytest.raises(GrantRevoked):
            laboratory.open_dataset("hospital/study")


def test_a15_a_hidden_revocation_still_closes_what_comes_next(
    relay, hospital, laboratory
) -> None:
    """Relay and revoked trainer together: what was there stays open, what is new does not."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    dataset_id = head_of(hospital).dataset_id
    before = everything(hospital, dataset_id, laboratory)
    hospital.dataset("study").revoke("laboratory")
    hospital.push(ROWS, dataset="study")
    after = everything(hospital, dataset_id, laboratory)
    opened = laboratory._connection.member
    with lying_to(relay, laboratory) as lying:
        answering(lying, before)
        assert laboratory._connection.open("hospital/study").epoch_keys.keys() == {1}
        answering(lying, {**after, "Datasets/GetGrants": before["Datasets/GetGrants"]})
        with pytest.raises((GrantRevoked, WrongKey)):
            laboratory.open_dataset("hospital/study")
    assert opened.identity.fingerprint == laboratory.fingerprint


def test_a15_a_revocation_hidden_from_a_co_owner_is_caught(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    with lying_to(relay, clinic) as lying:
        kept: list = []
        lying.lies["Datasets/GetCommits"] = lambda _, answers: (
            kept.append(answers),
            answers,
        )[1]
        hospital.dataset("study").revoke("laboratory")
        clinic.dataset("hospital/study").access()
        lying.lies["Datasets/GetCommits"] = lambda *_: kept[-1][:-1]
        with pytest.raises(RollbackDetected):
            clinic.push(ROWS, dataset="hospital/study")


def test_a15_a_co_owner_cannot_bring_a_revoked_grant_back(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    grants = hospital._connection.relay.get_grants(
        head_of(hospital).dataset_id, everybody=True
    ).grants
    hospital.dataset("study").revoke("laboratory")
    head = head_of(hospital)
    old = [
        g
        for g in map(verify_grant, grants)
        if g.terms.recipient == laboratory.fingerprint
    ]
    forged = next_commit(MALLORY, head, granted=[g.entry() for g in old])
    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/GetCommits"] = adding(forged)
        with pytest.raises(WrongSigner):
            hospital.dataset("study").access()


@pytest.mark.parametrize("when", ["expired", "not yet valid"])
def test_a09_a_grant_outside_its_time_is_refused_by_relay_and_client(
    when: str, relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study")
    now = int(time.time())
    since, until = (0, now + 4) if when == "expired" else (now + 3600, now + 7200)
    hospital.dataset("study").grant(to="laboratory", since=since, until=until)
    dataset_id = head_of(hospital).dataset_id
    if when == "expired":
        time.sleep(4.1)
    with pytest.raises(AccessDenied):
        laboratory.open_dataset("hospital/study")
    with pytest.raises(AccessDenied):
        laboratory._connection.relay.stat(dataset_id, [])
    with lying_to(relay, laboratory) as lying:
        answers = everything(hospital, dataset_id, laboratory)
        answering(lying, answers)
        with pytest.raises(GrantExpired):
            laboratory.open_dataset("hospital/study")


def test_a09_a_grant_of_another_dataset_opens_nothing(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.push(ROWS, dataset="other", to="laboratory")
    ids = {
        name: hospital._connection.open(f"hospital/{name}").dataset_id
        for name in ("study", "other")
    }
    with lying_to(relay, laboratory) as lying:
        kept = {
            name: laboratory._connection.relay.get_grants(ids[name]) for name in ids
        }

        def swap(request, _):
            return [kept["other" if request.dataset_id == ids["study"] else "study"]]

        lying.lies["Datasets/GetGrants"] = swap
        with pytest.raises(ContextMismatch):
            laboratory.open_dataset("hospital/study")


# --- A21: what members without access learn ------------------------------------------------------


def test_a21_nobody_without_access_reads_log_account_or_grants(
    relay, hospital, laboratory, records
) -> None:
    hospital.push(records, dataset="study")
    dataset_id = head_of(hospital).dataset_id
    answers: dict[int, set] = {}
    for asked in (dataset_id, b"?" * 16):
        calls = (
            lambda i=asked: laboratory._connection.relay.get_grants(i, everybody=True),
            lambda i=asked: laboratory._connection.relay.get_pages(i, [bytes(32)]),
            lambda i=asked: laboratory._connection.relay.disclose(
                _disclosure(laboratory, i)
            ),
            lambda i=asked: laboratory._connection.relay.account(
                _accounting(laboratory, i)
            ),
            lambda i=asked: laboratory._connection.relay.confirm_purge(
                _purge(laboratory, i)
            ),
        )
        for place, call in enumerate(calls):
            with pytest.raises(AccessDenied) as caught:
                call()
            answers.setdefault(place, set()).add(
                (type(caught.value), caught.value.what)
            )
    # Each answer is the same whether the dataset exists or not.
    assert [len(answer) for answer in answers.values()] == [1] * 5
    with pytest.raises(AccessDenied):
        laboratory._connection.relay.get_entries(0, 10)


def _disclosure(session: Session, dataset_id: bytes) -> objects_pb2.Signed:
    message = objects_pb2.Disclosure(
        dataset_id=dataset_id, commit=bytes(32), time=int(time.time()), nonce=bytes(16)
    )
    return session._connection.member.identity.sign(
        envelope.DISCLOSURE, message.SerializeToString()
    )


def _accounting(session: Session, dataset_id: bytes) -> objects_pb2.Signed:
    message = objects_pb2.Accounting(
        dataset_id=dataset_id, time=int(time.time()), nonce=bytes(16)
    )
    return session._connection.member.identity.sign(
        envelope.ACCOUNTING, message.SerializeToString()
    )


def _purge(session: Session, dataset_id: bytes) -> objects_pb2.Signed:
    message = objects_pb2.PurgeReceipt(
        dataset_id=dataset_id, commit=bytes(32), time=int(time.time())
    )
    return session._connection.member.identity.sign(
        envelope.PURGE_RECEIPT, message.SerializeToString()
    )


def test_a21_a_recipient_learns_nothing_of_other_recipients_grants(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to=["laboratory", "clinic"])
    dataset_id = head_of(hospital).dataset_id
    own = laboratory._connection.relay.get_grants(dataset_id).grants
    assert {verify_grant(g).terms.recipient for g in own} == {laboratory.fingerprint}
    with pytest.raises(AccessDenied):
        laboratory._connection.relay.get_grants(dataset_id, everybody=True)


def test_a21_an_auditor_reads_the_log_and_no_shard(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.open_dataset("hospital/study").to_table()
    entry = hospital._connection.open("hospital/study").shards[0]
    dataset_id = head_of(hospital).dataset_id
    with relay.join("auditor", "auditor") as auditor:
        audit = auditor.log.verify()
        assert sum(audit.kinds.values()) == audit.size
        assert auditor.datasets() == []
        request = shards_pb2.GetRequest(
            dataset_id=dataset_id,
            ranges=[shards_pb2.SegmentRange(shard_id=entry.shard_id)],
        )
        for call in (
            lambda: list(auditor._connection.relay.get_segments(request)),
            lambda: auditor._connection.relay.get_grants(dataset_id),
            lambda: auditor._connection.relay.stat(dataset_id, [entry.shard_id]),
        ):
            with pytest.raises(AccessDenied):
                call()


def test_a21_a_disclosure_of_somebody_else_opens_nothing(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to=["laboratory", "clinic"])
    opened = laboratory._connection.open("hospital/study")
    digest = disclose(laboratory._connection.member, opened, purpose="mine")
    request = shards_pb2.GetRequest(
        dataset_id=opened.dataset_id,
        ranges=[shards_pb2.SegmentRange(shard_id=opened.shards[0].shard_id)],
        disclosure=digest,
    )
    with pytest.raises(DisclosureRequired):
        list(clinic._connection.relay.get_segments(request))
    assert list(laboratory._connection.relay.get_segments(request))


# --- A22: what only the owner may ----------------------------------------------------------------


@pytest.mark.parametrize("what", ["deletion", "co-owners", "hand-over"])
def test_a22_a_co_owner_cannot_do_what_only_the_owner_may(
    what: str, relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    fields = {
        "deletion": {"deletion": True},
        "co-owners": {
            "co_owners": CoOwners((clinic.fingerprint, laboratory.fingerprint), None)
        },
        "hand-over": {"co_owners": CoOwners((), clinic.fingerprint)},
    }[what]
    forged = next_commit(
        clinic._connection.member.identity, head_of(hospital), **fields
    )
    with pytest.raises(WrongSigner):
        clinic._connection.relay.append(forged, [])
    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = adding(forged)
        with pytest.raises(WrongSigner):
            laboratory.open_dataset("hospital/study")
    with pytest.raises(WrongSigner):
        clinic.dataset("hospital/study").delete()
    assert laboratory.open_dataset("hospital/study").num_records == 10


def test_a22_an_owner_cannot_hand_a_dataset_to_somebody_unknown(
    relay, hospital, laboratory
) -> None:
    """Readers accept no owner whom no member they trust has vouched for."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    handed = next_commit(
        hospital._connection.member.identity,
        head_of(hospital),
        co_owners=CoOwners((), MALLORY.fingerprint),
    )
    hospital._connection.relay.append(handed, [])
    with pytest.raises(WrongSigner, match="not trusted as its owner"):
        laboratory.open_dataset("hospital/study")


def test_a22_an_author_cannot_be_revoked(relay, hospital, laboratory, clinic) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    with pytest.raises(InvalidArgument, match="author"):
        hospital.dataset("study").revoke("clinic")
    with pytest.raises(InvalidArgument, match="author"):
        clinic.dataset("hospital/study").revoke("hospital")


def test_a22_a_deleted_dataset_cannot_go_on(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.open_dataset("hospital/study")
    head = head_of(hospital)
    before = everything(hospital, head.dataset_id, laboratory)
    hospital.dataset("study").delete()
    with pytest.raises(DatasetDeleted):
        laboratory.open_dataset("hospital/study")
    deletion = next_commit(hospital._connection.member.identity, head, deletion=True)
    after = next_commit(hospital._connection.member.identity, verify_commit(deletion))
    with lying_to(relay, laboratory) as lying:
        before["Datasets/GetCommits"] += [
            datasets_pb2.GetCommitsResponse(commit=c) for c in (deletion, after)
        ]
        answering(lying, before)
        with pytest.raises(DatasetDeleted):
            laboratory.open_dataset("hospital/study")


# --- A26: floods ---------------------------------------------------------------------------------


def push_until_refused(session: Session) -> None:
    for _ in range(20):
        session.push(ROWS, dataset="study")


def ask_until_refused(session: Session) -> None:
    for _ in range(60):
        session._connection.relay.who_am_i()


@pytest.mark.limits(member_bytes=5000)
def test_a26_a_quota_of_bytes_is_kept(relay, hospital, laboratory) -> None:
    with pytest.raises(QuotaExceeded):
        push_until_refused(hospital)
    usage = hospital._connection.relay.who_am_i().usage
    assert 0 < usage.bytes <= usage.bytes_limit == 5000
    # What was acknowledged is there, and deleting makes room again.
    assert hospital.open_dataset("hospital/study").num_records >= 80
    hospital.dataset("study").delete()
    assert hospital._connection.relay.who_am_i().usage.bytes == 0
    hospital.push(ROWS, dataset="second")


@pytest.mark.limits(member_shards=2)
def test_a26_a_quota_of_shards_is_kept(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study")
    hospital.push(ROWS, dataset="study")
    with pytest.raises(QuotaExceeded):
        hospital.push(ROWS, dataset="study")


@pytest.mark.limits(member_calls_a_minute=40)
def test_a26_a_member_who_floods_is_slowed_down_and_others_are_not(
    relay, hospital, laboratory, monkeypatch
) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    with pytest.raises(RelayBusy):
        ask_until_refused(hospital)
    assert laboratory._connection.relay.who_am_i().name == "laboratory"


@pytest.mark.limits(uncommitted_seconds=4, sweep_seconds=1)
def test_a26_what_is_uploaded_and_never_committed_is_collected(
    relay, hospital, laboratory, monkeypatch
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    before = hospital._connection.relay.who_am_i().usage.bytes

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(hospital._connection.relay, "append", fail)
    with pytest.raises(KeyboardInterrupt):
        hospital.push(ROWS, dataset="study")
    assert hospital._connection.relay.who_am_i().usage.bytes > before
    deadline = time.monotonic() + PATIENCE
    while (
        hospital._connection.relay.who_am_i().usage.bytes != before
        and time.monotonic() < deadline
    ):
        time.sleep(0.2)
    assert hospital._connection.relay.who_am_i().usage.bytes == before
    blobs = [p for p in (relay.folder / "blobs" / "shards").rglob("*") if p.is_file()]
    assert len(blobs) == 1
    assert laboratory.open_dataset("hospital/study").to_table().num_rows == 10


def test_a09_an_old_reader_meets_the_end_of_a_grant(
    relay, hospital, laboratory
) -> None:
    """The client's clock decides too: a relay whose clock has stopped extends nothing."""
    hospital.push(ROWS, dataset="study", to="laboratory", until=int(time.time()) + 60)
    laboratory.open_dataset("hospital/study")
    later = lambda: datetime.now(UTC) + timedelta(minutes=5)  # noqa: E731
    laboratory._connection.member = replace(laboratory._connection.member, now=later)
    with pytest.raises(GrantExpired):
        laboratory.open_dataset("hospital/study")
