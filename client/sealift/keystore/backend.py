"""The interface of key backends such as an HSM or a KMS. Private keys never leave a backend.

A backend performs only the operation that needs the private key (a signature, a Diffie-Hellman
exchange, an OAEP decryption); `held.py` performs the rest of each suite. Each backend is a module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError
from sealift_protocol.objects.cards import WrapSuite

# Called with what to ask a person for, such as "PIN of the token"; returns the answer.
AskSecret = Callable[[str], Secret]


class SignatureAlgorithm(StrEnum):
    """The signature algorithm of an identity (docs/spec/objects.md section 1)."""

    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"


Algorithm = SignatureAlgorithm | WrapSuite


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key pair whose private half is in a backend.

    Attributes:
        reference: identifies the key in its backend, uniquely.
        label: its name in the backend's own tools.
        algorithm: its signature algorithm or wrap suite.
        public_key: in the encoding of its algorithm.
    """

    reference: str
    label: str = field(repr=False)
    algorithm: Algorithm
    public_key: bytes = field(repr=False)

    @property
    def suite(self) -> WrapSuite:
        """The wrap suite of a recipient key.

        Raises:
            KeystoreError: the key is a signing key.
        """
        if not isinstance(self.algorithm, WrapSuite):
            raise KeystoreError(
                "the keystore has a signing key where a recipient key should be"
            )
        return self.algorithm


class Backend(Protocol):
    """An opened backend. Several threads may use it at the same time.

    A method that fails raises a `KeystoreError`: `KeystoreUnavailable` if a retry may help.

    Attributes:
        url: how a profile names it; never contains a secret.
        signatures: the signature algorithms that it supports, preferred first.
        suites: the wrap suites that it supports, preferred first.
    """

    url: str
    signatures: tuple[SignatureAlgorithm, ...]
    suites: tuple[WrapSuite, ...]

    def held_keys(self) -> list[HeldKey]:
        """Return the keys that Sealift made in it."""

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key whose private half cannot be exported."""

    def destroy(self, key: HeldKey) -> None:
        """Destroy a key, or schedule it for destruction if the backend enforces a delay."""

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Sign with an identity's key; return a signature of 64 bytes."""

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Return the x-coordinate (32 bytes) of a P-256 key times an uncompressed point."""

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block; raise WrongKey if it does not open."""

    def close(self) -> None:
        """End the session."""


class OpenBackend(Protocol):
    """The function that a backend registers in the entry point group `sealift.keystores`."""

    def __call__(self, url: str, ask: AskSecret) -> Backend:
        """Open the backend that a URL names.

        Args:
            url: has the backend's scheme.
            ask: returns a PIN or a token, from a person or from the passphrase's source.

        Raises:
            InvalidArgument: the URL cannot be used.
            KeystoreError: the backend cannot be opened.
        """
