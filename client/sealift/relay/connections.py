"""Connections to the hosts of a relay: which one is in use, and what happens in a fork."""

from __future__ import annotations

import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import assert_spawning

import grpc
import grpc.experimental
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from sealift.keystore.tls import HeldTlsKey
from sealift.keystore.tlskeys import TlsKey
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeyOperationUnsupported,
    KeystoreError,
    ProfileError,
)
from sealift_protocol.v1 import (
    datasets_pb2_grpc,
    directory_pb2_grpc,
    log_pb2_grpc,
    shards_pb2,
    shards_pb2_grpc,
)
from sealift_protocol.wire import GET_SHARDS, PUT_SHARD

TRANSFER_SECONDS = 1800.0
# Unread bytes of a stream that gRPC holds. By default gRPC mistakes a slow reader for a long path
# and grows this to hundreds of MiB. With this window a stream carries 40 MB/s over 100 ms.
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
# How long connecting may take if there is another address to try; gRPC's default is 20 s.
_OPTIONS_OF_SEVERAL = [*OPTIONS, ("grpc.min_reconnect_backoff_ms", 5_000)]
# How long gRPC may need to clean up after a closed channel. A fork before that may hang.
_SETTLING_SECONDS = 0.5
_with_signer = grpc.experimental.ssl_channel_credentials_with_custom_signer
_ECDSA_P256 = int(grpc.experimental.PrivateKeySignatureAlgorithm.ECDSA_SECP256R1_SHA256)
# gRPC reads this variable when it is imported.
_FORKS_UNPREPARED = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in (
    *("0", "f", "false", "n", "no"),
)


@dataclass(frozen=True, slots=True)
class RelayAccess:
    """Everything that a worker process needs to connect to a relay as one member.

    A fork inherits it, and multiprocessing may pass it to a process that it spawns. It cannot be
    pickled for anything else, because it contains the TLS key.

    Attributes:
        addresses: host:port of each host of the relay, the preferred one first.
        authority_pem: the relay's CA certificate.
        certificate_pem: the member's certificate.
        tls_key: the certificate's private key, PEM; or a key in a backend that signs.
    """

    addresses: tuple[str, ...]
    authority_pem: bytes = field(repr=False)
    certificate_pem: bytes = field(repr=False)
    tls_key: TlsKey = field(repr=False)

    def __reduce__(self) -> tuple[Callable[..., RelayAccess], tuple[object, ...]]:
        assert_spawning(self)
        if isinstance(self.tls_key, HeldTlsKey):
            self.tls_key.__reduce__()
        key = self.tls_key.reveal()
        return _restore, (self.addresses, self.authority_pem, self.certificate_pem, key)


def _restore(
    addresses: tuple[str, ...],
    authority_pem: bytes,
    certificate_pem: bytes,
    tls_key: bytes,
) -> RelayAccess:
    return RelayAccess(addresses, authority_pem, certificate_pem, Secret(tls_key))


class Connection:
    """A channel to one address, and the calls on it.

    Attributes:
        position: index of its address.
        calls: how many calls are in progress.
        cut: whether this side ended the calls.
        closed_for_fork: whether it did so because the process forked.
        key_failure: why the keystore did not sign the last handshake; None if it did.
    """

    def __init__(self, access: RelayAccess, position: int) -> None:
        self.address = access.addresses[position]
        self.position = position
        self.certificate_pem = access.certificate_pem
        self.calls = 0
        self.cut = False
        self.closed_for_fork = False
        self.key_failure: KeystoreError | None = None
        credentials = self._credentials(access)
        options = OPTIONS if len(access.addresses) == 1 else _OPTIONS_OF_SEVERAL
        self.channel = grpc.secure_channel(self.address, credentials, options=options)
        self.directory = directory_pb2_grpc.DirectoryStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsStub(self.channel)
        self.shards = shards_pb2_grpc.ShardsStub(self.channel)
        self.log = log_pb2_grpc.LogStub(self.channel)
        # No serializers: segments travel without a protobuf copy (sealift_protocol.framing).
        self.put = self.channel.stream_unary(
            PUT_SHARD,
            request_serializer=None,
            response_deserializer=shards_pb2.PutResponse.FromString,
        )
        self._get = self.channel.unary_stream(
            GET_SHARDS,
            request_serializer=shards_pb2.GetRequest.SerializeToString,
            response_deserializer=None,
        )

    def _credentials(self, access: RelayAccess) -> grpc.ChannelCredentials:
        key = access.tls_key
        if isinstance(key, Secret):
            return grpc.ssl_channel_credentials(
                access.authority_pem, key.reveal(), access.certificate_pem
            )
        # With a signer, gRPC 1.85 crashes on a certificate that it cannot parse.
        for pem in (access.authority_pem, access.certificate_pem):
            try:
                x509.load_pem_x509_certificate(pem)
            except ValueError:
                raise ProfileError(
                    "a certificate of this profile cannot be read",
                    hint="restore the profile from a backup, or run `sealift rejoin`",
                ) from None
        # The warning that this gRPC API is experimental does not concern users of Sealift.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", grpc.experimental.ExperimentalApiWarning)
            made: grpc.ChannelCredentials = _with_signer(
                private_key_sign_fn=partial(self._sign_handshake, key),
                root_certificates=access.authority_pem,
                certificate_chain=access.certificate_pem,
            )
        return made

    def _sign_handshake(
        self, key: HeldTlsKey, data: bytes, algorithm: int, on_complete: object
    ) -> bytes:
        """Return a DER signature over unhashed data; an exception ends the handshake."""
        del on_complete
        try:
            if algorithm != _ECDSA_P256:
                raise KeyOperationUnsupported(
                    "the relay's TLS asks for a signature that is not ECDSA P-256 with SHA-256"
                )
            with _process.signing:
                signature = key.sign(data, ec.ECDSA(SHA256()))
        except KeystoreError as error:
            self.key_failure = error
            raise
        self.key_failure = None
        return signature

    def segments(self, request: shards_pb2.GetRequest) -> Generator[bytes, None, None]:
        """Yield the messages of a stream; closing the iterator ends the stream."""
        call = self._get(request, timeout=TRANSFER_SECONDS)
        try:
            yield from call
        finally:
            # Without this, the relay keeps sending to a reader that stopped early.
            call.cancel()


