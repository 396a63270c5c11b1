"""A type for secrets that does not print, compare in variable time, pickle, or end in a core."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from multiprocessing.context import get_spawning_popen
from typing import Self

from sealift.process.memory import place_for_secret


class Secret:
    """Bytes that stay out of reprs, tracebacks, logs, pickles and core dumps.

    They are in memory of their own (`process.memory`), which is wiped with the last that uses it.
    Python cannot promise as much of copies, so what can work on a `view` does.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | memoryview) -> None:
        """Takes a copy."""
        place = place_for_secret(len(value))
        place[:] = value
        self._value = place.toreadonly()

    @classmethod
    def filled(cls, size: int, fill: Callable[[memoryview], object]) -> Self:
        """A secret of `size` bytes that `fill` writes in place."""
        place = place_for_secret(size)
        fill(place)
        made = cls.__new__(cls)
        made._value = place.toreadonly()
        return made

    @classmethod
    def random(cls, size: int) -> Self:
        """A fresh secret of `size` bytes."""
        return cls(secrets.token_bytes(size))

    def view(self) -> memoryview:
        """The bytes where they are, read-only."""
        return self._value

    def reveal(self) -> bytes:
        """A copy of the bytes, for the one call that takes nothing else."""
        return bytes(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value, other._value
        )

    # A hash of a secret would be an oracle in a dict's timing.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> tuple[type[Secret], tuple[bytes]]:
        # A process that this one starts gets it through a pipe; nothing else does.
        if get_spawning_popen() is None:
            raise TypeError("a secret cannot be pickled")
        return type(self), (self.reveal(),)
