"""Options that would do nothing are refused, before anything is read or sent."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from sealift.cli import rules
from sealift.cli.main import cli
from sealift_protocol.errors import InvalidArgument, ProfileError, SealiftError

PUSH = ("push", "x.csv", "--dataset", "d")
REFUSED = [
    ((*PUSH, "--settle", "3s"), "--settle has no effect without --follow"),
    ((*PUSH, "--text-workers", "2"), "--text-workers has no effect without --policy"),
    ((*PUSH, "--accept-policy"), "--accept-policy has no effect without --policy"),
    ((*PUSH, "--to", "a", "--wait", "3"), "--wait has no effect without --preflight"),
    ((*PUSH, "--preflight"), "--preflight has no effect without --to"),
    (
        (*PUSH, "--dry-run", "--follow"),
        "--dry-run reads a source once, --follow until it is stopped",
    ),
    (
        (*PUSH, "--at-once", "--commit-every", "1GiB"),
        "--at-once and --commit-every cannot be used together",
    ),
    (
        (*PUSH, "--at-once", "--commit-within", "5m"),
        "--at-once and --commit-within cannot be used together",
    ),
    (
        (*PUSH, "--from-start", "--on-change", "skip"),
        "--from-start and --on-change cannot be used together",
    ),
    (
        ("deidentify", "x.csv", "--text-workers", "2"),
        "--text-workers has no effect without --policy",
    ),
    (
        ("erase-subject", "study", "--subject", "p1", "--pseudonym", "ab"),
        "--pseudonym and --subject cannot be used together",
    ),
    (
        ("erase-subject", "study", "--pseudonym", "ab", "--policy", "x.toml"),
        "--policy has no effect without --subject",
    ),
    (
        (
            *("policy", "reverse", "ab", "--policy", "x.toml", "--column", "pan"),
            *("--why", "a test", "--format", "csv"),
        ),
        "--format has no effect without --source",
    ),
    (
        ("join", "token", "--tls-key-in-keystore"),
        "--tls-key-in-keystore has no effect without --keystore",
    ),
    (
        ("endorse", "name", "--withdraw", "--until", "90d"),
        "--withdraw and --until cannot be used together",
    ),
    (
        ("rotate", "study", "--retry-for", "5m"),
        "--retry-for has no effect without --reseal",
    ),
    (
        ("key", "rotate", "--every", "1y", "--suite", "p-256"),
        "--every and --suite cannot be used together",
    ),
    (
        ("keystore", "rotate", "--every", "1y", "--suite", "p-256"),
        "--every and --suite cannot be used together",
    ),
    (("rotate", "--due", "--every", "1y"), "--due and --every cannot be used together"),
    (("rotate", "--due", "--reseal"), "--due and --reseal cannot be used together"),
    (("rotate", "--due", "study"), "--due and DATASET cannot be used together"),
    (
        ("rotate", "study", "--retry-for", "5m"),
        "--retry-for has no effect without --reseal",
    ),
    (
        ("rotate", "study", "--every", "1y", "--reseal"),
        "--every and --reseal cannot be used together",
    ),
    (("status", "--metrics", "--json"), "--metrics and --json cannot be used together"),
    (("doctor", "--probe"), "--probe has no effect without NAME"),
    (("doctor", "name", "--wait", "3"), "--wait has no effect without --probe"),
    (
        ("bom", "make", "o/d", "--epochs", "2", "--shuffle-block", "4"),
        "--shuffle-block has no effect without --seed",
    ),
    (("identity", "--json", "succeed"), "--json has no effect before succeed"),
]


def refusal(arguments: tuple[str, ...]) -> SealiftError:
    error = CliRunner().invoke(cli, arguments).exception
    assert isinstance(error, SealiftError), error
    return error


@pytest.mark.parametrize(("arguments", "what"), REFUSED, ids=lambda value: str(value))
def test_an_option_that_would_do_nothing_is_refused(
    arguments: tuple[str, ...], what: str
) -> None:
    error = refusal(arguments)
    assert isinstance(error, InvalidArgument)
    assert error.exit_code == 2
    assert error.what == what
    assert "leave" in error.hint or "name a token" in error.hint


@pytest.mark.parametrize(
    "arguments",
    [
        (*PUSH, "--follow", "--settle", "3s"),
        (*PUSH, "--policy", "p", "--accept-policy", "--text-workers", "2"),
        (*PUSH, "--to", "a", "--preflight", "--wait", "3"),
        (*PUSH, "--follow", "--at-once", "--commit-within", "5m"),
        PUSH,
        ("doctor", "name", "--probe", "--wait", "3"),
        ("rotate", "study", "--every", "1y"),
        ("rotate", "study", "--reseal"),
        ("endorse", "name", "--until", "90d"),
        ("key", "rotate", "--suite", "p-256"),
        ("status", "--json"),
    ],
    ids=" ".join,
)
def test_options_that_go_together_get_as_far_as_the_profile(
    arguments: tuple[str, ...],
) -> None:
    assert isinstance(refusal(arguments), ProfileError)


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_rule_is_tried_above() -> None:
    tried = [(arguments, what) for arguments, what in REFUSED]
    number = 0
    for path, command in commands(cli):
        checks = inspect.getclosurevars(command.callback).nonlocals.get("checks", ())
        for check in checks:
            number += 1
            names = inspect.getclosurevars(check).nonlocals
            wanted = [names["option"]]
            others = names.get("others", (names.get("other"),))
            for other in others:
                assert any(
                    arguments[: len(path)] == path
                    and wanted[0] in what
                    and (other is None or other in (*arguments, what) or other in what)
                    for arguments, what in tried
                ), (path, wanted, other)
    assert number > 15


def test_a_rule_about_an_option_that_is_not_there_is_an_error_of_ours() -> None:
    @click.command()
    @rules.rules(rules.needs("--one", "--two"))
    @click.option("--one")
    def command(one: str) -> None: ...

    done = CliRunner().invoke(command, ["--one", "x"])
    assert isinstance(done.exception, LookupError)
