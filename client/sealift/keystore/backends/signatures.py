"""ECDSA signatures as services give them, in the form that signed objects have."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def raw_signature(der: bytes) -> bytes:
    """The two numbers, 32 bytes each, of a signature of P-256 in DER (RFC 3279 section 2.2.3)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)
