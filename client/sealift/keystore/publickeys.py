"""RSA public keys as backends give them, in the one encoding that cards have."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)


def public_key_info(der: bytes) -> bytes:
    """SubjectPublicKeyInfo, DER, of a key that is that or PKCS#1."""
    key = load_der_public_key(der)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
