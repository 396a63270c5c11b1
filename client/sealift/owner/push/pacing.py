"""A limit on bytes a second, shared by all uploads of a push."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# What may go at once after a pause: a limit is an average, not a metronome.
_BURST_SECONDS = 0.25


class Pace:
    """Lets bytes through at a rate; any number of threads may ask."""

    def __init__(
        self,
        bytes_per_second: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A pace; 0 is no limit."""
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, size: int) -> None:
        """Waits until `size` more bytes may go."""
        if not self._rate:
            return
        with self._lock:
            now = self._clock()
            begin = max(self._free_at, now - _BURST_SECONDS)
            self._free_at = begin + size / self._rate
            wait = begin - now
        if wait > 0:
            self._sleep(wait)
