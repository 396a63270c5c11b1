"""Connections to the hosts of a relay: which is in use, and how a process that has some forks."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import assert_spawning

import grpc

from sealift.secret import Secret
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.v1 import (
    datasets_pb2_grpc,
    directory_pb2_grpc,
    log_pb2_grpc,
    shards_pb2,
    shards_pb2_grpc,
)

TRANSFER_SECONDS = 1800.0
# Bytes of a stream that gRPC holds unread. Left to itself it takes a slow reader for a long way to
# the relay and makes that ever more, hundreds of MiB. Over 100 ms a stream carries 40 MB/s so.
STREAM_WINDOW = 4 << 20
_MAX_CONTROL_MESSAGE = 16 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.max_send_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", STREAM_WINDOW),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
# How long a connection may take to come about where there is another address; gRPC's own is 20 s.
_OPTIONS_OF_SEVERAL = [*OPTIONS, ("grpc.min_reconnect_backoff_ms", 5_000)]
# How long gRPC may need to put away a channel that was closed. A fork before that may hang.
_SETTLING_SECONDS = 0.5
# gRPC reads it when it is imported.
_FORKS_UNPREPARED = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in (
    *("0", "f", "false", "n", "no"),
)


@dataclass(frozen=True, slots=True)
class RelayAccess:
    """What it takes to connect to a relay as one member, for worker processes.

    A fork inherits it, and multiprocessing may hand it to a process that it spawns. It is pickled
    for nothing else, because the TLS key goes with it.

    Attributes:
        addresses: host:port of each host of the relay, the preferred one first.
        authority_pem: the relay's CA certificate.
        certificate_pem: the member's.
        tls_key: its private key, PEM.
    """

    addresses: tuple[str, ...]
    authority_pem: bytes = field(repr=False)
    certificate_pem: bytes = field(repr=False)
    tls_key: Secret = field(repr=False)

    def __reduce__(self) -> tuple[Callable[..., RelayAccess], tuple[object, ...]]:
        assert_spawning(self)
        key = self.tls_key.reveal()
        return _restore, (self.addresses, self.authority_pem, self.certificate_pem, key)


def _restore(
    addresses: tuple[str, ...], authority_pem: bytes, certificate_pem: bytes, tls_key: bytes
) -> RelayAccess:
    return RelayAccess(addresses, authority_pem, certificate_pem, Secret(tls_key))


class Connection:
    """A channel to one address, and the calls on it.

    Attributes:
        position: of the address among all.
        calls: how many are under way.
        cut: whether they were ended by this side.
        closed_for_fork: whether that was because the process forked.
    """

    def __init__(self, access: RelayAccess, position: int) -> None:
        self.address = access.addresses[position]
        self.position = position
        self.certificate_pem = access.certificate_pem
        self.calls = 0
        self.cut = False
        self.closed_for_fork = False
        credentials = grpc.ssl_channel_credentials(
            access.authority_pem, access.tls_key.reveal(), access.certificate_pem
        )
        options = OPTIONS if len(access.addresses) == 1 else _OPTIONS_OF_SEVERAL
        self.channel = grpc.secure_channel(self.address, credentials, options=options)
        self.directory = directory_pb2_grpc.DirectoryStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsStub(self.channel)
        self.shards = shards_pb2_grpc.ShardsStub(self.channel)
        self.log = log_pb2_grpc.LogStub(self.channel)
        # Identity serializers: segments travel without a protobuf copy (sealift_protocol.framing).
        self.put = self.channel.stream_unary(
            "/sealift.v1.Shards/Put",
            request_serializer=None,
            response_deserializer=shards_pb2.PutResponse.FromString,
        )
        self._get = self.channel.unary_stream(
            "/sealift.v1.Shards/Get",
            request_serializer=shards_pb2.GetRequest.SerializeToString,
            response_deserializer=None,
        )

    def segments(self, request: shards_pb2.GetRequest) -> Generator[bytes, None, None]:
        """The messages of a stream, which ends with this iterator."""
        call = self._get(request, timeout=TRANSFER_SECONDS)
        try:
            yield from call
        finally:
            # A reader that stops early must not leave the relay sending.
            call.cancel()


class Route:
    """Which address is in use, and the connections: one in use, others until their calls end."""

    def __init__(self, access: RelayAccess) -> None:
        self.access = access
        self._position = 0
        self._in_use: Connection | None = None
        self._open: set[Connection] = set()
        self._closed = False
        _process.routes.add(self)

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection in use, kept open for a call.

        Raises:
            InvalidArgument: the relay was closed, or gRPC does not work in this process.
        """
        connection = self._begin()
        try:
            yield connection
        finally:
            self._end(connection)

    def _begin(self) -> Connection:
        with _process.lock:
            if self._closed:
                raise InvalidArgument("the connection to the relay was closed")
            connection = self._in_use
            if connection is None:
                _process.check()
                connection = self._in_use = Connection(self.access, self._position)
                _process.prepare()
                self._open.add(connection)
            connection.calls += 1
        return connection

    def _end(self, connection: Connection) -> None:
        with _process.lock:
            connection.calls -= 1
            done = self._retired()
        _close(done)

    def leave(self, connection: Connection) -> bool:
        """Turns to the next address, unless another thread did so since this one failed.

        Calls under way on the connection are left to end by themselves.
        """
        with _process.lock:
            if connection is not self._in_use or len(self.access.addresses) == 1:
                return False
            self._position = (connection.position + 1) % len(self.access.addresses)
            self._in_use = None
            done = self._retired()
        _close(done)
        return True

    def change(self, access: RelayAccess) -> None:
        """Connects anew for later calls."""
        with _process.lock:
            self.access = access
            self._in_use = None
            done = self._retired()
        _close(done)

    def cut(self) -> None:
        """Ends the calls under way."""
        with _process.lock:
            done = self._take_all()
        _close(done)

    def close(self) -> None:
        """Ends the calls under way, and refuses later ones."""
        self._closed = True
        self.cut()

    def close_for_fork(self) -> None:
        """Ends the calls under way, which are to be repeated."""
        done = self._take_all()
        for connection in done:
            connection.closed_for_fork = True
        _close(done)

    def _take_all(self) -> list[Connection]:
        done = list(self._open)
        self._open.clear()
        self._in_use = None
        for connection in done:
            connection.cut = True
        return done

    def _retired(self) -> list[Connection]:
        """Takes out the connections that nobody uses and nobody will."""
        # Over a copy, for a stream that the garbage collector ends meanwhile comes here too.
        done = [c for c in list(self._open) if c is not self._in_use and not c.calls]
        self._open.difference_update(done)
        return done


