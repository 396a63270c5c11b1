"""The `sealift` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from sealift.cli import people, sharing
from sealift.cli.options import Options, as_json, parse_duration, parse_time, pass_options
from sealift.cli.output import INTERRUPTED, count, progress_bar, show, show_error, size
from sealift.cli.sharing import preflight
from sealift.owner.push import PushProgress
from sealift.owner.sources import open_source
from sealift.session import Session
from sealift.trainer.export import write_parquet
from sealift_protocol.errors import InvalidArgument, ProbeUnanswered, SealiftError

_EXIT_CODES = """
\b
Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 the records could not be read or do not fit;
4 verification or trust failed; 5 refused by the relay; 6 relay unavailable, worth trying again;
7 keystore or profile; 8 somebody else was first, run again; 130 interrupted.
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


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, metavar="NAME", help="Dataset; made if need be.")
@click.option(
    "--to", multiple=True, metavar="NAME", help="A pinned member who may open it; repeatable."
)
@click.option(
    "--types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Arrow type of a CSV or JSON Lines column (int64, float32, string, ...); repeatable.",
)
@click.option("--description", default="", help="Of a new dataset; sealed like its name.")
@click.option("--purpose", default="", help="Why they may open it; the relay can read it.")
@click.option("--until", metavar="DATE", help="When their access ends; a date, or as 90d.")
@click.option("--retain", metavar="TIME", help="The relay destroys the records then; as 90d.")
@click.option(
    "--subject-column",
    metavar="COLUMN",
    help="Of a new dataset: names the person that a record is about, for `erase-subject`.",
)
@click.option(
    "--preflight",
    "run_preflight",
    is_flag=True,
    help="First send each recipient a sealed KiB that it must open.",
)
@click.option("--wait", default=60.0, metavar="SECONDS", help="For --preflight; default 60.")
@as_json
@pass_options
def push(
    options: Options,
    file: Path,
    dataset: str,
    to: tuple[str, ...],
    types: tuple[str, ...],
    description: str,
    purpose: str,
    until: str | None,
    retain: str | None,
    subject_column: str | None,
    run_preflight: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Seal the records of FILE and append them to a dataset.

    FILE is Parquet, CSV, TSV or JSON Lines, told by its suffix. The records become visible all at
    once when the last is stored; a push that fails shows nothing. A dataset that you co-own is
    named OWNER/NAME.
    """
    source = open_source(file, _parse_types(types))
    with options.connect() as session:
        if run_preflight:
            _require_answers(session, to, wait)
        with progress_bar("pushing", lambda: source.size, source.position) as update:

            def acknowledged(progress: PushProgress) -> None:
                update(progress.records, progress.payload_bytes)

            pushed = session.push(
                source,
                dataset=dataset,
                to=to,
                description=description,
                purpose=purpose,
                until=parse_time(until),
                retain_seconds=None if retain is None else parse_duration(retain),
                subject_column=subject_column,
                progress=acknowledged,
            )
    show(
        f"pushed {count(pushed.records, 'record')} ({size(pushed.payload_bytes)}) in "
        f"{count(pushed.shards, 'shard')} as commit {pushed.commit}",
        {
            "dataset_id": pushed.dataset_id.hex(),
            "commit": pushed.commit,
            "created": pushed.created,
            "shards": pushed.shards,
            "records": pushed.records,
            "payload_bytes": pushed.payload_bytes,
        },
        as_json,
    )


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
    help="New folder for the Parquet files.",
)
@click.option("--purpose", default="", help="What for, in the log; your grant's by default.")
@as_json
@pass_options
def pull(options: Options, dataset: str, out: Path, purpose: str, as_json: bool) -> None:
    """Open a dataset and write its records as Parquet files.

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

            files = write_parquet(opened, out, progress=written)
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


def _require_answers(session: Session, to: tuple[str, ...], wait: float) -> None:
    unanswered = preflight(session, to, wait)
    if unanswered:
        raise ProbeUnanswered(
            f"{count(len(unanswered), 'recipient')} did not open a probe within {wait:.0f} seconds",
            hint=f"ask them to run `sealift doctor`: {', '.join(unanswered)}; nothing was sent",
        )


def _parse_types(types: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for text in types:
        column, equals, kind = text.rpartition("=")
        if not (column and equals and kind):
            raise InvalidArgument("--types takes COLUMN=TYPE")
        parsed[column] = kind
    return parsed


def main() -> NoReturn:
    """Runs the command line; the console script."""
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
        # strerror only: the message of an OSError quotes a path.
        click.echo(f"error: {error.strerror or 'a file could not be used'}", err=True)
        sys.exit(1)
    sys.exit(0)
