"""What the URLs of several backends have in common: to whom secrets may be sent, and how."""

from __future__ import annotations

from urllib.parse import SplitResult

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_private(address: SplitResult) -> bool:
    """Whether nobody in between reads what goes to a server: over TLS, or within this machine."""
    if address.scheme == "http":
        return address.hostname in _LOOPBACK
    return address.scheme == "https" and bool(address.hostname)


def is_private_origin(address: SplitResult) -> bool:
    """Whether an address is so, and names nothing but scheme, host and port."""
    more = address.path or address.query or address.fragment
    return address.username is None and not more and is_private(address)
