"""The server under fakes of clouds, and what tests make go wrong with it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(kw_only=True)
class FakeService(ABC):
    """Answers calls in turn."""

    # What the next calls are refused with, in the service's own words.
    faults: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    # Seconds before an answer.
    delay: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        time.sleep(self.delay)
        with self._lock:
            self.calls.append(f"{method} {path}")
            if self.faults:
                raise self.refusal(self.faults.pop(0))
            return self.handle(method, path, query, body)

    @abstractmethod
    def refusal(self, fault: Any) -> Exception:
        """An error of the API."""

    @abstractmethod
    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        """What the API answers."""


class Handler(BaseHTTPRequestHandler):
    """Reads a call and writes an answer; `reply` decides which."""

    protocol_version = "HTTP/1.1"
    # Answers are two small writes.
    disable_nagle_algorithm = True

    def reply(self, path: str, query: dict[str, str], body: bytes) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.reply(parts.path, query, body)

    do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def send(
        self, status: int, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """When it is closed, so are its connections: clients keep theirs alive."""

    def __init__(self, handler: Any) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
