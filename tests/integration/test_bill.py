"""Bills of materials end to end: the trainer signs, owners check, liars are named."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import structlog
from click.testing import CliRunner, Result
from conftest import RunningRelay, make_relay
from documents import data_of, document_of
from fakes.lying_relay import lying_to

import sealift
from sealift.cli.main import cli
from sealift.history.bills import NOT_YOURS, Outcome
from sealift.history.opened import opened_at
from sealift.owner.push import committing
from sealift.session import Session
from sealift.trainer.bill import bill_dataset, make_bill
from sealift_protocol.bill import format as formats
from sealift_protocol.bill.format import BilledDataset, columns_digest, filter_digest
from sealift_protocol.errors import (
    ContextMismatch,
    DisclosureMissing,
    HistoryInvalid,
    InvalidArgument,
    MalformedObject,
    NotInLog,
    NotTrusted,
    SealiftError,
    SignatureInvalid,
    WrongSigner,
)
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.v1 import datasets_pb2
from sealift_relay.app import Relay

ROWS = pa.table({"value": list(range(40)), "patient": [f"p{n}" for n in range(40)]})
NO_CACHE = {"cache": None}
CHOSEN = {"columns": ["value"], "filter": pc.field("patient") != "p4711"}


# --- one relay for all tests, each of which writes to datasets of its own -------------------------


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """The relay runs in this process: its log must not mix with what commands print."""
    before = structlog.get_config()
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        yield
        structlog.configure(**before)


@pytest.fixture(scope="module", autouse=True)
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Profiles that all tests here share."""
    folder = tmp_path_factory.mktemp("bill")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEALIFT_HOME", str(folder / "profiles"))
        patch.setenv("SEALIFT_CACHE", str(folder / "cache"))
        patch.delenv("SEALIFT_PROFILE", raising=False)
        yield folder / "profiles"


@pytest.fixture(scope="module")
def relay(profiles: Path, quiet: None) -> Iterator[RunningRelay]:
    config = make_relay(profiles.parent / "relay")
    with Relay(config) as server:
        yield RunningRelay(config.folder, config, server)


@pytest.fixture(scope="module")
def hospital(relay: RunningRelay) -> Iterator[Session]:
    with relay.join("hospital", "owner") as session:
        yield session


@pytest.fixture(scope="module")
def laboratory(relay: RunningRelay, hospital: Session) -> Iterator[Session]:
    with relay.join("laboratory", "trainer") as session:
        befriend(session, hospital)
        yield session


@pytest.fixture(scope="module")
def clinic(
    relay: RunningRelay, hospital: Session, laboratory: Session
) -> Iterator[Session]:
    with relay.join("clinic", "owner") as session:
        befriend(session, hospital)
        befriend(session, laboratory)
        yield session


def befriend(one: Session, other: Session) -> None:
    one.trust(other.identity.name, str(other.fingerprint))
    other.trust(one.identity.name, str(one.fingerprint))


@contextmanager
def distrusting(session: Session, name: str) -> Iterator[None]:
    """As long as it lasts, a session does not trust a member."""
    trust = session._connection.profile.trust
    pin = trust.pins()[name]
    trust.remove(name)
    try:
        yield
    finally:
        trust.add(name, pin)


@dataclass(frozen=True)
class Study:
    """The dataset hospital/study of three commits, and one training epoch over it.

    Attributes:
        path: of the bill.
        text: of the bill.
        part: what it says of the dataset.
        checkpoint: the file that it was made for.
        logged: what the account had when it was made.
    """

    path: Path
    text: str
    part: BilledDataset
    checkpoint: Path
    logged: tuple[bytes, ...]


