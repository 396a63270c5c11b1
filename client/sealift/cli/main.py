"""The `sealift` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from sealift.cli.output import INTERRUPTED, count, progress_bar, show, show_error, size
from sealift.joining import join as join_relay
from sealift.keystore.passphrase import read_passphrase
from sealift.owner.push import PushProgress
from sealift.owner.sources import open_source
from sealift.profile import find_profile, profile_names
from sealift.session import Session, connect
from sealift.trainer.export import write_parquet
from sealift_protocol.errors import InvalidArgument, SealiftError
from sealift_protocol.ids import Fingerprint

_EXIT_CODES = """
\b
Exit codes: 0 done; 1 unexpected; 2 wrong use; 3 the records could not be read or do not fit;
4 verification or trust failed; 5 refused by the relay; 6 relay unavailable, worth trying again;
7 keystore or profile; 8 somebody else was first, run again; 130 interrupted.
"""


class _Options:
    """What the options before the subcommand said."""

    def __init__(self, profile: str | None, passphrase_fd: int | None) -> None:
        self.profile = profile
        self.passphrase_fd = passphrase_fd

    def connect(self) -> Session:
        """Opens the profile and connects."""
        find_profile(self.profile)
        return connect(
            self.profile, passphrase=read_passphrase(fd=self.passphrase_fd, confirm=False)
        )


_pass_options = click.make_pass_decorator(_Options)
_json = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")


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
    context.obj = _Options(profile, passphrase_fd)


@cli.command()
@click.argument("token")
@click.option("--organisation", default="", help="Shown on your card; the relay can read it.")
@_json
@_pass_options
def join(options: _Options, token: str, organisation: str, as_json: bool) -> None:
    """Join a relay with the TOKEN that its operator sent ("-" reads it from stdin).

    Makes your keys on this machine, protects them with a passphrase that you choose, and asks the
    relay for a certificate. Your private keys never leave this machine.
    """
    text = sys.stdin.read() if token == "-" else token  # noqa: S105
    passphrase = read_passphrase(fd=options.passphrase_fd, confirm=True)
    joined = join_relay(text, passphrase, profile_name=options.profile, organisation=organisation)
    show(
        f"joined as {joined.name} ({joined.role}), profile {joined.profile.folder.name}\n"
        f"your fingerprint, for others to pin:\n  {joined.fingerprint}",
        {
            "name": joined.name,
            "role": joined.role,
            "profile": joined.profile.folder.name,
            "fingerprint": str(joined.fingerprint),
        },
        as_json,
    )


@cli.command()
@_json
@_pass_options
def identity(options: _Options, as_json: bool) -> None:
    """Show your name and your fingerprint, for others to pin."""
    member = find_profile(options.profile).membership()
    show(
        f"{member.name} ({member.role}) at {member.address}\n  {member.fingerprint}",
        {
            "name": member.name,
            "role": member.role,
            "address": member.address,
            "fingerprint": member.fingerprint,
        },
        as_json,
    )


@cli.command()
@_json
def profiles(as_json: bool) -> None:
    """List the identities on this machine."""
    names = profile_names()
    machine: list[dict[str, object]] = [{"profile": name} for name in names]
    show("\n".join(names) or "there is no profile on this machine", machine, as_json)


@cli.group()
def trust() -> None:
    """Pin the fingerprints of the people you exchange data with."""


@trust.command("add")
@click.argument("name")
@click.argument("fingerprint", nargs=-1, required=True)
@_pass_options
def trust_add(options: _Options, name: str, fingerprint: tuple[str, ...]) -> None:
    """Pin member NAME to FINGERPRINT.

    Get the fingerprint from the member by a way that does not pass the relay: by phone, or on
    paper. It is what `sealift identity` shows on the member's machine.
    """
    parsed = Fingerprint.parse(" ".join(fingerprint))
    find_profile(options.profile).trust.add(name, parsed)
    click.echo(f"pinned {name} to {parsed}")


@trust.command("ls")
@_json
@_pass_options
def trust_ls(options: _Options, as_json: bool) -> None:
    """List the pinned members."""
    pins = find_profile(options.profile).trust.pins()
    lines = [f"{name}\n  {fingerprint}" for name, fingerprint in pins.items()]
    machine: list[dict[str, object]] = [
        {"name": name, "fingerprint": str(fingerprint)} for name, fingerprint in pins.items()
    ]
    show("\n".join(lines) or "nobody is pinned", machine, as_json)


@trust.command("remove")
@click.argument("name")
@_pass_options
def trust_remove(options: _Options, name: str) -> None:
    """Remove the pin of member NAME."""
    find_profile(options.profile).trust.remove(name)
    click.echo(f"removed {name}")


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
@_json
@_pass_options
def push(
    options: _Options,
    file: Path,
    dataset: str,
    to: tuple[str, ...],
    types: tuple[str, ...],
    description: str,
    as_json: bool,
) -> None:
    """Seal the records of FILE and append them to a dataset.

    FILE is Parquet, CSV, TSV or JSON Lines, told by its suffix. The records become visible all at
    once when the last is stored; a push that fails shows nothing.
    """
    source = open_source(file, _parse_types(types))
    with (
        options.connect() as session,
        progress_bar("pushing", lambda: source.size, source.position) as update,
    ):

        def acknowledged(progress: PushProgress) -> None:
            update(progress.records, progress.payload_bytes)

        pushed = session.push(
            source, dataset=dataset, to=to, description=description, progress=acknowledged
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
@_json
@_pass_options
def ls(options: _Options, as_json: bool) -> None:
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
@_json
@_pass_options
def pull(options: _Options, dataset: str, out: Path, as_json: bool) -> None:
    """Open a dataset and write its records as Parquet files.

    The files hold plaintext. DIR appears when every record was verified and written.
    """
    with options.connect() as session:
        opened = session.open_dataset(dataset)
        done = 0
        with progress_bar("pulling", lambda: opened.num_records, lambda: done) as update:

            def written(records: int, size: int) -> None:
                nonlocal done
                done = records
                update(records, size)

            files = write_parquet(opened, out, progress=written)
    show(
        f"pulled {count(opened.num_records, 'record')} into {out} ({count(len(files), 'file')})",
        {"records": opened.num_records, "files": [str(path) for path in files]},
        as_json,
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
