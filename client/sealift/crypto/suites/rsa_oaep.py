"""Suite 4, RSA-OAEP-SHA256 with 3072 bits or more, for HSM and cloud KMS keys (RFC 8017).

HSMs and KMSs do not all support OAEP labels, so OAEP carries a fresh 32-byte key, under which
AES-256-GCM seals the epoch key with the context as associated data.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Self, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from sealift.crypto.suites.hpke import SECRET_SIZE, check_secret_size, refused
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject
from sealift_protocol.objects.cards import WrapSuite

MIN_BITS = 3072
MAX_BITS = 8192
_EXPONENT = 65537
_CARRIED_KEY = 32
_OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)
# The key is fresh for each wrap, so the nonce never repeats under a key.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class RsaOaepRecipient:
    """A SubjectPublicKeyInfo, DER (RFC 5280 section 4.1.2.7)."""

    public_key: bytes
    suite = WrapSuite.RSA_OAEP_SHA256

    @classmethod
    def load(cls, public_key: bytes) -> Self:
        """Check and load a public key.

        Raises:
            MalformedObject: it is not an RSA key of 3072 to 8192 bits with exponent 65537.
        """
        _public(public_key)
        return cls(public_key)

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Return OAEP block (as long as the modulus) | ciphertext (32) | tag (16)."""
        check_secret_size(secret)
        carried = secrets.token_bytes(_CARRIED_KEY)
        block = _public(self.public_key).encrypt(carried, _OAEP)
        return block + AESGCM(carried).encrypt(_NONCE, secret.view(), context)


@dataclass(frozen=True, slots=True)
class RsaOaepPrivateKey:
    """An RSA private key in this process: PKCS#8, DER."""

    der: Secret
    suite = WrapSuite.RSA_OAEP_SHA256

    @classmethod
    def generate(cls) -> Self:
        """Generate a key of 3072 bits."""
        key = rsa.generate_private_key(_EXPONENT, MIN_BITS)
        return cls(
            Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        )

    @classmethod
    def load(cls, data: Secret) -> Self:
        """Load a PKCS#8 key, DER.

        Raises:
            MalformedObject: it is not an RSA key of 3072 to 8192 bits with exponent 65537.
        """
        try:
            key = load_der_private_key(data.view(), password=None)
        except (ValueError, TypeError):
            raise MalformedObject("an RSA private key cannot be read") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise MalformedObject("a private key that should be RSA is of another kind")
        _check(key.public_key())
        return cls(data)

    def recipient(self) -> RsaOaepRecipient:
        """The public half."""
        public = self._key().public_key()
        return RsaOaepRecipient(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap the secret.

        Raises:
            WrongKey: the wrapped secret does not open.
        """
        key = self._key()
        size = key.key_size // 8
        try:
            carried = key.decrypt(wrapped[:size], _OAEP)
            secret = AESGCM(carried).decrypt(_NONCE, wrapped[size:], context)
        except (ValueError, InvalidTag):
            raise refused() from None
        if len(secret) != SECRET_SIZE:
            raise refused()
        return Secret(secret)

    def private_bytes(self) -> Secret:
        """Return the key as PKCS#8, DER."""
        return self.der

    def _key(self) -> rsa.RSAPrivateKey:
        # The slow checks were done when the key was generated or loaded.
        key = load_der_private_key(
            self.der.view(), password=None, unsafe_skip_rsa_key_validation=True
        )
        return cast(rsa.RSAPrivateKey, key)


def _public(public_key: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_der_public_key(public_key)
    except (ValueError, TypeError):
        raise MalformedObject("an RSA public key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedObject("a public key that should be RSA is of another kind")
    _check(key)
    return key


def _check(key: rsa.RSAPublicKey) -> None:
    if not MIN_BITS <= key.key_size <= MAX_BITS or key.key_size % 8:
        raise MalformedObject(f"an RSA key must have {MIN_BITS} to {MAX_BITS} bits")
    if key.public_numbers().e != _EXPONENT:
        raise MalformedObject(f"an RSA key's exponent must be {_EXPONENT}")
