"""A double of a FHIR server with Bulk Data export.

It does what the Bulk Data Access IG asks of a server (https://hl7.org/fhir/uv/bulkdata/export.html):
202 with Content-Location for a kick-off that prefers an asynchronous answer, 202 with Retry-After
and X-Progress while it works, a manifest with Expires, files as NDJSON, and 202 for the deletion,
after which all of it is 404. It is no FHIR server: the resources are given to it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "canary.token-1"


@dataclass(slots=True)
class BulkData:
    """A server.

    Attributes:
        files: lines of NDJSON by the type of their resources; several texts are several files.
        needs_token: whether only requests with TOKEN are answered.
        refusal: status and body of the answer to a kick-off; 202 as the IG says, if None.
        working: what the status answers before the export is complete: status and Retry-After.
        failure: status and body of the answer to the status request, at its end.
        changes: members of the manifest that are other than they would be.
        gone: whether the files are 404, as after the export has expired.
        cut: whether files end before their Content-Length.
        encoding: the header Content-Encoding of files.
        expires: the header Expires of the manifest.
        requests: method, path and headers of every request.
    """

    files: dict[str, list[str]]
    needs_token: bool = True
    refusal: tuple[int, Any] | None = None
    working: Sequence[tuple[int, str]] = ((202, "2"),)
    failure: tuple[int, Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    gone: bool = False
    cut: bool = False
    encoding: str = ""
    expires: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    asked: int = 0
    deleted: bool = False

    def count(self, method: str, beginning: str) -> int:
        """Return how many requests there were."""
        return sum(m == method and p.startswith(beginning) for m, p, _ in self.requests)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest of the export."""
        output = [
            {
                "type": kind,
                "url": f"{self.url}/files/{kind}/{number}",
                "count": text.count("\n"),
            }
            for kind, texts in self.files.items()
            for number, text in enumerate(texts)
        ]
        return {
            "transactionTime": "2024-01-02T03:04:05Z",
            "request": f"{self.url}/fhir/Patient/$export",
            "requiresAccessToken": self.needs_token,
            "output": output,
            "error": [],
        } | self.changes


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "too-costly", "diagnostics": "canary"}],
}


@contextmanager
def serving(server: BulkData) -> Iterator[BulkData]:
    """Serve on loopback; the server's `url` is where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def send(self, status: int, body: object = None, **headers: str) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        def do_DELETE(self) -> None:
            server.requests.append(("DELETE", self.path, dict(self.headers)))
            server.deleted = True
            self.send(202)

        def do_GET(self) -> None:
            server.requests.append(("GET", self.path, dict(self.headers)))
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if server.needs_token and not allowed:
                self.send(401, {**OUTCOME, "issue": [{"code": "login"}]})
            elif self.path.startswith("/fhir/"):
                self.kick_off()
            elif server.deleted:
                self.send(404, OUTCOME)
            elif self.path.startswith("/status/"):
                self.status()
            else:
                self.file()

        def kick_off(self) -> None:
            if server.refusal is not None:
                self.send(*server.refusal)
            elif self.headers.get("Prefer") != "respond-async":
                self.send(400, OUTCOME)
            else:
                server.deleted, server.asked = False, 0
                self.send(202, Content_Location=f"{server.url}/status/1")

        def status(self) -> None:
            server.asked += 1
            if server.asked <= len(server.working):
                status, after = server.working[server.asked - 1]
                self.send(status, Retry_After=after, X_Progress="in-progress")
            elif server.failure is not None:
                self.send(*server.failure)
            else:
                more = {"Expires": server.expires} if server.expires else {}
                self.send(200, server.manifest(), **more)

        def file(self) -> None:
            _, _, kind, number = self.path.split("/")
            if server.gone:
                self.send(404, OUTCOME)
                return
            content = server.files[kind][int(number)].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            if server.encoding:
                self.send_header("Content-Encoding", server.encoding)
            self.end_headers()
            self.wfile.write(content[: -3 if server.cut else None])
            self.close_connection = True

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
