"""The reference: raw gRPC over mutual TLS, 1 MiB messages, identity serializers, nothing stored."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from harness import report, stopwatch

MESSAGE = 1 << 20
LIMIT = [("grpc.max_receive_message_length", 2 * MESSAGE)]


def serve(tls: Path) -> None:
    def push(messages: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
        return str(sum(len(message) for message in messages)).encode()

    def pull(request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        message = os.urandom(MESSAGE)
        for _ in range(int(request)):
            yield message

    server = grpc.server(ThreadPoolExecutor(4), options=LIMIT)
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "raw.Raw",
                {
                    "Push": grpc.stream_unary_rpc_method_handler(push),
                    "Pull": grpc.unary_stream_rpc_method_handler(pull),
                },
            )
        ]
    )
    authority = (tls / "ca.pem").read_bytes()
    pair = (
        (tls / "server.key").read_bytes(),
        (tls / "server.pem").read_bytes() + authority,
    )
    credentials = grpc.ssl_server_credentials(
        [pair], authority, require_client_auth=True
    )
    print(server.add_secure_port("127.0.0.1:0", credentials), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0).wait()


def connect(tls: Path, port: str) -> grpc.Channel:
    authority = (tls / "ca.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(
        authority, (tls / "client.key").read_bytes(), (tls / "client.pem").read_bytes()
    )
    return grpc.secure_channel(f"localhost:{port}", credentials, options=LIMIT)


def push(tls: Path, port: str, messages: int) -> None:
    message = os.urandom(MESSAGE)
    with connect(tls, port) as channel:
        call = channel.stream_unary("/raw.Raw/Push")
        call(iter([message]))
        with stopwatch() as elapsed:
            call(message for _ in range(messages))
    report(elapsed[0])


def pull(tls: Path, port: str, messages: int) -> None:
    with connect(tls, port) as channel:
        call = channel.unary_stream("/raw.Raw/Pull")
        for _ in call(b"1"):
            pass
        with stopwatch() as elapsed:
            total = sum(len(message) for message in call(str(messages).encode()))
    assert total == messages * MESSAGE
    report(elapsed[0])


if __name__ == "__main__":
    action, folder, *rest = sys.argv[1:]
    if action == "serve":
        serve(Path(folder))
    else:
        {"push": push, "pull": pull}[action](Path(folder), rest[0], int(rest[1]))
