"""Backends by URL scheme, from the entry point group `sealift.keystores`."""

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
    """Open the backend that a URL names.

    Args:
        url: such as "pkcs11:token=hospital".
        ask: returns a PIN or a token.

    Raises:
        InvalidArgument: the scheme is unknown, its extra is not installed, or the package that adds
            it is broken.
        KeystoreError: the backend cannot be opened.
    """
    scheme, colon, _ = url.partition(":")
    point = find_plugin(GROUP, scheme) if colon else None
    if point is None:
        raise InvalidArgument(
            "the keystore's URL does not have a known scheme",
            hint="use one of file: (the default), "
            + ", ".join(f"{name}:" for name in plugin_names(GROUP)),
        )
    if package_of(point) == OURS:
        with extra(scheme, f"a {scheme} keystore needs a package"):
            opened: OpenBackend = point.load()
    else:
        loaded = import_plugin(point)
        if not callable(loaded):
            raise unfit(point, "is not a function that opens a keystore")
        opened = cast("OpenBackend", loaded)
    return opened(url, ask)
