"""The `sealift` command."""

from __future__ import annotations

from typing import NoReturn

import click

from sealift.cli.commands import COMMANDS
from sealift.cli.lazy import LazyGroup
from sealift.cli.options import Options
from sealift.cli.output import tell
from sealift.process.hardening import harden_process, keep_values_off_stderr
from sealift_protocol import __version__
from sealift_protocol.program import run

_EXIT_CODES = """
\b
Exit codes: 0 success; 1 unexpected error; 2 usage error; 3 records cannot be read or do not fit;
4 verification or trust failed; 5 refused by the relay; 6 relay unavailable, try again later;
7 keystore or profile error; 8 conflict with a concurrent change, run again; 9 success, but
unreadable records were left out; 10 no record of the person was found; 130 interrupted;
141 stdout was closed.
"""


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
@click.option(
    "--profile",
    metavar="NAME",
    help="Profile to use (default: $SEALIFT_PROFILE, or the only one).",
)
@click.option(
    "--passphrase-fd",
    type=int,
    metavar="N",
    help="Read the keystore's passphrase from file descriptor N (default: "
    "$SEALIFT_PASSPHRASE, or a prompt).",
)
@click.pass_context
def cli(context: click.Context, profile: str | None, passphrase_fd: int | None) -> None:
    """Seal training data to those who train on it, through a relay that cannot read it."""
    context.obj = Options(profile, passphrase_fd)


def main() -> NoReturn:
    """Run the command line: the entry point of the console script."""
    harden_process()
    # An uncaught exception, of a thread too, is printed without its text.
    keep_values_off_stderr()
    run(
        cli,
        name="sealift",
        tell=tell,
        interrupted="interrupted; nothing from this command became visible",
    )
