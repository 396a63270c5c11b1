"""The `sealift-relay` command."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import NoReturn

import click

from sealift_protocol.allocator import keep_freed_memory
from sealift_protocol.errors import InvalidArgument, SealiftError, UnknownMember
from sealift_protocol.ids import check_name
from sealift_protocol.v1 import objects_pb2
from sealift_relay.access import ROLES
from sealift_relay.app import Relay
from sealift_relay.ca import load_authority, write_tls
from sealift_relay.clock import unix_now
from sealift_relay.config import Config, Listen, load_config, write_config
from sealift_relay.log import configure_log
from sealift_relay.store.metadata import Invite, Metadata

TOKEN_PREFIX = "sealift-join-1."  # noqa: S105 - not a secret
_LOCAL_HOSTS = ("localhost", "127.0.0.1")
_DURATION = re.compile(r"(\d+)([mhd])")
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
@click.version_option(package_name="sealift")
def cli() -> None:
    """Run a relay: it stores sealed training data that it cannot read."""


@cli.command()
@_folder
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Host name or address of the relay; the first is what members connect to. Repeatable; "
    "default: localhost.",
)
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=7443, show_default=True, help="Members' port; 0 finds a free one.")
@click.option("--enrolment-port", default=7444, show_default=True, help="Enrolment port.")
def init(folder: Path, hosts: tuple[str, ...], bind: str, port: int, enrolment_port: int) -> None:
    """Make a relay in DIR: a CA, a server certificate, relay.toml, a database.

    DIR must not exist or be empty. The CA's key stays in DIR/tls, readable by you alone.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgument("the folder is not empty", hint="choose a new one")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = list(dict.fromkeys([*hosts, *_LOCAL_HOSTS]))
    listen = Listen(
        host=bind,
        advertised=names[0],
        port=port or _free_port(),
        enrolment_port=enrolment_port or _free_port(),
    )
    authority = write_tls(folder / "tls", names)
    write_config(folder, listen)
    config = load_config(folder)
    Metadata(config.storage.metadata).upgrade()
    click.echo(f"made a relay in {folder}; its CA has the fingerprint (SHA-256)")
    click.echo(f"  {authority.fingerprint.hex(':')}")
    click.echo(f"next: sealift-relay serve {folder}")


@cli.command()
@_folder
def serve(folder: Path) -> None:
    """Run the relay in DIR until SIGTERM or Ctrl-C, then let calls finish."""
    configure_log()
    keep_freed_memory()
    config = load_config(folder)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Relay(config) as relay:
        click.echo(
            f"relay ready on {relay.advertised}:{relay.port}, "
            f"enrolment on {relay.advertised}:{relay.enrolment_port}"
        )
        sys.stdout.flush()
        stop.wait()


@cli.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What NAME may do.")
@click.option("--valid-for", default="24h", show_default=True, help="As 30m, 24h or 7d.")
@_dir
def invite(name: str, role: str, valid_for: str, folder: Path) -> None:
    """Print a one-time token with which NAME joins the relay.

    Send it by a way that others do not read: whoever uses it first is NAME.
    """
    config = load_config(folder)
    not_after = unix_now() + _parse_duration(valid_for)
    secret = secrets.token_bytes(16)
    metadata = _open(config)
    metadata.add_invite(hashlib.sha256(secret).digest(), Invite(check_name(name), role, not_after))
    token = objects_pb2.JoinToken(
        address=f"{config.listen.advertised}:{config.listen.enrolment_port}",
        ca_fingerprint=load_authority(config.tls).fingerprint,
        secret=secret,
        name=name,
        role=role,
        not_after=not_after,
    )
    body = base64.urlsafe_b64encode(token.SerializeToString()).decode().rstrip("=")
    click.echo(TOKEN_PREFIX + body)


@cli.command()
@_dir
def members(folder: Path) -> None:
    """List the members."""
    for member, revoked in _open(load_config(folder)).members():
        state = "  (revoked)" if revoked else ""
        click.echo(f"{member.name}  {member.role}  {member.fingerprint}{state}")


@cli.command()
@click.argument("name")
@_dir
def revoke(name: str, folder: Path) -> None:
    """Refuse member NAME from now on. What NAME fetched before stays fetched."""
    if not _open(load_config(folder)).revoke_member(name, unix_now()):
        raise UnknownMember("there is no member of that name", hint="see `sealift-relay members`")
    click.echo(f"revoked {name}")


def _open(config: Config) -> Metadata:
    metadata = Metadata(config.storage.metadata)
    metadata.upgrade()
    return metadata


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
    try:
        cli(standalone_mode=False)
    except SealiftError as error:
        click.echo(
            f"error: {error.what}" + (f"; hint: {error.hint}" if error.hint else ""), err=True
        )
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    sys.exit(0)
