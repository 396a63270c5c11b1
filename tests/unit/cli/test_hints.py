"""Hints: the API's own speak of parameters, the command line's of options."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sealift.cli.hints import WORDS, hint_of, in_options
from sealift.cli.main import cli
from sealift.cli.output import show_error
from sealift_protocol.errors import (
    CursorUnreadable,
    InvalidArgument,
    NotTrusted,
    SealiftError,
    SourceChanged,
    _subclasses,
)

ROOT = Path(__file__).parents[3]
BELOW = [
    path
    for package in ("client/sealift", "protos/sealift_protocol")
    for path in (ROOT / package).rglob("*.py")
    if "sealift/cli/" not in path.as_posix() and path.name != "program.py"
]


def texts(path: Path) -> Iterator[str]:
    """The texts in a module that are not docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value


def options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from options(below)


def test_nothing_below_the_command_line_names_its_options() -> None:
    known = {name for name in options(cli) if name.startswith("--")}
    assert len(known) > 50
    named = re.compile("|".join(rf"{re.escape(name)}(?![\w-])" for name in known))
    found = {
        (path.name, text)
        for path in BELOW
        for text in texts(path)
        # An option of another program, or of none.
        if named.search(text) and " " in text
    }
    assert not found


def test_every_option_that_a_hint_may_name_exists() -> None:
    known = set(options(cli))
    for words in WORDS.values():
        for name in re.findall(r"--[a-z0-9-]+", words):
            assert name in known, words


def test_every_word_of_the_table_is_said_somewhere() -> None:
    said = " ".join(text for path in BELOW for text in texts(path))
    for words in WORDS:
        assert f"`{words}`" in said, words


def test_the_command_line_says_options_and_the_api_parameters() -> None:
    assert "`from_start=True`" in CursorUnreadable("gone").hint
    assert "push with --from-start, which" in hint_of(CursorUnreadable("gone"))
    assert "--on-change skip leaves it out" in hint_of(SourceChanged("changed"))
    assert hint_of(NotTrusted("who")).endswith(
        "then pin it: `sealift trust add NAME FINGERPRINT`"
    )
    assert in_options("run `sealift renew`") == "run `sealift renew`"


def test_an_error_shows_its_hint_below_its_message_and_str_does_not() -> None:
    error = InvalidArgument("a thing is wrong", hint="mend it")
    assert str(error) == "a thing is wrong"
    shown = "".join(traceback.format_exception(error))
    assert shown.endswith("InvalidArgument: a thing is wrong\nhint: mend it\n")
    assert not hasattr(InvalidArgument("a thing is wrong"), "__notes__")


def test_the_command_line_says_a_hint_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(InvalidArgument("a thing is wrong", hint="mend it"))
    assert capsys.readouterr().err == "error: a thing is wrong; hint: mend it\n"


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = {
        kind
        for kind in _subclasses(SealiftError)
        if kind.__module__ == "sealift_protocol.errors"
    }
    codes = {kind("what").code for kind in kinds}
    assert len(codes) == len(kinds) > 50
    assert all(re.fullmatch("[A-Z]+(_[A-Z]+)*", code) for code in codes)
    for kind in kinds:
        if "reason" in vars(kind) and kind.reason:
            assert kind("what").code == kind.reason
