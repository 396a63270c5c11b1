"""Output of the command line: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sealift.cli.hints import hint_of
from sealift_protocol.errors import (
    PolicyInvalid,
    PolicyViolation,
    SealiftError,
    SourceError,
    WrongKey,
)
from sealift_protocol.program import Told, print_error
from sealift_protocol.program import show as show

if TYPE_CHECKING:
    from rich.progress import Progress

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show_error(error: SealiftError) -> None:
    """Print `error: what; hint: what to do` on stderr."""
    print_error(tell(error))


def tell(error: SealiftError) -> Told:
    """Describe an error for the terminal: with names, and with options in its hint."""
    what = error.what
    # Names must not be in an exception's text, but may be shown on their owner's terminal.
    if (
        isinstance(error, SourceError | PolicyInvalid | WrongKey)
        and error.path is not None
    ):
        what = f"{error.path}: {what}"
    if isinstance(error, PolicyViolation | SourceError) and error.columns:
        what = f"{what} ({', '.join(error.columns)})"
    return Told(error.code, what, hint_of(error))


def count(number: int, what: str) -> str:
    """Format a number with its noun, in the singular or plural."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Format a number of bytes with a binary unit."""
    for unit in _UNITS:
        if number < 1024 or unit == _UNITS[-1]:
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


class ProgressBar:
    """A progress bar on a terminal, nothing on a pipe. Call it to report progress."""

    def __init__(
        self,
        bar: Progress | None,
        what: str,
        total: Callable[[], int],
        done: Callable[[], int],
    ) -> None:
        self._bar = bar
        self._total = total
        self._done = done
        self._started = time.monotonic()
        self._task = (
            bar.add_task(what, total=None, state="") if bar is not None else None
        )

    def __call__(
        self, records: int, acknowledged: int, committed: int | None = None
    ) -> None:
        """Show progress.

        Args:
            records: number of records that the relay acknowledged, or that were written.
            acknowledged: their size in bytes.
            committed: number of records committed, where that can be less.
        """
        if self._bar is None or self._task is None:
            return
        rate = acknowledged / max(1e-9, time.monotonic() - self._started)
        state = f"{count(records, 'record')}, {size(acknowledged)}, {size(rate)}/s"
        if committed is not None:
            state += f", {committed:,} committed"
        # A total of None shows an endless bar: the size of a stream is not known.
        self._bar.update(
            self._task, total=self._total() or None, completed=self._done(), state=state
        )

    def pause(self) -> None:
        """Hide the bar, to make room for other output."""
        if self._bar is not None:
            self._bar.stop()

    def go_on(self) -> None:
        """Show the bar again after `pause`."""
        if self._bar is not None:
            self._bar.start()


@contextmanager
def progress_bar(
    what: str, total: Callable[[], int], done: Callable[[], int]
) -> Iterator[ProgressBar]:
    """Show a progress bar while a block runs.

    Args:
        what: the label, a verb.
        total: returns the total, in any unit; 0 if it is not known.
        done: returns how much is done, in the same unit.

    Yields:
        The bar, to call with the number of records and bytes so far.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    if not sys.stderr.isatty():
        yield ProgressBar(None, what, total, done)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        yield ProgressBar(bar, what, total, done)
