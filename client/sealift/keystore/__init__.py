"""Where a member's private keys live: one file a backend."""

from __future__ import annotations

from dataclasses import dataclass

from sealift.keystore.backend import HeldKey
from sealift.process.secret import Secret
from sealift_protocol.objects.cards import WrapSuite


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A recipient key with its private half, or with where that is.

    Attributes:
        key_id: 16 bytes.
        suite: which wrap suite.
        private: in the suite's encoding; or a key in the keystore's backend.
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
        owner_secret: 32 bytes from which an owner's pseudonyms and source cursors are keyed; it
            outlives identities. None in keystores of earlier releases, until it is needed.
    """

    identity: Secret | HeldKey
    recipient_keys: tuple[StoredKey, ...]
    tls_private_key: Secret | HeldKey
    owner_secret: Secret | None = None

    @property
    def held(self) -> list[HeldKey]:
        """Those that are in the keystore's backend."""
        recipients = (key.private for key in self.recipient_keys)
        places = (self.identity, self.tls_private_key, *recipients)
        return [place for place in places if isinstance(place, HeldKey)]
