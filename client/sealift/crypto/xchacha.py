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
    """Return 24 random bytes, enough that two nonces never collide in practice."""
    return nacl.utils.random(NONCE_SIZE)


def encrypt(plaintext: bytes, associated: bytes, nonce: bytes, key: Secret) -> bytes:
    """Return the ciphertext with its 16-byte tag."""
    return crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, associated, nonce, key.reveal()
    )


def decrypt(ciphertext: bytes, associated: bytes, nonce: bytes, key: Secret) -> bytes:
    """Return the plaintext.

    Raises:
        InvalidTag: the ciphertext was changed, or encrypted under another key.
    """
    # PyNaCl raises another error for a ciphertext shorter than a tag.
    if len(ciphertext) < crypto_aead_xchacha20poly1305_ietf_ABYTES:
        raise InvalidTag
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(
            ciphertext, associated, nonce, key.reveal()
        )
    except nacl.exceptions.CryptoError:
        raise InvalidTag from None
