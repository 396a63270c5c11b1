"""Paper shares: printing them, and reading them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

import click

from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from sealift.process.secret import Secret

shares = click.option(
    "--shares",
    required=True,
    type=int,
    metavar="N",
    help="Number of shares, one for each person.",
)
threshold = click.option(
    "--threshold",
    required=True,
    type=int,
    metavar="K",
    help="Number of shares that are needed to restore.",
)


def show_shares(words: Sequence[str], threshold: int) -> None:
    """Print each share; none is stored."""
    for number, share in enumerate(words, 1):
        click.echo(
            f"\nshare {number} of {len(words)} ({threshold} are needed):\n  {share}"
        )


def read_shares(file: TextIO) -> Secret:
    """Combine shares, one per line, into their secret; prompt for each at a terminal.

    Raises:
        InvalidArgument: the shares cannot be combined.
    """
    from sealift.home.shares import combine_shares

    if file.isatty():
        return combine_shares(list(_ask()))
    return combine_shares([line.strip() for line in file if line.strip()])


def _ask() -> Iterator[str]:
    from sealift.home.shares import check_share

    given: set[str] = set()
    needed = 1
    while len(given) < needed:
        of = f" of {needed}" if given else ""
        words = " ".join(
            click.prompt(f"share {len(given) + 1}{of}", err=True).lower().split()
        )
        try:
            needed = check_share(words)
        except InvalidArgument as error:
            click.echo(f"{error.what}; type it again", err=True)
            continue
        if words in given:
            click.echo("this share was already entered", err=True)
            continue
        given.add(words)
        yield words
