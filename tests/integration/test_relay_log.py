"""The relay's log over its whole life: witnesses, audits, damage, static files."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import nacl.signing
import pyarrow as pa
import pytest
from click.testing import CliRunner
from conftest import RunningRelay, make_relay
from fakes.lying_relay import lying_to
from patience import PATIENCE

from sealift.crypto.signing import sign_commit
from sealift.history.disclosures import disclose
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    InvalidArgument,
    LogDamaged,
    LogInvalid,
    WitnessesMissing,
)
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.merkle import leaf_hash, tree_root
from sealift_protocol.notes import (
    Checkpoint,
    SignedNote,
    VerifierKey,
    cosigned_at,
    log_verifier_key,
    parse_note,
    parse_signature_line,
    sign_note,
    verify_checkpoint,
)
from sealift_protocol.objects.commits import verify_commit
from sealift_protocol.v1 import log_pb2
from sealift_relay import cli as relay_cli
from sealift_relay.app import Relay
from sealift_relay.checkpoints import load_log_key
from sealift_relay.config import Log
from sealift_witness import cli as witness_cli
from sealift_witness.witness import Witness

ROWS = pa.table({"value": list(range(10))})


@dataclass
class RunningWitness:
    folder: Path
    key: VerifierKey
    url: str
    witness: Witness
    stop: object


def start_witness(folder: Path, log: VerifierKey, port: int = 0) -> RunningWitness:
    if not folder.exists():
        CliRunner().invoke(
            witness_cli.cli, ["init", str(folder), "--name", f"w/{folder.name}"]
        )
    witness = witness_cli.open_witness(folder, [log])
    server = witness_cli.make_server(witness, "127.0.0.1", port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    url = f"http://127.0.0.1:{server.server_address[1]}"
    return RunningWitness(folder, witness.key, url, witness, stop)


@pytest.fixture
def witnessed(tmp_path: Path) -> Iterator[tuple[RunningRelay, list[RunningWitness]]]:
    """A relay whose log two witnesses watch."""
    made = make_relay(tmp_path / "relay")
    key = load_log_key(made.tls).verifier_key
    witnesses = [start_witness(tmp_path / name, key) for name in ("one", "two")]
    config = replace(made, log=Log(witnesses=" ".join(w.url for w in witnesses)))
    with Relay(config) as server:
        yield RunningRelay(config.folder, config, server), witnesses
    for witness in witnesses:
        witness.stop()


def require(session: Session, witnesses: list[RunningWitness], quorum: int) -> None:
    keys = tuple(str(witness.key) for witness in witnesses)
    session._connection.profile.write_settings(
        replace(session.identity.settings, witnesses=keys, quorum=quorum)
    )
    session._connection.reload()


# --- witnesses -----------------------------------------------------------------------------------


def test_members_require_k_of_n_witnesses(witnessed) -> None:
    relay, witnesses = witnessed
    with relay.join("hospital", "owner") as hospital:
        require(hospital, witnesses, 2)
        hospital.push(ROWS, dataset="study")
        hospital.push(ROWS, dataset="study")
        assert hospital.open_dataset("hospital/study").to_table().num_rows == 20
        note, checkpoint = hospital._connection.member.log.advance()
        assert all(cosigned_at(note, witness.key) for witness in witnesses)
        assert hospital.log.verify().witnesses == 2
        memory = [
            json.loads(p.read_text())
            for w in witnesses
            for p in w.folder.glob("*.json")
        ]
        assert [m["size"] for m in memory] == [checkpoint.size] * 2


def test_a_witness_that_is_down_is_missed_only_if_it_is_needed(
    witnessed, monkeypatch
) -> None:
    relay, witnesses = witnessed
    monkeypatch.setattr("sealift_relay.checkpoints._PAUSE_SECONDS", 0.0)
    with relay.join("hospital", "owner") as hospital:
        require(hospital, witnesses, 1)
        hospital.push(ROWS, dataset="study")
        witnesses[0].stop()
        hospital.push(ROWS, dataset="study")
        require(hospital, witnesses, 2)
        with pytest.raises(WitnessesMissing, match="1 of 2") as caught:
            hospital.open_dataset("hospital/study")
        assert caught.value.hint
        # It comes back, with its memory, and catches up.
        port = int(witnesses[0].url.rpartition(":")[2])
        key = load_log_key(relay.config.tls).verifier_key
        witnesses[0] = start_witness(witnesses[0].folder, key, port)
        assert hospital.open_dataset("hospital/study").num_records == 20


def test_a_cosignature_of_last_week_says_nothing_about_today(witnessed) -> None:
    relay, witnesses = witnessed
    last_week = time.time() - 7 * 86_400
    for witness in witnesses:
        witness.witness._clock = lambda: last_week
    with relay.join("hospital", "owner") as hospital:
        require(hospital, witnesses, 1)
        with pytest.raises(WitnessesMissing, match="0 of 2"):
            hospital.push(ROWS, dataset="study")


def test_a_relay_that_was_restarted_learns_what_the_witness_saw(witnessed) -> None:
    relay, witnesses = witnessed
    with relay.join("hospital", "owner") as hospital:
        require(hospital, witnesses, 2)
        hospital.push(ROWS, dataset="study")
        relay.server.stop()
        with Relay(relay.config):
            hospital.push(ROWS, dataset="study")
            assert hospital.open_dataset("hospital/study").num_records == 20


def test_a07_a_witness_refuses_the_second_tree(witnessed) -> None:
    """The relay's own key signs another log; the witness has seen the first."""
    relay, witnesses = witnessed
    with relay.join("hospital", "owner") as hospital:
        hospital.push(ROWS, dataset="study")
        size = hospital._connection.member.log.advance()[1].size
    key = load_log_key(relay.config.tls)
    leaves = [leaf_hash(bytes([i])) for i in range(size + 3)]

    def ask(
        count: int, old: int, proof: list[bytes] = (), sign=key.sign
    ) -> tuple[int, str]:
        head = Checkpoint(key.verifier_key.name, count, tree_root(leaves[:count]))
        note = SignedNote(str(head), (sign_note(str(head), key.verifier_key, sign),))
        lines = [f"old {old}", *(base64.b64encode(h).decode() for h in proof), "", ""]
        return post(witnesses[0].url, "\n".join(lines).encode() + bytes(note))

    assert ask(size, size)[0] == 409
    assert ask(size + 3, 0) == (409, f"{size}\n")
    assert ask(size + 3, size)[0] == 422
    assert ask(size + 3, size, [bytes(32)] * 3)[0] == 422
    assert ask(1, size)[0] == 400
    stranger = nacl.signing.SigningKey(bytes(32))
    assert ask(size + 3, size, sign=lambda m: stranger.sign(m).signature)[0] == 403


