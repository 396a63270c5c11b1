"""A PostgreSQL server of one's own, for the tests that need a real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.programs import postgresql as found_programs


@contextmanager
def postgresql_server() -> Iterator[str]:
    """A private cluster on a free port; gives its URL without a database's name.

    The test is skipped where PostgreSQL is not installed.
    """
    programs = found_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (make test-system installs it)")
    # The server refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="sealift-postgresql-"))
    if as_user:
        shutil.chown(folder, "postgres")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd="/",
        )

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "relay", "-A", "trust", "--no-sync")
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    )
    run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://relay@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)
