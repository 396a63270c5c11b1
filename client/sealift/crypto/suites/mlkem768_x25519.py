"""Suite 1, MLKEM768-X25519: HPKE with X-Wing (KEM id 0x647a), post-quantum hybrid, the default.

Source: draft-connolly-cfrg-xwing-kem; FIPS 203; RFC 9180.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import (
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)

from sealift.crypto.suites.hpke import hpke_unwrap, hpke_wrap
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject
from sealift_protocol.objects.cards import WrapSuite

SEED_SIZE = 32
_MLKEM_SEED = 64
_MLKEM_PUBLIC = 1184
_X25519 = 32


@dataclass(frozen=True, slots=True)
class MlKem768X25519Recipient:
    """ML-KEM-768 encapsulation key (1184 bytes) | X25519 public key (32 bytes)."""

    public_key: bytes
    suite = WrapSuite.MLKEM768_X25519

    @classmethod
    def load(cls, public_key: bytes) -> Self:
        """Check and load a public key.

        Raises:
            MalformedObject: it is not a valid public key.
        """
        _public(public_key)
        return cls(public_key)

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Return 1,168 bytes: enc (1120) | ciphertext (32) | tag (16)."""
        return hpke_wrap(KEM.MLKEM768_X25519, _public(self.public_key), secret, context)


@dataclass(frozen=True, slots=True)
class MlKem768X25519PrivateKey:
    """The 32-byte X-Wing seed, from which both private keys are expanded."""

    seed: Secret
    suite = WrapSuite.MLKEM768_X25519

    @classmethod
    def generate(cls) -> Self:
        """Generate a key."""
        return cls(Secret.random(SEED_SIZE))

    @classmethod
    def load(cls, data: Secret) -> Self:
        """Load a seed.

        Raises:
            MalformedObject: the seed is not 32 bytes.
        """
        if len(data) != SEED_SIZE:
            raise MalformedObject("an X-Wing seed must have 32 bytes")
        return cls(data)

    def recipient(self) -> MlKem768X25519Recipient:
        """The public half."""
        mlkem, x25519 = self._expand()
        public = (
            mlkem.public_key().public_bytes_raw()
            + x25519.public_key().public_bytes_raw()
        )
        return MlKem768X25519Recipient(public)

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap the secret.

        Raises:
            WrongKey: the wrapped secret does not open.
        """
        key = MLKEM768X25519PrivateKey(*self._expand())
        return hpke_unwrap(KEM.MLKEM768_X25519, key, wrapped, context)

    def private_bytes(self) -> Secret:
        """Return the seed."""
        return self.seed

    def _expand(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        # X-Wing's expandDecapsulationKey: SHAKE256 of the seed, 96 bytes.
        expanded = hashlib.shake_256(self.seed.view()).digest(_MLKEM_SEED + _X25519)
        return (
            MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED]),
            X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED:]),
        )


def _public(public_key: bytes) -> MLKEM768X25519PublicKey:
    if len(public_key) != _MLKEM_PUBLIC + _X25519:
        raise MalformedObject("an X-Wing public key must have 1216 bytes")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(public_key[_MLKEM_PUBLIC:]),
        )
    except ValueError:
        raise MalformedObject("an X-Wing public key is not valid") from None
