"""Private keys in a backend, as signing keys and recipient keys for the rest of Sealift."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import assert_spawning
from typing import Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sealift.crypto.suites import Recipient, load_recipient
from sealift.crypto.suites.dhkem import open_with_shared_point
from sealift.crypto.suites.hpke import SECRET_SIZE, refused
from sealift.keystore.backend import Backend, HeldKey
from sealift.keystore.unwrapped import Unwrapped
from sealift.process.log import log
from sealift.process.retrying import RetryPolicy, retrying
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreUnavailable,
    MalformedObject,
)
from sealift_protocol.objects.cards import WrapSuite

_ATTEMPTS = 4
_FIRST_DELAY, _MAX_DELAY = 0.2, 5.0
_POINT_SIZE = 65
_NONCE = bytes(12)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HeldSigningKey:
    """An identity's signing key in a backend."""

    backend: Backend = field(repr=False)
    held: HeldKey

    @property
    def public_key(self) -> bytes:
        """The public key: 32 bytes for Ed25519, 65 for P-256."""
        return self.held.public_key

    def sign(self, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        return patiently(lambda: self.backend.sign(self.held, message))

    def __reduce__(self) -> Any:
        # A spawned process has no session with the backend.
        assert_spawning(self)
        return AbsentSigningKey, (self.public_key,)


@dataclass(frozen=True, slots=True)
class AbsentSigningKey:
    """The public half only, in a process that a session spawned."""

    public_key: bytes

    def sign(self, message: bytes) -> bytes:
        """Not supported: the private key is not in this process.

        Raises:
            KeystoreError: always.
        """
        del message
        raise KeystoreError(
            "this worker process must sign a disclosure, but the keystore is not open in it",
            hint="read through dataset.torch_loader, which signs in advance, or fork the workers",
        )


@dataclass(frozen=True, slots=True)
class HeldPrivateKey:
    """A recipient key in a backend; unwrapped secrets are cached for a limited time."""

    backend: Backend = field(repr=False)
    held: HeldKey
    unwrapped: Unwrapped = field(repr=False)

    @property
    def suite(self) -> WrapSuite:
        """The key's wrap suite."""
        return self.held.suite

    def recipient(self) -> Recipient:
        """Return the public half."""
        return load_recipient(self.suite, self.held.public_key)

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Unwrap a secret.

        Raises:
            WrongKey: wrong key, wrong context, or changed bytes; they cannot be distinguished.
            KeystoreError: the backend refused, or cannot be used.
        """
        open_it = {
            WrapSuite.P256: self._open_hpke,
            WrapSuite.RSA_OAEP_SHA256: self._open_oaep,
        }.get(self.suite)
        if open_it is None:
            raise KeyOperationUnsupported(
                "a recipient key in a token or KMS must be P-256 or RSA"
            )
        return self.unwrapped.remember(
            (self.held.public_key, wrapped, context), lambda: open_it(wrapped, context)
        )

    def _open_hpke(self, wrapped: bytes, context: bytes) -> Secret:
        enc, ciphertext = wrapped[:_POINT_SIZE], wrapped[_POINT_SIZE:]
        # A point that is not on the curve must not reach a token that fails to check it.
        _check_point(enc)
        shared = patiently(lambda: self.backend.agree(self.held, enc))
        try:
            opened = open_with_shared_point(
                shared, enc, self.held.public_key, ciphertext, info=context
            )
        except InvalidTag:
            raise refused() from None
        return _checked(opened)

    def _open_oaep(self, wrapped: bytes, context: bytes) -> Secret:
        key = load_der_public_key(self.held.public_key)
        size = key.key_size // 8  # type: ignore[union-attr] # of RSA, which the recipient checked
        carried = patiently(lambda: self.backend.decrypt(self.held, wrapped[:size]))
        try:
            opened = AESGCM(carried).decrypt(_NONCE, wrapped[size:], context)
        except (InvalidTag, ValueError):
            raise refused() from None
        return _checked(opened)


def _check_point(enc: bytes) -> None:
    """Check that bytes are an uncompressed point of P-256.

    Raises:
        WrongKey: they are not.
    """
    try:
        load_recipient(WrapSuite.P256, enc)
    except MalformedObject:
        raise refused() from None


def patiently(
    operation: Callable[[], _T], sleep: Callable[[float], None] = time.sleep
) -> _T:
    """Return the result of a backend operation, retried while the backend is unavailable.

    Raises:
        KeystoreError: the last failure, or the first that a retry cannot fix.
    """
    policy = RetryPolicy(
        attempts=_ATTEMPTS, first_delay=_FIRST_DELAY, max_delay=_MAX_DELAY
    )
    return retrying(
        operation,
        lambda error: isinstance(error, KeystoreUnavailable),
        policy,
        noted=_note_retry,
        sleep=sleep,
    )


def _note_retry(error: Exception, failures: int, delay: float) -> None:
    log.info(
        "retry_keystore",
        attempt=failures,
        error=type(error).__name__,
        seconds=round(delay, 3),
    )


def _checked(opened: bytes) -> Secret:
    if len(opened) != SECRET_SIZE:
        raise refused()
    return Secret(opened)
