"""A relay that lies about its log: what was logged, in which order, and to whom it shows what."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from fakes.lying_relay import lying_to

import sealift
from sealift.crypto.signing import Identity, sign_commit
from sealift.session import Session
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    DisclosureMissing,
    DisclosureRequired,
    LogInvalid,
    MalformedObject,
    NotInLog,
    RollbackDetected,
    UnsupportedVersion,
    VerificationError,
    WitnessesMissing,
)
from sealift_protocol.logentry import ENTRY_SIZE, Kind, LogEntry
from sealift_protocol.merkle import leaf_hash, tree_root
from sealift_protocol.notes import (
    Checkpoint,
    KeyKind,
    SignedNote,
    VerifierKey,
    sign_note,
)
from sealift_protocol.v1 import datasets_pb2, log_pb2, objects_pb2
from sealift_relay.app import Relay as RelayServer
from sealift_relay.checkpoints import load_log_key

ROWS = pa.table({"value": list(range(10))})
MALLORY = Identity.of_seed(sealift.Secret(b"m" * 32))


def pushed(hospital: Session, times: int = 1) -> None:
    for _ in range(times):
        hospital.push(ROWS, dataset="study", to="laboratory")


def signed_by_the_log(relay, size: int, root: bytes) -> bytes:
    """A checkpoint that the relay makes up: it has the key."""
    key = load_log_key(relay.config.tls)
    head = Checkpoint(key.verifier_key.name, size, root)
    line = sign_note(str(head), key.verifier_key, key.sign)
    return bytes(SignedNote(str(head), (line,)))


# --- A1: flipped bits ----------------------------------------------------------------------------


def test_a01_a_flipped_bit_of_a_checkpoint_or_proof_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital, 3)
    laboratory.open_dataset("hospital/study")
    hospital.push(ROWS, dataset="study")
    refused = 0
    with lying_to(relay, laboratory) as lying:
        for place in range(0, 200, 7):

            def flip(_, answers, place=place):
                answer = answers[0]
                changed = bytearray(answer.checkpoint)
                changed[place % len(changed)] ^= 1 << place % 8
                answer.checkpoint = bytes(changed)
                return [answer]

            lying.lies["Log/Prove"] = flip
            with pytest.raises(LogInvalid):
                laboratory.open_dataset("hospital/study")
            refused += 1
        for part in ("consistency", "entry", "hashes", "index"):

            def change(_, answers, part=part):
                answer = answers[0]
                if part == "consistency" and answer.consistency:
                    answer.consistency[0] = bytes(32)
                for proof in answer.inclusions:
                    if part == "entry":
                        proof.entry = proof.entry[:-1] + bytes([proof.entry[-1] ^ 1])
                    elif part == "hashes":
                        proof.hashes[0] = bytes(32)
                    elif part == "index":
                        proof.index ^= 1
                return [answer]

            lying.lies["Log/Prove"] = change
            with pytest.raises(LogInvalid):
                laboratory.open_dataset("hospital/study")
    assert refused == 29
    assert laboratory.open_dataset("hospital/study").num_records == 40


@pytest.mark.parametrize(
    "method", ["Datasets/GetCommits", "Datasets/GetGrants", "Datasets/Account"]
)
def test_a01_a_flipped_bit_of_an_object_on_the_wire_is_refused(
    method: str, relay, hospital, laboratory
) -> None:
    pushed(hospital)
    laboratory.keys.rotate()
    laboratory.open_dataset("hospital/study").to_table()
    session = hospital if method == "Datasets/Account" else laboratory

    def read() -> object:
        if session is hospital:
            return hospital.dataset("study").disclosures()
        return laboratory.open_dataset("hospital/study")

    tried = 0
    with lying_to(relay, session) as lying:
        for place in range(0, 400, 23):

            def flip(_, answers, place=place):
                for answer in answers:
                    for signed in _signed_objects(answer):
                        changed = bytearray(signed.payload)
                        changed[place % len(changed)] ^= 1 << place % 8
                        signed.payload = bytes(changed)
                return answers

            lying.lies[method] = flip
            with pytest.raises(VerificationError):
                read()
            tried += 1
    assert tried == 18


def _signed_objects(answer):
    if isinstance(answer, datasets_pb2.GetGrantsResponse):
        return [*answer.grants, *answer.rewraps]
    if isinstance(answer, datasets_pb2.GetCommitsResponse):
        return [answer.commit]
    return [answer.object] if answer.HasField("object") else []


# --- A6, A35: going back -------------------------------------------------------------------------


def test_a06_a_dataset_without_its_newest_commit_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital, 3)
    assert laboratory.open_dataset("hospital/study").num_records == 30
    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = lambda _, answers: answers[:-1]
        with pytest.raises(RollbackDetected):
            laboratory.open_dataset("hospital/study")


def test_a06_an_older_checkpoint_is_refused(relay, hospital, laboratory) -> None:
    pushed(hospital)
    with lying_to(relay, laboratory) as lying:
        kept: list[log_pb2.ProveResponse] = []
        lying.lies["Log/Prove"] = lambda _, answers: (kept.append(answers[0]), answers)[
            1
        ]
        laboratory.open_dataset("hospital/study")
        old = kept[-1]
        pushed(hospital)
        del lying.lies["Log/Prove"]
        laboratory.open_dataset("hospital/study")
        lying.lies["Log/Prove"] = lambda *_: [old]
        with pytest.raises(RollbackDetected):
            laboratory.open_dataset("hospital/study")


def test_a06_a_rewritten_log_is_refused(relay, hospital, laboratory) -> None:
    """The relay signs another log, longer than the one that it showed before."""
    pushed(hospital)
    laboratory.open_dataset("hospital/study")
    leaves = [leaf_hash(bytes([i]) * ENTRY_SIZE) for i in range(100)]
    note = signed_by_the_log(relay, len(leaves), tree_root(leaves))
    with lying_to(relay, laboratory) as lying:
        for consistency in ([], [bytes(32)] * 7):
            lying.lies["Log/Prove"] = lambda *_, c=consistency: [
                log_pb2.ProveResponse(checkpoint=note, consistency=c)
            ]
            with pytest.raises(LogInvalid):
                laboratory.open_dataset("hospital/study")


def test_a35_a_restored_backup_of_the_relay_is_refused(
    relay, hospital, laboratory, tmp_path: Path
) -> None:
    pushed(hospital)
    relay.server._metadata.log.head()
    backup = tmp_path / "backup"
    shutil.copytree(relay.folder, backup)
    pushed(hospital)
    assert laboratory.open_dataset("hospital/study").num_records == 20
    relay.server.stop()
    shutil.rmtree(relay.folder)
    shutil.copytree(backup, relay.folder)
    with RelayServer(relay.config):
        for session in (laboratory, hospital):
            with pytest.raises(RollbackDetected):
                session.open_dataset("hospital/study")
        with pytest.raises(RollbackDetected):
            hospital.push(ROWS, dataset="study")


def test_a35_a_relay_with_another_log_key_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital)
    (relay.config.tls / "log.key").write_bytes(base64.b64encode(b"k" * 32) + b"\n")
    relay.server.stop()
    with (
        RelayServer(relay.config),
        pytest.raises(LogInvalid, match="not signed by the relay"),
    ):
        laboratory.open_dataset("hospital/study")


# --- A7: forks and split views -------------------------------------------------------------------


def forked(hospital: Session) -> objects_pb2.Signed:
    """A second commit 1 that the owner signed; the relay kept it when a push lost the race."""
    opened = hospital.open_dataset("hospital/study")._opened
    first = opened.history.commits[0]
    return sign_commit(
        hospital._connection.member.identity,
        dataset_id=opened.dataset_id,
        number=1,
        parent=first.digest,
        time=first.time,
        key_epoch=1,
        added=[],
        metadata=first.metadata,
    )


def test_a07_a_commit_that_is_not_in_the_log_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital)
    fork = forked(hospital)
    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = lambda _, answers: [
            *answers,
            datasets_pb2.GetCommitsResponse(commit=fork),
        ]
        with pytest.raises(NotInLog):
            laboratory.open_dataset("hospital/study")


def test_a07_another_history_than_before_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital)
    fork = forked(hospital)
    pushed(hospital)
    laboratory.open_dataset("hospital/study")
    with lying_to(relay, laboratory) as lying:
        lying.lies["Datasets/GetCommits"] = lambda _, answers: [
            answers[0],
            datasets_pb2.GetCommitsResponse(commit=fork),
        ]
        with pytest.raises(RollbackDetected):
            laboratory.open_dataset("hospital/study")


def test_a07_an_entry_about_something_else_proves_nothing(
    relay, hospital, laboratory
) -> None:
    """The commit's digest is logged, but as a grant of another dataset."""
    pushed(hospital)

    def logged_as_a_grant(request, _):
        entry = LogEntry(Kind.GRANT, 1, b"x" * 16, 0, request.digests[0]).pack()
        note = signed_by_the_log(relay, 1, leaf_hash(entry))
        return [
            log_pb2.ProveResponse(
                checkpoint=note,
                inclusions=[log_pb2.InclusionProof(entry=entry, index=0)],
            )
        ]

    with lying_to(relay, laboratory) as lying:
        laboratory._connection.profile.folder.joinpath("seen.json").unlink(
            missing_ok=True
        )
        laboratory._connection.reload()
        lying.lies["Log/Prove"] = logged_as_a_grant
        with pytest.raises(NotInLog, match="different object"):
            laboratory._connection.contacts.own_card()