class Route:
    """The connection in use and its address, and older connections until their calls end."""

    def __init__(self, access: RelayAccess) -> None:
        self.access = access
        self._position = 0
        self._in_use: Connection | None = None
        self._open: set[Connection] = set()
        self._closed = False
        _process.routes.add(self)

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Keep the current connection open for a call.

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
                _process.used = True
                self._open.add(connection)
            connection.calls += 1
        return connection

    def _end(self, connection: Connection) -> None:
        with _process.lock:
            connection.calls -= 1
            done = self._retired()
        _close(done)

    def leave(self, connection: Connection) -> bool:
        """Switch to the next address, unless another thread has already left this connection.

        Calls in progress on the connection are not interrupted.
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
        """Use a new connection for later calls."""
        with _process.lock:
            self.access = access
            self._in_use = None
            done = self._retired()
        _close(done)

    def cut(self) -> None:
        """End the calls in progress."""
        with _process.lock:
            done = self._take_all()
        _close(done)

    def close(self) -> None:
        """End the calls in progress and refuse later ones."""
        self._closed = True
        self.cut()

    def close_for_fork(self) -> None:
        """End the calls in progress, which their callers repeat after the fork."""
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
        """Remove and return the connections that are no longer in use."""
        # Iterate over a copy: the garbage collector may end a stream meanwhile and re-enter.
        done = [c for c in list(self._open) if c is not self._in_use and not c.calls]
        self._open.difference_update(done)
        return done


def _close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        # Waits until the calls have ended.
        connection.channel.close()
        _process.last_close = time.monotonic()


class _Process:
    """State that the relays of a process share: a lock, and fork handlers.

    gRPC restarts in the child of a fork, but only if no call is in progress. If one is, child and
    parent share its socket: each takes bytes that the other needs, and the child may crash. So
    every connection is closed before a fork.

    Source: grpc, doc/fork_support.md; src/core/lib/iomgr/fork_posix.cc.
    """

    def __init__(self) -> None:
        # Reentrant, because the garbage collector may end a stream at any time.
        self.lock = threading.RLock()
        self.routes: weakref.WeakSet[Route] = weakref.WeakSet()
        self.last_close = 0.0
        # Held while a token signs for gRPC: a fork would copy its library's locks in locked state.
        self.signing = threading.Lock()
        # Whether a connection was ever made.
        self.used = False
        self._unusable = False

    def check(self) -> None:
        """Check that gRPC works in this process.

        Raises:
            InvalidArgument: this process was forked while gRPC's fork support was off.
        """
        if self._unusable:
            raise InvalidArgument(
                "the relay cannot be used in this process: it was forked from one that used it, "
                "with GRPC_ENABLE_FORK_SUPPORT=0",
                hint="unset that variable, or use the start method spawn or forkserver",
            )

    def prepare(self) -> None:
        """Register the fork handlers, once, before any thread may make a connection.

        A fork runs those that were registered when it began. So if they were registered with the
        first connection, a fork at that moment would copy the lock in locked state.
        """
        # gRPC registers its own handlers with its first channel, and the last ones run first.
        grpc.insecure_channel("localhost:1").close()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def _before_fork(self) -> None:
        # Held until after the fork, so that no call begins in the meantime.
        self.lock.acquire()
        for route in list(self.routes):
            route.close_for_fork()
        time.sleep(max(0.0, self.last_close + _SETTLING_SECONDS - time.monotonic()))
        with self.signing:
            # No new signature can begin, because every channel is closed.
            pass

    def _after_fork_in_parent(self) -> None:
        self.lock.release()

    def _after_fork_in_child(self) -> None:
        self.lock = threading.RLock()
        self.signing = threading.Lock()
        self._unusable = self.used and _FORKS_UNPREPARED


_process = _Process()
_process.prepare()
