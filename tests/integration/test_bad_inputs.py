"""docs/owner/bad-inputs.md: every command run, and what it prints compared with the page.

`python tests/integration/test_bad_inputs.py` writes the page's output anew.
"""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from corpus import bad_inputs
from places import DOCS

from sealift.cli.main import cli
from sealift.cli.output import show_error
from sealift_protocol.errors import SealiftError

PAGE = DOCS / "owner" / "bad-inputs.md"
_SHOWN_LINES = 12


def told(command: str) -> str:
    """What a command prints, with its exit code."""
    words = shlex.split(command)
    assert words[0] == "sealift"

    @click.command(context_settings={"ignore_unknown_options": True})
    def run() -> None:
        try:
            cli.main(words[1:], standalone_mode=False)
        except SealiftError as error:
            show_error(error)
            sys.exit(error.exit_code)

    done = CliRunner().invoke(run, [], catch_exceptions=False)
    lines = done.output.splitlines()
    if len(lines) > _SHOWN_LINES:
        lines = [*lines[:_SHOWN_LINES], "..."]
    return "\n".join([*lines, f"[{done.exit_code}]"])


def blocks() -> Iterator[str]:
    yield from re.findall(r"^```\n(\$ .*?)^```", PAGE.read_text(), re.M | re.S)


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def render(block: str) -> str:
    return "".join(f"$ {command}\n{told(command)}\n" for command in commands(block))


@pytest.mark.parametrize(
    "block", list(blocks()), ids=lambda block: commands(block)[0][13:40]
)
def test_what_is_said_stands_in_the_docs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_inputs.make(tmp_path, commands(block))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert render(block) == block


if __name__ == "__main__":
    import os

    os.environ["COLUMNS"] = "100"
    with tempfile.TemporaryDirectory() as made:
        text = PAGE.read_text()
        bad_inputs.make(
            Path(made), [line for block in blocks() for line in commands(block)]
        )
        os.chdir(made)
        for old in blocks():
            text = text.replace(f"```\n{old}```", f"```\n{render(old)}```")
        PAGE.write_text(text)