def test_a07_a_split_view_needs_the_witnesses_too(relay, hospital, laboratory) -> None:
    """A second log for one client, signed by the log's key, convinces only without witnesses."""
    pushed(hospital)
    card = laboratory._connection.contacts.own_card()
    entry = LogEntry(Kind.CARD, 1, bytes(16), 0, card.digest).pack()
    other = log_pb2.ProveResponse(
        checkpoint=signed_by_the_log(relay, 1, leaf_hash(entry)),
        inclusions=[log_pb2.InclusionProof(entry=entry, index=0)],
    )
    witness = VerifierKey("witness.example", KeyKind.COSIGNATURE_V1, bytes(32))
    with lying_to(relay, laboratory) as lying:
        lying.lies["Log/Prove"] = lambda *_: [other]
        laboratory._connection.profile.folder.joinpath("seen.json").unlink()
        laboratory._connection.reload()
        laboratory._connection.contacts.own_card()
        laboratory._connection.profile.folder.joinpath("seen.json").unlink()
        laboratory._connection.profile.write_settings(
            replace(laboratory.identity.settings, witnesses=(str(witness),), quorum=1)
        )
        laboratory._connection.reload()
        with pytest.raises(WitnessesMissing, match="0 of 1"):
            laboratory._connection.contacts.own_card()


