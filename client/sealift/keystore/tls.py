"""A member's TLS key in a backend, which signs the certificate request and every handshake."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
)
from cryptography.utils import Buffer

from sealift.keystore.backend import Backend, HeldKey
from sealift.keystore.held import HeldSigningKey
from sealift_protocol.errors import KeyOperationUnsupported

_HALF = 32


class HeldTlsKey(ec.EllipticCurvePrivateKey):
    """An ECDSA P-256 key in a backend, with which pyca/cryptography signs certificate requests.

    Attributes:
        held: the key in the backend.
    """

    def __init__(self, backend: Backend, held: HeldKey) -> None:
        self.held = held
        self._key = HeldSigningKey(backend, held)

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        """Bits."""
        return self.curve.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return ec.EllipticCurvePublicKey.from_encoded_point(
            self.curve, self.held.public_key
        )

    def sign(
        self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Return a DER signature over unhashed data.

        Raises:
            KeyOperationUnsupported: the hash is not SHA-256.
            KeystoreError: the backend refused, or cannot be used.
        """
        if not isinstance(signature_algorithm.algorithm, SHA256):
            raise KeyOperationUnsupported(
                "a TLS key in a token or KMS signs only with SHA-256"
            )
        signature = self._key.sign(bytes(data))
        r, s = signature[:_HALF], signature[_HALF:]
        return utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s))

    def exchange(
        self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey
    ) -> NoReturn:
        """Cannot."""
        del algorithm, peer_public_key
        raise KeyOperationUnsupported("a TLS key in a token or KMS can only sign")

    def private_numbers(self) -> NoReturn:
        """Cannot."""
        raise _stays()

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the name that pyca/cryptography gives it
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """Cannot."""
        del encoding, format, encryption_algorithm
        raise _stays()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        del memo
        return self

    def __reduce__(self) -> NoReturn:
        # A spawned process has no session with the backend, and no PIN to open one.
        raise KeyOperationUnsupported(
            "the TLS key is in a token or KMS, which a spawned process cannot open",
            hint="fork the worker processes, or join without `tls_key_in_keystore`",
        )


def _stays() -> KeyOperationUnsupported:
    return KeyOperationUnsupported("a key in a token or KMS cannot be exported")
