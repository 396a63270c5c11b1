"""Conversion of backends' public keys and signatures to the encodings of signed objects."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def encoded(key: PublicKeyTypes) -> bytes:
    """Encode an EC key as an uncompressed point (SEC 1), an RSA key as DER SubjectPublicKeyInfo."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def raw_signature(der: bytes) -> bytes:
    """Convert a DER P-256 signature (RFC 3279 section 2.2.3) to r and s, 32 bytes each."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)
