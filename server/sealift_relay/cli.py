"""The `sealift-relay` command."""

from __future__ import annotations

import hashlib
import re
import secrets
import signal
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from sealift_protocol import __version__
from sealift_protocol.errors import InvalidArgument, UnknownMember
from sealift_protocol.program import as_json, print_data, run, set_by_signal, show
from sealift_protocol.roles import ROLES

if TYPE_CHECKING:
    from sealift_relay.config import Config
    from sealift_relay.store.members import Members
    from sealift_relay.store.metadata import Metadata

_LOCAL_HOSTS = ("localhost", "127.0.0.1")
_DURATION = re.compile(r"(\d+)([mhd])")
_SIZE = re.compile(r"(\d+)(|KiB|MiB|GiB|TiB)")
_SHIFTS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}

_folder = click.argument(
    "folder", metavar="DIR", envvar="SEALIFT_RELAY_DIR", type=click.Path(path_type=Path)
)
_dir = click.option(
    "--dir",
    "folder",
    metavar="DIR",
    envvar="SEALIFT_RELAY_DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="The relay's folder, or $SEALIFT_RELAY_DIR.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Run a relay, which stores sealed training data that it cannot read."""


@cli.command()
@_folder
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Host name or address of the relay; members connect to the first. "
    "Repeatable (default: localhost).",
)
@click.option(
    "--bind", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--port",
    default=7443,
    show_default=True,
    help="Port for members; 0 picks a free one.",
)
@click.option(
    "--enrolment-port",
    default=7444,
    show_default=True,
    help="Port for enrolment; 0 picks a free one.",
)
@as_json
def init(
    folder: Path,
    hosts: tuple[str, ...],
    bind: str,
    port: int,
    enrolment_port: int,
    as_json: bool,
) -> None:
    """Create a relay in DIR: a CA, a server certificate, a log, relay.toml, a database.

    DIR must be empty or not exist yet. The keys stay in DIR/tls, which only you can read.
    """
    from sealift_relay.ca import write_tls
    from sealift_relay.checkpoints import write_log_key
    from sealift_relay.config import Listen, load_config, write_config
    from sealift_relay.store.metadata import Metadata

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgument(
            "the folder is not empty", hint="choose a new or an empty folder"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = list(dict.fromkeys([*hosts, *_LOCAL_HOSTS]))
    listen = Listen(
        host=bind,
        advertised=names[0],
        port=port or _free_port(),
        enrolment_port=enrolment_port or _free_port(),
    )
    authority = write_tls(folder / "tls", names)
    log_key = write_log_key(folder / "tls")
    write_config(folder, listen)
    config = load_config(folder)
    Metadata(config.storage.metadata).upgrade()
    show(
        f"created a relay in {folder}; SHA-256 fingerprint of its CA:\n"
        f"  {authority.fingerprint.hex(':')}\n"
        "key that verifies its log, for members and witnesses:\n"
        f"  {log_key.verifier_key}\n"
        f"next: sealift-relay serve {folder}",
        {
            "folder": str(folder),
            "ca_fingerprint": authority.fingerprint.hex(),
            "log_key": str(log_key.verifier_key),
            "port": listen.port,
            "enrolment_port": listen.enrolment_port,
        },
        as_json,
    )


@cli.command()
@_folder
def serve(folder: Path) -> None:
    """Run the relay in DIR until SIGTERM or Ctrl-C, then let calls finish."""
    from sealift_protocol.allocator import keep_freed_memory
    from sealift_relay.app import Relay
    from sealift_relay.config import load_config
    from sealift_relay.log import configure_log

    configure_log()
    keep_freed_memory()
    config = load_config(folder)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: set_by_signal(stop))
    with Relay(config) as relay:
        click.echo(
            f"relay ready on {relay.advertised}:{relay.port}, "
            f"enrolment on {relay.advertised}:{relay.enrolment_port}"
        )
        sys.stdout.flush()
        stop.wait()


