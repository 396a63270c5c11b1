"""A MariaDB server of one's own, for the tests that need a real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from patience import PATIENCE

from services.programs import NEEDED


@contextmanager
def mariadb_server() -> Iterator[str]:
    """A private server on a free port, with the database `test`; gives that database's URL.

    The test is skipped where MariaDB is not installed.
    """
    if not NEEDED["mariadb-server"]():
        pytest.skip("mariadb-server is not installed (make test-system installs it)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="sealift-mariadb-"))
    # The server refuses to run as root.
    user = []
    if os.getuid() == 0:
        user = ["--user=mysql"]
        shutil.chown(folder, "mysql")
    places = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", *user]
    sizes = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"]
    installing = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    listening = [f"--socket={folder}/socket", "--bind-address=127.0.0.1"]
    quick = ["--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF"]
    subprocess.run(
        ["mariadb-install-db", *places, *sizes, *installing],
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [_mariadbd(), *places, *sizes, *listening, *quick, f"--port={port}"],
            stdout=log,
            stderr=log,
        )
    try:
        _wait(port, server)
        url = f"mariadb+pymysql://root@127.0.0.1:{port}/"
        _run(url, "CREATE DATABASE test CHARACTER SET utf8mb4")
        yield f"{url}test"
    finally:
        server.kill()
        server.wait(PATIENCE)
        shutil.rmtree(folder)


def _mariadbd() -> str:
    return shutil.which("mariadbd") or "/usr/sbin/mariadbd"


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("MariaDB does not start")


def _run(url: str, text: str) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(text)
    engine.dispose()
