"""An opened keystore, which can be written again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace as replace_fields
from pathlib import Path

from sealift.keystore import Keys
from sealift.keystore.backend import AskSecret
from sealift.keystore.custody import Custody
from sealift.keystore.file import open_keystore, read_private, replace
from sealift.keystore.locks import backend_of, signer_of
from sealift.keystore.registry import open_backend
from sealift.process.files import sync_folder
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError
from sealift_protocol.ids import Fingerprint

_SECRET_SIZE = 32


class Keychain:
    """A profile's keys.

    Attributes:
        keys: all keys.
        custody: uses these keys and makes new ones.
    """

    def __init__(self, path: Path, custody: Custody) -> None:
        """Open a keystore.

        Raises:
            KeystoreError: as `open_keystore`.
        """
        self._path = path
        self.custody = custody
        self.keys = open_keystore(path, custody.lock)

    def store(self, keys: Keys) -> None:
        """Replace all keys in one durable write."""
        replace(self._path, keys, self.custody.lock)
        self.keys = keys

    def owner_secret(self) -> Secret:
        """Return the owner's secret; make and store one if the keystore predates it."""
        if self.keys.owner_secret is None:
            # Another process may have been first.
            self.keys = open_keystore(self._path, self.custody.lock)
        if self.keys.owner_secret is None:
            fresh = Secret.random(_SECRET_SIZE)
            self.store(replace_fields(self.keys, owner_secret=fresh))
        secret = self.keys.owner_secret
        if secret is None:
            raise KeystoreError("the keystore has no owner's secret")
        return secret

    def relock(self, custody: Custody) -> None:
        """Write the same keys under another lock, such as a new passphrase."""
        replace(self._path, self.keys, custody.lock)
        self.custody = custody

    def stage(self, path: Path, keys: Keys, custody: Custody) -> None:
        """Write keys to another file under a custody's lock, for a change in two steps."""
        replace(path, keys, custody.lock)

    def staged(self, path: Path, custody: Custody) -> Keys | None:
        """Return the keys in a staged file; None if there is no such file."""
        return open_keystore(path, custody.lock) if path.exists() else None

    def adopt(self, path: Path, custody: Custody) -> None:
        """Replace the keystore with a staged file."""
        keys = open_keystore(path, custody.lock)
        path.replace(self._path)
        sync_folder(self._path.parent)
        self.keys, self.custody = keys, custody

    def close(self) -> None:
        """End the session with the backend, if there is one."""
        self.custody.close()


def unlock(path: Path, ask: AskSecret, identities: Collection[Fingerprint]) -> Keychain:
    """Open a keystore with the passphrase, PIN or token that its file needs.

    Args:
        path: the keystore's file.
        ask: returns a passphrase, a PIN or a token.
        identities: the identities that the keystore may belong to.

    Raises:
        KeystoreError: as `open_keystore` and the backend, or it belongs to another identity.
    """
    content = read_private(path)
    header = backend_of(content)
    if header is None:
        custody = Custody.of_passphrase(ask("passphrase of the keystore"))
    else:
        # Check the signer before loading the named backend's library or giving it a PIN.
        _check(Fingerprint.of(signer_of(content, header).public_key), identities)
        custody = Custody.of_backend(open_backend(header.url, ask))
    try:
        keychain = Keychain(path, custody)
        _check(custody.identity(keychain.keys).fingerprint, identities)
    except BaseException:
        custody.close()
        raise
    return keychain


def _check(fingerprint: Fingerprint, identities: Collection[Fingerprint]) -> None:
    if fingerprint not in identities:
        raise KeystoreError(
            "the keystore belongs to another identity, not to the profile's",
            hint="restore the profile's own keystore from a backup",
        )