def post(url: str, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str]:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    connection.request("POST", path, body)
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response.status, content


def test_a_witness_answers_anything_else_with_an_error(witnessed) -> None:
    _, witnesses = witnessed
    url = witnesses[0].url
    other = VerifierKey.parse(str(witnesses[0].key))
    unknown = Checkpoint("another-log", 1, bytes(32))
    note = SignedNote(str(unknown), ((other.name, other.key_hash, bytes(64)),))
    for body, status in (
        (b"", 400),
        (b"old x\n\n", 400),
        (b"old 01\n\n" + bytes(note), 400),
        (b"old 0\nnot base64!\n\n" + bytes(note), 400),
        (b"old 0\n" + base64.b64encode(b"short") + b"\n\n" + bytes(note), 400),
        (
            b"old 0\n"
            + (base64.b64encode(bytes(32)) + b"\n") * 64
            + b"\n"
            + bytes(note),
            400,
        ),
        (b"\xff\xfe\n\n\xff", 400),
        (b"old 0\n\n" + bytes(note), 404),
        (b"x" * (200 << 10), 413),
    ):
        assert post(url, body)[0] == status
    assert post(url, b"", "/other")[0] == 404


def test_a_witness_remembers_across_restarts_and_says_when_it_cannot(
    tmp_path: Path,
) -> None:
    log_key = nacl.signing.SigningKey.generate()
    key = log_verifier_key(bytes(log_key.verify_key))
    leaves = [leaf_hash(bytes([i])) for i in range(5)]

    def request(old: int, size: int) -> bytes:
        head = Checkpoint(key.name, size, tree_root(leaves[:size]))
        line = sign_note(str(head), key, lambda m: log_key.sign(m).signature)
        return f"old {old}\n\n".encode() + bytes(SignedNote(str(head), (line,)))

    folder = tmp_path / "witness"
    runner = CliRunner()
    made = runner.invoke(witness_cli.cli, ["init", str(folder), "--name", "w.example"])
    public = VerifierKey.parse(made.output.strip())
    assert (
        runner.invoke(witness_cli.cli, ["init", str(folder), "--name", "x"]).exit_code
        != 0
    )
    answer = witness_cli.open_witness(folder, [key]).add_checkpoint(request(0, 5))
    assert answer.status == 200
    line = parse_signature_line(answer.body.rstrip("\n"))
    cosigned = parse_note(request(0, 5).partition(b"\n\n")[2]).add([line])
    assert cosigned_at(cosigned, public)
    again = witness_cli.open_witness(folder, [key])
    assert again.add_checkpoint(request(0, 5)).status == 409
    assert again.add_checkpoint(request(5, 5)).status == 200
    memory = next(folder.glob("*.json"))
    memory.write_text("{}")
    with pytest.raises(InvalidArgument, match="memory"):
        again.add_checkpoint(request(5, 5))
    with pytest.raises(InvalidArgument, match="no witness"):
        witness_cli.open_witness(tmp_path / "nothing", [key])


