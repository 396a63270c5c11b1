"""Connections and forks, without a relay."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FORKS_AMID_THE_FIRST_CONNECTION = """
import os, signal, threading
import grpc
from sealift.relay.connections import Connection, RelayAccess, Route

connecting, go_on = threading.Event(), threading.Event()

def credentials(self, access):
    connecting.set()
    go_on.wait()
    return grpc.ssl_channel_credentials()

Connection._credentials = credentials
access = RelayAccess(("127.0.0.1:1",), b"", b"", None)

def use():
    with Route(access).use():
        pass

thread = threading.Thread(target=use)
thread.start()
connecting.wait()
# The fork begins while the connection is made.
threading.Timer(0.2, go_on.set).start()
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    use()
    os._exit(7)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_while_another_thread_makes_the_first_connection_can_connect() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS_AMID_THE_FIRST_CONNECTION],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "7"), done.stderr
