"""HKDF-SHA256 (RFC 5869) from one secret to another, without copies of either."""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealift.process.secret import Secret


def derive(
    secret: Secret, info: bytes, *, salt: bytes | None = None, size: int = 32
) -> Secret:
    """Derive a secret of `size` bytes for the purpose that `info` names."""
    kdf = HKDF(SHA256(), size, salt=salt, info=info)
    return Secret.filled(size, partial(kdf.derive_into, secret.view()))
