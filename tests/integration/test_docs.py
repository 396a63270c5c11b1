"""Every command and every line of Python in the README, run exactly as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow as pa
import pytest
from click.testing import CliRunner
from patience import PATIENCE
from places import ROOT
from ports import free_port

from sealift.cli import main as sealift_cli
from sealift_protocol.errors import BY_REASON
from sealift_relay import cli as relay_cli
from sealift_witness import cli as witness_cli

README = (ROOT / "README.md").read_text()
SCRIPTS = Path(sys.executable).parent
# These set up a whole environment; CI runs them themselves.
SET_UP = re.compile(r"^(make|pip) ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


class Reader:
    """People who follow the README, each with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.told: dict[str, str] = {}
        self.servers: dict[str, subprocess.Popen[str]] = {}
        self.ran: list[str] = []

    def follow(self, line: str, member: str) -> str:
        """Runs one line; words in capitals are what others told."""
        self.ran.append(line)
        command = shlex.split(line, comments=True)
        command, redirected, target = _redirected(command)
        told = {"TOKEN": self.tokens.get(member, ""), **self.told}
        if command[:3] == ["sealift", "trust", "add"]:
            told["FINGERPRINT"] = self.fingerprints[command[3]]
        command = [told.get(word, word) for word in command]
        if command[1] == "serve":
            self.serve(command)
            return ""
        shown = self.run(command, member)
        if redirected:
            (self.home(member) / target).write_text(shown)
        if command[1] == "invite":
            self.tokens[command[2]] = shown.strip()
        if command[1] == "join":
            self.fingerprints[member] = shown.split()[-1]
        if command[:3] == ["sealift", "recovery", "create"]:
            self.fingerprints["recovery"] = shown.split()[3]
        if command[:3] == ["sealift-relay", "log", "key"]:
            self.told["LOG_KEY"] = shown.strip()
        if command[:2] == ["sealift-witness", "init"]:
            self.told["WITNESS_KEY"] = shown.strip()
        return shown

    def home(self, member: str) -> Path:
        shared = member in ("operator", "witness")
        home = self.folder if shared else self.folder / f"{member}-files"
        home.mkdir(exist_ok=True)
        for name, content in FILES.items():
            path = home / name
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                path.write_text(content)
        return home

    def run(self, command: list[str], member: str) -> str:
        done = subprocess.run(
            [SCRIPTS / command[0], *command[1:]],
            cwd=self.home(member),
            env={**os.environ, "SEALIFT_HOME": str(self.folder / member)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def serve(self, command: list[str]) -> None:
        """Starts a server on free ports; a witness is made known to the relay as the text says."""
        if command[0] == "sealift-witness":
            command = [*command, "--port", "0"]
        elif command[0] not in self.servers:
            set_free_ports(self.folder / "relay" / "relay.toml")
        server = subprocess.Popen(
            [SCRIPTS / command[0], *command[1:]],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.servers[command[0]] = server
        assert server.stdout is not None
        ready = server.stdout.readline()
        assert "ready" in ready
        if command[0] == "sealift-witness":
            config = self.folder / "relay" / "relay.toml"
            address = ready.split()[-1]
            text = config.read_text()
            changed = re.sub('# witnesses = ".*"', f'witnesses = "{address}"', text)
            assert changed != text
            config.write_text(changed)
            self.stop("sealift-relay")
            self.serve(["sealift-relay", "serve", "relay"])

    def stop(self, name: str) -> None:
        self.servers[name].terminate()
        assert self.servers[name].wait(timeout=PATIENCE) == 0


FILES = {
    "records.csv": "age,score\n" + "41,1.5\n" * 100,
    "exports/2026-11.csv": "mrn,patient_name,birth_date,zip,age,diagnosis_code,note\n"
    + "".join(
        f'{i},Ann Lee,1960-02-0{1 + i % 9},10001,66,E11,"seen by Dr. Smith on 3/4/2024"\n'
        for i in range(40)
    ),
    "visits.csv": "patient,days\n"
    + "".join(f"patient-{i},{i % 9}\n" for i in range(50)),
}


def _redirected(command: list[str]) -> tuple[list[str], bool, str]:
    if ">" not in command:
        return command, False, ""
    place = command.index(">")
    return command[:place], True, command[place + 1]


def lines_of(section: str) -> list[str]:
    text = README.split(f"## The {section}'s first ten minutes")[1].split("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line for block in found for line in block.splitlines()]


def lines_by(section: str) -> list[tuple[str, str]]:
    """The lines of a section, each with who runs it."""
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        who, *commands = block.splitlines()
        assert who.startswith("# the "), who
        lines += [(who.removeprefix("# the "), command) for command in commands]
    return lines


def together() -> list[tuple[str, str]]:
    return lines_by("Working together")


def exports() -> list[tuple[str, str]]:
    return lines_by("From exports to a sealed dataset")


def test_the_readme_works_as_it_stands(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for line in lines_of("operator"):
            reader.follow(line, "operator")
        # Both join before either pins the other.
        owner, trainer = lines_of("owner"), lines_of("trainer")
        assert owner[0] == trainer[0] == "sealift join TOKEN"
        reader.follow(owner[0], "hospital")
        reader.follow(trainer[0], "laboratory")
        for line in owner[1:]:
            reader.follow(line, "hospital")
        for line in trainer[1:]:
            reader.follow(line, "laboratory")
        push, train, record, require = blocks("python")
        told = f"laboratory_fingerprint = {reader.fingerprints['laboratory']!r}\n"
        assert "50 records" in python(
            told + push, reader.home("hospital"), tmp_path / "hospital"
        )
        shown = python(train, reader.home("laboratory"), tmp_path / "laboratory")
        assert shown.splitlines().count("100") == 1
        assert "torch.Size([100])" in shown
        export(reader)
        python(record, reader.home("hospital"), tmp_path / "hospital")
        shown = python(require, reader.home("laboratory"), tmp_path / "laboratory")
        assert shown.startswith("40 patients: [")
        assert "patient_name" not in shown
        work_together(reader)
    finally:
        for server in reader.servers.values():
            server.terminate()
            server.wait()
    assert (
        len(reader.ran)
        == len(lines_of("operator") + owner + trainer + exports() + together()) + 3
    )


def export(reader: Reader) -> None:
    shown = {line: reader.follow(line, who) for who, line in exports()}
    assert "fhir" in shown["sealift sources"]
    assert "nothing was sent" in shown["sealift push exports --dataset ward --dry-run"]
    assert "hipaa-safe-harbor" in shown["sealift policy ls"]
    preview = next(v for k, v in shown.items() if k.startswith("sealift deidentify"))
    assert "(dropped)" in preview
    assert "generalise zip3" in preview
    first, again = [
        v for k, v in shown.items() if "--policy policy.toml" in k and "push" in k
    ]
    assert "pushed 40 records" in first
    assert '"records": 0' in again


def work_together(reader: Reader) -> None:
    shown: dict[str, str] = {}
    for who, line in together():
        if (
            "clinic" in reader.tokens
            and "auditor" in reader.tokens
            and who == "institute"
        ):
            for member in ("clinic", "institute", "auditor"):
                if member not in reader.fingerprints:
                    reader.follow("sealift join TOKEN", member)
        if who == "board":
            reader.tokens["board"] = reader.tokens["recovery"]
        shown[line] = reader.follow(line, who)
    assert "sepsis model" in shown["sealift access cohort"]
    assert "co-owners clinic" in shown["sealift access cohort"]
    assert "1 disclosure, each signed and logged" in shown["sealift disclosures cohort"]
    assert "1 disclosure verified" in shown["sealift disclosures verify report.json"]
    assert "erased 2 records from 2 shards" in next(
        v for k, v in shown.items() if "erase" in k
    )
    assert "confirmed the purge" in shown["sealift purge hospital/cohort --yes"]
    assert (
        "what laboratory fetched before"
        in shown["sealift revoke cohort --from laboratory"]
    )
    assert "entries verified" in shown["sealift log verify"]
    assert "hospital/cohort  98 records" in shown["sealift ls"]


def test_only_setting_up_is_left_to_ci() -> None:
    known = {*lines_of("operator"), *lines_of("owner"), *lines_of("trainer")}
    told = exports() + together()
    known |= {line for _, line in told} | {f"# the {who}" for who, _ in told}
    rest = [
        line
        for block in blocks("sh")
        for line in block.splitlines()
        if line not in known
    ]
    assert rest
    assert all(SET_UP.match(line) for line in rest)


def set_free_ports(path: Path) -> None:
    text = path.read_text()
    for port in ("7443", "7444"):
        text = text.replace(f"= {port}", f"= {free_port()}")
    path.write_text(text)


def python(code: str, folder: Path, profiles: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "SEALIFT_HOME": str(profiles)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_every_reason_stands_in_the_protocol(reason: str) -> None:
    assert reason in (ROOT / "docs/spec/protocol.md").read_text()


def commands_of(
    group: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Every command of a command line, with its words."""
    yield path
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands_of(command, (*path, name))


@pytest.mark.parametrize("script", ["sealift", "sealift-relay", "sealift-witness"])
def test_every_command_has_a_help_text_that_says_something(script: str) -> None:
    groups = {
        "sealift": sealift_cli.cli,
        "sealift-relay": relay_cli.cli,
        "sealift-witness": witness_cli.cli,
    }
    group = groups[script]
    found = list(commands_of(group))
    assert len(found) > 2
    for path in found:
        shown = CliRunner().invoke(group, [*path, "--help"], terminal_width=79)
        assert shown.exit_code == 0, path
        usage, _, text = shown.output.partition("\n\n")
        assert usage.startswith("Usage:"), path
        assert len(text.split("\n\n")[0].split()) > 3, path
        assert "--help" in text, path


def test_every_option_says_what_it_is_for() -> None:
    for group in (sealift_cli.cli, relay_cli.cli, witness_cli.cli):
        for path in commands_of(group):
            command: click.Command = group
            for word in path:
                assert isinstance(command, click.Group)
                command = command.commands[word]
            for option in command.params:
                if isinstance(option, click.Option):
                    assert option.help or option.prompt, (path, option.name)


def test_the_guide_for_training_works_as_it_stands(
    relay, hospital, clinic, laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALIFT_PROFILE", "laboratory")
    for owner in (hospital, clinic):
        table = pa.table({name: range(2000) for name in ("pulse", "label", "age")})
        owner.push(table, dataset="icu", to="laboratory")
    guide = (ROOT / "docs" / "trainer" / "training.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", guide, re.M | re.S)
    assert len(code) > 5
    shown = python("".join(code), tmp_path, Path(os.environ["SEALIFT_HOME"]))
    assert "1982 " in shown
    assert "2000 records, " in shown
    assert (tmp_path / "sealift-cache").is_dir()


def test_the_example_for_those_who_come_from_0_1_works_as_it_stands(
    relay, hospital, laboratory, tmp_path: Path
) -> None:
    hospital.push(pa.table({"age": range(30)}), dataset="study")
    page = (ROOT / "docs" / "start" / "from-0.1.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert python(code, tmp_path, Path(os.environ["SEALIFT_HOME"])) == "30\n"
    assert laboratory.open_dataset("hospital/study").num_records == 30


def test_the_guide_for_privacy_officers_works_as_it_stands(
    relay, hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    person = (
        '{"resourceType":"Patient","id":"p%d","birthDate":"1960-02-0%d",'
        '"name":[{"family":"Roe"}]}'
    )
    (tmp_path / "patients.ndjson").write_text(
        "".join(person % (i, 1 + i % 9) + "\n" for i in range(30))
    )
    guide = (ROOT / "docs" / "owner" / "deidentification.md").read_text()
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", guide, re.M | re.S)
        for line in block.splitlines()
        if line.startswith("sealift ")
    ]
    assert len(lines) >= 5
    for line in lines:
        command, redirected, target = _redirected(shlex.split(line, comments=True))
        done = subprocess.run(
            [SCRIPTS / command[0], *command[1:]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        if redirected:
            (tmp_path / target).write_text(done.stdout)
    opened = hospital.open_dataset("hospital/study")
    assert opened.num_records == 30
    assert "Roe" not in str(opened.to_table().to_pydict())
