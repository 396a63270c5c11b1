"""`sealift ls`, `show`, `head` and `pull`, as people who train use them."""

from __future__ import annotations

import json
import math
import os
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog
from click.testing import CliRunner
from documents import data_of

import sealift
from sealift.api.dataset import RemoteDataset
from sealift.cli import datasets as commands
from sealift.cli.describing import _period, _ranges
from sealift.cli.main import cli
from sealift.cli.output import ProgressBar, show_error
from sealift.cli.reports import read_reports, sum_reports
from sealift.cli.values import aligned, cell, printable
from sealift.owner.push import appending, committing
from sealift.owner.push import push as pushing
from sealift.owner.sources.describing import describe
from sealift.policy.file import ready_policies
from sealift.session import Session
from sealift_protocol.errors import HistoryInvalid, SealiftError

TENSOR = pa.fixed_shape_tensor(pa.uint8(), [2, 3])
FAR = 4_102_444_800  # 2100-01-01


def run(*words: object, code: int = 0) -> SimpleNamespace:
    """Runs a command of the laboratory, or of --profile; returns stdout and stderr."""
    given = [str(word) for word in words]
    arguments = (
        given if given[0] == "--profile" else ["--profile", "laboratory", *given]
    )

    def main() -> None:
        try:
            cli.main(arguments, standalone_mode=False)
        except SealiftError as error:
            show_error(error)
            sys.exit(error.exit_code)

    runner = CliRunner()
    with runner.isolation() as (out, err, _):
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        shown = SimpleNamespace(
            out=out.getvalue().decode(), err=err.getvalue().decode()
        )
    assert status == code, shown.err
    return shown