def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        # This waits until the calls have ended.
        connection.channel.close()
        _process.last_close = time.monotonic()


class _Process:
    """What the relays of a process share: a lock, and how to fork.

    gRPC starts afresh in the child of a fork, but it is only prepared for that while no call is
    under way. If one is, child and parent share its socket: each takes bytes that the other needs,
    and the child may crash. So nothing is open during a fork.

    Source: grpc, doc/fork_support.md; src/core/lib/iomgr/fork_posix.cc.
    """

    def __init__(self) -> None:
        # Reentrant, for the garbage collector may end a stream at any time.
        self.lock = threading.RLock()
        self.routes: weakref.WeakSet[Route] = weakref.WeakSet()
        self.last_close = 0.0
        self._prepared = False
        self._unusable = False

    def check(self) -> None:
        """Checks that gRPC works in this process.

        Raises:
            InvalidArgument: this process was forked without gRPC being prepared for it.
        """
        if self._unusable:
            raise InvalidArgument(
                "the relay cannot be used in this process: it was forked from one that used it, "
                "with GRPC_ENABLE_FORK_SUPPORT=0",
                hint="leave that variable unset, or start processes by spawn or forkserver",
            )

    def prepare(self) -> None:
        """Prepares for forks; called when there is a channel.

        With its first channel gRPC may register handlers of its own, and the last goes first.
        """
        if not self._prepared and hasattr(os, "register_at_fork"):
            self._prepared = True
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _before_fork(self) -> None:
        # Held until after the fork, so that no call begins meanwhile.
        self.lock.acquire()
        for route in list(self.routes):
            route.close_for_fork()
        time.sleep(max(0.0, self.last_close + _SETTLING_SECONDS - time.monotonic()))

    def _after_fork_in_parent(self) -> None:
        self.lock.release()

    def _after_fork_in_child(self) -> None:
        self.lock = threading.RLock()
        self._unusable = _FORKS_UNPREPARED


_process = _Process()
