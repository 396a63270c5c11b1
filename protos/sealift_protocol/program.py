"""Runs a command line: exit codes, errors on stderr, `--json` on stdout.

`sealift`, `sealift-relay` and `sealift-witness` share it. docs/reference/json.md defines the
documents that `--json` prints.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import click

from sealift_protocol.crash import REPORT, crash_place, debugging
from sealift_protocol.errors import SealiftError

JSON_VERSION = 1
UNEXPECTED = 1
INTERRUPTED = 130
# What a shell reports for a process that SIGPIPE (13) ended.
BROKEN_PIPE = 141


as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON."
)


class Told(NamedTuple):
    """An error as the user sees it.

    Attributes:
        code: UPPER_SNAKE name, for scripts.
        message: what happened.
        hint: what to do about it; may be empty.
    """

    code: str
    message: str
    hint: str = ""


class Interrupted(click.Abort):
    """The user stopped the command; the text says what that means."""


class _Document:
    """Whether this run of a program has printed the document that ends it."""

    printed = False


def tell(error: SealiftError) -> Told:
    """An error in its own words."""
    return Told(error.code, error.what, error.hint)


def print_data(data: object, *, more: bool = False) -> None:
    """Prints the JSON document of a command that succeeded.

    Args:
        data: the result.
        more: whether the command keeps running and prints another document.
    """
    document = {"version": JSON_VERSION, "ok": True, "data": data}
    # Scripts for 0.1, which had no `data`, find an object's fields where they were.
    fields = data if isinstance(data, dict) else {}
    _print({**fields, **document}, more=more)


def show(human: str, data: object, as_json: bool, *, error: Told | None = None) -> None:
    """Prints a result for a person, or as a JSON document (docs/reference/json.md).

    Args:
        human: the result in words.
        data: the result as data.
        as_json: whether to print the document.
        error: a problem that the command found; the command ends with it.
    """
    if not as_json:
        click.echo(human)
    elif error is None:
        print_data(data)
    else:
        print_failure(error, data)


def print_failure(told: Told, data: object = None) -> None:
    """Prints the JSON document of a command that failed.

    Args:
        told: the error.
        data: the command's result, if it is complete.
    """
    document = {"version": JSON_VERSION, "ok": False, "error": told._asdict()}
    _print(document if data is None else {**document, "data": data})


def _print(document: dict[str, object], *, more: bool = False) -> None:
    import json

    _Document.printed = not more
    click.echo(json.dumps(document, allow_nan=False))


def print_error(told: Told) -> None:
    """Prints `error: what; hint: what to do` on stderr."""
    hint = f"; hint: {told.hint}" if told.hint else ""
    click.echo(f"error: {told.message}{hint}", err=True)


def set_by_signal(event: threading.Event) -> None:
    """Sets an event from a signal handler.

    A handler interrupts the main thread anywhere, also where it waits for this event and holds its
    lock: setting it there would wait for ever. So another thread sets it.
    """
    threading.Thread(target=event.set, daemon=True).start()


def wants_json(arguments: list[str]) -> bool:
    """Whether a command line asks for JSON, even one that cannot be parsed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def run(
    cli: click.Command,
    *,
    name: str,
    tell: Callable[[SealiftError], Told] = tell,
    interrupted: str = "interrupted",
) -> NoReturn:
    """Runs a command line and exits.

    Args:
        cli: the program.
        name: the program's name, for help and completion.
        tell: turns an error into what the user sees.
        interrupted: the message after Ctrl-C.
    """
    machine = wants_json(sys.argv[1:])
    _Document.printed = False
    stdout, stderr = sys.stdout, sys.stderr
    told = Told("FAILED", "the command failed")
    try:
        try:
            result = cli.main(prog_name=name, standalone_mode=False)
        except SystemExit:
            if sys.stdout is stdout:
                raise
            # click mistakes any broken pipe for stdout: it mutes both streams and exits.
            sys.stdout, sys.stderr = stdout, stderr
            raise BrokenPipeError(errno.EPIPE, "") from None
        sys.stdout.flush()
        # The code of `context.exit`; commands return nothing.
        code = result if isinstance(result, int) else 0
    except SealiftError as error:
        told, code = tell(error), error.exit_code
        print_error(told)
    except click.ClickException as error:
        told, code = _tell_click(error), error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        own = str(error) if isinstance(error, Interrupted) else ""
        told, code = Told("INTERRUPTED", own or interrupted), INTERRUPTED
        click.echo(told.message, err=True)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            sys.exit(BROKEN_PIPE)
        # The system's words for the number only: the text of an OSError quotes a path, or more.
        what = os.strerror(error.errno) if error.errno else "a file could not be used"
        told, code = Told("SYSTEM_ERROR", what), UNEXPECTED
        print_error(told)
    except Exception as error:  # noqa: BLE001 - the last resort of a program
        told, code = Told("UNEXPECTED", crash_place(error), REPORT), UNEXPECTED
        if debugging():
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            print_error(told)
    if code and machine and not _Document.printed:
        try:
            print_failure(told)
        except BrokenPipeError:
            _nobody_reads()
            code = BROKEN_PIPE
    sys.exit(code)


def _tell_click(error: click.ClickException) -> Told:
    """Prints on stderr what click refused; returns it for the document."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else ""
    hint = f"see `{path} --help`" if path else ""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Told("USAGE", "a command is missing", hint)
    message = error.format_message()
    told = Told("USAGE", message[:1].lower() + message[1:].rstrip("."), hint)
    print_error(told)
    return told


def _nobody_reads() -> bool:
    """Whether stdout is the broken pipe; if so, silences it."""
    import select

    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    # Whatever is still buffered is discarded when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
