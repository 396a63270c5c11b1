"""Every command and every line of Python in the README, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sealift_protocol.errors import BY_REASON

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCRIPTS = Path(sys.executable).parent
# These set up a whole environment; CI runs them themselves.
SET_UP = re.compile(r"^(make|pip) ")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


class Reader:
    """A person who follows the README in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.relay: subprocess.Popen[str] | None = None
        self.ran = 0

    def follow(self, line: str, member: str) -> None:
        """Runs one line; TOKEN and FINGERPRINT are what others told."""
        command = line.split("#")[0].split()
        if command == ["sealift-relay", "serve", "relay"]:
            self.serve()
            return
        told = {"TOKEN": self.tokens.get(member, "")}
        if command[:3] == ["sealift", "trust", "add"]:
            told["FINGERPRINT"] = self.fingerprints[command[3]]
        shown = self.run([told.get(word, word) for word in command], member)
        if command[1] == "invite":
            self.tokens[command[2]] = shown.strip()
        if command[1] == "join":
            self.fingerprints[member] = shown.split()[-1]

    def run(self, command: list[str], member: str) -> str:
        done = subprocess.run(
            [SCRIPTS / command[0], *command[1:]],
            cwd=self.folder,
            env={**os.environ, "SEALIFT_HOME": str(self.folder / member)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        self.ran += 1
        return done.stdout

    def serve(self) -> None:
        set_free_ports(self.folder / "relay" / "relay.toml")
        self.relay = subprocess.Popen(
            [SCRIPTS / "sealift-relay", "serve", "relay"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.relay.stdout is not None
        assert "ready" in self.relay.stdout.readline()


def lines_of(section: str) -> list[str]:
    text = README.split(f"## The {section}'s first ten minutes")[1].split("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    return [line for block in found for line in block.splitlines()]


def test_the_readme_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "records.csv").write_text("age,score\n" + "41,1.5\n" * 100)
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
        push, train = blocks("python")
        told = f"laboratory_fingerprint = {reader.fingerprints['laboratory']!r}\n"
        assert "100 records" in python(told + push, tmp_path, "hospital")
        shown = python(train, tmp_path, "laboratory")
        assert shown.count("100\n") == 2
        assert "torch.Size([100])" in shown
    finally:
        if reader.relay is not None:
            reader.relay.terminate()
            reader.relay.wait()
    assert reader.ran == 11


def test_only_setting_up_is_left_to_ci() -> None:
    known = {*lines_of("operator"), *lines_of("owner"), *lines_of("trainer")}
    rest = [line for block in blocks("sh") for line in block.splitlines() if line not in known]
    assert rest
    assert all(SET_UP.match(line) for line in rest)


def set_free_ports(path: Path) -> None:
    from sealift_relay.cli import _free_port

    text = path.read_text()
    for port in ("7443", "7444"):
        text = text.replace(f"= {port}", f"= {_free_port()}")
    path.write_text(text)


def python(code: str, folder: Path, member: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "SEALIFT_HOME": str(folder / member)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_every_reason_stands_in_the_protocol(reason: str) -> None:
    assert reason in (ROOT / "docs/spec/protocol.md").read_text()


def test_every_help_text_names_its_options() -> None:
    for script, commands in (
        ("sealift", ("", "join", "push", "pull", "ls", "identity", "trust add", "profiles")),
        ("sealift-relay", ("", "init", "serve", "invite", "members", "revoke")),
    ):
        for command in commands:
            done = subprocess.run(
                [SCRIPTS / script, *command.split(), "--help"],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "COLUMNS": "60"},
            )
            assert "--help" in done.stdout
