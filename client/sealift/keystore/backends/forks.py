"""Clients of a server or cloud, and processes that fork.

A connection over TLS that two processes use breaks for both, and a lock that another thread held
at the fork stays locked for ever in the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """Something with connections or locks, of which each process has its own."""

    def __init__(self, make: Callable[[], _T]) -> None:
        """Makes the one of this process, and raises what `make` raises."""
        self._make = make
        self._own = (os.getpid(), make())

    def get(self) -> _T:
        """That of this process; made now if it was forked since."""
        process, own = self._own
        if process != os.getpid():
            # Threads that come here at the same time may make two; the last is kept.
            own = self._make()
            self._own = (os.getpid(), own)
        return own
