"""Backends by the scheme of their URL: entry points of the group `sealift.keystores`."""

from __future__ import annotations

from typing import cast

from sealift.keystore.backend import AskSecret, Backend, OpenBackend
from sealift.process.extras import extra
from sealift.process.plugins import (
    OURS,
    find_plugin,
    import_plugin,
    package_of,
    plugin_names,
    unfit,
)
from sealift_protocol.errors import InvalidArgument

GROUP = "sealift.keystores"


def open_backend(url: str, ask: AskSecret) -> Backend:
    """Opens the place for keys that a URL names.

    Args:
        url: such as "pkcs11:token=hospital".
        ask: asks for a PIN or a token.

    Raises:
        InvalidArgument: there is no such kind of place, its extra is not installed, or the package
            that adds it is broken.
        KeystoreError: it cannot be opened, and why.
    """
    scheme, colon, _ = url.partition(":")
    point = find_plugin(GROUP, scheme) if colon else None
    if point is None:
        raise InvalidArgument(
            "a keystore is named by a URL of a known kind",
            hint="one of file: (the default), "
            + ", ".join(f"{name}:" for name in plugin_names(GROUP)),
        )
    if package_of(point) == OURS:
        with extra(scheme, f"a keystore of the kind {scheme} needs a package"):
            opened: OpenBackend = point.load()
    else:
        loaded = import_plugin(point)
        if not callable(loaded):
            raise unfit(point, "is not a function that opens a keystore")
        opened = cast("OpenBackend", loaded)
    return opened(url, ask)
