"""A cache of unwrapped secrets: one backend operation per key epoch instead of one per shard."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

SECONDS_VARIABLE = "SEALIFT_UNWRAPPED_SECONDS"
DEFAULT_SECONDS = 900.0
_ENTRIES = 2048


@dataclass(frozen=True, slots=True)
class _Entry:
    secret: Secret
    until: float


class Unwrapped:
    """Secrets, by what they were unwrapped from. Threads may share it.

    Attributes:
        operations: how many secrets the backend has unwrapped.
    """

    def __init__(
        self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start empty.

        Args:
            seconds: how long to keep each secret; by default $SEALIFT_UNWRAPPED_SECONDS, or 900.
            clock: seconds of a monotonic clock.

        Raises:
            InvalidArgument: the variable is not a number.
        """
        self.operations = 0
        self._seconds = _seconds() if seconds is None else seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def remember(
        self, source: tuple[bytes, ...], unwrap: Callable[[], Secret]
    ) -> Secret:
        """Return the secret of a source, from the cache or unwrapped now."""
        name = hashlib.sha256(
            b"".join(len(part).to_bytes(8) + part for part in source)
        ).digest()
        with self._lock:
            self._forget_old()
            entry = self._entries.get(name)
            if entry is not None:
                return entry.secret
        secret = unwrap()
        with self._lock:
            self.operations += 1
            if self._seconds > 0 and name not in self._entries:
                if len(self._entries) == _ENTRIES:
                    self._entries.popitem(last=False)
                self._entries[name] = _Entry(secret, self._clock() + self._seconds)
        return secret

    def close(self) -> None:
        """Forget all secrets."""
        with self._lock:
            self._entries.clear()

    def _forget_old(self) -> None:
        now = self._clock()
        # All secrets live equally long, so the oldest come first.
        while self._entries:
            name, entry = next(iter(self._entries.items()))
            if entry.until > now:
                return
            del self._entries[name]


def _seconds() -> float:
    text = os.environ.get(SECONDS_VARIABLE)
    if text is None:
        return DEFAULT_SECONDS
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(
            f"{SECONDS_VARIABLE} must be a number of seconds"
        ) from None
