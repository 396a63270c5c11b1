"""Keys by where they live: in this process, read from a file; or in a backend, which uses them."""

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
# What stands for the place of keys that a passphrase opens.
FILE_URL = "file:"
_TEST = b"sealift/1 self-test"


@dataclass(frozen=True, slots=True)
class Custody:
    """Who keeps keys: makes them, uses them, destroys them.

    Attributes:
        lock: of the keystore's file.
        backend: where identity and recipient keys are; None for the file itself.
        unwrapped: what the backend unwrapped a moment ago.
    """

    lock: Lock
    backend: Backend | None = None
    unwrapped: Unwrapped = field(default_factory=Unwrapped, repr=False)

    @classmethod
    def of_passphrase(cls, passphrase: Secret) -> Custody:
        """Keys in a file that a passphrase opens."""
        return cls(PassphraseLock(passphrase))

    @classmethod
    def of_backend(cls, backend: Backend) -> Custody:
        """Keys in a backend; what cannot be there in a file that the backend opens."""
        unwrapped = Unwrapped()
        return cls(BackendLock(backend, unwrapped), backend, unwrapped)

    # --- using keys --------------------------------------------------------------------------

    def identity(self, keys: Keys) -> Identity:
        """Who signs with these keys.

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
        """A recipient key.

        Raises:
            KeystoreError: it is in a backend that is not open.
        """
        if isinstance(stored.private, Secret):
            return load_private_key(stored.suite, stored.private)
        return HeldPrivateKey(self._opened(), stored.private, self.unwrapped)

    def private_keys(self, keys: Keys) -> dict[bytes, PrivateKey]:
        """All recipient keys, by key id."""
        return {key.key_id: self.private_key(key) for key in keys.recipient_keys}

    def tls_key(self, keys: Keys) -> Secret | HeldTlsKey:
        """The TLS key: PKCS#8 DER, or what signs with it.

        Raises:
            KeystoreError: it is in a backend that is not open.
        """
        if isinstance(keys.tls_private_key, Secret):
            return keys.tls_private_key
        return HeldTlsKey(self._opened(), keys.tls_private_key)

    def published(self, keys: Keys) -> list[RecipientKey]:
        """The public halves of the recipient keys, as a card lists them."""
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
        """A fresh signing key."""
        if self.backend is None:
            return Secret.random(_SEED_SIZE)
        return self._create(self.backend.signatures[0], "identity")

    def new_tls_key(self) -> HeldKey:
        """A fresh TLS key in the backend.

        Raises:
            KeyOperationUnsupported: it has no ECDSA P-256.
        """
        return self._create(SignatureAlgorithm.ECDSA_P256, "tls")

    def new_recipient_keys(
        self, suites: Sequence[WrapSuite], time: int
    ) -> tuple[StoredKey, ...]:
        """Fresh recipient keys, valid for two years from `time` (Unix seconds).

        Args:
            suites: which; the one that the place prefers, if empty.
            time: Unix seconds.

        Raises:
            KeyOperationUnsupported: the backend does not have such a suite.
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
        """Signs and unwraps with every key.

        Raises:
            SealiftError: one does not do what it is for.
        """
        _prove_signing(self.identity(keys).key)
        if isinstance(keys.tls_private_key, HeldKey):
            _prove_signing(HeldSigningKey(self._opened(), keys.tls_private_key))
        for key in keys.recipient_keys:
            private = self.private_key(key)
            if key_id_of(key.suite, private.recipient().public_key) != key.key_id:
                raise KeystoreError("a recipient key is not the one that was published")
            _prove_unwrapping(private)

    def try_out(self, algorithm: Algorithm) -> None:
        """Makes a key in the backend, uses it and destroys it.

        Raises:
            KeyOperationUnsupported: the backend does not have the algorithm.
            SealiftError: it does not work, and why.
        """
        self.destroy(self._create(algorithm, "test"))

    @property
    def url(self) -> str:
        """Of the place where the keys are."""
        return FILE_URL if self.backend is None else self.backend.url

    @property
    def default_suites(self) -> tuple[WrapSuite, ...]:
        """The suites of a new card."""
        return (
            (WrapSuite.MLKEM768_X25519,)
            if self.backend is None
            else self.backend.suites[:1]
        )

    def destroy(self, *places: Secret | HeldKey) -> None:
        """Destroys keys in the backend; those in the file end with it."""
        for place in places:
            if isinstance(place, HeldKey):
                self._opened().destroy(place)

    def close(self) -> None:
        """Forgets what was unwrapped, and ends the session with the backend."""
        self.unwrapped.close()
        if self.backend is not None:
            self.backend.close()

    def _create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key in the backend that does what it is for; one that does not is destroyed."""
        backend = self._opened()
        offered = (*backend.signatures, *backend.suites)
        if algorithm not in offered:
            raise KeyOperationUnsupported(
                f"the keystore has no keys of the kind {algorithm.name}",
                hint="it has " + ", ".join(other.name for other in offered),
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
    # A fresh secret, of which nothing can be remembered.
    secret = Secret.random(_SEED_SIZE)
    if key.unwrap(key.recipient().wrap(secret, _TEST), _TEST) != secret:
        raise KeystoreError("a key unwraps something else than was wrapped to it")
