"""mutate.py on a package of a few lines: it tells tested checks from those that no test misses."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Plugins that are installed, and take longer to load than the tests.
PYTEST = """
[tool.pytest.ini_options]
addopts = "-p no:faker -p no:hypothesispytest -p no:anyio -p no:pytest_cov"
"""

ERRORS = """
class SealiftError(Exception): ...
class VerificationError(SealiftError): ...
class CorruptShard(VerificationError): ...
class AccessDenied(SealiftError): ...
class InvalidArgument(SealiftError): ...
class SourceError(SealiftError): ...
"""

DOOR = '''
import os
import sys

from tiny import errors
from tiny.errors import AccessDenied, CorruptShard as Broken
from tiny.words import denied


def opened(key, shard, colour="red"):
    """Ein Schlüssel öffnet."""
    if not key: raise AccessDenied("no key öffnet this")
    if key != "brass":
        raise denied()
    if len(shard) < 4:
        raise Broken(
            f"a shard of {len(shard)} bytes"
        )  # the least
    try:
        shard.encode("ascii")
    except UnicodeEncodeError as error:
        failure = None
        if colour:
            failure = errors.CorruptShard("no text")
        raise failure from error
    if colour == "blue":
        raise errors.VerificationError("blue")
    if colour == "green":
        raise errors.SourceError("green is no check")
    if colour == "grey":
        raise errors.InvalidArgument("grey is a mistake of the caller")
    if colour == "odd":
        raise Broken
    if colour == "black":
        raise Broken("out of everything")
        os._exit(3)
    while colour == "endless":
        raise Broken("for ever")
    return shard


if __name__ == "__main__":
    for key in sys.stdin:
        try:
            opened(key.strip(), "shard")
            print("open", flush=True)
        except AccessDenied as error:
            print(error, flush=True)
'''

WORDS = """
from tiny.errors import AccessDenied


def denied():
    return AccessDenied("the wrong key")
"""

TESTS = """
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny.door import opened
from tiny.errors import AccessDenied, CorruptShard, VerificationError


def test_no_key():
    with pytest.raises(AccessDenied, match="no key"):
        opened("", "shard")


@pytest.fixture(scope="module")
def server():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", "tiny.door"], **pipes) as process:
        yield process
        process.stdin.close()


def ask(server, key):
    print(key, file=server.stdin, flush=True)
    return server.stdout.readline().strip()


def test_the_right_key_at_a_server(server):
    assert ask(server, "brass") == "open"


def test_the_wrong_key_at_a_server(server):
    assert ask(server, "iron") == "the wrong key"


def test_short_shards_are_not_looked_at():
    try:
        opened("brass", "x")
    except CorruptShard:
        pass


def test_text():
    with pytest.raises(CorruptShard):
        opened("brass", "Schlüssel")


def test_passes_once():
    time.sleep(0.1)
    with pytest.raises(CorruptShard):
        opened("brass", "shard", "odd")
    Path("MARK").touch(exist_ok=False)


def test_black():
    with pytest.raises(CorruptShard):
        opened("brass", "shard", "black")


def test_endless():
    with pytest.raises(CorruptShard):
        opened("brass", "shard", "endless")


def test_fails_always():
    opened("", "shard")
"""

WITNESS = """
from tiny.errors import InvalidArgument


def ask(name):
    if not name:
        raise InvalidArgument("no name")
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for path, text in {
        "pyproject.toml": PYTEST,
        "protos/tiny/__init__.py": "",
        "protos/tiny/errors.py": ERRORS,
        "protos/tiny/door.py": DOOR,
        "protos/tiny/words.py": WORDS,
        "server/witness/__init__.py": WITNESS,
        "tests/test_door.py": TESTS,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text.replace("MARK", str(tmp_path / "mark")), "utf-8")
    return root


PACKAGES = ("protos/tiny", "server/witness")


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("mutate")


def test_the_checks_of_a_tree_are_found(tree: Path, mutate: Any) -> None:
    found = mutate.find_checks(tree, PACKAGES)
    assert [(one.error, one.message) for one in found] == [
        ("AccessDenied", "no key öffnet this"),
        ("AccessDenied", "denied()"),
        ("CorruptShard", "a shard of {…} bytes"),
        ("CorruptShard", "failure"),
        ("VerificationError", "blue"),
        ("CorruptShard", "Broken"),
        ("CorruptShard", "out of everything"),
        ("CorruptShard", "for ever"),
        ("InvalidArgument", "no name"),
    ]
    assert [one.kind for one in found][-3:] == ["verification"] * 2 + ["refusal"]
    source = DOOR.encode()
    for one in found[:-1]:
        changed = importlib.import_module("mutation.checks").without(source, one)
        assert changed.count(b"raise ") == source.count(b"raise ") - 1
        assert changed.count(b"\n") == source.count(b"\n")
        rest = changed.replace(b"pass", b"").split()
        assert set(rest) <= set(source.split())


def test_the_tree_has_the_checks_that_one_would_name(mutate: Any) -> None:
    places = {
        (one.error, Path(one.path).name) for one in mutate.find_checks(mutate.ROOT)
    }
    errors = {error for error, _ in places}
    assert {"SignatureInvalid", "NotInLog", "GrantRevoked", "WrongKey"} <= errors
    assert ("AccessDenied", "access.py") in places


def test_what_is_tested_is_killed_and_what_is_not_survives(
    tree: Path, mutate: Any
) -> None:
    checks = mutate.find_checks(tree, PACKAGES)
    reach = mutate.Reach()
    failed = mutate.build(reach, tree, checks, ["tests"], packages=PACKAGES)
    assert failed == ["tests/test_door.py::test_fails_always"]
    kept = tree.parent / "map.json"
    reach.write(kept)
    reach = mutate.Reach.read(kept)
    drawn = checks[:7]
    verdicts = list(mutate.judge_all(tree, drawn, reach, ["tests"], packages=PACKAGES))
    found = {one.check: (one.verdict, one.test.rpartition("::")[2]) for one in verdicts}
    assert [found[one] for one in drawn] == [
        ("killed", "test_no_key"),
        ("killed", "test_the_wrong_key_at_a_server"),
        ("survived", ""),
        ("killed", "test_text"),
        ("unreached", ""),
        ("doubtful", "test_passes_once"),
        ("killed", "test_black"),
    ]
    assert [one.how for one in verdicts if one.check == drawn[6]] == ["crashed"]


def test_a_removal_after_which_a_test_hangs_is_noticed(
    tree: Path, mutate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutation.copies.SILENCE", 3)
    monkeypatch.setattr("mutation.copies.GRACE", 1)
    endless = mutate.find_checks(tree, PACKAGES)[7]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    copy = mutate.Copy(tree, scratch, PACKAGES)
    verdict = mutate.judge(copy, endless, 0, {"tests/test_door.py::test_endless": 0.0})
    assert (verdict.verdict, verdict.how) == ("killed", "hung")
    assert (copy.root / endless.path).read_text("utf-8") == DOOR


def test_a_map_that_names_tests_that_are_gone_is_refused(
    tree: Path, mutate: Any, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    copy = mutate.Copy(tree, scratch, PACKAGES)
    for gone in ("tests/test_window.py::test_no_key", "tests/test_door.py::test_bell"):
        with pytest.raises(SystemExit, match="build it again"):
            copy.run({gone: 0.0}, first=True)
