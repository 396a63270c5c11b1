"""What an honest relay refuses to anyone: objects of others, of another time, out of place."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyarrow as pa
import pytest
from click.testing import CliRunner

import sealift
from sealift.crypto.grants import make_grant
from sealift.crypto.signing import Identity, sign_card, sign_commit, sign_rewrap
from sealift.owner.push.committing import SNAPSHOT_EVERY
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AccessDenied,
    ClockSkew,
    Conflict,
    ContextMismatch,
    DatasetDeleted,
    GrantExpired,
    InvalidArgument,
    KeyEpochMoved,
    MalformedObject,
    MissingShard,
    QuotaExceeded,
    RoleDenied,
    SealiftError,
    UnknownMember,
    WrongSigner,
)
from sealift_protocol.objects.commits import Commit, ShardEntry, Snapshot
from sealift_protocol.objects.grants import verify_grant
from sealift_protocol.v1 import objects_pb2
from sealift_relay import cli as relay_cli

ROWS = pa.table({"value": list(range(10))})
MALLORY = Identity.of_seed(sealift.Secret(b"m" * 32))


def now() -> int:
    return int(time.time())


def head_of(session: Session) -> Commit:
    return session._connection.open("hospital/study").history.head


def commit_after(head: Commit, signer: Identity, **fields) -> objects_pb2.Signed:
    options = {
        "dataset_id": head.dataset_id,
        "number": head.number + 1,
        "parent": head.digest,
        "time": int(time.time()),
        "key_epoch": head.key_epoch,
        "added": [],
        "metadata": head.metadata,
        **fields,
    }
    return sign_commit(signer, **options)


@pytest.fixture
def study(hospital: Session, laboratory: Session) -> Commit:
    hospital.push(ROWS, dataset="study", to="laboratory")
    return head_of(hospital)


def sign(identity: Identity, kind: str, message) -> objects_pb2.Signed:
    return identity.sign(kind, message.SerializeToString())


# --- commits -------------------------------------------------------------------------------------


def test_commits_that_do_not_fit_are_refused(
    relay, hospital, laboratory, clinic, study
) -> None:
    own = hospital._connection.member.identity
    entry = hospital._connection.open("hospital/study").shards[0]
    missing = ShardEntry(b"x" * 16, 1, 100, bytes(32))
    elsewhere = ShardEntry(entry.shard_id, 2, entry.stored_size, entry.digest)
    state = hospital._connection.open("hospital/study").history
    snapshot = Snapshot(
        state.genesis, state.owner, (), (bytes(32),), tuple(state.grants.values())
    )
    cases: list[tuple[dict, type[SealiftError]]] = [
        ({"number": 3}, Conflict),
        ({"parent": bytes(32)}, Conflict),
        ({"time": now() - 86_400}, ClockSkew),
        ({"time": now() + 86_400}, ClockSkew),
        ({"key_epoch": 7}, KeyEpochMoved),
        ({"added": [missing]}, MissingShard),
        ({"added": [entry]}, Conflict),
        ({"added": [elsewhere]}, (KeyEpochMoved, Conflict)),
        ({"removed": [b"x" * 16]}, MissingShard),
        ({"revoked": [own.fingerprint]}, WrongSigner),
        ({"snapshot": snapshot}, MissingShard),
    ]
    for fields, error in cases:
        with pytest.raises(error):
            hospital._connection.relay.append(commit_after(study, own, **fields), [])
    with pytest.raises(WrongSigner):
        hospital._connection.relay.append(
            commit_after(study, clinic._connection.member.identity), []
        )
    with pytest.raises(AccessDenied):
        clinic._connection.relay.append(
            commit_after(study, clinic._connection.member.identity), []
        )
    with pytest.raises(RoleDenied):
        laboratory._connection.relay.append(
            commit_after(study, laboratory._connection.member.identity), []
        )
    assert head_of(hospital) == study


def test_grants_that_do_not_fit_their_commit_are_refused(
    relay, hospital, laboratory, clinic, study
) -> None:
    own = hospital._connection.member.identity
    key = hospital._connection.open("hospital/study").epoch_keys[1]
    card = hospital.people.member("laboratory").card

    def grant(identity=own, **fields) -> objects_pb2.Signed:
        options = {
            "dataset_id": study.dataset_id,
            "key_epoch": 1,
            "time": now(),
            **fields,
        }
        return make_grant(identity, key, card, **options)

    def append(grants: list[objects_pb2.Signed], named=None) -> None:
        named = grants if named is None else named
        commit = commit_after(
            study, own, granted=[verify_grant(g).entry() for g in named]
        )
        hospital._connection.relay.append(commit, grants)

    cases: list[tuple[Callable[[], None], type[SealiftError]]] = [
        (lambda: append([grant()], named=[]), ContextMismatch),
        (lambda: append([], named=[grant()]), ContextMismatch),
        (lambda: append([grant(clinic._connection.member.identity)]), WrongSigner),
        (lambda: append([grant(dataset_id=b"x" * 16)]), ContextMismatch),
        (lambda: append([grant(not_after=now() - 1)]), GrantExpired),
        (lambda: append([grant(purpose=str(n)) for n in range(1025)]), InvalidArgument),
    ]
    for attempt, error in cases:
        with pytest.raises(error):
            attempt()
    append([grant()])
    assert head_of(hospital).number == 1


def test_the_same_commit_twice_is_one(relay, hospital, laboratory, study) -> None:
    signed = commit_after(study, hospital._connection.member.identity)
    hospital._connection.relay.append(signed, [])
    size = hospital._connection.member.log.advance()[1].size
    hospital._connection.relay.append(signed, [])
    assert hospital._connection.member.log.advance()[1].size == size
    assert head_of(hospital).number == 1


def test_a_shard_that_somebody_else_stored_is_not_committed(
    relay, hospital, laboratory, clinic, study, monkeypatch
) -> None:
    hospital.dataset("study").add_co_owner("clinic")
    taken: list[ShardEntry] = []

    def steal(commit, grants):
        from sealift_protocol.objects.commits import verify_commit

        taken.extend(verify_commit(commit).added)
        raise KeyboardInterrupt

    monkeypatch.setattr(clinic._connection.relay, "append", steal)
    with pytest.raises(KeyboardInterrupt):
        clinic.push(ROWS, dataset="hospital/study")
    stolen = commit_after(
        head_of(hospital), hospital._connection.member.identity, added=taken
    )
    with pytest.raises(MissingShard, match="another member stored"):
        hospital._connection.relay.append(stolen, [])


def test_a_deleted_dataset_takes_nothing_more(
    relay, hospital, laboratory, study
) -> None:
    hospital.dataset("study").delete()
    with pytest.raises((DatasetDeleted, Conflict)):
        hospital._connection.relay.append(
            commit_after(study, hospital._connection.member.identity), []
        )


def test_a_dataset_is_made_once(relay, hospital, laboratory, study) -> None:
    first = next(iter(hospital._connection.relay.get_commits(study.dataset_id)))
    again = objects_pb2.Commit.FromString(first.payload)
    again.time += 1
    signed = sign(hospital._connection.member.identity, envelope.COMMIT, again)
    grants = hospital._connection.relay.get_grants(
        study.dataset_id, everybody=True
    ).grants
    with pytest.raises(Conflict, match="already exists"):
        hospital._connection.relay.append(signed, grants)
    again.genesis.salt = b"?" * 16
    with pytest.raises(ContextMismatch):
        hospital._connection.relay.append(
            sign(hospital._connection.member.identity, envelope.COMMIT, again), grants
        )


# --- pages ---------------------------------------------------------------------------------------


def test_pages_are_parsed_and_counted(
    relay, hospital, laboratory, clinic, study
) -> None:
    def page(number: int) -> bytes:
        entry = objects_pb2.ShardEntry(
            shard_id=number.to_bytes(16, "big"), key_epoch=1, digest=bytes(32)
        )
        return objects_pb2.SnapshotPage(shards=[entry], key_epoch=1).SerializeToString()

    with pytest.raises(MalformedObject):
        hospital._connection.relay.put_pages(study.dataset_id, [b"not a page"])
    with pytest.raises(AccessDenied):
        clinic._connection.relay.put_pages(study.dataset_id, [page(0)])
    with pytest.raises(QuotaExceeded):
        hospital._connection.relay.put_pages(
            study.dataset_id, [page(n) for n in range(400)]
        )
    assert SNAPSHOT_EVERY == 64


def test_pages_of_old_snapshots_are_forgotten(
    relay, hospital, laboratory, monkeypatch
) -> None:
    from sealift.owner.push import committing

    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 2)
    monkeypatch.setattr(committing, "MAX_PAGE_SHARDS", 1)
    for _ in range(12):
        hospital.push(ROWS, dataset="study", to="laboratory")
    for _ in range(3):
        hospital.dataset("study").rotate(reseal=True)
    opened = hospital._connection.open("hospital/study")
    pages = set(opened.history.commits[0].snapshot.pages)
    from sqlalchemy import select

    from sealift_relay.store import schema

    with relay.server._metadata.database.transaction(read_only=True) as connection:
        held = set(connection.execute(select(schema.pages.c.digest)).scalars())
    assert pages <= held
    assert len(held) <= len(pages) + 12
    assert laboratory.open_dataset("hospital/study").num_records == 120


# --- statements, cards, probes -------------------------------------------------------------------


def test_statements_of_others_are_refused(relay, hospital, laboratory, study) -> None:
    endorsement = objects_pb2.Endorsement(
        member=laboratory.fingerprint.digest,
        name="laboratory",
        time=now(),
        not_after=now() + 9,
    )
    with pytest.raises(WrongSigner):
        hospital._connection.relay.put_statement(
            sign(MALLORY, envelope.ENDORSEMENT, endorsement)
        )
    with pytest.raises(InvalidArgument):
        hospital._connection.relay.put_statement(
            sign(
                hospital._connection.member.identity,
                envelope.DISCLOSURE,
                objects_pb2.Disclosure(),
            )
        )
    signed = sign(
        hospital._connection.member.identity, envelope.ENDORSEMENT, endorsement
    )
    hospital._connection.relay.put_statement(signed)
    size = hospital._connection.member.log.advance()[1].size
    hospital._connection.relay.put_statement(signed)
    assert hospital._connection.member.log.advance()[1].size == size
    common = {"dataset_id": study.dataset_id, "time": now()}
    number = {"number": study.number, "commit": study.digest}
    disclosure = objects_pb2.Disclosure(**common, **number, nonce=bytes(16))
    accounting = objects_pb2.Accounting(**common, nonce=bytes(16))
    purge = objects_pb2.PurgeReceipt(**common, **number)
    with pytest.raises(WrongSigner):
        laboratory._connection.relay.disclose(
            sign(MALLORY, envelope.DISCLOSURE, disclosure)
        )
    with pytest.raises(WrongSigner):
        hospital._connection.relay.account(
            sign(MALLORY, envelope.ACCOUNTING, accounting)
        )
    with pytest.raises(WrongSigner):
        laboratory._connection.relay.confirm_purge(
            sign(MALLORY, envelope.PURGE_RECEIPT, purge)
        )
    own = laboratory._connection.member.identity
    purge.commit = bytes(32)
    with pytest.raises(ContextMismatch):
        laboratory._connection.relay.confirm_purge(
            sign(own, envelope.PURGE_RECEIPT, purge)
        )
    disclosure.time = now() - 86_400
    with pytest.raises(ClockSkew):
        laboratory._connection.relay.disclose(
            sign(own, envelope.DISCLOSURE, disclosure)
        )


def test_cards_of_others_or_out_of_order_are_refused(
    relay, hospital, laboratory
) -> None:
    own, card = (
        hospital._connection.member.identity,
        hospital._connection.contacts.own_card(),
    )
    keys = list(card.recipient_keys)

    def signed(identity=own, name="hospital", version=2, previous=card.digest):
        return sign_card(
            identity,
            name=name,
            recipient_keys=keys,
            time=now(),
            version=version,
            previous=previous,
        )

    for wrong in (signed(MALLORY), signed(name="laboratory")):
        with pytest.raises(WrongSigner):
            hospital._connection.relay.put_card(wrong)
    for wrong in (signed(previous=bytes(32)), signed(version=3)):
        with pytest.raises(Conflict):
            hospital._connection.relay.put_card(wrong)
    good = signed()
    hospital._connection.relay.put_card(good)
    hospital._connection.relay.put_card(good)
    assert hospital._connection.contacts.own_card().version == 2


def test_successions_that_are_not_signed_by_both_are_refused(
    relay, hospital, laboratory
) -> None:
    own, keys = (
        hospital._connection.member.identity,
        list(hospital._connection.contacts.own_card().recipient_keys),
    )

    def attempt(
        signer=own, named=MALLORY, card_of=MALLORY, name="hospital", version=1
    ) -> None:
        statement = objects_pb2.Succession(
            name=name, successor=named.public_key, time=now()
        )
        options = {} if version == 1 else {"version": version, "previous": bytes(32)}
        card = sign_card(card_of, name=name, recipient_keys=keys, time=now(), **options)
        hospital._connection.relay.succeed(
            sign(signer, envelope.SUCCESSION, statement), card
        )

    for wrong in ({"signer": MALLORY}, {"card_of": own}):
        with pytest.raises(WrongSigner):
            attempt(**wrong)
    for wrong in ({"name": "laboratory"}, {"version": 2}):
        with pytest.raises(Conflict):
            attempt(**wrong)
    with pytest.raises(Conflict):
        attempt(
            named=laboratory._connection.member.identity,
            card_of=laboratory._connection.member.identity,
        )
    assert hospital._connection.relay.who_am_i().fingerprint == own.fingerprint.digest


def test_probes_are_small_and_of_ones_own(relay, hospital, laboratory) -> None:
    def probe(identity: Identity, recipient=laboratory.fingerprint, size: int = 1040):
        message = objects_pb2.Probe(
            recipient=recipient.digest,
            key_id=bytes(16),
            suite=2,
            sealed=bytes(size),
            time=now(),
        )
        return sign(identity, envelope.PROBE, message)

    own = hospital._connection.member.identity
    with pytest.raises(WrongSigner):
        hospital._connection.relay.put_probe(probe(MALLORY))
    for wrong in (probe(own, MALLORY.fingerprint), probe(own, size=4096)):
        with pytest.raises(UnknownMember):
            hospital._connection.relay.put_probe(wrong)
    answer = objects_pb2.ProbeAnswer(probe=bytes(32), opened=bytes(32), time=now())
    with pytest.raises(UnknownMember):
        hospital._connection.relay.answer_probe(
            sign(own, envelope.PROBE_ANSWER, answer)
        )
    with pytest.raises(WrongSigner):
        hospital._connection.relay.answer_probe(
            sign(MALLORY, envelope.PROBE_ANSWER, answer)
        )
    # A broken probe does not stop the others from being answered.
    hospital._connection.relay.put_probe(probe(own))
    hospital.people.preflight(["laboratory"], wait_seconds=0)
    assert laboratory.people.answer_probes() == 1


# --- too much at once ----------------------------------------------------------------------------


def test_calls_that_ask_for_too_much_are_refused(
    relay, hospital, laboratory, study
) -> None:
    own = laboratory._connection.member.identity
    grant = laboratory._connection.open("hospital/study").history.grants_of(
        laboratory.fingerprint
    )[0]
    key = laboratory._connection.contacts.own_card().recipient_keys[0]
    rewrap = sign_rewrap(own, grant.digest, study.dataset_id, key, bytes(80))
    for call in (
        lambda: laboratory._connection.relay.prove(0, [bytes(32)] * 1025),
        lambda: laboratory._connection.relay.put_rewraps([rewrap] * 1025),
        lambda: laboratory._connection.relay.get_pages(
            study.dataset_id, [bytes(32)] * 65_537
        ),
    ):
        with pytest.raises(InvalidArgument):
            call()
    # The relay does not judge a rewrap, it only knows whose it is; the same again is harmless.
    laboratory._connection.relay.put_rewraps([rewrap])
    laboratory._connection.relay.put_rewraps([rewrap])


def test_an_old_size_that_the_log_never_had_proves_nothing(relay, hospital) -> None:
    response = hospital._connection.relay.prove(1_000_000, [])
    assert list(response.consistency) == []


def test_wrong_commands_of_the_operator_are_named(relay) -> None:
    for arguments in (
        ["quota", "nobody"],
        ["invite", "x", "--role", "owner", "--valid-for", "soon"],
    ):
        with pytest.raises(InvalidArgument):
            CliRunner().invoke(
                relay_cli.cli,
                [*arguments, "--dir", str(relay.folder)],
                catch_exceptions=False,
            )
