"""What a place for private keys does: an HSM, a KMS. One module a backend; no key ever leaves it.

A backend does the one operation that needs the private key (a signature, a Diffie-Hellman, an OAEP
block); `held.py` does the rest of each suite around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError
from sealift_protocol.objects.cards import WrapSuite

# Asked for a PIN, a token or a password, by what people call it: "PIN of the token".
AskSecret = Callable[[str], Secret]


class SignatureAlgorithm(StrEnum):
    """What an identity signs with (docs/spec/objects.md section 1)."""

    ED25519 = "ed25519"
    ECDSA_P256 = "ecdsa-p256"


Algorithm = SignatureAlgorithm | WrapSuite


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key pair of which a backend has the private half.

    Attributes:
        reference: what the backend finds it by, and no other key.
        label: what people see in the backend's own tools.
        algorithm: what it is for.
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
            KeystoreError: it is a signing key.
        """
        if not isinstance(self.algorithm, WrapSuite):
            raise KeystoreError("a signing key stands where a recipient key should")
        return self.algorithm


class Backend(Protocol):
    """One opened place for keys. Several threads may use it at the same time.

    Every method raises a `KeystoreError`: `KeystoreUnavailable` where trying again may help.

    Attributes:
        url: by which a profile names it; never holds a secret.
        signatures: algorithms for identities that it has, preferred first.
        suites: wrap suites that it has, preferred first.
    """

    url: str
    signatures: tuple[SignatureAlgorithm, ...]
    suites: tuple[WrapSuite, ...]

    def held_keys(self) -> list[HeldKey]:
        """The keys in it that Sealift made."""

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key whose private half cannot be taken out."""

    def destroy(self, key: HeldKey) -> None:
        """Destroys a key, or has it destroyed after the time that the backend insists on."""

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """A signature, 64 bytes, of an identity's key."""

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """The x-coordinate (32 bytes) of a P-256 key times a point (65 bytes, uncompressed)."""

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """What an RSA-OAEP-SHA256 block carries; raises WrongKey if it does not open."""

    def close(self) -> None:
        """Ends the session with it."""


class OpenBackend(Protocol):
    """What a backend's module offers under the entry point group `sealift.keystores`."""

    def __call__(self, url: str, ask: AskSecret) -> Backend:
        """Opens the place that a URL names.

        Args:
            url: of the backend's scheme.
            ask: asks a person, or where passphrases come from, for a PIN or a token.

        Raises:
            InvalidArgument: the URL cannot be used.
            KeystoreError: it cannot be opened, and why.
        """
