"""Wrap suites: an epoch key wrapped to a recipient's public key (docs/spec/objects.md).

Each suite has a file and implements one small interface: a `Recipient` wraps, a `PrivateKey`
unwraps.
"""

from __future__ import annotations

from typing import Protocol

from sealift.crypto.suites.mlkem768_x25519 import (
    MlKem768X25519PrivateKey,
    MlKem768X25519Recipient,
)
from sealift.crypto.suites.p256 import P256PrivateKey, P256Recipient
from sealift.crypto.suites.rsa_oaep import RsaOaepPrivateKey, RsaOaepRecipient
from sealift.crypto.suites.x25519 import X25519PrivateKey, X25519Recipient
from sealift.process.secret import Secret
from sealift_protocol.objects.cards import WrapSuite


class Recipient(Protocol):
    """A public key that a secret can be wrapped to."""

    @property
    def suite(self) -> WrapSuite:
        """The suite that the key belongs to."""

    @property
    def public_key(self) -> bytes:
        """The key in the suite's encoding."""

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Wrap a 32-byte secret; it unwraps only under the same context."""


class PrivateKey(Protocol):
    """A private key that unwraps: in this process, in an HSM or in a KMS."""

    @property
    def suite(self) -> WrapSuite:
        """The suite that the key belongs to."""

    def recipient(self) -> Recipient:
        """The public half."""

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap the secret.

        Raises:
            WrongKey: another key, another context, or changed bytes; they cannot be distinguished.
        """


class LocalPrivateKey(PrivateKey, Protocol):
    """A private key in this process."""

    def private_bytes(self) -> Secret:
        """Return the key in the keystore's encoding."""


_SUITES: dict[WrapSuite, tuple[type[LocalPrivateKey], type[Recipient]]] = {
    WrapSuite.MLKEM768_X25519: (MlKem768X25519PrivateKey, MlKem768X25519Recipient),
    WrapSuite.X25519: (X25519PrivateKey, X25519Recipient),
    WrapSuite.P256: (P256PrivateKey, P256Recipient),
    WrapSuite.RSA_OAEP_SHA256: (RsaOaepPrivateKey, RsaOaepRecipient),
}


def generate(suite: WrapSuite) -> LocalPrivateKey:
    """Generate a private key."""
    private, _ = _SUITES[suite]
    return private.generate()  # type: ignore[attr-defined, no-any-return]


def load_private_key(suite: WrapSuite, data: Secret) -> LocalPrivateKey:
    """Load a key that `LocalPrivateKey.private_bytes` returned.

    Raises:
        MalformedObject: the bytes are not a private key of that suite.
    """
    private, _ = _SUITES[suite]
    return private.load(data)  # type: ignore[attr-defined, no-any-return]


def load_recipient(suite: WrapSuite, public_key: bytes) -> Recipient:
    """Load a recipient's public key from a card.

    Raises:
        MalformedObject: the bytes are not a public key of that suite.
    """
    _, recipient = _SUITES[suite]
    return recipient.load(public_key)  # type: ignore[attr-defined, no-any-return]
