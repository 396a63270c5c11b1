"""The keystore's file: private, replaced as a whole, sealed by its lock (docs/spec/keystore.md)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sealift.keystore import Keys
from sealift.keystore.encoding import decode_keys, encode_keys
from sealift.keystore.locks import Lock
from sealift.process.files import sync_folder, write_atomically
from sealift_protocol.errors import KeystoreError, KeystoreInsecure, ProfileError

_MAX_FILE = 1 << 20


def create(path: Path, keys: Keys, lock: Lock) -> None:
    """Write a new keystore, readable by its owner only; it is durable on return.

    Raises:
        ProfileError: the file already exists; it is left unchanged.
    """
    content = lock.seal(encode_keys(keys), keys)
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600
        )
    except FileExistsError:
        raise ProfileError(
            "a keystore already exists, and Sealift does not overwrite it"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def replace(path: Path, keys: Keys, lock: Lock) -> None:
    """Replace a whole keystore; a crash leaves either the old one or the new one."""
    write_atomically(path, lock.seal(encode_keys(keys), keys))


def open_keystore(path: Path, lock: Lock) -> Keys:
    """Read a keystore.

    Raises:
        ProfileError: there is no keystore.
        KeystoreInsecure: other users can read it, or it is not a regular file of this user.
        WrongPassphrase: the passphrase does not open it, or it was changed.
        KeystoreError, UnsupportedVersion: it is not a keystore of a known version.
    """
    return decode_keys(lock.open(read_private(path)))


def read_private(path: Path) -> bytes:
    """Read a file that only this user can read.

    Raises:
        ProfileError: the file does not exist.
        KeystoreInsecure: other users can read it, or it is not a regular file of this user.
        KeystoreError: it is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise ProfileError("the profile has no keystore") from None
    except OSError:
        raise KeystoreInsecure(
            "the keystore cannot be opened as a regular file",
            hint="a symbolic link is not followed",
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise KeystoreInsecure(
                "the keystore is not a regular file of this user", hint=""
            )
        if status.st_mode & 0o077:
            raise KeystoreInsecure(
                "other users can read the keystore",
                hint="run chmod 600 on it, then try again",
            )
        if status.st_size > _MAX_FILE:
            raise KeystoreError("the file is too large for a keystore")
        return file.read()
