"""How the three programs end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from patience import PATIENCE

from sealift.cli.push import _stopped_by_signals
from sealift_protocol.program import set_by_signal

PROGRAM = """
import click, os, sys
from sealift_protocol.errors import Conflict, RelayTimeout
from sealift_protocol.program import Interrupted, print_data, print_failure, run, Told

@click.group()
def cli(): pass

@cli.command()
@click.argument("what")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def end(context, what, as_json):
    if what == "well": print_data([1]) if as_json else click.echo("done")
    if what == "conflict": raise Conflict("somebody was first")
    if what == "timeout": raise RelayTimeout("slow", hint="")
    if what == "crash": raise ValueError("canary")
    if what == "file": open("/canary-does-not-exist")
    if what == "abort": raise click.Abort
    if what == "told": raise Interrupted("stopped after two")
    if what == "ctrl-c": raise KeyboardInterrupt
    if what == "code": context.exit(3)
    if what == "found":
        print_failure(Told("CHECKS_FAILED", "1 check failed"), {"checks": []})
        context.exit(1)
    if what == "late":
        print_data([1])
        raise Conflict("after the document")
    if what == "socket": raise BrokenPipeError(32, "canary")
    if what == "many": print("x" * 100, *range(200_000))

run(cli, name="prog")
"""


def end(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


CASES = [
    ("conflict", 8, "CONFLICT", "somebody was first", "run the command again"),
    ("timeout", 6, "TIMEOUT", "slow", ""),
    ("file", 1, "SYSTEM_ERROR", "No such file or directory", ""),
    ("socket", 1, "SYSTEM_ERROR", "Broken pipe", ""),
    ("abort", 130, "INTERRUPTED", "interrupted", ""),
    ("ctrl-c", 130, "INTERRUPTED", "interrupted", ""),
    ("told", 130, "INTERRUPTED", "stopped after two", ""),
    ("code", 3, "FAILED", "the command failed", ""),
]


@pytest.mark.parametrize(("what", "exit_code", "code", "message", "hint"), CASES)
def test_an_error_is_told_in_words_and_as_a_document(
    what: str, exit_code: int, code: str, message: str, hint: str
) -> None:
    done = end("end", what, "--json")
    assert done.returncode == exit_code
    assert json.loads(done.stdout) == {
        "version": 1,
        "ok": False,
        "error": {"code": code, "message": message, "hint": hint},
    }
    plain = end("end", what)
    assert plain.returncode == exit_code
    assert not plain.stdout
    assert plain.stderr == done.stderr
    if code == "INTERRUPTED":
        assert plain.stderr.strip() == message
    elif code != "FAILED":
        assert plain.stderr == f"error: {message}" + (
            f"; hint: {hint}\n" if hint else "\n"
        )


def test_a_crash_says_type_and_place_and_no_value() -> None:
    done = end("end", "crash", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "UNEXPECTED"
    assert error["message"].startswith("unexpected (ValueError at ")
    assert done.stderr.startswith("error: unexpected (ValueError at ")
    assert "canary" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    shown = end("end", "crash", SEALIFT_DEBUG="1")
    assert shown.returncode == 1
    assert shown.stderr.startswith("Traceback")
    assert "canary" in shown.stderr


def test_success_is_a_document_too() -> None:
    done = end("end", "well", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"version": 1, "ok": True, "data": [1]}
    assert end("end", "well").stdout == "done\n"


def test_what_was_found_stands_beside_the_error() -> None:
    done = end("end", "found", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "version": 1,
        "ok": False,
        "error": {"code": "CHECKS_FAILED", "message": "1 check failed", "hint": ""},
        "data": {"checks": []},
    }


def test_there_is_one_document_even_if_something_fails_after_it() -> None:
    done = end("end", "late", "--json")
    assert done.returncode == 8
    assert json.loads(done.stdout)["ok"]
    assert done.stderr.startswith("error: after the document")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["end", "--json"], "missing argument 'WHAT'", "see `prog end --help`"),
        (["nothing", "--json"], "no such command 'nothing'", "see `prog --help`"),
    ],
)
def test_wrong_use_is_told_as_a_document(
    arguments: list[str], message: str, hint: str
) -> None:
    done = end(*arguments)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error == {"code": "USAGE", "message": message, "hint": hint}
    assert done.stderr == f"error: {message}; hint: {hint}\n"


def test_json_behind_two_dashes_is_an_argument() -> None:
    done = end("end", "--", "conflict", "--json")
    assert done.returncode == 2
    assert not done.stdout


def test_a_program_without_arguments_shows_its_help() -> None:
    done = end()
    assert done.returncode == 2
    assert "Usage: prog" in done.stderr


def test_a_reader_that_went_away_ends_the_program_without_a_word() -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "end", "many"],
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    os.close(read)
    _, errors = process.communicate(timeout=60)
    assert errors == b""
    assert process.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("program", ["sealift", "sealift-relay", "sealift-witness"])
def test_the_three_programs_end_alike(program: str) -> None:
    script = Path(sys.executable).with_name(program)
    done = subprocess.run([script, "nothing", "--json"], capture_output=True, text=True)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["error"]["code"] == "USAGE"
    assert done.stderr.startswith("error: no such command 'nothing'; hint: see `")


def test_a_signal_that_comes_while_the_event_is_locked_sets_it_all_the_same() -> None:
    """So it is where the main thread is just about to wait for the event."""
    event = threading.Event()
    with event._cond:  # type: ignore[attr-defined]
        set_by_signal(event)
    assert event.wait(PATIENCE)


def test_a_followed_folder_is_left_also_if_the_signal_comes_just_before_the_wait() -> (
    None
):
    stop = threading.Event()
    with _stopped_by_signals(stop):
        with stop._cond:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(PATIENCE)
