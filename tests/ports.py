"""Ports for the servers of tests.

They are below those that the system gives to connections, one of which could take a port between
its choice and its use; and each worker of a run has its own.
"""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _EACH = 10_000, 2_500
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_BEGIN = _FIRST + _EACH * _WORKER
_PORTS = itertools.cycle(range(_BEGIN, _BEGIN + _EACH))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses; another one each time."""
    for port in itertools.islice(_PORTS, _EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("every port for tests is in use")
