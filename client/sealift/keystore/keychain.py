"""A keystore that was opened, and can be written again."""

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
        keys: all of them.
        custody: uses them, and makes others.
    """

    def __init__(self, path: Path, custody: Custody) -> None:
        """Opens a keystore.

        Raises:
            KeystoreError: as `open_keystore`.
        """
        self._path = path
        self.custody = custody
        self.keys = open_keystore(path, custody.lock)

    def store(self, keys: Keys) -> None:
        """Replaces every key, durably, as a whole."""
        replace(self._path, keys, self.custody.lock)
        self.keys = keys

    def owner_secret(self) -> Secret:
        """The owner's secret; made and stored now if the keystore is older than such secrets."""
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
        """Writes the same keys under another lock, such as a new passphrase."""
        replace(self._path, self.keys, custody.lock)
        self.custody = custody

    def stage(self, path: Path, keys: Keys, custody: Custody) -> None:
        """Writes keys to another file under a custody's lock, for a change in two steps."""
        replace(path, keys, custody.lock)

    def staged(self, path: Path, custody: Custody) -> Keys | None:
        """The keys in such a file; None if there is none."""
        return open_keystore(path, custody.lock) if path.exists() else None

    def adopt(self, path: Path, custody: Custody) -> None:
        """Puts such a file in the keystore's place."""
        keys = open_keystore(path, custody.lock)
        path.replace(self._path)
        sync_folder(self._path.parent)
        self.keys, self.custody = keys, custody

    def close(self) -> None:
        """Ends the session with the backend, if there is one."""
        self.custody.close()


def unlock(path: Path, ask: AskSecret, identities: Collection[Fingerprint]) -> Keychain:
    """Opens a keystore with whatever its file asks for.

    Args:
        path: of its file.
        ask: asks for a passphrase, a PIN or a token.
        identities: one of them is the keystore's.

    Raises:
        KeystoreError: as `open_keystore` and as the backend; or it is of another identity.
    """
    content = read_private(path)
    header = backend_of(content)
    if header is None:
        custody = Custody.of_passphrase(ask("passphrase of the keystore"))
    else:
        # Before the place that the file names is given a PIN, or its library loaded.
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
            "the keystore is of another identity than the profile",
            hint="put the profile's own keystore back from a backup",
        )
