"""The `sealift-witness` command."""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from sealift_protocol import __version__
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.program import as_json, run, show

if TYPE_CHECKING:
    from sealift_protocol.notes import VerifierKey
    from sealift_witness.witness import Witness

_SECONDS = 10
_folder = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Watch relays' logs: cosign a checkpoint only if it extends the last one.

    A relay that wants to show members different logs then needs this witness's help. The
    witness keeps one small file per log in DIR, which must not be lost or restored from a
    backup.
    """


@cli.command()
@_folder
@click.option(
    "--name",
    required=True,
    help="Name of this witness, such as witness.example.org/one.",
)
@as_json
def init(folder: Path, name: str, as_json: bool) -> None:
    """Create a witness in DIR and print the key that members add."""
    import nacl.signing

    from sealift_protocol.notes import KeyKind, VerifierKey

    key = nacl.signing.SigningKey.generate()
    verifier_key = VerifierKey(name, KeyKind.COSIGNATURE_V1, bytes(key.verify_key))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(
            folder / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
        )
    except FileExistsError:
        raise InvalidArgument(
            "the folder already holds a witness", hint="choose another folder"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{name}\n{base64.b64encode(bytes(key)).decode()}\n")
    show(str(verifier_key), {"verifier_key": str(verifier_key)}, as_json)


@cli.command()
@_folder
@click.option(
    "--log",
    "logs",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A log to watch, as `sealift-relay log key` prints it; repeatable.",
)
@click.option(
    "--bind", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--port", default=7480, show_default=True, help="Port; 0 picks a free one."
)
def serve(folder: Path, logs: tuple[str, ...], bind: str, port: int) -> None:
    """Serve the witness in DIR over HTTP until SIGTERM or Ctrl-C."""
    from sealift_protocol.notes import VerifierKey

    witness = open_witness(folder, [VerifierKey.parse(text) for text in logs])
    server = make_server(witness, bind, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(
            number, lambda *_: threading.Thread(target=server.shutdown).start()
        )
    click.echo(f"witness ready on http://{bind}:{server.server_address[1]}")
    sys.stdout.flush()
    server.serve_forever()
    server.server_close()


def open_witness(folder: Path, logs: list[VerifierKey]) -> Witness:
    """The witness in a folder.

    Raises:
        InvalidArgument: the folder holds no witness.
    """
    from sealift_witness.witness import Witness

    try:
        name, encoded = (folder / "key").read_text().splitlines()
        return Witness(folder, name, base64.b64decode(encoded), logs)
    except (OSError, ValueError):
        raise InvalidArgument(
            "the folder holds no witness",
            hint="run `sealift-witness init DIR --name NAME` first",
        ) from None


def make_server(witness: Witness, bind: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server for a witness, which does not serve yet."""
    import structlog

    from sealift_witness.witness import MAX_REQUEST

    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_POST(self) -> None:
            size = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint":
                self.send_error(HTTPStatus.NOT_FOUND)
            elif not size.isdigit() or int(size) > MAX_REQUEST:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            else:
                answer = witness.add_checkpoint(self.rfile.read(int(size)))
                log.info("answer_checkpoint", status=int(answer.status))
                body = answer.body.encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base names it so
            """Logs nothing: `answer_checkpoint` does, without addresses."""

    return ThreadingHTTPServer((bind, port), Handler)


def main() -> NoReturn:
    """Runs the command line; the console script."""
    run(cli, name="sealift-witness")
