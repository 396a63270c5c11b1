"""A limit on bytes per second, shared by all uploads of a push."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# What may be sent at once after a pause: the limit is an average.
_BURST_SECONDS = 0.25


class Pace:
    """Limit a byte rate; any number of threads may share it."""

    def __init__(
        self,
        bytes_per_second: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Set the limit; 0 means no limit."""
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, size: int) -> None:
        """Wait until `size` more bytes may be sent."""
        if not self._rate:
            return
        with self._lock:
            now = self._clock()
            begin = max(self._free_at, now - _BURST_SECONDS)
            self._free_at = begin + size / self._rate
            wait = begin - now
        if wait > 0:
            self._sleep(wait)