# --- A11, A13: unknown and endless ---------------------------------------------------------------


def test_a11_a_log_entry_of_an_unknown_version_or_kind_is_refused(
    relay, hospital, laboratory
) -> None:
    pushed(hospital)
    with lying_to(relay, hospital) as lying:
        for place in (0, 1):

            def change(_, answers, place=place):
                entry = bytearray(answers[0].entry)
                entry[place] = 99
                answers[0].entry = bytes(entry)
                return answers

            lying.lies["Datasets/Account"] = change
            with pytest.raises(UnsupportedVersion, match=r"not known|unknown"):
                hospital.dataset("study").disclosures()


def test_a13_answers_beyond_any_honest_size_are_refused(
    relay, hospital, laboratory, monkeypatch
) -> None:
    pushed(hospital)

    def long_note(_, answers):
        answers[0].checkpoint += b"x" * (1 << 20)
        return answers

    def many_signatures(_, answers):
        line = answers[0].checkpoint.rpartition(b"\n\n")[2]
        answers[0].checkpoint += line * 100
        return answers

    def long_proof(_, answers):
        for proof in answers[0].inclusions:
            proof.hashes.extend([bytes(32)] * 10_000)
        return answers

    with lying_to(relay, laboratory) as lying:
        for lie in (long_note, many_signatures, long_proof):
            lying.lies["Log/Prove"] = lie
            with pytest.raises(LogInvalid):
                laboratory.open_dataset("hospital/study")
        del lying.lies["Log/Prove"]
        monkeypatch.setattr("sealift.relay.transport._MAX_STREAM", 1 << 20)
        lying.lies["Datasets/GetCommits"] = lambda _, answers: answers * 5000
        with pytest.raises(MalformedObject, match="longer than any honest"):
            laboratory.open_dataset("hospital/study")


