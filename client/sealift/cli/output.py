"""How the command line speaks: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sealift_protocol.errors import SealiftError, SourceError

INTERRUPTED = 130
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show(human: str, machine: dict[str, object] | list[dict[str, object]], as_json: bool) -> None:
    """Prints a result for a person, or as one line of JSON."""
    click.echo(json.dumps(machine) if as_json else human)


def show_error(error: SealiftError) -> None:
    """Prints `error: what; hint: what to do` on stderr."""
    what = error.what
    if isinstance(error, SourceError) and error.path is not None:
        what = f"{error.path}: {what}"
    click.echo(f"error: {what}" + (f"; hint: {error.hint}" if error.hint else ""), err=True)


def count(number: int, what: str) -> str:
    """A number of things, in words that agree."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Bytes for people."""
    for unit in _UNITS:
        if number < 1024 or unit == _UNITS[-1]:
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


@contextmanager
def progress_bar(
    what: str, total: Callable[[], int], done: Callable[[], int]
) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing on a pipe.

    Args:
        what: the verb.
        total: the whole, in any unit.
        done: how much of it is done.

    Yields:
        A function to call with the records and bytes that are safe now.
    """
    if not sys.stderr.isatty():
        yield lambda _records, _bytes: None
        return
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=max(1, total()), state="")

        def update(records: int, acknowledged: int) -> None:
            rate = acknowledged / max(1e-9, time.monotonic() - started)
            state = f"{records:,} records, {size(acknowledged)}, {size(rate)}/s"
            bar.update(task, completed=done(), state=state)

        yield update
