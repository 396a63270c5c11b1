"""XChaCha20-Poly1305 of whole files (draft-irtf-cfrg-xchacha-03), through libsodium (PyNaCl)."""

from __future__ import annotations

import nacl.exceptions
import nacl.utils
from cryptography.exceptions import InvalidTag
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)

from sealift.process.secret import Secret

KEY_SIZE, NONCE_SIZE = 32, 24


def fresh_nonce() -> bytes:
    """24 random bytes: so many that two are never the same."""
    return nacl.utils.random(NONCE_SIZE)


def encrypt(plaintext: bytes, associated: bytes, nonce: bytes, key: Secret) -> bytes:
    """The ciphertext, with its tag of 16 bytes."""
    return crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, associated, nonce, key.reveal()
    )


def decrypt(ciphertext: bytes, associated: bytes, nonce: bytes, key: Secret) -> bytes:
    """The plaintext.

    Raises:
        InvalidTag: it is not what was encrypted, or with another key.
    """
    # libsodium's binding fails otherwise on what is shorter than a tag.
    if len(ciphertext) < crypto_aead_xchacha20poly1305_ietf_ABYTES:
        raise InvalidTag
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(
            ciphertext, associated, nonce, key.reveal()
        )
    except nacl.exceptions.CryptoError:
        raise InvalidTag from None
