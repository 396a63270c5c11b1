"""Signatures of identities: Ed25519, or ECDSA with P-256 for keystores without Ed25519.

The size of the public key tells the algorithm (docs/spec/objects.md).
"""

from __future__ import annotations

import nacl.exceptions
import nacl.signing
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sealift_protocol.errors import MalformedObject, SignatureInvalid

SIGNATURE_SIZE = 64
ED25519_SIZE = 32
P256_SIZE = 65
PUBLIC_KEY_SIZES = (ED25519_SIZE, P256_SIZE)
_P256_HALF = SIGNATURE_SIZE // 2


def check_public_key(public_key: bytes) -> None:
    """Check that bytes have the size and form of an identity's public key.

    Raises:
        MalformedObject: they do not.
    """
    if len(public_key) not in PUBLIC_KEY_SIZES:
        raise MalformedObject("an identity's public key has the wrong size")
    if len(public_key) == P256_SIZE:
        _point(public_key)


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature.

    Args:
        public_key: 32 bytes for Ed25519 (RFC 8032), or an uncompressed point of P-256, 65 bytes
            (SEC 1 section 2.3.3), for ECDSA with SHA-256 (FIPS 186-5).
        message: the signed bytes.
        signature: 64 bytes; for ECDSA r | s, 32 bytes each, big-endian.

    Raises:
        MalformedObject: the key or the signature has the wrong size, or the point is not on the
            curve.
        SignatureInvalid: the signature does not verify.
    """
    check_public_key(public_key)
    if len(signature) != SIGNATURE_SIZE:
        raise MalformedObject("a signature has the wrong size")
    try:
        if len(public_key) == ED25519_SIZE:
            nacl.signing.VerifyKey(public_key).verify(message, signature)
        else:
            r, s = (int.from_bytes(half) for half in _halves(signature))
            der = encode_dss_signature(r, s)
            _point(public_key).verify(der, message, ec.ECDSA(SHA256()))
    except (nacl.exceptions.BadSignatureError, InvalidSignature):
        raise SignatureInvalid("a signature does not verify") from None


def _halves(signature: bytes) -> tuple[bytes, bytes]:
    return signature[:_P256_HALF], signature[_P256_HALF:]


def _point(public_key: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        raise MalformedObject(
            "an identity's public key is not a point of P-256"
        ) from None
