"""Public keys and signatures as backends give them, in the encodings that signed objects have."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def encoded(key: PublicKeyTypes) -> bytes:
    """An uncompressed point of a curve (SEC 1); SubjectPublicKeyInfo, DER, of an RSA key."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def raw_signature(der: bytes) -> bytes:
    """The two numbers, 32 bytes each, of a signature of P-256 in DER (RFC 3279 section 2.2.3)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)
