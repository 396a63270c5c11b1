"""`--json` has one shape: in every command of the three programs that has it, errors too.

The commands are found by walking the programs, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import structlog
from documents import data_of, document_of

import sealift_relay.cli as relay_cli
import sealift_witness.cli as witness_cli
from sealift.cli.main import cli
from sealift.cli.output import tell
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol import program
from sealift_protocol.errors import SealiftError, _subclasses

ROOT = Path(__file__).parents[2]
PROGRAMS: dict[str, click.Command] = {
    "sealift": cli,
    "sealift-relay": relay_cli.cli,
    "sealift-witness": witness_cli.cli,
}
End = Callable[..., tuple[str, int]]


def commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if any("--json" in parameter.opts for parameter in command.params):
        yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))


FOUND = {
    path: command
    for name, root in PROGRAMS.items()
    for path, command in commands(root, (name,))
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The relay runs in this process: its log must not mix with what commands print."""
    before = structlog.get_config()
    with Path("/dev/null").open("w") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        yield
        structlog.configure(**before)


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> End:
    """Runs a program in this process; returns its stdout and its exit code."""

    def run(name: str, *arguments: object) -> tuple[str, int]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            program.run(
                PROGRAMS[name],
                name=name,
                tell=tell if name == "sealift" else program.tell,
            )
        return capsys.readouterr().out, int(ended.value.code or 0)

    return run


def words_for(command: click.Command) -> Iterator[str]:
    """Something for each argument and option that a command cannot do without."""
    for parameter in command.params:
        if not parameter.required:
            continue
        kind = parameter.type
        value = "x"
        if isinstance(kind, click.Choice):
            value = str(kind.choices[0])
        elif isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
            value = "1"
        elif isinstance(kind, click.File):
            value = __file__
        if isinstance(parameter, click.Option):
            yield parameter.opts[0]
        yield value


def test_there_are_such_commands_in_all_three_programs() -> None:
    assert {path[0] for path in FOUND} == set(PROGRAMS)
    assert len(FOUND) > 40


@pytest.mark.parametrize("path", FOUND, ids=" ".join)
def test_wrong_use_is_a_document(path: tuple[str, ...], end: End) -> None:
    output, code = end(*path, "--json", "--no-such-option")
    assert code == 2
    document = document_of(output)
    assert document["error"]["code"] == "USAGE"
    assert "--no-such-option" in document["error"]["message"]
    assert document["error"]["hint"].startswith("see `sealift")


