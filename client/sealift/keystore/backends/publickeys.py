"""Public keys as backends give them, in the encoding that cards and identities have."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def encoded(key: PublicKeyTypes) -> bytes:
    """An uncompressed point of a curve (SEC 1); SubjectPublicKeyInfo, DER, of an RSA key."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