def test_the_witness_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "sealift-witness"
    folder = tmp_path / "witness"
    subprocess.run(
        [script, "init", folder, "--name", "w.example"], check=True, capture_output=True
    )
    key = "name+" + "0" * 8 + "+AAAA"
    wrong = subprocess.run(
        [script, "serve", folder, "--log", key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (wrong.returncode, "not a verifier key" in wrong.stderr) == (2, True)
    made = make_relay(tmp_path / "relay")
    log = str(load_log_key(made.tls).verifier_key)
    serving = subprocess.Popen(
        [script, "serve", folder, "--log", log, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    url = serving.stdout.readline().strip().removeprefix("witness ready on ")
    assert post(url, b"")[0] == 400
    serving.terminate()
    assert serving.wait(timeout=PATIENCE) == 0


# --- audits --------------------------------------------------------------------------------------


def test_an_audit_of_the_whole_log_counts_every_object(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.open_dataset("hospital/study").to_table()
    laboratory.keys.rotate()
    with relay.join("auditor", "auditor") as auditor:
        seen: list[int] = []
        audit = auditor.log.verify(seen.append)
        assert seen[-1] == audit.size
        assert {kind.name: count for kind, count in audit.kinds.items()} == {
            "CARD": 4,
            "COMMIT": 1,
            "GRANT": 2,
            "DISCLOSURE": 1,
            "REWRAP": 1,
        }
        hashes = hospital.log.verify()
        assert (hashes.size, hashes.root) == (audit.size, audit.root)
        assert hashes.kinds == {}


@pytest.mark.parametrize(
    "lie", ["other entry", "no entry", "kept back", "other object", "gap"]
)
def test_an_auditor_finds_what_does_not_fit(
    lie: str, relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")

    def change(_, answers):
        place = next(
            i
            for i, a in enumerate(answers)
            if LogEntry.unpack(a.entry).kind == Kind.COMMIT
        )
        answer = answers[place]
        if lie == "other entry":
            answer.entry = replace(LogEntry.unpack(answer.entry), time=1).pack()
        elif lie == "no entry":
            return []
        elif lie == "kept back":
            answer.ClearField("object")
        elif lie == "other object":
            grant = next(
                a for a in answers if LogEntry.unpack(a.entry).kind == Kind.GRANT
            )
            other = next(
                a
                for a in answers
                if LogEntry.unpack(a.entry).kind == Kind.GRANT and a is not grant
            )
            grant.object.CopyFrom(other.object)
        else:
            answer.entry = replace(LogEntry.unpack(answer.entry), sequence=9).pack()
        return answers

    with relay.join("auditor", "auditor") as auditor, lying_to(relay, auditor) as lying:
        lying.lies["Log/GetEntries"] = change
        with pytest.raises(LogInvalid):
            auditor.log.verify()


@pytest.mark.parametrize("what", ["a gap", "two histories"])
def test_an_auditor_finds_what_the_relay_signed_itself(
    what: str, relay, hospital, laboratory
) -> None:
    """Every hash fits, for the relay has the log's key; what is in the log does not."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.push(ROWS, dataset="study")
    opened = hospital._connection.open("hospital/study")
    own = hospital._connection.member.identity
    signed = list(hospital._connection.relay.get_commits(opened.dataset_id))
    fork = sign_commit(
        own,
        dataset_id=opened.dataset_id,
        number=1,
        parent=opened.history.commits[0].digest,
        time=1,
        key_epoch=1,
        added=[],
        metadata=b"",
    )
    objects = [*signed, fork] if what == "two histories" else signed
    sequences = [0, 1, 2] if what == "two histories" else [0, 2]
    entries = [
        LogEntry(
            Kind.COMMIT, 1, opened.dataset_id, sequence, verify_commit(item).digest
        ).pack()
        for sequence, item in zip(sequences, objects, strict=True)
    ]
    key = load_log_key(relay.config.tls)
    head = Checkpoint(
        key.verifier_key.name,
        len(entries),
        tree_root([leaf_hash(entry) for entry in entries]),
    )
    note = SignedNote(str(head), (sign_note(str(head), key.verifier_key, key.sign),))
    with relay.join("auditor", "auditor") as auditor, lying_to(relay, auditor) as lying:
        lying.lies["Log/Prove"] = lambda *_: [
            log_pb2.ProveResponse(checkpoint=bytes(note))
        ]
        lying.lies["Log/GetEntries"] = lambda *_: [
            log_pb2.GetEntriesResponse(entry=entry, object=item)
            for entry, item in zip(entries, objects, strict=True)
        ]
        with pytest.raises(
            LogInvalid, match="gap" if what == "a gap" else "two histories"
        ):
            auditor.log.verify()


def test_a_member_finds_hashes_that_do_not_fit(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study")

    def change(_, answers):
        hashes = bytearray(answers[0].hashes)
        hashes[0] ^= 1
        answers[0].hashes = bytes(hashes)
        return answers

    with lying_to(relay, hospital) as lying:
        lying.lies["Log/GetTile"] = change
        with pytest.raises(LogInvalid):
            hospital.log.verify()


def disclose_often(trainer: Session, times: int) -> None:
    opened = trainer._connection.open("hospital/study")
    for _ in range(times):
        disclose(trainer._connection.member, opened, purpose="many")


def test_a_log_of_many_tiles_is_proved(relay, hospital, laboratory) -> None:
    """More than 256 entries, so that proofs cross tiles and levels."""
    hospital.push(ROWS, dataset="study", to="laboratory")
    disclose_often(laboratory, 300)
    account = hospital.dataset("study").disclosures()
    assert len(account.lines) == 300
    assert hospital.log.verify().size > 300
    with pytest.raises(AccessDenied):
        laboratory._connection.relay.get_entries(0, 10)


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "emptied", "changed"])
def test_a_log_that_was_damaged_on_disk_stops_the_relay(
    damage: str, relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.open_dataset("hospital/study")
    relay.server.stop()
    with sqlite3.connect(relay.folder / "relay.db") as database:
        hashes = database.execute(
            "select hashes from log_tiles where level = 0"
        ).fetchone()[0]
        if damage == "truncated":
            changed = hashes[:-64]
            database.execute("update log_state set size = size - 2")
        elif damage == "emptied":
            changed = b""
        else:
            changed = bytes([hashes[0] ^ 1]) + hashes[1:]
        database.execute("update log_tiles set hashes = ? where level = 0", (changed,))
    database.close()
    with pytest.raises(LogDamaged) as caught:
        Relay(relay.config)
    assert caught.value.hint
    assert "backup" in caught.value.hint


def test_damage_below_the_newest_checkpoint_is_found_in_a_log_that_went_on(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    published = hospital._connection.member.log.advance()[1].size
    relay.server.stop()
    with sqlite3.connect(relay.folder / "relay.db") as database:
        size, hashes = (
            database.execute("select size from log_state").fetchone()[0],
            database.execute("select hashes from log_tiles where level = 0").fetchone()[
                0
            ],
        )
        assert size == published
        changed = bytes([hashes[0] ^ 1]) + hashes[1:] + bytes(32)
        database.execute("update log_tiles set hashes = ? where level = 0", (changed,))
        database.execute("update log_state set size = size + 1")
    database.close()
    with pytest.raises(LogDamaged):
        Relay(relay.config)


# --- static files --------------------------------------------------------------------------------


def test_the_log_is_exported_as_static_tiles(
    relay, hospital, laboratory, tmp_path: Path
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    disclose_often(laboratory, 260)
    out = tmp_path / "tiles"
    arguments = ["log", "export", str(out), "--dir", str(relay.folder)]
    done = CliRunner().invoke(relay_cli.cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    shown = CliRunner().invoke(
        relay_cli.cli, ["log", "key", "--dir", str(relay.folder)]
    )
    key = VerifierKey.parse(shown.output.strip())
    checkpoint = verify_checkpoint(parse_note((out / "checkpoint").read_bytes()), key)
    entries: list[bytes] = []
    for name in ("000", f"001.p/{checkpoint.size - 256}"):
        bundle = (out / "tile" / "entries" / name).read_bytes()
        while bundle:
            size = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + size])
            bundle = bundle[2 + size :]
    hashes = [leaf_hash(entry) for entry in entries]
    assert len(hashes) == checkpoint.size
    assert tree_root(hashes) == checkpoint.root
    assert (out / "tile" / "0" / "000").read_bytes() == b"".join(hashes[:256])
    assert (out / "tile" / "1" / "000.p" / "1").read_bytes() == tree_root(hashes[:256])
