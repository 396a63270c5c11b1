"""A relay that lies on the wire: a real gRPC server that rewrites what the honest relay answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from patience import PATIENCE

from sealift.keystore.tlskeys import key_as_pem
from sealift.process.secret import Secret
from sealift.relay.transport import Relay
from sealift.session import Session
from sealift_protocol.v1 import datasets_pb2, directory_pb2, log_pb2, shards_pb2

_MODULES = {
    "Datasets": datasets_pb2,
    "Directory": directory_pb2,
    "Log": log_pb2,
    "Shards": shards_pb2,
}
Lie = Callable[[Any, list[Any]], list[Any]]
"""Gets the request and the honest answers, and returns those that the client gets."""


class LyingServer(grpc.GenericRpcHandler):
    """Passes every call on to the honest relay; methods named in `lies` are answered with lies."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.lies: dict[str, Lie] = {}
        self.refuse: set[str] = set()
        self.calls: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        # On the wire a unary call is a stream of one message, so one handler serves all.
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._call(details.method, requests, context)
        )

    def _call(
        self, method: str, requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        service, _, name = method.removeprefix("/sealift.v1.").partition("/")
        short = f"{service}/{name}"
        self.calls.append(short)
        lie = self.lies.get(short)
        forward = self._channel.stream_stream(method)
        sent: list[bytes] = []

        def passed_on() -> Iterator[bytes]:
            for request in requests:
                sent.append(request)
                yield request

        try:
            answers = forward(passed_on(), timeout=PATIENCE)
            if lie is None:
                yield from answers
                return
            received = list(answers)
        except grpc.RpcError as error:
            if lie is None or short not in self.refuse:
                context.set_trailing_metadata(error.trailing_metadata() or ())
                context.abort(error.code(), error.details())
            received = []
        module = _MODULES[service]
        request = getattr(module, f"{name}Request").FromString(sent[0])
        kind = getattr(module, f"{name}Response")
        for answer in lie(request, [kind.FromString(content) for content in received]):
            yield answer.SerializeToString()


@contextmanager
def lying_to(relay: Any, session: Session) -> Iterator[LyingServer]:
    """Puts a lying server between a session and its relay."""
    tls = relay.config.tls
    authority = (tls / "ca.pem").read_bytes()
    certificate = session._connection.profile.certificate.read_bytes()
    key = key_as_pem(session._connection.keychain.keys.tls_private_key)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    honest = grpc.secure_channel(f"localhost:{relay.config.listen.port}", credentials)
    lying = LyingServer(honest)
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((lying,))
    chain = (tls / "server.pem").read_bytes() + authority
    port = server.add_secure_port(
        "localhost:0",
        grpc.ssl_server_credentials(
            [((tls / "server.key").read_bytes(), chain)],
            authority,
            require_client_auth=True,
        ),
    )
    server.start()
    before = session._connection.relay
    session._connection.relay = Relay(
        f"localhost:{port}",
        authority_pem=authority,
        certificate_pem=certificate,
        tls_key=Secret(key),
    )
    session._connection.reload()
    try:
        yield lying
    finally:
        session._connection.relay.close()
        session._connection.relay = before
        session._connection.reload()
        server.stop(0).wait()
        honest.close()
