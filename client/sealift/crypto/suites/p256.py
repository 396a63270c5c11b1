"""Suite 3, P-256: HPKE with DHKEM(P-256, HKDF-SHA256), for FIPS and for HSMs (RFC 9180)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import KEM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealift.crypto.suites.hpke import hpke_unwrap, hpke_wrap
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject
from sealift_protocol.objects.cards import WrapSuite

_SCALAR_SIZE = 32
_POINT_SIZE = 65


@dataclass(frozen=True, slots=True)
class P256Recipient:
    """An uncompressed point, 65 bytes (SEC 1 section 2.3.3)."""

    public_key: bytes
    suite = WrapSuite.P256

    @classmethod
    def load(cls, public_key: bytes) -> Self:
        """Check and load a public key.

        Raises:
            MalformedObject: it is not an uncompressed point of the curve.
        """
        _point(public_key)
        return cls(public_key)

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Return 113 bytes: enc (65) | ciphertext (32) | tag (16)."""
        return hpke_wrap(KEM.P256, _point(self.public_key), secret, context)


@dataclass(frozen=True, slots=True)
class P256PrivateKey:
    """A P-256 private key: a scalar, 32 bytes, big-endian."""

    scalar: Secret
    suite = WrapSuite.P256

    @classmethod
    def generate(cls) -> Self:
        """Generate a key."""
        number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        return cls(Secret(number.to_bytes(_SCALAR_SIZE, "big")))

    @classmethod
    def load(cls, data: Secret) -> Self:
        """Load a scalar, 32 bytes, big-endian.

        Raises:
            MalformedObject: it is not a private key of the curve.
        """
        if len(data) != _SCALAR_SIZE:
            raise MalformedObject("a P-256 private key must have 32 bytes")
        loaded = cls(data)
        try:
            loaded._key()
        except ValueError:
            raise MalformedObject("a P-256 private key is out of range") from None
        return loaded

    def recipient(self) -> P256Recipient:
        """The public half."""
        point = (
            self._key()
            .public_key()
            .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )
        return P256Recipient(point)

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap the secret.

        Raises:
            WrongKey: the wrapped secret does not open.
        """
        return hpke_unwrap(KEM.P256, self._key(), wrapped, context)

    def private_bytes(self) -> Secret:
        """Return the scalar, 32 bytes, big-endian."""
        return self.scalar

    def _key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(
            int.from_bytes(self.scalar.view(), "big"), ec.SECP256R1()
        )


def _point(public_key: bytes) -> ec.EllipticCurvePublicKey:
    if len(public_key) != _POINT_SIZE:
        raise MalformedObject(
            "a P-256 public key must be an uncompressed point of 65 bytes"
        )
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        raise MalformedObject(
            "a P-256 public key is not a point of the curve"
        ) from None
