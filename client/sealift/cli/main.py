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
Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 the records could not be read or do not fit;
4 verification or trust failed; 5 refused by the relay; 6 relay unavailable, worth trying again;
7 keystore or profile; 8 somebody else was first, run again; 9 done, but some records could not be
read and were left out; 130 interrupted; 141 nobody reads stdout any more.
"""


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
@click.option(
    "--profile", metavar="NAME", help="Which identity on this machine to use."
)
@click.option(
    "--passphrase-fd",
    type=int,
    metavar="N",
    help="Read the keystore's passphrase from this file descriptor. Without it, "
    "$SEALIFT_PASSPHRASE is used, or you are asked.",
)
@click.pass_context
def cli(context: click.Context, profile: str | None, passphrase_fd: int | None) -> None:
    """Seal training data to those who train on it, through a relay that cannot read it."""
    context.obj = Options(profile, passphrase_fd)


def main() -> NoReturn:
    """Runs the command line; the console script."""
    harden_process()
    # Whatever a thread does not catch is printed without its text.
    keep_values_off_stderr()
    run(
        cli,
        name="sealift",
        tell=tell,
        interrupted="interrupted; nothing of this command became visible",
    )
