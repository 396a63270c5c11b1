"""A type for secrets that does not print, compare in variable time, or pickle."""

from __future__ import annotations

import hmac
import secrets
from multiprocessing.context import get_spawning_popen
from typing import Self


class Secret:
    """Bytes that stay out of reprs, tracebacks, logs and pickles.

    Python cannot promise to erase bytes; what this promises is that they are not shown by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    @classmethod
    def random(cls, size: int) -> Self:
        """A fresh secret of `size` bytes."""
        return cls(secrets.token_bytes(size))

    def reveal(self) -> bytes:
        """The bytes, for the one call that needs them."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    # A hash of a secret would be an oracle in a dict's timing.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> tuple[type[Secret], tuple[bytes]]:
        # A process that this one starts gets it through a pipe; nothing else does.
        if get_spawning_popen() is None:
            raise TypeError("a secret cannot be pickled")
        return type(self), (self._value,)