@pytest.mark.parametrize("path", FOUND, ids=" ".join)
def test_whatever_a_command_says_without_a_profile_is_a_document(
    path: tuple[str, ...],
    end: End,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    output, code = end(*path, *words_for(FOUND[path]), "--json")
    document = document_of(output)
    assert document["ok"] == (code == 0)
    if code:
        assert document["error"]["code"] in CODES


CODES = {
    *(
        kind("what").code
        for kind in _subclasses(SealiftError)
        if kind.__module__ == "sealift_protocol.errors"
    ),
    "CHECKS_FAILED",
    "FAILED",
    "INTERRUPTED",
    "SYSTEM_ERROR",
    "UNEXPECTED",
    "USAGE",
}


def test_the_page_lists_every_code_and_no_other() -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text()
    listed = re.findall(r"^\| `([A-Z_]+)` \|", page, re.M)
    assert sorted(listed) == sorted(CODES)


def test_every_command_that_does_its_work_prints_data(
    end: End,
    relay,
    hospital: Session,
    laboratory: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEALIFT_PROFILE", "hospital")
    records = tmp_path / "records.csv"
    records.write_text(
        "patient,age\n" + "".join(f"p{row % 5},{row}\n" for row in range(50))
    )
    done = set()

    def data(*words: object, program: str = "sealift") -> object:
        output, code = end(program, *words, "--json")
        assert code == 0, (words, output)
        names = {
            path
            for path in FOUND
            if path == (program, *map(str, words[: len(path) - 1]))
        }
        done.add(max(names, key=len))
        return data_of(output)

    def as_laboratory(*words: object) -> object:
        monkeypatch.setenv("SEALIFT_PROFILE", "laboratory")
        found = data(*words)
        monkeypatch.setenv("SEALIFT_PROFILE", "hospital")
        return found

    # At home.
    assert data("identity")["name"] == "hospital"  # type: ignore[index]
    data("profiles")
    data("trust", "ls")
    data("witness", "ls")
    data("keystore", "ls")
    data("keystore", "test")
    data("sources")
    data("policy", "ls")
    policy = tmp_path / "policy.toml"
    end("sealift", "policy", "show", "hipaa-safe-harbor")
    policy.write_text(
        (ROOT / "client/sealift/policy/ready/hipaa-safe-harbor.toml").read_text()
    )
    data("policy", "check", policy)
    data("deidentify", records, "--policy", policy)
    own = tmp_path / "own.toml"
    own.write_text(
        'format = 1\nname = "own"\nversion = "1"\n[columns]\npatient = "hash"\n'
    )
    monkeypatch.setattr(
        "sealift.home.passphrase.ask_anew",
        lambda _, *, fd: Secret(os.environ["SEALIFT_PASSPHRASE"].encode()),
    )
    asked = ("--policy", own, "--column", "patient", "--why", "a test")
    found = data("policy", "reverse", "ab", *asked, "--source", records)
    assert found == {"found": {}, "missing": ["ab"]}
    assert len(data("policy", "reversals")) == 1  # type: ignore[arg-type]
    # At the relay.
    ruled = tmp_path / "ruled.toml"
    ruled.write_text(policy.read_text() + "\n# another digest\n")
    data("push", records, "--dataset", "ruled", "--policy", policy)
    data("policy", "upgrade", "ruled", "--policy", ruled, "--yes")
    new = ("push", records, "--dataset", "study", "--subject-column", "patient")
    assert data(*new, "--to", "laboratory")["records"] == 50  # type: ignore[index]
    widened = data("schema", "widen", "study", "age", "float64", "--yes")
    assert widened["after"] == "double"  # type: ignore[index]
    data("ls")
    data("show", "study")
    data("status")
    data("access", "study")
    data("trust", "show", "laboratory")
    data("keystore", "usage")
    data("doctor")
    data("log", "verify")
    listed = data("relay", "ls")
    [address] = listed["relays"]  # type: ignore[index]
    data("relay", "add", address.replace("localhost", "127.0.0.1"))
    data("relay", "remove", address.replace("localhost", "127.0.0.1"))
    assert len(as_laboratory("head", "hospital/study", "-n", 3)) == 3  # type: ignore[arg-type]
    pulled = as_laboratory("pull", "hospital/study", "--out", tmp_path / "out")
    [digest] = pulled["disclosures"]  # type: ignore[index]
    monkeypatch.setenv("SEALIFT_PROFILE", "laboratory")
    bill, code = end("sealift", "bom", "make", "hospital/study", "--disclosure", digest)
    assert code == 0
    monkeypatch.setenv("SEALIFT_PROFILE", "hospital")
    (tmp_path / "bill.json").write_text(bill)
    data("bom", "show", tmp_path / "bill.json")
    data("bom", "verify", tmp_path / "bill.json")
    data("key", "rotate", "--every", "1y")
    data("key", "rotate")
    data("keystore", "rotate")
    data("key", "compromise", "--yes")
    data("revoke", "study", "--from", "laboratory")
    data("grant", "study", "--to", "laboratory", "--until", "90d")
    data("erase-subject", "study", "--subject", "p1", "--yes")
    data("delete", "study", "--yes")
    # The operator.
    where = ("--dir", relay.folder)
    data("invites", *where, program="sealift-relay")
    data("members", *where, program="sealift-relay")
    data("log", "key", *where, program="sealift-relay")
    data("log", "export", tmp_path / "tiles", *where, program="sealift-relay")
    made = ("init", tmp_path / "other", "--port", 0, "--enrolment-port", 0)
    data(*made, program="sealift-relay")
    invited = data(
        "invite", "clinic", "--role", "owner", *where, program="sealift-relay"
    )
    monkeypatch.delenv("SEALIFT_PROFILE")
    joined = data("join", invited["token"])  # type: ignore[index]
    assert joined["name"] == "clinic"  # type: ignore[index]
    data("init", tmp_path / "witness", "--name", "w.org", program="sealift-witness")
    assert done == set(FOUND)