# --- A14: disclosures ----------------------------------------------------------------------------


def accounts_of(relay, hospital, laboratory):
    pushed(hospital)
    for _ in range(3):
        laboratory.open_dataset("hospital/study", cache=None).to_table()
    honest = hospital.dataset("study").disclosures()
    assert [line.disclosure.signer for line in honest.lines] == [
        laboratory.fingerprint
    ] * 3


@pytest.mark.parametrize(
    "dropped", ["first", "middle", "newest", "newest and question"]
)
def test_a14_a_dropped_disclosure_is_missed(
    dropped: str, relay, hospital, laboratory
) -> None:
    accounts_of(relay, hospital, laboratory)

    def drop(_, answers):
        places = [
            i for i, a in enumerate(answers) if LogEntry.unpack(a.entry).kind == 8
        ]
        place = {"first": places[0], "middle": places[1]}.get(dropped, places[-1])
        if dropped == "newest and question":
            return answers[:place]
        return answers[:place] + answers[place + 1 :]

    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/Account"] = drop
        with pytest.raises(DisclosureMissing):
            hospital.dataset("study").disclosures()


def test_a14_an_older_account_does_not_answer_a_new_question(
    relay, hospital, laboratory
) -> None:
    accounts_of(relay, hospital, laboratory)
    kept: list[list[datasets_pb2.AccountResponse]] = []
    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/Account"] = lambda _, answers: (
            kept.append(answers),
            answers,
        )[1]
        hospital.dataset("study").disclosures()
        laboratory.open_dataset("hospital/study", cache=None).to_table()
        lying.lies["Datasets/Account"] = lambda *_: kept[0]
        with pytest.raises(DisclosureMissing):
            hospital.dataset("study").disclosures()


def test_a14_a_renumbered_account_is_not_in_the_log(
    relay, hospital, laboratory
) -> None:
    """The relay closes the gap by counting again; the log proves the entries as they were."""
    accounts_of(relay, hospital, laboratory)

    def renumber(_, answers):
        place = next(
            i for i, a in enumerate(answers) if LogEntry.unpack(a.entry).kind == 8
        )
        rest = answers[:place] + answers[place + 1 :]
        for sequence, answer in enumerate(rest):
            answer.entry = replace(
                LogEntry.unpack(answer.entry), sequence=sequence
            ).pack()
        return rest

    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/Account"] = renumber
        with pytest.raises(DisclosureMissing, match="differs from its log"):
            hospital.dataset("study").disclosures()


@pytest.mark.parametrize("how", ["unsigned", "by another", "another disclosure"])
def test_a14_an_invented_disclosure_is_refused(
    how: str, relay, hospital, laboratory
) -> None:
    accounts_of(relay, hospital, laboratory)

    def invent(_, answers):
        place = next(
            i for i, a in enumerate(answers) if LogEntry.unpack(a.entry).kind == 8
        )
        answer = answers[place]
        if how == "unsigned":
            answer.ClearField("object")
        elif how == "by another":
            signed = MALLORY.sign(envelope.DISCLOSURE, answer.object.payload)
            answer.object.CopyFrom(signed)
        else:
            answer.object.CopyFrom(answers[place + 1].object)
        return answers

    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/Account"] = invent
        with pytest.raises(DisclosureMissing):
            hospital.dataset("study").disclosures()


def test_a14_nothing_leaves_an_honest_relay_before_it_is_logged(
    relay, hospital, laboratory, monkeypatch
) -> None:
    pushed(hospital)
    dataset = laboratory.open_dataset("hospital/study")
    monkeypatch.setattr(laboratory._connection.relay, "disclose", lambda signed: None)
    with pytest.raises(DisclosureRequired):
        dataset.to_table()
    assert hospital.dataset("study").disclosures().lines == ()
