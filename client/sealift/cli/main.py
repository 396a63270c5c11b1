"""The `sealift` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from sealift.cli import people, sharing
from sealift.cli import push as pushing
from sealift.cli.options import Options, as_json, pass_options
from sealift.cli.output import INTERRUPTED, count, progress_bar, show, show_error
from sealift.hardening import harden_process, keep_values_off_stderr
from sealift.trainer.export import write_parquet
from sealift.trainer.export_files import holds_files, write_files
from sealift_protocol.errors import SealiftError

_EXIT_CODES = """
\b
Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 the records could not be read or do not fit;
4 verification or trust failed; 5 refused by the relay; 6 relay unavailable, worth trying again;
7 keystore or profile; 8 somebody else was first, run again; 9 done, but some records could not be
read and were left out; 130 interrupted.
"""


@click.group(epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sealift")
@click.option("--profile", metavar="NAME", help="Which identity on this machine to use.")
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


for _command in (
    people.join,
    people.rejoin,
    people.renew,
    people.identity,
    people.key,
    people.profiles,
    people.trust,
    people.endorse,
    people.witness,
    people.recovery,
    pushing.push,
    pushing.sources,
    pushing.deidentify,
    pushing.policy,
    sharing.grant,
    sharing.revoke,
    sharing.rotate,
    sharing.access,
    sharing.co_owner,
    sharing.disclosures,
    sharing.delete,
    sharing.erase_subject,
    sharing.purge,
    sharing.log_group,
    sharing.doctor,
):
    cli.add_command(_command)


@cli.command("ls")
@as_json
@pass_options
def ls(options: Options, as_json: bool) -> None:
    """List the datasets that you own or were granted."""
    with options.connect() as session:
        found = session.datasets()
    lines = [
        f"{info.owner}/{info.name}  {count(info.records, 'record')}, "
        f"{count(info.shards, 'shard')}, {count(info.commits, 'commit')}"
        if info.trusted
        else f"a dataset of an owner who is not pinned:\n  {info.owner}"
        for info in found
    ]
    machine: list[dict[str, object]] = [
        {
            "owner": info.owner,
            "name": info.name,
            "records": info.records,
            "shards": info.shards,
            "commits": info.commits,
            "trusted": info.trusted,
        }
        for info in found
    ]
    show("\n".join(lines) or "no datasets", machine, as_json)


@cli.command()
@click.argument("dataset", metavar="OWNER/DATASET")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New folder for the files.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["auto", "parquet", "files"]),
    default="auto",
    help="Parquet, or the files that were pushed with their own names; by default what they were.",
)
@click.option("--purpose", default="", help="What for, in the log; your grant's by default.")
@as_json
@pass_options
def pull(options: Options, dataset: str, out: Path, form: str, purpose: str, as_json: bool) -> None:
    """Open a dataset and write its records as Parquet files, or as the files they were.

    The files hold plaintext. DIR appears when every record was verified and written. That you
    fetched, and what for, enters the relay's log before the first byte.
    """
    with options.connect() as session:
        opened = session.open_dataset(dataset, purpose=purpose)
        done = 0
        with progress_bar("pulling", lambda: opened.num_records, lambda: done) as update:

            def written(records: int, size: int) -> None:
                nonlocal done
                done = records
                update(records, size)

            if form == "auto":
                form = "files" if holds_files(opened.schema) else "parquet"
            write = write_files if form == "files" else write_parquet
            files = write(opened, out, progress=written)
    show(
        f"pulled {count(opened.num_records, 'record')} into {out} ({count(len(files), 'file')})",
        {
            "records": opened.num_records,
            "files": [str(path) for path in files],
            "pending_purges": opened.pending_purges,
        },
        as_json,
    )
    if opened.pending_purges:
        click.echo(
            f"note: the owner has erased records since; delete older copies, then run "
            f"`sealift purge {dataset}`",
            err=True,
        )


def main() -> NoReturn:
    """Runs the command line; the console script."""
    harden_process()
    # Whatever is not caught below is printed without its text, and the exit code is 1.
    keep_values_off_stderr()
    try:
        cli(standalone_mode=False)
    except SealiftError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing of this command became visible", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        # The system's words for the number only: the text of an OSError quotes a path, or more.
        what = os.strerror(error.errno) if error.errno else "a file could not be used"
        click.echo(f"error: {what}", err=True)
        sys.exit(1)
    sys.exit(0)
