"""HPKE for three of the suites: base mode, HKDF-SHA256, AES-256-GCM (RFC 9180)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, MalformedObject, WrongKey

SECRET_SIZE = 32

HpkePublicKey = (
    x25519.X25519PublicKey | ec.EllipticCurvePublicKey | MLKEM768X25519PublicKey
)
HpkePrivateKey = (
    x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey | MLKEM768X25519PrivateKey
)


def hpke_wrap(kem: KEM, key: HpkePublicKey, secret: Secret, context: bytes) -> bytes:
    """Return enc | ciphertext of a 32-byte secret, with the context as HPKE's `info`.

    Raises:
        InvalidArgument: the secret is not 32 bytes.
        MalformedObject: the public key is degenerate (RFC 9180 section 7.1.4).
    """
    check_secret_size(secret)
    try:
        return _suite(kem).encrypt(secret.view(), key, info=context)
    except ValueError:
        raise MalformedObject("a recipient's public key is degenerate") from None


def hpke_unwrap(
    kem: KEM, key: HpkePrivateKey, wrapped: bytes, context: bytes
) -> Secret:
    """Return the secret that `hpke_wrap` wrapped.

    Raises:
        WrongKey: another key, another context, or changed bytes.
    """
    try:
        plaintext = _suite(kem).decrypt(wrapped, key, info=context)
    except (InvalidTag, ValueError):
        raise refused() from None
    if len(plaintext) != SECRET_SIZE:
        raise refused()
    return Secret(plaintext)


def check_secret_size(secret: Secret) -> None:
    """Check that a secret has the size of an epoch key.

    Raises:
        InvalidArgument: the secret is not 32 bytes.
    """
    if len(secret) != SECRET_SIZE:
        raise InvalidArgument(f"an epoch key must have {SECRET_SIZE} bytes")


def refused() -> WrongKey:
    """Return the same error for every wrapped key that does not open."""
    return WrongKey(
        "a wrapped key does not open: another key, other terms, or changed bytes"
    )


def _suite(kem: KEM) -> Suite:
    return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
