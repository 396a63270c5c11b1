"""The two commands as people run them: processes, exit codes, one clear line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documents import data_of
from patience import PATIENCE

SCRIPTS = Path(sys.executable).parent


def run(script: str, *arguments: object, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [str(SCRIPTS / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
        return done.stderr
    return done.stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    folder = tmp_path / "relay"
    run("sealift-relay", "init", folder, "--port", 0, "--enrolment-port", 0)
    with (tmp_path / "relay.log").open("w") as log:
        process = subprocess.Popen(
            [SCRIPTS / "sealift-relay", "serve", folder],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("relay ready on localhost:")
    yield folder, process
    process.kill()
    process.wait()


def test_the_first_ten_minutes_of_everybody(served, tmp_path: Path) -> None:
    folder, process = served
    fingerprints = {}
    for name, role in (("hospital", "owner"), ("laboratory", "trainer")):
        token = run(
            "sealift-relay", "invite", name, "--role", role, "--dir", folder
        ).strip()
        joined = run("sealift", "join", token)
        assert f"joined as {name} ({role})" in joined
        shown = data_of(run("sealift", "--profile", name, "identity", "--json"))
        fingerprints[name] = shown["fingerprint"]
        assert fingerprints[name] in joined
    assert run("sealift", "profiles").split() == ["hospital", "laboratory"]
    for name, other in (("hospital", "laboratory"), ("laboratory", "hospital")):
        spoken = fingerprints[other].upper().split("-")
        run("sealift", "--profile", name, "trust", "add", other, *spoken)
        assert other in run("sealift", "--profile", name, "trust", "ls")

    table = pa.table({"a": range(1000), "b": ["x"] * 1000})
    pq.write_table(table, tmp_path / "records.parquet")
    push = ("--profile", "hospital", "push")
    line = run(
        "sealift",
        *push,
        tmp_path / "records.parquet",
        "--dataset",
        "study",
        "--to",
        "laboratory",
    )
    assert line.startswith("pushed 1,000 records (")
    assert line.count("\n") == 1
    trainer = ("--profile", "laboratory")
    assert run("sealift", *trainer, "ls") == (
        "hospital/study  1,000 records, 1 shard, 1 commit\n"
    )
    out = tmp_path / "out"
    pulled = data_of(
        run("sealift", *trainer, "pull", "hospital/study", "--out", out, "--json")
    )
    assert pulled["records"] == 1000
    assert pq.read_table(out).equals(table)

    # The commonest mistakes, each one line and its own exit code.
    (tmp_path / "bad.csv").write_text("a,b\n1,x\n2\n")
    error = run("sealift", *push, tmp_path / "bad.csv", "--dataset", "study", code=3)
    assert (
        f"{tmp_path / 'bad.csv'}: line 3 has 1 columns, but the header has 2; hint: "
        in error
    )
    (tmp_path / "other.csv").write_text("z\n1\n")
    assert "columns" in run(
        "sealift", *push, tmp_path / "other.csv", "--dataset", "study", code=3
    )
    good = tmp_path / "records.parquet"
    assert "pinned" in run(
        "sealift", *push, good, "--dataset", "s", "--to", "nobody", code=4
    )
    denied = run(
        "sealift", *trainer, "pull", "hospital/no", "--out", tmp_path / "no", code=5
    )
    assert "no such dataset" in denied
    # The columns of a new dataset are shown before the relay is asked whether it takes them.
    refused = subprocess.run(
        [SCRIPTS / "sealift", *trainer, "push", good, "--dataset", "s"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 5
    *columns, error = refused.stderr.splitlines()
    assert columns == [
        "the new dataset will have these columns:",
        "  a  int64",
        "  b  string",
    ]
    assert error.startswith(
        "error: a member with the role trainer may not store data; hint: "
    )
    assert "passphrase" in run(
        "sealift", *trainer, "ls", code=7, SEALIFT_PASSPHRASE="wrong one"
    )
    assert "several" in run("sealift", "ls", code=7)
    assert "no profile of that name" in run("sealift", "--profile", "who", "ls", code=7)
    assert "not empty" in run(
        "sealift", *trainer, "pull", "hospital/study", "--out", out, code=2
    )
    assert "fingerprint" in run(
        "sealift", *trainer, "trust", "add", "x", "abcd", code=2
    )
    assert "once" in run("sealift", "--profile", "again", "join", token, code=5)
    assert "complete enrolment token" in run("sealift", "join", "nonsense", code=2)

    members = run("sealift-relay", "members", "--dir", folder)
    assert fingerprints["hospital"] in members
    run("sealift-relay", "revoke", "laboratory", "--dir", folder)
    assert "certificate" in run("sealift", *trainer, "ls", code=5)
    assert "(revoked)" in run("sealift-relay", "members", "--dir", folder)

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    events = [
        json.loads(line) for line in (tmp_path / "relay.log").read_text().splitlines()
    ]
    assert events[0]["event"] == "start_relay"
    assert events[-1]["event"] == "stop_relay"
    assert all("request_id" in event for event in events[1:-1])
    log = (tmp_path / "relay.log").read_text()
    for name in ("study", "hospital", "laboratory", "records.parquet"):
        assert name not in log
    error = run("sealift", "--profile", "hospital", "ls", code=6)
    assert "no server answers" in error


@pytest.mark.own_process  # It inherits a file descriptor.
def test_a_passphrase_comes_by_file_descriptor(served) -> None:
    folder, _ = served
    token = run(
        "sealift-relay", "invite", "hospital", "--role", "owner", "--dir", folder
    ).strip()

    def with_fd(
        passphrase: bytes, *arguments: str
    ) -> subprocess.CompletedProcess[bytes]:
        reader, writer = os.pipe()
        os.write(writer, passphrase + b"\n")
        os.close(writer)
        environment = {k: v for k, v in os.environ.items() if k != "SEALIFT_PASSPHRASE"}
        command = [str(SCRIPTS / "sealift"), "--passphrase-fd", str(reader), *arguments]
        done = subprocess.run(
            command,
            pass_fds=[reader],
            env=environment,
            capture_output=True,
            check=False,
        )
        os.close(reader)
        return done

    assert with_fd(b"short", "join", token).returncode == 2
    assert with_fd(b"long enough", "join", token).returncode == 0
    assert with_fd(b"long enough", "ls").stdout == b"no datasets\n"
    assert with_fd(b"another one", "ls").returncode == 7


def test_without_a_terminal_the_ways_to_give_a_passphrase_are_named(
    tmp_path: Path,
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "SEALIFT_PASSPHRASE"}
    done = subprocess.run(
        [SCRIPTS / "sealift", "join", "sealift-join-1.x"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert "--passphrase-fd" in done.stderr
    assert "SEALIFT_PASSPHRASE" in done.stderr


def test_ctrl_c_during_a_push_shows_nothing(served, tmp_path: Path) -> None:
    folder, _ = served
    token = run(
        "sealift-relay", "invite", "hospital", "--role", "owner", "--dir", folder
    ).strip()
    run("sealift", "join", token)
    path = tmp_path / "records.csv"
    path.write_text("a,b,c,d\n" + "1,2,3,4\n" * 8_000_000)
    push = subprocess.Popen(
        # So slow that it cannot end before it is interrupted, however busy the machine is.
        [SCRIPTS / "sealift", "push", path, "--dataset", "study", "--limit-rate=16MiB"],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list((folder / "blobs").rglob("*/*")):
        assert push.poll() is None
        time.sleep(0.01)
    push.send_signal(signal.SIGINT)
    _, errors = push.communicate(timeout=PATIENCE)
    assert push.returncode == 130
    assert (
        errors.splitlines()[-1]
        == "interrupted; nothing from this command became visible"
    )
    assert run("sealift", "ls") == "no datasets\n"


def test_a_relay_is_not_made_over_another_one(served) -> None:
    folder, _ = served
    assert "not empty" in run("sealift-relay", "init", folder, code=2)
    assert (
        "cannot be used"
        in run("sealift-relay", "serve", folder, code=2).splitlines()[-1]
    )
    assert "taken" not in run("sealift-relay", "members", "--dir", folder)
    assert "member with that name" in run(
        "sealift-relay", "revoke", "x", "--dir", folder, code=5
    )


def test_health_and_reflection_answer_members(relay, hospital) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    channel: grpc.Channel = hospital._connection.relay._channel
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(
        health_pb2.HealthCheckRequest(service="sealift.v1.Shards"), timeout=PATIENCE
    )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {
        "sealift.v1.Shards",
        "sealift.v1.Datasets",
        "sealift.v1.Directory",
    } <= services


@pytest.fixture
def owner(served) -> str:
    """A profile of an owner at the served relay."""
    folder, _ = served
    token = run(
        "sealift-relay", "invite", "hospital", "--role", "owner", "--dir", folder
    ).strip()
    run("sealift", "join", token)
    return "hospital"


def test_a_push_says_what_it_did_for_people_and_machines(
    owner: str, tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": 1}\n{"id": \n{"id": 2}\n')
    push = ("push", path, "--dataset", "study")
    assert "line 2 is not JSON" in run("sealift", *push, code=3)
    done = subprocess.run(
        [SCRIPTS / "sealift", *push, "--on-error", "quarantine", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9
    told = data_of(done.stdout)
    assert (told["records"], told["rejected"], told["commits"]) == (2, 1, 1)
    assert done.stderr.splitlines() == [
        "the new dataset will have these columns:",
        "  id  int64",
        "note: 1 record could not be read: pushed to your dataset study.quarantine",
    ]
    path.write_text(path.read_text() + '{"id": 3}\n')
    assert "pushed 1 record" in run("sealift", *push, "--on-error", "skip")
    assert "nothing new" in run("sealift", *push, "--on-error", "skip")
    path.write_text('{"id": 9}\n')
    assert "has changed since it was pushed" in run("sealift", *push, code=3)
    assert "skipped 1 file that changed since the last push" in run(
        "sealift", *push, "--on-change", "skip"
    )
    assert "pushed 1 record" in run("sealift", *push, "--on-change", "push")
    assert "hospital/study  4 records" in run("sealift", "ls")


def test_files_come_back_as_they_were(owner: str, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "a").mkdir(parents=True)
    content = os.urandom(70 << 20)
    (folder / "a" / "large.bin").write_bytes(content)
    (folder / "ä.txt").write_text("small")
    (folder / "empty.txt").write_text("")
    run("sealift", "push", folder, "--dataset", "scans", "--format", "files")
    out = tmp_path / "out"
    assert "(3 files)" in run("sealift", "pull", "hospital/scans", "--out", out)
    assert (out / "a" / "large.bin").read_bytes() == content
    assert (out / "ä.txt").read_text() == "small"
    assert (out / "empty.txt").read_text() == ""
    run(
        "sealift",
        "pull",
        "hospital/scans",
        "--as",
        "parquet",
        "--out",
        tmp_path / "table",
    )
    assert pq.read_table(tmp_path / "table").num_rows > 3


def test_ctrl_c_keeps_what_is_committed(owner: str, tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("a,b,c,d\n" + "1,2,3,4\n" * 2_000_000)
    limits = ("--limit-rate", "4MB", "--commit-every", "1MB")
    push = subprocess.Popen(
        [SCRIPTS / "sealift", "push", path, "--dataset", "study", *limits],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and "records" not in run("sealift", "ls"):
        time.sleep(0.2)
    push.send_signal(signal.SIGINT)
    _, errors = push.communicate(timeout=PATIENCE)
    assert push.returncode == 130
    assert errors.splitlines()[-1].startswith("interrupted; ")
    assert errors.splitlines()[-1].endswith(
        " of this push stay committed; run the same command again to resume"
    )
    run("sealift", "push", path, "--dataset", "study")
    assert "hospital/study  2,000,000 records" in run("sealift", "ls")


def test_a_folder_is_followed_until_the_service_is_stopped(
    owner: str, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n")
    follow = subprocess.Popen(
        [
            SCRIPTS / "sealift",
            *("push", folder, "--dataset", "live", "--follow"),
            *("--settle", "1s", "--commit-within", "1s"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follow.stdout is not None
    assert follow.stdout.readline().startswith("pushed 1 record")
    (folder / "b.csv").write_text("id\n2\n3\n")
    assert follow.stdout.readline().startswith("pushed 2 records")
    follow.send_signal(signal.SIGTERM)
    _, errors = follow.communicate(timeout=PATIENCE)
    assert follow.returncode == 0
    assert errors.splitlines()[-1] == "stopped; 3 records pushed"
    assert "hospital/live  3 records" in run("sealift", "ls")


def test_standard_input_is_pushed(owner: str) -> None:
    done = subprocess.run(
        [SCRIPTS / "sealift", "push", "-", "--format", "csv", "--dataset", "piped"],
        input="id\n1\n2\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pushed 2 records")


def test_policies_are_listed_shown_and_checked(tmp_path: Path) -> None:
    listed = data_of(run("sealift", "policy", "ls", "--json"))
    assert {"hipaa-safe-harbor", "dicom-basic"} <= {entry["name"] for entry in listed}
    shown = run("sealift", "policy", "show", "pci-transactions")
    path = tmp_path / "policy.toml"
    path.write_text(shown)
    checked = data_of(run("sealift", "policy", "check", path, "--json"))
    digests = {entry["name"]: entry["digest"] for entry in listed}
    assert checked["digest"] == digests["pci-transactions"]
    path.write_text(shown.replace("[columns]", "[colums]"))
    assert "policy.toml: line" in run("sealift", "policy", "check", path, code=2)
    assert "no policy" in run("sealift", "deidentify", path, code=2)


def test_a_dry_run_needs_neither_a_relay_nor_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text("mrn,age\n" + "".join(f"{i},{i}\n" for i in range(100)))
    described = tmp_path / "columns.toml"
    described.write_text('[age]\nunit = "years"\n')
    dry = ("push", path, "--dataset", "x", "--dry-run", "--describe", described)
    shown = run("sealift", *dry, "--policy", "hipaa-safe-harbor")
    assert shown.startswith("100 records")
    assert "(years)" in shown
    told = data_of(
        run("sealift", "deidentify", path, "--policy", "hipaa-safe-harbor", "--json")
    )
    assert [column["action"] for column in told["report"]["columns"]] == [
        "hash",
        "generalise",
    ]


def test_a_dry_run_says_what_the_source_has_no_column_for(tmp_path: Path) -> None:
    path = tmp_path / "patients.ndjson"
    resource = {"resourceType": "Patient", "id": "1", "contact": [{}], "text": {"a": 1}}
    path.write_text(json.dumps(resource) + "\n")
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'format = 2\nname = "p"\nversion = "1"\nunlisted = "drop"\n'
        '[columns]\nid = { action = "hash" }\n'
    )
    said = "left out, because the source has no column for it: contact (1), text (1)"
    dry = ("push", path, "--dataset", "x", "--dry-run")
    assert said in run("sealift", *dry)
    assert said in run("sealift", "deidentify", path, "--policy", policy)
    told = data_of(run("sealift", "deidentify", path, "--policy", policy, "--json"))
    assert told["left_out"] == {"contact": 1, "text": 1}
