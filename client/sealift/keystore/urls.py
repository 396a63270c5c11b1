"""What the URLs of several backends have in common."""

from __future__ import annotations

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(hostname: str | None) -> bool:
    """Whether a host is this machine, to which a connection may be in the clear."""
    return hostname in _LOOPBACK
