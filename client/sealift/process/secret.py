"""A secret type that does not print, pickle, or reach core dumps, compared in constant time."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from multiprocessing.context import get_spawning_popen
from typing import Self

from sealift.process.memory import place_for_secret


class Secret:
    """Bytes that stay out of reprs, tracebacks, logs, pickles and core dumps.

    They are in separate memory (`process.memory`), which is wiped after its last use. Python
    cannot promise this for copies, so code works on a `view` wherever it can.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | memoryview) -> None:
        """Copy the bytes."""
        place = place_for_secret(len(value))
        place[:] = value
        self._value = place.toreadonly()

    @classmethod
    def filled(cls, size: int, fill: Callable[[memoryview], object]) -> Self:
        """Return a secret of `size` bytes that `fill` writes in place."""
        place = place_for_secret(size)
        fill(place)
        made = cls.__new__(cls)
        made._value = place.toreadonly()
        return made

    @classmethod
    def random(cls, size: int) -> Self:
        """Return a random secret of `size` bytes."""
        return cls(secrets.token_bytes(size))

    def view(self) -> memoryview:
        """Return a read-only view of the bytes, without a copy."""
        return self._value

    def reveal(self) -> bytes:
        """Return a copy of the bytes, for a call that accepts nothing else."""
        return bytes(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value, other._value
        )

    # A hash of a secret would leak it through a dict's timing.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> tuple[type[Secret], tuple[bytes]]:
        # Only multiprocessing may pickle it, through a pipe to a process that this one starts.
        if get_spawning_popen() is None:
            raise TypeError("a secret cannot be pickled")
        return type(self), (self.reveal(),)