@cli.command()
@click.argument("name")
@click.option(
    "--role", required=True, type=click.Choice(ROLES), help="What NAME may do."
)
@click.option(
    "--valid-for",
    default="24h",
    show_default=True,
    help="How long the token is valid, such as 30m.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Let member NAME rejoin; its earlier certificates end.",
)
@_dir
@as_json
def invite(
    name: str, role: str, valid_for: str, again: bool, folder: Path, as_json: bool
) -> None:
    """Print a one-time token that lets NAME join the relay.

    Send it over a private channel: anyone who uses it first becomes NAME. An owner stores
    data, a trainer opens data that it was granted, an auditor reads the log, an operator
    looks after the relay.
    """
    from sealift_protocol.ids import check_name
    from sealift_protocol.jointoken import format_token
    from sealift_protocol.v1 import objects_pb2
    from sealift_relay.ca import load_authority
    from sealift_relay.checkpoints import load_log_key
    from sealift_relay.clock import unix_now
    from sealift_relay.config import load_config
    from sealift_relay.store.members import Invite

    config = load_config(folder)
    not_after = unix_now() + _parse_duration(valid_for)
    secret = secrets.token_bytes(16)
    _members(config).add_invite(
        hashlib.sha256(secret).digest(),
        Invite(check_name(name), role, not_after),
        again=again,
    )
    token = objects_pb2.JoinToken(
        address=f"{config.listen.advertised}:{config.listen.enrolment_port}",
        ca_fingerprint=load_authority(config.tls).fingerprint,
        secret=secret,
        name=name,
        role=role,
        not_after=not_after,
        log_key=load_log_key(config.tls).public_key,
    )
    printed = format_token(token)
    show(
        printed,
        {"token": printed, "name": name, "role": role, "not_after": not_after},
        as_json,
    )


@cli.command()
@_dir
@as_json
def invites(folder: Path, as_json: bool) -> None:
    """List the tokens that are unused and have not expired."""
    from sealift_relay.clock import unix_now
    from sealift_relay.config import load_config

    found = _members(load_config(folder)).invites(unix_now())
    if as_json:
        print_data(
            [
                {"name": item.name, "role": item.role, "not_after": item.not_after}
                for item in found
            ]
        )
        return
    for item in found:
        until = datetime.fromtimestamp(item.not_after, UTC)
        click.echo(f"{item.name}  {item.role}  until {until:%Y-%m-%d %H:%M} UTC")


@cli.command()
@click.argument("name")
@_dir
def withdraw(name: str, folder: Path) -> None:
    """Withdraw the unused tokens of NAME."""
    from sealift_relay.config import load_config

    count = _members(load_config(folder)).withdraw_invites(name)
    if not count:
        raise UnknownMember(
            "there is no unused token for that name", hint="see `sealift-relay invites`"
        )
    click.echo(f"unused tokens of {name} withdrawn: {count}")


@cli.command()
@_dir
@as_json
def members(folder: Path, as_json: bool) -> None:
    """List the members and how much each of them stores."""
    from sealift_relay.config import load_config

    found = _members(load_config(folder)).everybody()
    if as_json:
        print_data(
            [
                {
                    "name": member.name,
                    "role": member.role,
                    "fingerprint": str(member.fingerprint),
                    "used_bytes": member.used_bytes,
                    "used_shards": member.used_shards,
                    "suspended": member.suspended,
                    "revoked": member.revoked,
                }
                for member in found
            ]
        )
        return
    for member in found:
        state = (
            "  (revoked)"
            if member.revoked
            else "  (suspended)"
            if member.suspended
            else ""
        )
        stored = f"{member.used_bytes:,} bytes in {member.used_shards:,} shards"
        click.echo(
            f"{member.name}  {member.role}  {member.fingerprint}  {stored}{state}"
        )


@cli.command()
@click.argument("name")
@_dir
def revoke(name: str, folder: Path) -> None:
    """Refuse member NAME from now on. NAME keeps what it has already fetched."""
    from sealift_relay.clock import unix_now
    from sealift_relay.config import load_config

    _require(_members(load_config(folder)).revoke(name, unix_now()))
    click.echo(f"revoked {name}")


