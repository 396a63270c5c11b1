"""Custody of keys: in this process, read from a file; or in a backend, which operates on them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sealift.crypto.signing import Identity, SigningKey
from sealift.crypto.suites import PrivateKey, generate, load_private_key
from sealift.keystore import Keys, StoredKey
from sealift.keystore.backend import Algorithm, Backend, HeldKey, SignatureAlgorithm
from sealift.keystore.held import HeldPrivateKey, HeldSigningKey
from sealift.keystore.locks import BackendLock, Lock, PassphraseLock
from sealift.keystore.tls import HeldTlsKey
from sealift.keystore.unwrapped import Unwrapped
from sealift.process.secret import Secret
from sealift_protocol.errors import KeyOperationUnsupported, KeystoreError, SealiftError
from sealift_protocol.ids import key_id_of
from sealift_protocol.objects.cards import RecipientKey, WrapSuite
from sealift_protocol.signatures import verify_signature

# NIST SP 800-57 part 1 revision 5, table 1: a private key-transport key is used for two years.
_KEY_LIFETIME = timedelta(days=730)
_SEED_SIZE = 32
# The URL of keys in a file under a passphrase.
FILE_URL = "file:"
_TEST = b"sealift/1 self-test"


@dataclass(frozen=True, slots=True)
class Custody:
    """Makes, uses and destroys keys where they are kept.

    Attributes:
        lock: the lock of the keystore's file.
        backend: where the identity and recipient keys are; None for the file itself.
        unwrapped: secrets that the backend unwrapped recently.
    """

    lock: Lock
    backend: Backend | None = None
    unwrapped: Unwrapped = field(default_factory=Unwrapped, repr=False)

    @classmethod
    def of_passphrase(cls, passphrase: Secret) -> Custody:
        """Keep keys in a file that a passphrase opens."""
        return cls(PassphraseLock(passphrase))

    @classmethod
    def of_backend(cls, backend: Backend) -> Custody:
        """Keep keys in a backend, and other secrets in a file that the backend opens."""
        unwrapped = Unwrapped()
        return cls(BackendLock(backend, unwrapped), backend, unwrapped)

    # --- using keys --------------------------------------------------------------------------

    def identity(self, keys: Keys) -> Identity:
        """Return the identity that signs with these keys.

        Raises:
            KeystoreError: the identity is in a backend that is not open.
        """
        if isinstance(keys.identity, Secret):
            return Identity.of_seed(keys.identity)
        if keys.owner_secret is None:
            raise KeystoreError("the keystore has no owner's secret")
        return Identity(
            HeldSigningKey(self._opened(), keys.identity), keys.owner_secret
        )

    def private_key(self, stored: StoredKey) -> PrivateKey:
        """Return a recipient key that unwraps.

        Raises:
            KeystoreError: the key is in a backend that is not open.
        """
        if isinstance(stored.private, Secret):
            return load_private_key(stored.suite, stored.private)
        return HeldPrivateKey(self._opened(), stored.private, self.unwrapped)

    def private_keys(self, keys: Keys) -> dict[bytes, PrivateKey]:
        """Return all recipient keys, by key id."""
        return {key.key_id: self.private_key(key) for key in keys.recipient_keys}

    def tls_key(self, keys: Keys) -> Secret | HeldTlsKey:
        """Return the TLS key: PKCS#8 DER, or a key in the backend that signs.

        Raises:
            KeystoreError: the key is in a backend that is not open.
        """
        if isinstance(keys.tls_private_key, Secret):
            return keys.tls_private_key
        return HeldTlsKey(self._opened(), keys.tls_private_key)

    def published(self, keys: Keys) -> list[RecipientKey]:
        """Return the public halves of the recipient keys, as a card lists them."""
        return [
            RecipientKey(
                key.key_id,
                key.suite,
                self.private_key(key).recipient().public_key,
                key.not_before,
                key.not_after,
            )
            for key in keys.recipient_keys
        ]

    # --- making and destroying them ----------------------------------------------------------

    def new_identity(self) -> Secret | HeldKey:
        """Make a signing key."""
        if self.backend is None:
            return Secret.random(_SEED_SIZE)
        return self._create(self.backend.signatures[0], "identity")

    def new_tls_key(self) -> HeldKey:
        """Make a TLS key in the backend.

        Raises:
            KeyOperationUnsupported: the backend does not support ECDSA P-256.
        """
        return self._create(SignatureAlgorithm.ECDSA_P256, "tls")

    def new_recipient_keys(
        self, suites: Sequence[WrapSuite], time: int
    ) -> tuple[StoredKey, ...]:
        """Make recipient keys, valid for two years from `time`.

        Args:
            suites: their wrap suites; empty for the preferred one.
            time: Unix seconds.

        Raises:
            KeyOperationUnsupported: the backend does not support a suite.
        """
        not_after = time + int(_KEY_LIFETIME.total_seconds())
        stored: list[StoredKey] = []
        try:
            for suite in suites or self.default_suites:
                private: Secret | HeldKey
                if self.backend is None:
                    made = generate(suite)
                    public, private = made.recipient().public_key, made.private_bytes()
                else:
                    private = self._create(suite, "recipient")
                    public = private.public_key
                key_id = key_id_of(suite, public)
                stored.append(StoredKey(key_id, suite, private, time, not_after))
        except SealiftError:
            self.destroy(*(key.private for key in stored))
            raise
        return tuple(stored)

    def prove(self, keys: Keys) -> None:
        """Check every key by signing or unwrapping with it.

        Raises:
            SealiftError: a key does not work.
        """
        _prove_signing(self.identity(keys).key)
        if isinstance(keys.tls_private_key, HeldKey):
            _prove_signing(HeldSigningKey(self._opened(), keys.tls_private_key))
        for key in keys.recipient_keys:
            private = self.private_key(key)
            if key_id_of(key.suite, private.recipient().public_key) != key.key_id:
                raise KeystoreError(
                    "a recipient key does not match its published key id"
                )
            _prove_unwrapping(private)

    def try_out(self, algorithm: Algorithm) -> None:
        """Make a key in the backend, use it and destroy it.

        Raises:
            KeyOperationUnsupported: the backend does not support the algorithm.
            SealiftError: the key does not work.
        """
        self.destroy(self._create(algorithm, "test"))

    @property
    def url(self) -> str:
        """The URL of where the keys are kept."""
        return FILE_URL if self.backend is None else self.backend.url

    @property
    def default_suites(self) -> tuple[WrapSuite, ...]:
        """The wrap suites of a new card."""
        return (
            (WrapSuite.MLKEM768_X25519,)
            if self.backend is None
            else self.backend.suites[:1]
        )

    def destroy(self, *places: Secret | HeldKey) -> None:
        """Destroy keys in the backend; keys in the file end with the file."""
        for place in places:
            if isinstance(place, HeldKey):
                self._opened().destroy(place)

    def close(self) -> None:
        """Forget unwrapped secrets and end the session with the backend."""
        self.unwrapped.close()
        if self.backend is not None:
            self.backend.close()

    def _create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key in the backend and try it; destroy it if it does not work."""
        backend = self._opened()
        offered = (*backend.signatures, *backend.suites)
        if algorithm not in offered:
            raise KeyOperationUnsupported(
                f"the keystore does not support {algorithm.name} keys",
                hint="it supports " + ", ".join(other.name for other in offered),
            )
        held = backend.create(algorithm, label)
        try:
            if isinstance(algorithm, SignatureAlgorithm):
                _prove_signing(HeldSigningKey(backend, held))
            else:
                _prove_unwrapping(HeldPrivateKey(backend, held, Unwrapped(seconds=0)))
        except SealiftError:
            backend.destroy(held)
            raise
        return held

    def _opened(self) -> Backend:
        if self.backend is None:
            raise KeystoreError("a key is in a token or KMS that is not open")
        return self.backend


def _prove_signing(key: SigningKey) -> None:
    message = secrets.token_bytes(_SEED_SIZE)
    verify_signature(key.public_key, message, key.sign(message))


def _prove_unwrapping(key: PrivateKey) -> None:
    # A fresh secret, so that the result cannot be a remembered one.
    secret = Secret.random(_SEED_SIZE)
    if key.unwrap(key.recipient().wrap(secret, _TEST), _TEST) != secret:
        raise KeystoreError(
            "a key unwraps to a different secret than was wrapped to it"
        )
