"""Places for keys, for tests: SoftHSM and an OpenBao server, which are real; stand-ins for clouds.

moto plays AWS KMS. Google Cloud KMS and Azure Key Vault are played by servers of our own.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE
from places import TESTS

from sealift.keystore.backend import Backend
from sealift.keystore.registry import open_backend
from sealift.process.secret import Secret

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "123456"
ROOT_TOKEN = "root-token-of-this-test"
_PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """Where keys can be.

    Attributes:
        url: of it.
        secret: what it asks for.
        other: the URL of another such place, with the same secret; empty if there is none.
    """

    url: str
    secret: str
    other: str = ""

    def open(self, url: str = "") -> Backend:
        return open_backend(url or self.url, self.ask)

    def ask(self, _: str) -> Secret:
        return Secret(self.secret.encode())


def softhsm(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: tuple[str, ...] = ("hospital", "spare"),
) -> Place:
    """Fresh tokens."""
    pkcs11 = pytest.importorskip("pkcs11")
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    for label in labels:
        subprocess.run(
            [
                *("softhsm2-util", "--init-token", "--free", "--so-pin=87654321"),
                *(f"--label={label}", f"--pin={PIN}"),
            ],
            check=True,
            capture_output=True,
        )
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    url = f"pkcs11:token=hospital?module-path={SOFTHSM}"
    return Place(url, PIN, url.replace("hospital", "spare"))


@contextlib.contextmanager
def openbao(folder: Path) -> Iterator[Place]:
    """A server of its own, in memory, with two transit engines."""
    hvac = pytest.importorskip("hvac")
    program = _PROGRAMS / "bao"
    if not program.exists():
        pytest.skip("OpenBao is not installed")
    port = free_port()
    command = [
        *(
            program,
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={ROOT_TOKEN}",
        ),
        f"-dev-listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder / "bao.log", port):
        address = f"http://127.0.0.1:{port}"
        client = hvac.Client(url=address, token=ROOT_TOKEN)
        wait_for(lambda: bool(client.sys.is_initialized()))
        for mount in ("transit", "spare"):
            client.sys.enable_secrets_engine("transit", path=mount)
        yield Place(f"openbao:{address}", ROOT_TOKEN, f"openbao:{address}?mount=spare")


def empty_openbao(place: Place) -> Place:
    """A server that others used, with two transit engines that have no keys."""
    import hvac

    client = hvac.Client(url=place.url.partition(":")[2], token=place.secret)
    for mount in ("transit", "spare"):
        client.sys.disable_secrets_engine(mount)
        client.sys.enable_secrets_engine("transit", path=mount)
    return place


def empty_moto(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A moto that others used, without their keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    endpoint = place.url.partition("endpoint=")[2]
    reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=PATIENCE) as answer:
        assert answer.status == 200
    return place


@contextlib.contextmanager
def moto(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, taught: bool = False
) -> Iterator[Place]:
    """moto's server, which is not Amazon's: it does not decrypt with RSA, unless we taught it."""
    pytest.importorskip("boto3")
    program: list[object] = [_PROGRAMS / "moto_server"]
    if taught:
        program = [
            sys.executable,
            TESTS / "fakes" / "moto_that_decrypts.py",
        ]
    port = free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    command = [*program, "-H", "127.0.0.1", "-p", str(port)]
    with running(command, folder / "moto.log", port):
        endpoint = f"endpoint=http://127.0.0.1:{port}"
        yield Place(
            f"awskms:eu-central-1?{endpoint}", "", f"awskms:eu-west-1?{endpoint}"
        )


@contextlib.contextmanager
def gcp_kms(service: Any = None) -> Iterator[Place]:
    """A server of our own, which plays Google Cloud KMS."""
    pytest.importorskip("google.cloud.kms_v1")
    from fakes import gcpkms as fake_gcpkms

    with serving(fake_gcpkms.server_of(service or fake_gcpkms.Service())) as port:
        endpoint = f"endpoint=http://127.0.0.1:{port}"
        ring = "gcpkms:projects/hospital/locations/europe-west3/keyRings/sealift"
        yield Place(
            f"{ring}?{endpoint}", "", f"{ring}-spare?protection=software&{endpoint}"
        )


@contextlib.contextmanager
def key_vault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, service: Any = None
) -> Iterator[Place]:
    """Servers of our own, which play Azure Key Vault and where the SDK gets its token from."""
    pytest.importorskip("azure.keyvault.keys")
    pytest.importorskip("azure.identity")
    from fakes import keyvault as fake_keyvault

    vault, spare = service or fake_keyvault.Service(), fake_keyvault.Service()
    certificate = fake_keyvault.certified(folder)
    with (
        serving(fake_keyvault.server_of(vault, certificate)),
        serving(fake_keyvault.server_of(spare, certificate)),
    ):
        for name, value in {
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"{vault.address}/identity",
            "IDENTITY_HEADER": fake_keyvault.HEADER,
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        }.items():
            monkeypatch.setenv(name, value)
        yield Place(
            f"azurekeyvault:{vault.address}",
            fake_keyvault.TOKEN,
            f"azurekeyvault:{spare.address}?hsm=true",
        )


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    """A server in a thread, until the block ends; its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def running(command: list[object], log: Path, port: int) -> Iterator[None]:
    """A server, until the block ends."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=file, stderr=file
        )
        try:
            wait_for(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait_for(ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port
