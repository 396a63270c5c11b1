"""Suite 2, X25519: HPKE with DHKEM(X25519, HKDF-SHA256) (RFC 9180, RFC 7748)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.hpke import KEM

from sealift.crypto.suites.hpke import hpke_unwrap, hpke_wrap
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject
from sealift_protocol.objects.cards import WrapSuite

_KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class X25519Recipient:
    """A 32-byte X25519 public key."""

    public_key: bytes
    suite = WrapSuite.X25519

    @classmethod
    def load(cls, public_key: bytes) -> Self:
        """Check and load a public key; degenerate points are refused when wrapping.

        Raises:
            MalformedObject: it is not 32 bytes.
        """
        if len(public_key) != _KEY_SIZE:
            raise MalformedObject("an X25519 public key must have 32 bytes")
        return cls(public_key)

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Return 80 bytes: enc (32) | ciphertext (32) | tag (16)."""
        key = x25519.X25519PublicKey.from_public_bytes(self.public_key)
        return hpke_wrap(KEM.X25519, key, secret, context)


@dataclass(frozen=True, slots=True)
class X25519PrivateKey:
    """A 32-byte X25519 private key."""

    scalar: Secret
    suite = WrapSuite.X25519

    @classmethod
    def generate(cls) -> Self:
        """Generate a key."""
        return cls(Secret.random(_KEY_SIZE))

    @classmethod
    def load(cls, data: Secret) -> Self:
        """Load a private key.

        Raises:
            MalformedObject: it is not 32 bytes.
        """
        if len(data) != _KEY_SIZE:
            raise MalformedObject("an X25519 private key must have 32 bytes")
        return cls(data)

    def recipient(self) -> X25519Recipient:
        """The public half."""
        return X25519Recipient(self._key().public_key().public_bytes_raw())

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap the secret.

        Raises:
            WrongKey: the wrapped secret does not open.
        """
        return hpke_unwrap(KEM.X25519, self._key(), wrapped, context)

    def private_bytes(self) -> Secret:
        """Return the 32-byte private key."""
        return self.scalar

    def _key(self) -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(self.scalar.view())
