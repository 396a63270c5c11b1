"""The relay's configuration: one TOML file, with environment overrides."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from sealift_protocol.errors import InvalidArgument

FILE_NAME = "relay.toml"
_ENVIRONMENT = "SEALIFT_RELAY_"
_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the relay listens.

    Attributes:
        host: address to bind.
        advertised: host name or address that members use.
        port: members' listener, mutual TLS.
        enrolment_port: enrolment listener, server TLS.
    """

    host: str = "127.0.0.1"
    advertised: str = "localhost"
    port: int = 7443
    enrolment_port: int = 7444


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the relay stores data, as URLs.

    Attributes:
        blobs: an object store, such as file:///srv/relay/blobs or s3://bucket/prefix.
        metadata: a SQLAlchemy URL, such as sqlite:////srv/relay/relay.db.
    """

    blobs: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """The Merkle log.

    Attributes:
        witnesses: addresses (C2SP tlog-witness), separated by spaces, that cosign checkpoints.
    """

    witnesses: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on calls, connections and stored data.

    Attributes:
        workers: threads that serve calls.
        concurrent_calls: calls at once; more are refused with RELAY_BUSY.
        streams_a_connection: HTTP/2 streams of one connection.
        message_bytes: largest message.
        header_bytes: largest HTTP/2 header list.
        call_seconds: longest deadline that a call may have.
        idle_stream_seconds: how long an upload may send nothing before it is ended.
        idle_connection_seconds: how long a connection may be idle before it is closed.
        drain_seconds: how long running calls may take to finish on shutdown.
        clock_skew_seconds: how far a commit's time may be from the relay's clock.
        failed_enrolments_a_minute: most wrong tokens from one address.
        member_bytes: most bytes that one member may store, unless the operator set a quota for
            it; 0 for no limit. The next two limits work the same way.
        member_shards: most shards that one member may store.
        member_calls_a_minute: most calls of one member; each relay process counts separately.
        uncommitted_seconds: how long a shard is kept that no commit names.
        sweep_seconds: how often shards that are due are destroyed.
        disclosure_seconds: how long a disclosure gives access to the shards that it names.
    """

    workers: int = 16
    concurrent_calls: int = 64
    streams_a_connection: int = 32
    message_bytes: int = 4 << 20
    header_bytes: int = 16 << 10
    call_seconds: int = 3600
    idle_stream_seconds: int = 60
    idle_connection_seconds: int = 900
    drain_seconds: int = 20
    clock_skew_seconds: int = 600
    failed_enrolments_a_minute: int = 10
    member_bytes: int = 0
    member_shards: int = 0
    member_calls_a_minute: int = 0
    uncommitted_seconds: int = 7 * 86_400
    sweep_seconds: int = 60
    disclosure_seconds: int = 86_400


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration of a relay's folder."""

    folder: Path
    listen: Listen = field(default_factory=Listen)
    storage: Storage = field(default_factory=Storage)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)

    @property
    def tls(self) -> Path:
        """Folder of the CA's and the server's keys and certificates."""
        return self.folder / "tls"


def load_config(folder: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Reads relay.toml; SEALIFT_RELAY_<SECTION>_<KEY> in the environment overrides it.

    Raises:
        InvalidArgument: there is no configuration, or a key is unknown or of the wrong type.
    """
    path = folder / FILE_NAME
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidArgument(
            "the folder has no relay.toml", hint="run `sealift-relay init DIR` first"
        ) from None
    except ValueError as error:
        raise InvalidArgument(f"relay.toml is not valid TOML: {error}") from None
    unknown = document.keys() - {"listen", "storage", "limits", "log"}
    if unknown:
        raise InvalidArgument(
            f"relay.toml has an unknown section: {sorted(unknown)[0]}"
        )
    storage = _section(Storage, "storage", document, environment)
    return Config(
        folder=folder,
        listen=_section(Listen, "listen", document, environment),
        storage=Storage(
            blobs=storage.blobs or (folder / "blobs").resolve().as_uri(),
            metadata=storage.metadata or f"sqlite:///{(folder / 'relay.db').resolve()}",
        ),
        limits=_section(Limits, "limits", document, environment),
        log=_section(Log, "log", document, environment),
    )


def _section(
    kind: type[_S],
    name: str,
    document: Mapping[str, Any],
    environment: Mapping[str, str],
) -> _S:
    given = dict(document.get(name, {}))
    known = {item.name: item.type for item in fields(kind)}  # type: ignore[arg-type]
    unknown = given.keys() - known.keys()
    if unknown:
        raise InvalidArgument(
            f"relay.toml has an unknown key: {name}.{sorted(unknown)[0]}"
        )
    for key, annotation in known.items():
        variable = f"{_ENVIRONMENT}{name}_{key}".upper()
        if variable in environment:
            given[key] = environment[variable]
            if annotation == "int":
                given[key] = _integer(environment[variable], variable)
        wanted: type = int if annotation == "int" else str
        if key in given and type(given[key]) is not wanted:
            raise InvalidArgument(f"{name}.{key} in relay.toml has the wrong type")
        if wanted is int and given.get(key, 0) < 0:
            raise InvalidArgument(f"{name}.{key} is negative")
    return kind(**given)


def _integer(text: str, variable: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(
            f"{variable} in the environment is not a number"
        ) from None


def write_config(folder: Path, listen: Listen) -> None:
    """Writes the first configuration of a new relay."""
    text = f"""\
# Configuration of a Sealift relay. Every key may be overridden by the environment:
# SEALIFT_RELAY_LISTEN_PORT=8443, SEALIFT_RELAY_STORAGE_BLOBS=s3://bucket/prefix, ...

[listen]
host = "{listen.host}"              # address to bind; 0.0.0.0 for all
advertised = "{listen.advertised}"  # what members connect to; the certificate names it
port = {listen.port}                # members, mutual TLS
enrolment_port = {listen.enrolment_port}  # enrolment, one-time tokens

[storage]
# Both default to this folder.
# blobs = "file:///srv/relay/blobs"
# metadata = "sqlite:////srv/relay/relay.db"

[log]
# Addresses of witnesses that cosign the log's checkpoints, separated by spaces.
# witnesses = "https://witness.example.org"

[limits]
# See the manual for all of them.
# concurrent_calls = 64
# member_bytes = 1099511627776
# idle_stream_seconds = 60
"""
    (folder / FILE_NAME).write_text(text)
