"""Checks of backends' URLs: where secrets may be sent, and how."""

from __future__ import annotations

from urllib.parse import SplitResult

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_private(address: SplitResult) -> bool:
    """Return whether traffic to a server stays private: over TLS, or within this machine."""
    if address.scheme == "http":
        return address.hostname in _LOOPBACK
    return address.scheme == "https" and bool(address.hostname)


def is_private_origin(address: SplitResult) -> bool:
    """Return whether an address is private and has only a scheme, host and port."""
    more = address.path or address.query or address.fragment
    return address.username is None and not more and is_private(address)