def owner(*words: object, code: int = 0) -> SimpleNamespace:
    return run("--profile", "hospital", *words, code=code)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The relay runs in this process: its log must not mix with what commands print."""
    before = structlog.get_config()
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        yield
        structlog.configure(**before)


@pytest.fixture
def study(hospital: Session, laboratory: Session, records: pa.Table) -> pa.Table:
    """A dataset that was granted to the laboratory."""
    described = describe(
        records.schema,
        {"age": {"label": "Age", "unit": "years", "description": "at admission"}},
    )
    hospital.push(
        records.cast(described),
        dataset="study",
        to="laboratory",
        purpose="sepsis model",
        until=FAR,
        description="Admissions of 2026.\n\nWards A and B.",
        subject_column="patient",
    )
    return records


@pytest.fixture
def mixed(hospital: Session, laboratory: Session) -> pa.Table:
    """Records of many types."""
    pixels = pa.array([list(range(6))] * 3, pa.list_(pa.uint8(), 6))
    table = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "text": ["ä" * 100, None, "short"],
            "score": [1 / 3, math.nan, -math.inf],
            "image": [bytes(3000), b"\xff", None],
            "pixels": pa.ExtensionArray.from_storage(TENSOR, pixels),
            "series": pa.array([[1.5] * 9, [], None], pa.list_(pa.float32())),
            "when": [datetime(2026, 1, 2), None, datetime(2026, 1, 3, 4, 5, 6, 7)],
        }
    )
    hospital.push(table, dataset="mixed", to="laboratory")
    return table


def disclosed(hospital: Session, dataset: str) -> list[str]:
    return [
        line.disclosure.purpose
        for line in hospital.dataset(dataset).disclosures().lines
    ]


# --- ls ------------------------------------------------------------------------------------------


def test_ls_says_what_there_is_and_until_when(
    hospital: Session, study: pa.Table
) -> None:
    assert run("ls").out == (
        "hospital/study  1,000 records, 1 shard, 1 commit, until 2100-01-01 00:00\n"
    )
    # An owner's own access has no end.
    assert owner("ls").out == "hospital/study  1,000 records, 1 shard, 1 commit\n"
    [listed] = data_of(run("ls", "--json").out)
    stored = listed.pop("stored_bytes")
    assert stored > 1000
    assert listed == {
        "owner": "hospital",
        "name": "study",
        "records": 1000,
        "shards": 1,
        "commits": 1,
        "trusted": True,
        "description": "Admissions of 2026.\n\nWards A and B.",
        "not_after": FAR,
    }


def test_ls_long_is_aligned(
    hospital: Session, laboratory: Session, study: pa.Table
) -> None:
    hospital.push(study.slice(0, 7), dataset="a-longer-name", to="laboratory")
    head, *lines = run("ls", "--long").out.splitlines()
    assert head.split("  ")[0] == "dataset"
    [first], [second], [words] = (
        [line for line in lines if name in line]
        for name in ("/study", "/a-longer", "Admissions")
    )
    assert words == "    Admissions of 2026."
    assert len(lines) == 3
    for title, one, other in (
        ("records", "1,000", "7"),
        ("shards", "1", "1"),
        ("commits", "1", "1"),
    ):
        end = head.index(title) + len(title)
        assert first[:end].endswith(f" {one}")
        assert second[:end].endswith(f" {other}")
    at = head.index("until")
    assert (first[at:], second[at:]) == ("2100-01-01 00:00", "-")
    laboratory._connection.profile.trust.remove("hospital")
    shown = run("ls", "--long").out
    assert f"of an owner that is not pinned: {hospital.fingerprint}" in shown
    assert "study" not in shown


# --- show ----------------------------------------------------------------------------------------


def test_show_tells_a_reader_what_it_needs_to_know(
    hospital: Session, study: pa.Table
) -> None:
    shown = run("show", "hospital/study").out
    assert shown.startswith(
        "hospital/study\n  Admissions of 2026.\n\n  Wards A and B.\n\n"
    )
    assert "owner           hospital\n" in shown
    assert "records         1,000 in 1 shard, " in shown
    assert "key epoch       1; you hold 1\n" in shown
    assert "retention       unlimited\n" in shown
    assert "subject column  yes\n" in shown
    assert "policy          none\n" in shown
    told = " ".join(shown.split())
    assert "your access granted by hospital for key epoch 1, from 20" in told
    assert "until 2100-01-01 00:00, for: sepsis model" in told
    assert "granted to" not in shown.partition("commit:")[0]
    assert "  age      int32  (Age, years, at admission)\n" in shown
    assert "1 commit:\n  0  20" in shown
    assert "hospital  1 shard added, granted to 2 members\n" in shown
    assert disclosed(hospital, "study") == []


def test_show_tells_an_owner_to_whom_it_granted(
    hospital: Session, study: pa.Table
) -> None:
    for path in ("hospital/study", "study"):
        shown = owner("show", path).out
        assert "granted to      laboratory\n" in shown
        assert "your access" not in shown
    document = data_of(owner("show", "study", "--json").out)
    assert document["author"] is True
    assert document["recipients"] == ["hospital", "laboratory"]


def test_show_as_json_says_everything(hospital: Session, study: pa.Table) -> None:
    hospital.dataset("study").rotate()
    hospital.push(study.slice(0, 10), dataset="study", retain_seconds=None)
    document = data_of(run("show", "hospital/study", "--json").out)
    grants = document.pop("grants")
    assert [epoch for grant in grants for epoch in grant["key_epochs"]] == [1, 2]
    assert {
        (g["granted_by"], g["not_after"], g["purpose"], g["live"]) for g in grants
    } == {("hospital", FAR, "sepsis model", True)}
    commits = document.pop("commits")
    assert [commit["number"] for commit in commits] == [0, 1, 2]
    assert [commit["shards_added"] for commit in commits] == [1, 0, 1]
    assert commits[0]["granted"] == ["hospital", "laboratory"]
    assert {commit["signer"] for commit in commits} == {"hospital"}
    assert document.pop("stored_bytes") > 0
    assert len(bytes.fromhex(document.pop("dataset_id"))) == 16
    assert document.pop("schema")[1] == {
        "name": "age",
        "type": "int32",
        "nullable": True,
        "label": "Age",
        "unit": "years",
        "description": "at admission",
    }
    assert document == {
        "owner": "hospital",
        "owner_fingerprint": str(hospital.fingerprint),
        "co_owners": [],
        "name": "study",
        "description": "Admissions of 2026.\n\nWards A and B.",
        "author": False,
        "records": 1010,
        "shards": 2,
        "commit": 2,
        "key_epoch": 2,
        "held_key_epochs": [1, 2],
        "shards_by_key_epoch": {"1": 1, "2": 1},
        "retain_seconds": 0,
        "subject_column": "patient",
        "policies": [{"digest": "", "name": ""}],
        "required_policies": [],
        "policy_reports": [],
        "recipients": [],
        "pending_purges": [],
    }
    text = run("show", "hospital/study").out
    assert "key epoch       2; you hold 1-2; shards under 1: 1, 2: 1\n" in text


def test_show_names_ready_policies_and_tells_their_reports(
    hospital: Session, laboratory: Session, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'format = 1\nname = "own"\nversion = "7"\n[privacy]\nquasi_identifiers = ["age"]\n'
        '[columns]\npatient = "hash"\nage = {action = "generalise", to = "age-band"}\n'
    )
    for number in range(2):
        (tmp_path / f"{number}.csv").write_text("patient,age\na,30\nb,31\n")
        hospital.push(
            tmp_path / f"{number}.csv",
            dataset="own",
            to="laboratory",
            policy=policy,
            types={"age": "int64"},
        )
    shown = run("show", "hospital/own").out
    digest = sealift.load_policy(policy).digest.hex()
    assert f"policy          {digest}" in shown
    assert f"required policy {digest}" in " ".join(shown.split())
    assert "de-identified under own 7: 4 records in 2 commits\n" in shown
    assert "generalise age-band" in shown
    assert "k-anonymity 2, over 1 group of records" in shown
    [hashed, _] = data_of(run("show", "hospital/own", "--json").out)["policy_reports"]
    assert hashed["columns"][0]["action"] == "hash"

    (tmp_path / "ready.csv").write_text("patient_id,email\n1,a@b.org\n")
    policy_name = "gdpr-pseudonymous"
    hospital.push(
        tmp_path / "ready.csv", dataset="ready", to="laboratory", policy=policy_name
    )
    version = ready_policies()[policy_name].version
    told = " ".join(run("show", "hospital/ready").out.split())
    assert f" policy {policy_name} {version}, " in told
    document = data_of(run("show", "hospital/ready", "--json").out)
    assert [policy["name"] for policy in document["policies"]] == [policy_name]


def test_show_lists_the_last_commits_even_before_a_snapshot(
    hospital: Session, study: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 4)
    for number in range(6):
        hospital.push(study.slice(number, 1), dataset="study")
    opened = hospital.dataset("study").describe().opened
    assert opened.history.commits[0].number == 4
    for wanted, expected in (
        (1, [6]),
        (3, [4, 5, 6]),
        (5, [2, 3, 4, 5, 6]),
        (7, range(7)),
    ):
        document = data_of(
            run("show", "hospital/study", "--commits", wanted, "--json").out
        )
        assert [commit["number"] for commit in document["commits"]] == list(expected)
    assert len(hospital.dataset("study").describe(commits=50).commits) == 7
    assert (
        "7 commits (the last 2):" in run("show", "hospital/study", "--commits", 2).out
    )


def test_show_refuses_older_commits_that_do_not_lead_to_the_snapshot(
    hospital: Session, study: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 4)
    for number in range(5):
        hospital.push(study.slice(number, 1), dataset="study")
    told = hospital._connection.relay.get_commits

    def lying(drop: slice, *arguments: object, **options: object) -> Iterator[object]:
        found = list(told(*arguments, **options))  # type: ignore[arg-type]
        if len(arguments) == 3:
            del found[drop]
        return iter(found)

    for drop in (slice(0, 1), slice(1, 2), slice(3, 4), slice(0, 4)):
        monkeypatch.setattr(
            hospital._connection.relay,
            "get_commits",
            lambda *a, drop=drop, **o: lying(drop, *a, **o),
        )
        with pytest.raises(HistoryInvalid):
            hospital.dataset("study").describe()

    other = hospital.push(study, dataset="other").dataset_id
    for number in range(3):
        hospital.push(study.slice(number, 1), dataset="other")
    monkeypatch.setattr(
        hospital._connection.relay,
        "get_commits",
        lambda dataset_id, *a, **o: told(other if len(a) == 2 else dataset_id, *a, **o),
    )
    with pytest.raises(HistoryInvalid, match="do not lead"):
        hospital.dataset("study").describe()


def test_show_tells_of_erasures_that_wait_to_be_purged(
    hospital: Session, laboratory: Session, study: pa.Table
) -> None:
    laboratory.open_dataset("hospital/study").close()
    hospital.dataset("study").erase("canary-patient-0007")
    shown = " ".join(run("show", "hospital/study").out.split())
    assert "to purge records that commit 1 erased: delete older copies" in shown
    assert "`sealift purge hospital/study`" in shown
    assert "erased a subject" in shown
    assert data_of(run("show", "hospital/study", "--json").out)["pending_purges"] == [1]


def test_show_does_not_believe_grants_that_no_history_has_in_force(
    hospital: Session,
    laboratory: Session,
    study: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(laboratory.dataset("hospital/study").describe().terms) == 1
    response = laboratory._connection.relay.get_grants(
        laboratory.dataset("hospital/study").describe().opened.dataset_id
    )
    hospital.dataset("study").revoke("laboratory")
    hospital.dataset("study").grant(to="laboratory", purpose="another", until=FAR)
    now = laboratory._connection.relay.get_grants

    def both(*arguments: object, **options: object) -> object:
        found = now(*arguments, **options)  # type: ignore[arg-type]
        found.grants.extend(response.grants)
        return found

    monkeypatch.setattr(laboratory._connection.relay, "get_grants", both)
    assert {
        terms.purpose for terms in laboratory.dataset("hospital/study").describe().terms
    } == {"another"}


# --- head ----------------------------------------------------------------------------------------


def test_head_is_a_table_and_is_disclosed(hospital: Session, study: pa.Table) -> None:
    shown = run("head", "hospital/study", "-n", 3)
    assert [line.split() for line in shown.out.splitlines()] == [
        ["patient", "age", "score"],
        ["string", "int32", "double"],
        ["canary-patient-0000", "0", "0"],
        ["canary-patient-0001", "1", "0.142857"],
        ["canary-patient-0002", "2", "0.285714"],
    ]
    assert len({len(line) for line in shown.out.splitlines()}) == 1
    assert shown.err == (
        "3 of 1,000 records; the fetch and its purpose are in the relay's log\n"
    )
    assert disclosed(hospital, "study") == ["sepsis model"]
    run("head", "hospital/study", "--purpose", "a look")
    assert disclosed(hospital, "study") == ["sepsis model", "a look"]


def test_head_takes_columns_in_the_order_asked_for(study: pa.Table) -> None:
    shown = run("head", "hospital/study", "-n", 1, "--columns", "score, patient").out
    assert shown.splitlines()[0].split() == ["score", "patient"]
    [record] = data_of(
        run("head", "hospital/study", "-n1", "--columns", "age", "--json").out
    )
    assert record == {"age": 0}
    for wrong in ("no-such", "age,age", "", "age,,score"):
        run("head", "hospital/study", "--columns", wrong, code=2)


def test_head_cuts_values_and_shows_bytes_as_sizes(mixed: pa.Table) -> None:
    shown = run("head", "hospital/mixed").out
    first, second, third = shown.splitlines()[2:]
    assert "ä" * 48 + "…" in first
    assert "ä" * 49 not in first
    assert "2.9 KiB" in first
    assert "[0, 1, 2, …] 2x3" in first
    assert "[1.5, 1.5, 1.5, …] 9" in first
    assert "0.333333" in first
    assert "(null)" in second
    assert "nan" in second
    assert "1 B" in second
    assert "-inf" in third
    assert "uint8 tensor [2, 3]" in shown
    assert "2026-01-03T04:05:06.000007" in third


def test_head_as_json_cuts_nothing_and_is_json(mixed: pa.Table) -> None:
    first, second, third = data_of(run("head", "hospital/mixed", "--json").out)
    assert first["text"] == "ä" * 100
    assert first["image"] == "AAAA" * 1000
    assert first["pixels"] == [0, 1, 2, 3, 4, 5]
    assert first["when"] == "2026-01-02T00:00:00.000000"
    assert (second["score"], third["score"]) == ("NaN", "-Infinity")
    assert second["series"] == []
    assert third["series"] is None
    assert list(first) == mixed.column_names


def test_a_dataset_without_records_is_shown_and_nothing_is_fetched(
    hospital: Session, study: pa.Table
) -> None:
    [shard] = hospital.dataset("study").describe().opened.shards
    hospital.dataset("study").delete(shards=[shard.shard_id])
    shown = run("head", "hospital/study")
    assert shown.out == ""
    assert "nothing was fetched" in shown.err
    assert disclosed(hospital, "study") == []
    assert (
        "records         0 in 0 shards, 0 B stored" in run("show", "hospital/study").out
    )


# --- pull ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "arrow", "webdataset", "auto"])
def test_pull_writes_what_was_pushed(
    form: str, hospital: Session, study: pa.Table, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    document = data_of(
        run("pull", "hospital/study", "--as", form, "--out", out, "--json").out
    )
    [path] = map(Path, document["files"])
    assert document["records"] == 1000
    assert document["pending_purges"] == []
    suffix = {"webdataset": ".tar", "arrow": ".arrow"}.get(form, ".parquet")
    assert path == out / f"part-00000{suffix}"
    if suffix == ".parquet":
        assert pq.read_table(path).equals(study)
    elif suffix == ".arrow":
        assert pa.ipc.open_file(path).read_all().equals(study)
    else:
        webdataset = pytest.importorskip("webdataset")
        read = webdataset.WebDataset(str(path), shardshuffle=False).decode()
        rows = [{"patient": s["patient.txt"], **s["json"]} for s in read]
        assert rows == study.to_pylist()
    assert disclosed(hospital, "study") == ["sepsis model"]


def test_pull_takes_columns(study: pa.Table, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run("pull", "hospital/study", "--columns", "score,age", "--out", out).out
    assert told == f"pulled 1,000 records into {out} (1 file)\n"
    assert pq.read_table(out / "part-00000.parquet").equals(
        study.select(["score", "age"])
    )
    run(
        "pull",
        "hospital/study",
        "--columns",
        "nothing",
        "--out",
        tmp_path / "no",
        code=2,
    )
    assert not (tmp_path / "no").exists()


def test_pull_takes_the_dataset_as_it_was_after_a_commit(
    hospital: Session, study: pa.Table, tmp_path: Path
) -> None:
    hospital.push(study.slice(0, 5), dataset="study")
    told = run("pull", "hospital/study", "--commit", 0, "--out", tmp_path / "then").out
    assert told.startswith("pulled 1,000 records")
    assert pq.read_table(tmp_path / "then").equals(study)
    assert (
        "1,005 records" in run("pull", "hospital/study", "--out", tmp_path / "now").out
    )
    error = run(
        "pull", "hospital/study", "--commit", 9, "--out", tmp_path / "no", code=2
    ).err
    assert error == "error: there is no commit 9; hint: the newest is commit 1\n"


def test_pull_writes_files_whole_or_as_records(
    hospital: Session, laboratory: Session, tmp_path: Path
) -> None:
    (tmp_path / "scans" / "a").mkdir(parents=True)
    (tmp_path / "scans" / "a" / "x.bin").write_bytes(b"scan")
    reading = sealift.SourceOptions(kind="files")
    hospital.push(tmp_path / "scans", dataset="scans", to="laboratory", reading=reading)
    run("pull", "hospital/scans", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "a" / "x.bin").read_bytes() == b"scan"
    choose = ("pull", "hospital/scans", "--columns", "size")
    assert "whole" in run(*choose, "--as", "files", "--out", tmp_path / "b", code=2).err
    run(*choose, "--out", tmp_path / "c")
    assert pq.read_table(tmp_path / "c").to_pydict() == {"size": [4]}
    run("pull", "hospital/scans", "--as", "webdataset", "--out", tmp_path / "d")
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["part-00000.tar"]


def test_a_pull_that_is_interrupted_leaves_nothing(
    study: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "here").mkdir()
    monkeypatch.setattr(ProgressBar, "__call__", interrupt)
    for form in ("parquet", "arrow", "webdataset"):
        with pytest.raises(click.Abort):
            run(
                "pull",
                "hospital/study",
                "--as",
                form,
                "--out",
                tmp_path / "here" / "out",
            )
    assert list((tmp_path / "here").iterdir()) == []


def test_looking_and_pulling_leave_no_ciphertext_behind(
    study: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALIFT_CACHE", str(tmp_path / "cache"))
    run("head", "hospital/study")
    run("pull", "hospital/study", "--out", tmp_path / "out")
    assert not (tmp_path / "cache").exists()


# --- A25: an owner who attacks the terminal ------------------------------------------------------

ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\u202egnp.exe\u2028\x00"


def harmless(text: str) -> bool:
    return all(
        char == "\n" or unicodedata.category(char)[0] != "C" for char in text
    ) and not (set("\u2028\u2029") & set(text))


def test_a25_nothing_of_an_owner_is_obeyed_by_a_terminal(
    hospital: Session, laboratory: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {b"label": ATTACK.encode(), b"description": b"\xff\x1b[2J"}
    nested = pa.array([{ATTACK: [ATTACK]}])
    table = pa.table(
        [
            pa.array([ATTACK]),
            pa.array([[ATTACK, ATTACK]]),
            nested,
            pa.array([ATTACK.encode()]),
        ],
        schema=pa.schema(
            [
                pa.field(ATTACK, pa.string(), metadata=said),
                pa.field("list", pa.list_(pa.string())),
                pa.field("nested", nested.type),
                pa.field("blob", pa.binary()),
            ]
        ),
    )
    # What a client of Sealift refuses, an owner can still sign.
    for module in (pushing, appending):
        monkeypatch.setattr(module, "check_dataset_name", lambda name: None)
    name = f"evil{ATTACK}"
    hospital.push(
        table, dataset=name, to="laboratory", description=ATTACK, purpose=ATTACK
    )
    path = f"hospital/{name}"
    for words in (
        ("ls",),
        ("ls", "--long"),
        ("ls", "--json"),
        ("show", path),
        ("show", path, "--json"),
        ("head", path),
        ("head", path, "--json"),
    ):
        shown = run(*words)
        assert harmless(shown.out), words
        assert harmless(shown.err), words
    assert "\\x1b]0;owned\\x07" in run("ls").out
    assert "\\u202egnp" in run("head", path).out


def test_a25_a_report_that_lies_about_its_form_is_counted_and_not_shown(
    hospital: Session,
    study: pa.Table,
    laboratory: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = laboratory.dataset("hospital/study").describe()
    good = json.dumps(REPORT)
    evil = json.dumps(
        {**REPORT, "notices": [ATTACK], "policy": {**POLICY, "name": ATTACK}}
    )
    opened = replace(found.opened, policy_reports=(good, good, evil, "[", "{}"))
    monkeypatch.setattr(
        RemoteDataset, "describe", lambda *_, **__: replace(found, opened=opened)
    )
    shown = run("show", "hospital/study").out
    assert "under own 7: 20 records in 2 commits" in shown
    assert "2 de-identification reports cannot be read" in shown
    assert harmless(shown)
    assert run("show", "hospital/study", "--json").out.count("null") >= 2


POLICY = {"name": "own", "version": "7", "sha256": "00"}
REPORT = {
    "policy": POLICY,
    "records": 10,
    "columns": [
        {"column": "a", "action": "hash", "values": 9, "changed": 8, "nulls": 1}
    ],
    "scrubbed": {"PERSON": 2},
    "anonymity": {"k": 5, "l": 0, "groups": 3},
    "notices": ["one"],
}


@pytest.mark.parametrize(
    "change",
    [
        {"records": "10"},
        {"records": True},
        {"records": -1},
        {"records": 1 << 63},
        {"records": 1.5},
        {"columns": [{"column": "a"}]},
        {"columns": [1]},
        {"columns": 3},
        {
            "columns": [
                {"column": 1, "action": "", "values": 1, "changed": 1, "nulls": 1}
            ]
        },
        {"scrubbed": []},
        {"scrubbed": {"a": "b"}},
        {"anonymity": {"k": None}},
        {"anonymity": 3},
        {"known": {}},
        {"known": {"searched": 1, "unknown": 0, "early": 0, "removed": "1"}},
        {"notices": [{}]},
        {"policy": None},
        {"policy": {"name": []}},
    ],
)
def test_a25_a_report_with_something_else_in_it_is_none(
    change: dict[str, object],
) -> None:
    assert read_reports([json.dumps(REPORT)]) == [REPORT]
    assert read_reports([json.dumps({**REPORT, **change})]) == [None]


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "NaN", '{"records": NaN}', "9" * 10_000]
)
def test_a25_a_report_that_is_no_document_is_none(text: str) -> None:
    assert read_reports([text]) == [None]


# --- words and tables ----------------------------------------------------------------------------


def test_reports_of_one_policy_are_added_and_the_least_anonymity_counts() -> None:
    other = {
        **REPORT,
        "anonymity": {"k": 3, "l": 0, "groups": 1},
        "scrubbed": {"PERSON": 1, "DATE": 4},
        "notices": ["one", "two"],
        "known": {"searched": 4, "unknown": 1, "early": 0, "removed": 2},
    }
    elsewhere = {**REPORT, "policy": {**POLICY, "version": "8"}}
    both, alone = sum_reports([REPORT, other, elsewhere])
    assert both["records"] == 20
    assert both["reports"] == 2
    assert both["columns"][0] == {
        "column": "a",
        "action": "hash",
        "values": 18,
        "changed": 16,
        "nulls": 2,
        # Reports of release 0.1 do not count them.
        "misfits": 0,
    }
    assert both["scrubbed"] == {"PERSON": 3, "DATE": 4}
    assert both["known"] == other["known"]
    assert "known" not in alone
    assert both["anonymity"]["k"] == 3
    assert both["notices"] == ["one", "two"]
    assert alone["reports"] == 1
    assert REPORT["records"] == 10


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_table_fits_its_terminal(width: int) -> None:
    rows = [["long " * 20, "1", "日本語" * 10, "x", "y" * 30, "z"]] * 3
    lines, shown = aligned(rows, width=width)
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= width
    assert shown >= 2
    assert shown == 6 or width < 80
    whole, every = aligned(rows)
    assert every == 6
    assert "日本語" * 10 in whole[0]


def test_narrow_columns_stay_whole_while_wide_ones_are_cut() -> None:
    [line], shown = aligned([["x" * 100, "123456", "y" * 100]], width=40)
    assert "123456" in line
    assert shown == 3
    assert line.count("…") == 2


def test_a_cell_is_made_of_no_more_than_it_shows() -> None:
    long = pa.array(["\U0001f600" * 1_000_000])[0]
    assert cell(long) == "\U0001f600" * 48 + "…"
    many = pa.array([list(range(1_000_000))])[0]
    assert cell(many) == "[0, 1, 2, …] 1,000,000"
    assert cell(pa.array([{"a": 1, "b": None, "c": [1], "d": 2}])[0]) == (
        "{a: 1, b: (null), c: [1], …}"
    )
    assert cell(pa.array(["x"]).dictionary_encode()[0]) == "x"


def test_what_is_printable_stays() -> None:
    assert printable("naïve 日本語 \U0001f600") == "naïve 日本語 \U0001f600"
    assert printable("a\tb\x7f\u200b\ud800") == "a\\tb\\x7f\\u200b\\ud800"
    assert printable("x" * 300, 10) == "x" * 10 + "…"


def test_numbers_and_times_in_words() -> None:
    assert _ranges([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"
    assert [_period(s) for s in (0, 6 * 365 * 86_400, 90 * 86_400, 7200, 61)] == [
        *("unlimited", "6 years", "90 days", "2 hours", "61 seconds")
    ]


def test_the_terminals_width_counts_only_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert commands._width() is None
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        commands.shutil, "get_terminal_size", lambda _: os.terminal_size((72, 24))
    )
    assert commands._width() == 72
