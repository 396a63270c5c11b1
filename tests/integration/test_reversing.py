"""An owner goes back from a token or pseudonym to its patient, and it is written down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from sealift.api.reversing import MAX_VALUES
from sealift.policy.file import parse_policy
from sealift.session import Session
from sealift_protocol.errors import InvalidArgument, KeystoreError, WrongPassphrase

POLICY = b"""
format = 1
name = "ward"
version = "1"
unlisted = "refuse"
absent = "ignore"
[columns]
patient_id = { action = "hash", domain = "ward" }
account = { action = "tokenise", keep_first = 2 }
days = "keep"
"""
WHY = "incidental finding on a scan"


@pytest.fixture
def pushed(hospital: Session, tmp_path: Path) -> dict[str, list[str]]:
    """What trainers see of three patients."""
    (tmp_path / "ward.toml").write_bytes(POLICY)
    (tmp_path / "ids.csv").write_text(
        "patient_id,account,days\nMRN-1,0012345678,1\nMRN-2,0023456789,2\nMRN-1,0012345678,3\n"
    )
    hospital.push(
        str(tmp_path / "ids.csv"),
        dataset="study",
        policy=parse_policy(POLICY),
        types={"account": "string"},
    )
    table: pa.Table = hospital.open_dataset("hospital/study").to_table()
    found: dict[str, list[str]] = table.to_pydict()
    return found


def passphrase_of(hospital: Session) -> str:
    return os.environ["SEALIFT_PASSPHRASE"]


def test_tokens_are_deciphered(hospital: Session, pushed: dict[str, list[str]]) -> None:
    asked = [*pushed["account"][:2], "00999", "not a token"]
    found = hospital.keys.reverse(
        asked,
        policy=parse_policy(POLICY),
        column="account",
        why=WHY,
        passphrase=passphrase_of(hospital),
    )
    assert found == dict(
        zip(pushed["account"][:2], ["0012345678", "0023456789"], strict=True)
    )


def test_hashes_come_back_only_through_a_source(
    hospital: Session, pushed: dict[str, list[str]], tmp_path: Path
) -> None:
    def reverse(**changes: object):
        given = {
            "policy": tmp_path / "ward.toml",
            "column": "patient_id",
            "why": WHY,
            "source": tmp_path / "ids.csv",
            "passphrase": passphrase_of(hospital),
        }
        return hospital.keys.reverse(
            [pushed["patient_id"][1], "0" * 32], **{**given, **changes}
        )

    before = set((hospital._connection.profile.folder).iterdir())
    assert reverse() == {pushed["patient_id"][1]: "MRN-2"}
    with pytest.raises(InvalidArgument, match="no way back"):
        reverse(source="")
    with pytest.raises(InvalidArgument, match="no column"):
        reverse(column="patient")
    with pytest.raises(InvalidArgument, match="neither"):
        reverse(column="days")
    with pytest.raises(InvalidArgument, match="reason"):
        reverse(why=" ")
    with pytest.raises(WrongPassphrase):
        reverse(passphrase="another passphrase")
    with pytest.raises(InvalidArgument, match="at once"):
        hospital.keys.reverse(
            [str(n) for n in range(MAX_VALUES + 1)],
            policy=parse_policy(POLICY),
            column="account",
            why=WHY,
        )
    # Only what led back is in the journal, and nothing but the journal was written.
    [entry] = hospital.keys.reversals()
    assert (entry.why, entry.asked, entry.found) == (WHY, 2, 1)
    assert entry.policy == parse_policy(POLICY).digest.hex()
    [journal] = set(hospital._connection.profile.folder.iterdir()) - before
    content = journal.read_text()
    assert "MRN" not in content
    assert pushed["patient_id"][1] not in content


def test_the_passphrase_is_asked_for_whatever_the_environment_holds(
    hospital: Session, pushed: dict[str, list[str]]
) -> None:
    with pytest.raises(KeystoreError, match="each time"):
        hospital.keys.reverse(
            pushed["account"], policy=parse_policy(POLICY), column="account", why=WHY
        )
    assert hospital.keys.reversals() == []


@pytest.mark.own_process  # It inherits a file descriptor.
def test_the_commands(
    hospital: Session, pushed: dict[str, list[str]], tmp_path: Path
) -> None:
    def run(*words: str, fd: bool) -> tuple[int, dict]:
        read, write = os.pipe()
        os.write(write, passphrase_of(hospital).encode() + b"\n")
        os.close(write)
        given = ("--passphrase-fd", str(read)) if fd else ()
        command = Path(sys.executable).with_name("sealift")
        done = subprocess.run(
            [command, "--profile", "hospital", *given, "policy", *words, "--json"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            pass_fds=(read,),
        )
        os.close(read)
        return done.returncode, json.loads(done.stdout)

    token = pushed["account"][0]
    words = ("--policy", str(tmp_path / "ward.toml"), "--column", "account")
    code, said = run("reverse", token, "00", *words, "--why", WHY, fd=True)
    assert code == 0
    assert said["data"] == {"found": {token: "0012345678"}, "missing": ["00"]}
    code, said = run("reverse", token, *words, "--why", WHY, fd=False)
    assert (code, said["error"]["code"]) == (7, "KEYSTORE_ERROR")
    code, said = run("reversals", fd=False)
    [entry] = said["data"]
    assert (entry["asked"], entry["found"], entry["why"]) == (2, 1, WHY)
