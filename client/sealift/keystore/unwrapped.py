"""What a backend unwrapped, remembered for a while: one operation a key epoch, not one a shard.

Kept in one block of memory that is locked where that is allowed, left out of core dumps, and wiped
when an entry's time is over.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sealift.buffers import BufferPool
from sealift.padding import zero_fill
from sealift.secret import Secret
from sealift_protocol.errors import InvalidArgument

SECONDS_VARIABLE = "SEALIFT_UNWRAPPED_SECONDS"
DEFAULT_SECONDS = 900.0
_SLOT = 32
_SLOTS = 2048


@dataclass(slots=True)
class _Entry:
    slot: int
    until: float


class Unwrapped:
    """Secrets of 32 bytes, by what they were unwrapped from. Threads may share it.

    Attributes:
        operations: how many secrets the backend was asked for.
    """

    def __init__(
        self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begins empty.

        Args:
            seconds: how long each is remembered; by default $SEALIFT_UNWRAPPED_SECONDS, or 900.
            clock: seconds that only grow.

        Raises:
            InvalidArgument: the variable is not a number.
        """
        self.operations = 0
        self._seconds = _seconds() if seconds is None else seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._pool = BufferPool(_SLOT * _SLOTS, 1)
        self._memory = self._pool.lease()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._free = list(range(_SLOTS))

    def remember(self, source: tuple[bytes, ...], unwrap: Callable[[], Secret]) -> Secret:
        """The secret of a source: remembered, or unwrapped now."""
        name = hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in source)).digest()
        with self._lock:
            self._forget_old()
            entry = self._entries.get(name)
            if entry is not None:
                return Secret(bytes(self._place(entry.slot)))
        secret = unwrap()
        with self._lock:
            self.operations += 1
            if self._seconds > 0 and name not in self._entries:
                if not self._free:
                    self._drop(next(iter(self._entries)))
                slot = self._free.pop()
                self._place(slot)[:] = secret.reveal()
                self._entries[name] = _Entry(slot, self._clock() + self._seconds)
        return secret

    def close(self) -> None:
        """Forgets everything."""
        with self._lock:
            for name in list(self._entries):
                self._drop(name)

    def _forget_old(self) -> None:
        now = self._clock()
        # All live equally long, so the oldest come first.
        while self._entries:
            name, entry = next(iter(self._entries.items()))
            if entry.until > now:
                return
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        slot = self._entries.pop(name).slot
        zero_fill(self._place(slot))
        self._free.append(slot)

    def _place(self, slot: int) -> memoryview:
        return self._memory[slot * _SLOT : (slot + 1) * _SLOT]


def _seconds() -> float:
    text = os.environ.get(SECONDS_VARIABLE)
    if text is None:
        return DEFAULT_SECONDS
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(f"{SECONDS_VARIABLE} is a number of seconds") from None
