"""Clients of a server or cloud in processes that fork.

A TLS connection that two processes use breaks for both, and a lock that another thread held at
the fork stays locked in the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """An object with connections or locks, one per process."""

    def __init__(self, make: Callable[[], _T]) -> None:
        """Make this process's object; raises what `make` raises."""
        self._make = make
        self._own = (os.getpid(), make())

    def get(self) -> _T:
        """Return this process's object, made now if the process was forked since."""
        process, own = self._own
        if process != os.getpid():
            # Concurrent threads may make two objects; the last one is kept.
            own = self._make()
            self._own = (os.getpid(), own)
        return own