@pytest.fixture(scope="module")
def study(hospital: Session, laboratory: Session, profiles: Path) -> Study:
    for _ in range(3):
        hospital.push(ROWS, dataset="study", to="laboratory")
    checkpoint, path = (
        profiles.parent / "canary-model.pt",
        profiles.parent / "run.bom.json",
    )
    checkpoint.write_bytes(b"weights")
    text = trained(
        laboratory,
        "hospital/study",
        reading=CHOSEN,
        checkpoint=checkpoint,
        note="a\x1b[2J",
    )
    path.write_text(text)
    lines = hospital.dataset("study").disclosures().lines
    logged = tuple(line.disclosure.digest for line in lines)
    return Study(path, text, part_of(text), checkpoint, logged)


def outcomes(session: Session, text: str) -> dict[str, Outcome]:
    _, checks = session.log.check_bill(text)
    return {check.name: check.outcome for check in checks}


def trained(
    session: Session,
    *paths: str,
    reading: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> str:
    """One training epoch over datasets, and its bill."""
    with session.open_dataset(list(paths), **NO_CACHE) as dataset:
        for _ in dataset.batches(8, shuffle=True, seed=3, **reading):
            pass
        return dataset.bill_of_materials(**options)


def signed(session: Session, *parts: BilledDataset) -> str:
    """What a trainer signs who signs anything."""
    return make_bill(
        session._connection.member.identity, session._connection.member.now, parts, ()
    )


def part_of(text: str) -> BilledDataset:
    return formats.verify_bill(text).datasets[0]


ALL_FINE = dict.fromkeys(
    ("signature", "trainer", "commit", "shards", "contents", "disclosures"), Outcome.OK
)


# --- what fits -----------------------------------------------------------------------------------


def test_an_owner_verifies_everything_that_a_bill_says_of_its_dataset(
    hospital, laboratory, study
) -> None:
    part = study.part
    assert (part.commit, part.shards, part.records, part.policies) == (
        2,
        3,
        120,
        (b"",),
    )
    assert part.owner == hospital.fingerprint
    assert part.disclosures == study.logged
    assert len(study.logged) == 1
    assert outcomes(hospital, study.text) == ALL_FINE
    assert outcomes(laboratory, study.text) == ALL_FINE
    details = {
        check.name: check.detail for check in hospital.log.verify_bill(study.text)
    }
    assert (
        details["disclosures"]
        == "1 of this trainer in the account; they cover 3 of 3 shards"
    )
    [run] = formats.verify_bill(study.text).runs
    assert (run.order, run.seed, run.shuffle, run.epochs) == (
        "sealift-order-1",
        3,
        True,
        ((0, 0),),
    )


def test_a_bill_names_nobody_no_file_no_column_and_no_value(study) -> None:
    shown = base64.b64decode(json.loads(study.text)["payload"]) + study.text.encode()
    for name in (
        "canary",
        "study",
        "hospital",
        "laboratory",
        "patient",
        "value",
        "p4711",
    ):
        assert name.encode() not in shown
    assert hashlib.sha256(b"weights").hexdigest().encode() in shown


def test_whoever_has_the_text_can_show_what_was_read(laboratory, study) -> None:
    [run] = formats.verify_bill(study.text).runs
    assert run.columns_digest == columns_digest(["value"])
    assert run.filter_digest == filter_digest(str(CHOSEN["filter"]))
    more = pc.field("value") > 30
    with laboratory.open_dataset("hospital/study", **NO_CACHE) as dataset:
        few = dataset.filter(CHOSEN["filter"])
        assert len(few.to_table(["value"], more)) == 27
        assert len(list(few.batches(27, filter=more))) == 1
        texts = f"({CHOSEN['filter']}) and ({more})"
        both = [(("value",), texts, None), (None, texts, 27)]
        assert [(run.columns, run.filter, run.batch_size) for run in few.runs] == both
        assert "4711" not in repr(few.runs)
        billed = formats.verify_bill(few.bill_of_materials()).runs
        assert [(run.columns_digest, run.filter_digest) for run in billed] == [
            (columns_digest(["value"]), filter_digest(texts)),
            (None, filter_digest(texts)),
        ]
        assert dataset.runs == []


def test_a_bill_stays_true_whatever_its_owner_does_later(
    hospital, laboratory, monkeypatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 2)
    for _ in range(4):
        hospital.push(
            ROWS, dataset="changing", to="laboratory", subject_column="patient"
        )
    assert (
        laboratory._connection.open("hospital/changing").history.commits[0].number > 0
    )
    text = trained(laboratory, "hospital/changing")
    hospital.push(ROWS, dataset="changing")
    hospital.dataset("changing").rotate(reseal=True)
    hospital.dataset("changing").erase("p7")
    hospital.dataset("changing").revoke("laboratory")
    for _ in range(3):
        hospital.push(ROWS, dataset="changing")
    assert part_of(text).shards_digest not in (
        formats.shards_digest(
            part_of(text).dataset_id, hospital._connection.open("changing").shards
        ),
    )
    assert outcomes(hospital, text) == ALL_FINE
    # Who has no access any more sees no history.
    _, checks = laboratory.log.check_bill(text)
    assert [check.detail for check in checks[2:]] == [NOT_YOURS]


def test_each_owner_checks_its_own_dataset_and_is_told_which_it_cannot(
    hospital, laboratory, clinic, study
) -> None:
    clinic.push(ROWS, dataset="visits", to="laboratory")
    text = trained(laboratory, "hospital/study", "clinic/visits")
    first, second = (part.dataset_id for part in formats.verify_bill(text).datasets)
    for session, own, other in ((hospital, first, second), (clinic, second, first)):
        checks = session.log.verify_bill(text)
        assert {c.name for c in checks if c.dataset_id == own} == ALL_FINE.keys() - {
            "signature",
            "trainer",
        }
        [unseen] = [c for c in checks if c.dataset_id == other]
        assert (unseen.outcome, unseen.detail) == (Outcome.UNCHECKED, NOT_YOURS)
    checks = laboratory.log.verify_bill(text)
    assert [check.outcome for check in checks] == [Outcome.OK] * 10


def test_successors_of_trainer_and_owner_are_followed(relay) -> None:
    with (
        relay.join("surgery", "owner") as owner,
        relay.join("institute", "trainer") as trainer,
    ):
        befriend(owner, trainer)
        owner.push(ROWS, dataset="study", to="institute")
        text = trained(trainer, "surgery/study")
        trainer.identity.succeed()
        owner.identity.succeed()
        assert outcomes(owner, text) == ALL_FINE
        again, before = part_of(trained(trainer, "surgery/study")), part_of(text)
        assert again.owner != before.owner
        assert outcomes(owner, signed(trainer, before)) == ALL_FINE


def test_a_bill_of_an_older_commit_fits_and_so_do_two_commits_of_a_dataset(
    hospital, laboratory, study, monkeypatch
) -> None:
    opened = laboratory._connection.open("hospital/study", whole=True)
    parts = [bill_dataset(opened_at(opened, number, 0)) for number in range(3)]
    assert [part.records for part in parts] == [40, 80, 120]
    asked = 0
    honest = hospital._connection.relay.account

    def count(question):
        nonlocal asked
        asked += 1
        return honest(question)

    monkeypatch.setattr(hospital._connection.relay, "account", count)
    billed = [replace(part, disclosures=study.part.disclosures) for part in parts]
    checks = hospital.log.verify_bill(signed(laboratory, *billed))
    assert [check.outcome for check in checks] == [Outcome.OK] * 14
    assert asked == 1
    with pytest.raises(InvalidArgument):
        opened_at(opened, 3, 0)


def test_what_had_expired_when_the_trainer_looked_is_left_out_for_ever(
    hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="expiring", to="laboratory", retain_seconds=3600)
    hospital.push(ROWS.slice(0, 5), dataset="expiring", retain_seconds=7200)
    hospital.push(ROWS.slice(0, 7), dataset="expiring", retain_seconds=0)
    opened = laboratory._connection.open("hospital/expiring")
    now = int(datetime.now(UTC).timestamp())
    expected = ((0, 52), (3600 + 60, 12), (7200 + 60, 7))
    for later, records in expected:
        part = bill_dataset(opened_at(opened, 2, now + later))
        assert (part.records, part.expired_by > 0) == (records, later > 0)
        clock = partial_clock(later)
        text = make_bill(laboratory._connection.member.identity, clock, [part], ())
        assert outcomes(hospital, text) == {
            **ALL_FINE,
            "disclosures": Outcome.UNCHECKED,
        }
    # No one can leave out what has not expired yet.
    with pytest.raises(ContextMismatch):
        hospital.log.verify_bill(signed(laboratory, part))


def partial_clock(later: int) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(seconds=later)


@pytest.fixture
def policies(tmp_path: Path) -> list[Path]:
    """Two policies that leave the same columns."""
    paths = [tmp_path / f"{name}.toml" for name in ("first", "second")]
    for path in paths:
        path.write_text(
            f'format = 1\nname = "{path.stem}"\nversion = "1"\nunlisted = "keep"\n'
            '[columns]\npatient = "drop"\n'
        )
    return paths


def test_the_policies_of_the_records_are_checked(
    hospital, laboratory, policies
) -> None:
    hospital.push(ROWS, dataset="treated", to="laboratory", policy=policies[0])
    text = trained(laboratory, "hospital/treated")
    digest = sealift.load_policy(policies[0]).digest
    assert part_of(text).policies == (digest,)
    assert outcomes(hospital, text) == ALL_FINE
    for named in ((), (b"",), (b"", digest), (bytes(32),), (digest, bytes(32))):
        false = signed(laboratory, replace(part_of(text), policies=named))
        with pytest.raises(ContextMismatch, match="policies"):
            hospital.log.verify_bill(false)


def test_a_trainer_may_name_policies_that_its_snapshot_names_and_no_record_is_under(
    hospital, laboratory, policies, monkeypatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 2)
    for policy in (*policies, policies[1]):
        hospital.push(
            ROWS,
            dataset="snapshots",
            to="laboratory",
            policy=policy,
            accept_policy=True,
        )
    hospital.dataset("snapshots").delete(
        shards=[hospital._connection.open("snapshots").shards[0].shard_id]
    )
    assert (
        laboratory._connection.open("hospital/snapshots").history.commits[0].number > 0
    )
    text = trained(laboratory, "hospital/snapshots")
    first, second = (sealift.load_policy(policy).digest for policy in policies)
    assert set(part_of(text).policies) == {first, second}
    assert outcomes(hospital, text) == ALL_FINE
    for named, fine in (((second,), True), ((first,), False)):
        exact = signed(laboratory, replace(part_of(text), policies=named))
        _, checks = hospital.log.check_bill(exact)
        assert (checks[4].name, checks[4].outcome is Outcome.OK) == ("contents", fine)


# --- who lies is named ---------------------------------------------------------------------------


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


LIES: list[tuple[str, Callable[[BilledDataset], Any], type[SealiftError]]] = [
    ("commit", lambda part: part.commit + 1, HistoryInvalid),
    ("commit", lambda part: part.commit - 1, HistoryInvalid),
    ("commit_digest", lambda part: flipped(part.commit_digest), HistoryInvalid),
    ("dataset_id", lambda part: flipped(part.dataset_id), HistoryInvalid),
    ("expired_by", lambda part: 1 << 40, ContextMismatch),
    ("shards", lambda part: part.shards + 1, ContextMismatch),
    ("shards_digest", lambda part: flipped(part.shards_digest), ContextMismatch),
    ("records", lambda part: part.records + 1, ContextMismatch),
    ("records", lambda part: part.records - 1, ContextMismatch),
    ("policies", lambda part: (), ContextMismatch),
    ("disclosures", lambda part: (flipped(part.disclosures[0]),), DisclosureMissing),
]


def test_a01_whatever_a_trainer_signs_falsely_of_a_dataset_is_named(
    hospital, laboratory, study
) -> None:
    honest = study.part
    for name, lie, error in LIES:
        false = signed(laboratory, replace(honest, **{name: lie(honest)}))
        with pytest.raises(error):
            hospital.log.verify_bill(false)
    with pytest.raises(ContextMismatch, match="owner"):
        hospital.log.verify_bill(
            signed(laboratory, replace(honest, owner=laboratory.fingerprint))
        )
    assert hospital.log.verify_bill(signed(laboratory, honest))
    assert {name for name, _, _ in LIES} | {"owner", "weight"} == set(
        BilledDataset.__dataclass_fields__
    )


def test_a_trainer_finds_a_false_bill_of_its_own_too(laboratory, study) -> None:
    honest = study.part
    for change, error in (
        ({"records": 41}, ContextMismatch),
        ({"disclosures": (secrets.token_bytes(32),)}, NotInLog),
        ({"disclosures": (honest.commit_digest,)}, NotInLog),
    ):
        with pytest.raises(error):
            laboratory.log.verify_bill(signed(laboratory, replace(honest, **change)))


def test_a14_a_trainer_cannot_invent_a_disclosure(
    hospital, laboratory, clinic, study
) -> None:
    """Nor take another member's, nor one of another dataset, nor one of older records."""
    hospital.push(ROWS, dataset="shared", to=["laboratory", "clinic"])
    early = part_of(trained(laboratory, "hospital/shared")).disclosures
    foreign = part_of(trained(clinic, "hospital/shared")).disclosures
    elsewhere = study.part.disclosures
    hospital.push(ROWS, dataset="shared")
    honest = part_of(trained(laboratory, "hospital/shared"))
    for disclosures, error in (
        ((secrets.token_bytes(32),), DisclosureMissing),
        (foreign, WrongSigner),
        (elsewhere, DisclosureMissing),
        (early, ContextMismatch),
        ((*honest.disclosures, secrets.token_bytes(32)), DisclosureMissing),
    ):
        false = signed(laboratory, replace(honest, disclosures=disclosures))
        with pytest.raises(error):
            hospital.log.verify_bill(false)
    without = signed(laboratory, replace(honest, disclosures=()))
    assert outcomes(hospital, without) == {**ALL_FINE, "disclosures": Outcome.UNCHECKED}


def test_a14_a_relay_that_drops_a_billed_disclosure_is_missed(
    relay, hospital, study
) -> None:
    def drop(_, answers):
        return [
            a for a in answers if LogEntry.unpack(a.entry).kind is not Kind.DISCLOSURE
        ]

    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/Account"] = drop
        with pytest.raises(DisclosureMissing):
            hospital.log.verify_bill(study.text)


def test_a_relay_that_hides_a_commit_or_a_dataset_does_not_make_a_bill_fine(
    relay, hospital, study
) -> None:
    with lying_to(relay, hospital) as lying:
        lying.lies["Datasets/GetCommits"] = lambda _, answers: answers[:1]
        with pytest.raises(SealiftError) as hidden:
            hospital.log.verify_bill(study.text)
        assert hidden.value.exit_code == 4
        lying.lies = {"Datasets/List": lambda *_: [datasets_pb2.ListResponse()]}
        assert outcomes(hospital, study.text) == ALL_FINE


def test_a_deleted_dataset_is_reported_and_not_called_fine(
    hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="deleted", to="laboratory")
    text = trained(laboratory, "hospital/deleted")
    hospital.dataset("deleted").delete()
    _, checks = hospital.log.check_bill(text)
    assert [(c.name, c.outcome) for c in checks[2:]] == [("commit", Outcome.UNCHECKED)]
    assert "deleted" in checks[2].detail


def test_a_bill_of_somebody_who_is_not_trusted_is_refused(
    hospital, laboratory, clinic, study
) -> None:
    with distrusting(hospital, "laboratory"):
        with pytest.raises(NotTrusted):
            hospital.log.verify_bill(study.text)
        with pytest.raises(WrongSigner):
            hospital.log.verify_bill(study.text, {clinic.fingerprint})
        checks = hospital.log.verify_bill(study.text, {laboratory.fingerprint})
    assert [check.outcome for check in checks] == [Outcome.OK] * 6


# --- the command line ----------------------------------------------------------------------------


def command(
    profile: str, *arguments: object, error: type[SealiftError] | None = None
) -> Result:
    done = CliRunner().invoke(cli, ["--profile", profile, *map(str, arguments)])
    if error is None:
        assert done.exit_code == 0, (done.output, done.exception)
    else:
        assert isinstance(done.exception, error), done.exception
    return done


def run(
    profile: str, *arguments: object, error: type[SealiftError] | None = None
) -> Result:
    return command(profile, "bom", *arguments, error=error)


def test_show_puts_names_to_what_this_profile_knows(hospital, study) -> None:
    shown = run("laboratory", "show", study.path).stdout
    assert "by laboratory" in shown
    assert (
        " ".join(shown.split("\n")[3].split())
        == "hospital/study hospital 2 3 120 all 1"
    )
    assert (
        "training epochs 0: sealift-order-1, seed 3, 8 shards mixed at a time" in shown
    )
    assert f"\n  some columns (digest {columns_digest(['value']).hex()})\n" in shown
    assert (
        f"\n  a filter (digest {filter_digest(str(CHOSEN['filter'])).hex()})\n" in shown
    )
    assert "policy none, for some records" in shown
    assert "\x1b" not in shown
    assert "note a\\x1b[2J" in shown
    offline = run("laboratory", "show", study.path, "--offline").stdout
    assert str(hospital.fingerprint) in offline
    assert study.part.dataset_id.hex() in offline
    assert "study" not in offline
    machine = data_of(run("laboratory", "show", study.path, "--json").stdout)
    assert machine["names"][machine["datasets"][0]["dataset_id"]] == "study"
    assert machine["names"][machine["datasets"][0]["owner"]] == "hospital"


def test_verify_says_what_it_checked_and_what_it_could_not(
    hospital, laboratory, clinic, study
) -> None:
    shown = run(
        "hospital", "verify", study.path, "--checkpoint", study.checkpoint
    ).stdout
    lines = shown.splitlines()
    assert [line[:3] for line in lines] == ["ok "] * 7
    assert "ok   trainer: signed by laboratory" in lines
    assert (
        "ok   commit of study: 2, in the verified history and in the log; the newest is 2"
        in lines
    )
    shown = run("clinic", "verify", study.path).stdout
    assert f"-    dataset of {study.part.dataset_id.hex()}: {NOT_YOURS}" in shown
    machine = data_of(run("hospital", "verify", study.path, "--json").stdout)
    assert machine["ok"]
    assert {check["outcome"] for check in machine["checks"]} == {"ok"}


def test_verify_ends_with_what_does_not_fit(
    hospital, laboratory, clinic, study, tmp_path
) -> None:
    false = tmp_path / "false.json"
    false.write_text(
        signed(laboratory, replace(study.part, records=41, disclosures=(bytes(32),)))
    )
    done = run("hospital", "verify", false, error=ContextMismatch)
    assert ContextMismatch.exit_code == 4
    assert "ok   commit of study" in done.stdout
    assert "NOT  contents of study: " in done.stdout
    assert "NOT  disclosures of study: " in done.stdout
    done = run("hospital", "verify", false, "--json", error=ContextMismatch)
    told = document_of(done.stdout)
    assert not told["ok"]
    assert told["error"]["code"] == "CONTEXT_MISMATCH"
    assert not told["data"]["ok"]
    assert "failed" in {check["outcome"] for check in told["data"]["checks"]}
    false.write_text(study.text.replace('"sig": "', '"sig": "A'))
    run("hospital", "verify", false, "--offline", error=MalformedObject)
    outer = json.loads(study.text)
    outer["payload"] = base64.b64encode(b"{}").decode()
    false.write_text(json.dumps(outer))
    run("hospital", "show", false, "--offline", error=SignatureInvalid)
    false.write_bytes(b"\xff\xfe")
    run("hospital", "verify", false, error=MalformedObject)
    other = tmp_path / "model.pt"
    other.write_bytes(b"other weights")
    run("hospital", "verify", study.path, "--checkpoint", other, error=ContextMismatch)
    run(
        "hospital",
        "verify",
        study.path,
        "--trainer",
        clinic.fingerprint,
        error=WrongSigner,
    )


def test_verify_works_offline_and_without_a_profile(
    hospital, laboratory, study, tmp_path, monkeypatch
) -> None:
    for profile in ("hospital", "laboratory"):
        assert run(profile, "verify", study.path, "--offline").stdout.count("ok ") == 2
    with distrusting(hospital, "laboratory"):
        run("hospital", "verify", study.path, "--offline", error=WrongSigner)
    monkeypatch.setenv("SEALIFT_HOME", str(tmp_path / "nobody"))
    nobody = ["bom", "verify", str(study.path)]
    assert isinstance(CliRunner().invoke(cli, nobody).exception, InvalidArgument)
    done = CliRunner().invoke(cli, [*nobody, "--trainer", str(laboratory.fingerprint)])
    assert done.exit_code == 0
    assert CliRunner().invoke(cli, ["bom", "show", str(study.path)]).exit_code == 0


def test_make_is_for_loops_of_ones_own(hospital, study, tmp_path) -> None:
    [digest] = study.part.disclosures
    done = run("laboratory", "make", "hospital/study")
    assert "names no disclosure" in done.stderr
    assert part_of(done.stdout).commit == 2
    assert formats.verify_bill(done.stdout).runs == ()
    words = (
        "--seed",
        7,
        "--epochs",
        3,
        "--shuffle-block",
        4,
        "--disclosure",
        digest.hex(),
    )
    done = run("laboratory", "make", "hospital/study", *words, "--commit", 0)
    assert done.stderr == ""
    made = formats.verify_bill(done.stdout)
    assert (made.datasets[0].commit, made.datasets[0].records) == (0, 40)
    assert [(r.seed, r.shuffle, r.shuffle_block, r.epochs) for r in made.runs] == [
        (7, True, 4, ((0, 2),))
    ]
    assert outcomes(hospital, done.stdout) == ALL_FINE
    [plain] = formats.verify_bill(
        run("laboratory", "make", "hospital/study", "--epochs", 1).stdout
    ).runs
    assert (plain.shuffle, plain.epochs) == (False, ((0, 0),))
    for words, error in (
        (("--disclosure", "00" * 32), NotInLog),
        (("--disclosure", "00"), InvalidArgument),
        (("--commit", 3), InvalidArgument),
        (("--epochs", 0), InvalidArgument),
        (("--seed", -1), InvalidArgument),
        (("--checkpoint", tmp_path / "none"), InvalidArgument),
    ):
        run("laboratory", "make", "hospital/study", *words, error=error)


def test_a_bill_of_records_that_were_pulled_names_their_disclosure(
    hospital, study, tmp_path
) -> None:
    words = ("hospital/study", "--commit", 1)
    done = command("laboratory", "pull", *words, "--out", tmp_path / "out", "--json")
    [digest] = data_of(done.stdout)["disclosures"]
    assert (
        digest
        == hospital.dataset("study").disclosures().lines[-1].disclosure.digest.hex()
    )
    text = run("laboratory", "make", *words, "--disclosure", digest).stdout
    details = {check.name: check.detail for check in hospital.log.verify_bill(text)}
    assert (
        details["disclosures"]
        == "1 of this trainer in the account; they cover 2 of 2 shards"
    )


def test_a_bill_of_removed_shards_can_still_be_made(hospital, laboratory) -> None:
    for _ in range(2):
        hospital.push(ROWS, dataset="removed", to="laboratory")
    gone = hospital._connection.open("removed").shards[0].shard_id
    hospital.dataset("removed").delete(shards=[gone])
    text = run("laboratory", "make", "hospital/removed", "--commit", 1).stdout
    assert part_of(text).shards == 2
    assert outcomes(hospital, text) == {**ALL_FINE, "disclosures": Outcome.UNCHECKED}