@cli.command()
@click.argument("name")
@_dir
def suspend(name: str, folder: Path) -> None:
    """Refuse member NAME until `resume`. Nothing that NAME stores is deleted."""
    from sealift_relay.clock import unix_now
    from sealift_relay.config import load_config

    _require(_members(load_config(folder)).suspend(name, unix_now()))
    click.echo(f"suspended {name}")


@cli.command()
@click.argument("name")
@_dir
def resume(name: str, folder: Path) -> None:
    """Accept suspended member NAME again."""
    from sealift_relay.config import load_config

    _require(_members(load_config(folder)).suspend(name, None))
    click.echo(f"resumed {name}")


@cli.command()
@click.argument("name")
@click.option(
    "--bytes",
    "size",
    metavar="SIZE",
    help="Most bytes stored, such as 500GiB or 2TiB; 0 for no limit.",
)
@click.option(
    "--shards", type=click.IntRange(min=0), help="Most shards stored; 0 for no limit."
)
@click.option(
    "--calls-a-minute",
    type=click.IntRange(min=0),
    help="Most calls in a minute; 0 for no limit.",
)
@_dir
def quota(
    name: str,
    size: str | None,
    shards: int | None,
    calls_a_minute: int | None,
    folder: Path,
) -> None:
    """Limit how much member NAME stores and how often it calls. Stored data stays."""
    from sealift_relay.config import load_config
    from sealift_relay.store.members import Quota

    limits = Quota(None if size is None else _parse_size(size), shards, calls_a_minute)
    if limits == Quota():
        raise InvalidArgument(
            "no limit was given", hint="use --bytes, --shards or --calls-a-minute"
        )
    _require(_members(load_config(folder)).set_quota(name, limits))
    click.echo(f"limited {name}")


@cli.group("log")
def log_group() -> None:
    """Print the key of the relay's Merkle log, or export the log."""


@log_group.command("key")
@_dir
@as_json
def log_key(folder: Path, as_json: bool) -> None:
    """Print the key that verifies the log, for witnesses."""
    from sealift_relay.checkpoints import load_log_key
    from sealift_relay.config import load_config

    key = str(load_log_key(load_config(folder).tls).verifier_key)
    show(key, {"log_key": key}, as_json)


@log_group.command("export")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@_dir
@as_json
def log_export(out: Path, folder: Path, as_json: bool) -> None:
    """Write the log's tiles and checkpoint to folder OUT, for any static web server.

    The layout is C2SP tlog-tiles. Entry bundles hold opaque ids, digests and times.
    """
    from sealift_relay.checkpoints import Publisher, load_log_key
    from sealift_relay.config import load_config
    from sealift_relay.tiles import write_tiles

    config = load_config(folder)
    metadata = _open(config)
    publisher = Publisher(
        metadata.log, load_log_key(config.tls), config.log.witnesses.split()
    )
    try:
        size = write_tiles(out, metadata.log, publisher)
    finally:
        publisher.close()
    show(f"wrote {size} entries to {out}", {"entries": size}, as_json)


def _open(config: Config) -> Metadata:
    from sealift_relay.store.metadata import Metadata

    metadata = Metadata(config.storage.metadata)
    metadata.upgrade()
    return metadata


def _members(config: Config) -> Members:
    return _open(config).members


def _require(found: bool) -> None:
    if not found:
        raise UnknownMember(
            "there is no member with that name", hint="see `sealift-relay members`"
        )


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidArgument(
            "--bytes takes a number and KiB, MiB, GiB or TiB, such as 500GiB"
        )
    return int(match[1]) << _SHIFTS[match[2]]


def _parse_duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidArgument("--valid-for takes a number and m, h or d, such as 24h")
    return int(match[1]) * _SECONDS[match[2]]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> NoReturn:
    """Runs the command line; the console script."""
    run(cli, name="sealift-relay")
