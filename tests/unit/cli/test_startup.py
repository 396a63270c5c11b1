"""What is quick stays quick: help, version, completion and `import sealift` load little."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import sealift
from sealift.cli.commands import COMMANDS
from sealift.cli.main import cli
from sealift.cli.push import _ON_CHANGE, _ON_ERROR
from sealift.owner.push.options import ON_ERROR
from sealift.owner.push.push import OnChange
from sealift_protocol.roles import ROLES
from sealift_relay.cli import invite

ROOT = Path(__file__).parents[3]
SLOW = {"pyarrow", "numpy", "grpc", "cryptography", "structlog"}
PRINT_MODULES = "import json, sys; print('\\n' + json.dumps(list(sys.modules)))"
RUN = f"""
import atexit, sys
from {{module}} import main
def tell():
    {PRINT_MODULES}
atexit.register(tell)
main()
"""
COMPLETE = {
    "_SEALIFT_COMPLETE": "bash_complete",
    "COMP_WORDS": "sealift {words}",
    "COMP_CWORD": "{place}",
}


def loaded(code: str, *arguments: str, **environment: str) -> set[str]:
    """The top-level packages that a process has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    names = json.loads(done.stdout.splitlines()[-1])
    assert len(names) > 20
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)],
    ids=" ".join,
)
def test_help_and_version_load_nothing_slow(arguments: list[str]) -> None:
    code = RUN.format(module="sealift.cli.main").replace(
        "main()", f"sys.argv = ['sealift', *{arguments}]; main()"
    )
    assert not loaded(code) & SLOW


@pytest.mark.parametrize(
    ("words", "place"), [("pu", 1), ("", 1), ("push --to", 2), ("trust ", 2)]
)
def test_completion_loads_nothing_slow(words: str, place: int) -> None:
    code = RUN.format(module="sealift.cli.main").replace(
        "main()", "sys.argv = ['sealift']; main()"
    )
    asked = {
        name: value.format(words=words, place=place) for name, value in COMPLETE.items()
    }
    assert not loaded(code, **asked) & SLOW


@pytest.mark.parametrize("name", ["sealift", "sealift.errors", "sealift.cli.main"])
def test_importing_the_package_loads_nothing_slow(name: str) -> None:
    assert not loaded(f"import {name}; {PRINT_MODULES}") & SLOW


@pytest.mark.parametrize("program", ["sealift_relay", "sealift_witness"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_of_the_servers_loads_nothing_slow(program: str, option: str) -> None:
    code = RUN.format(module=f"{program}.cli").replace(
        "main()", f"sys.argv = ['{program}', '{option}']; main()"
    )
    assert not loaded(code) & SLOW


def test_every_public_name_is_there_and_of_the_module_that_is_named() -> None:
    for name in sealift.__all__:
        assert getattr(sealift, name) is not None
    assert set(sealift.__all__) <= set(dir(sealift))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sealift.nothing


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sealift.__version__ == project["version"]


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    context = click.Context(cli)
    for name, (_, said) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert said == command.get_short_help_str(200), name


def test_choices_are_those_of_the_library() -> None:
    assert list(_ON_CHANGE) == [choice.value for choice in OnChange]
    assert _ON_ERROR == ON_ERROR


def test_roles_are_those_of_the_relay() -> None:
    (role,) = (option for option in invite.params if option.name == "role")
    assert isinstance(role.type, click.Choice)
    assert tuple(role.type.choices) == ROLES


def test_completion_knows_commands_and_options() -> None:
    def complete(words: str, place: int) -> list[str]:
        done = subprocess.run(
            [Path(sys.executable).with_name("sealift")],
            capture_output=True,
            text=True,
            check=True,
            env={
                **os.environ,
                **{
                    name: value.format(words=words, place=place)
                    for name, value in COMPLETE.items()
                },
            },
        )
        return re.findall(r"^plain,(.*)$", done.stdout, re.M)

    assert complete("pu", 1) == ["pull", "purge", "push"]
    assert set(complete("", 1)) == set(COMMANDS)
    assert complete("push --accept", 2) == ["--accept-policy"]


def test_reading_csv_loads_neither_pandas_nor_keys(tmp_path: Path) -> None:
    """pyarrow imports pandas for some Python values, which costs a quarter of a second."""
    path = tmp_path / "visits.csv"
    path.write_text(
        "mrn,name,weight,day,seen\n007,Ann,70.5,2024-01-31,2024-01-31 10:00:00\n"
        "8,Bob,,2024-02-01,\n"
    )
    code = f"""
from sealift.owner.sources import open_source
source = open_source({str(path)!r})
assert sum(c.batch.num_rows for p in source.parts() for c in source.read(p, "")) == 2
{PRINT_MODULES}
"""
    assert not loaded(code) & {"pandas", "cryptography", "nacl", "grpc"}
