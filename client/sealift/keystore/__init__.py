"""A member's private keys, in a file or in a backend."""

from __future__ import annotations

from dataclasses import dataclass

from sealift.keystore.backend import HeldKey
from sealift.process.secret import Secret
from sealift_protocol.objects.cards import WrapSuite


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A recipient key, with its private half or a reference to it.

    Attributes:
        key_id: 16 bytes.
        suite: its wrap suite.
        private: the private half in the suite's encoding; or a key in the keystore's backend.
        not_before: Unix seconds.
        not_after: Unix seconds.
    """

    key_id: bytes
    suite: WrapSuite
    private: Secret | HeldKey
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Keys:
    """Every private key of a member.

    Attributes:
        identity: Ed25519 seed, 32 bytes; or a key in the keystore's backend.
        recipient_keys: newest first.
        tls_private_key: PKCS#8 DER; or a key in the keystore's backend.
        owner_secret: 32 bytes that key an owner's pseudonyms and source cursors; it outlives
            identities. None in keystores of earlier releases, until it is needed.
    """

    identity: Secret | HeldKey
    recipient_keys: tuple[StoredKey, ...]
    tls_private_key: Secret | HeldKey
    owner_secret: Secret | None = None

    @property
    def held(self) -> list[HeldKey]:
        """The keys that are in the keystore's backend."""
        recipients = (key.private for key in self.recipient_keys)
        places = (self.identity, self.tls_private_key, *recipients)
        return [place for place in places if isinstance(place, HeldKey)]
