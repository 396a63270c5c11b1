"""Backends by the scheme of their URL: entry points of the group `sealift.keystores`."""

from __future__ import annotations

from sealift.keystore.backend import AskSecret, Backend, OpenBackend
from sealift_protocol.errors import InvalidArgument

GROUP = "sealift.keystores"


def open_backend(url: str, ask: AskSecret) -> Backend:
    """Opens the place for keys that a URL names.

    Args:
        url: such as "pkcs11:token=hospital".
        ask: asks for a PIN or a token.

    Raises:
        InvalidArgument: there is no such kind of place, or its extra is not installed.
        KeystoreError: it cannot be opened, and why.
    """
    from importlib.metadata import entry_points

    scheme, colon, _ = url.partition(":")
    found = tuple(entry_points(group=GROUP, name=scheme)) if colon else ()
    if not found:
        known = sorted({point.name for point in entry_points(group=GROUP)})
        raise InvalidArgument(
            "a keystore is named by a URL of a known kind",
            hint="one of file: (the default), "
            + ", ".join(f"{name}:" for name in known),
        )
    point = found[0]
    try:
        opened: OpenBackend = point.load()
    except ImportError:
        raise InvalidArgument(
            f"keystores of the kind {scheme} need a package that is not installed",
            hint=f"install it with: pip install 'sealift[{scheme}]'",
        ) from None
    return opened(url, ask)
