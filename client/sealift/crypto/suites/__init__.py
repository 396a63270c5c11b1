"""Wrap suites: an epoch key wrapped to a recipient's public key (docs/spec/objects.md).

One file a suite, behind one small interface: a `Recipient` wraps, a `PrivateKey` unwraps.
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
        """Which suite the key belongs to."""

    @property
    def public_key(self) -> bytes:
        """The key in the suite's encoding."""

    def wrap(self, secret: Secret, context: bytes) -> bytes:
        """Wraps a 32-byte secret; it opens under the same context only."""


class PrivateKey(Protocol):
    """A private key that unwraps; in a file here, in an HSM or KMS elsewhere."""

    @property
    def suite(self) -> WrapSuite:
        """Which suite the key belongs to."""

    def recipient(self) -> Recipient:
        """The public half."""

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """The secret.

        Raises:
            WrongKey: another key, another context, or changed bytes; it cannot be told which.
        """


class LocalPrivateKey(PrivateKey, Protocol):
    """A private key in this process."""

    def private_bytes(self) -> Secret:
        """The key in the encoding that the keystore keeps."""


_SUITES: dict[WrapSuite, tuple[type[LocalPrivateKey], type[Recipient]]] = {
    WrapSuite.MLKEM768_X25519: (MlKem768X25519PrivateKey, MlKem768X25519Recipient),
    WrapSuite.X25519: (X25519PrivateKey, X25519Recipient),
    WrapSuite.P256: (P256PrivateKey, P256Recipient),
    WrapSuite.RSA_OAEP_SHA256: (RsaOaepPrivateKey, RsaOaepRecipient),
}


def generate(suite: WrapSuite) -> LocalPrivateKey:
    """A fresh private key."""
    private, _ = _SUITES[suite]
    return private.generate()  # type: ignore[attr-defined, no-any-return]


def load_private_key(suite: WrapSuite, data: Secret) -> LocalPrivateKey:
    """The key that `LocalPrivateKey.private_bytes` gave.

    Raises:
        MalformedObject: it is not one.
    """
    private, _ = _SUITES[suite]
    return private.load(data)  # type: ignore[attr-defined, no-any-return]


def load_recipient(suite: WrapSuite, public_key: bytes) -> Recipient:
    """A recipient from a card.

    Raises:
        MalformedObject: the bytes are not a public key of that suite.
    """
    _, recipient = _SUITES[suite]
    return recipient.load(public_key)  # type: ignore[attr-defined, no-any-return]
