"""The passphrase in the desktop keyring: Secret Service, macOS Keychain, Windows.

Source: the package keyring; freedesktop.org Secret Service API 0.2.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sealift.process.extras import extra
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, KeystoreError

_SERVICE = "sealift"
# What keyring itself calls recommended; backends below it keep passwords in plain files.
_MIN_PRIORITY = 1


def new_account() -> str:
    """Return a random name for an entry, which reveals nothing about the profile."""
    return secrets.token_hex(16)


def remember(account: str, passphrase: Secret) -> None:
    """Store a passphrase in the keyring.

    Raises:
        InvalidArgument: the extra is not installed.
        KeystoreError: there is no keyring that keeps secrets, or it is locked.
    """
    text = passphrase.reveal().decode()
    with _named():
        _keyring().set_password(_SERVICE, account, text)


def recall(account: str) -> Secret | None:
    """Return the passphrase; None if it is not in the keyring.

    Raises:
        InvalidArgument, KeystoreError: as `remember`.
    """
    with _named():
        text = _keyring().get_password(_SERVICE, account)
    return None if text is None else Secret(text.encode())


def forget(account: str) -> None:
    """Remove the passphrase from the keyring, if it is there.

    Raises:
        InvalidArgument, KeystoreError: as `remember`.
    """
    with _named():
        keyring = _keyring()
        if keyring.get_password(_SERVICE, account) is not None:
            keyring.delete_password(_SERVICE, account)


def _keyring() -> Any:
    with extra("keyring", "the desktop keyring needs the package keyring"):
        import keyring
    found = keyring.get_keyring()
    if found.priority < _MIN_PRIORITY:
        raise KeystoreError(
            "no desktop keyring that keeps secrets is available",
            hint="log in to a desktop session, or use `passphrase` or a systemd credential",
        )
    return found


@contextmanager
def _named() -> Iterator[None]:
    """Turn the keyring's errors into ours; each of its backends raises its own library's."""
    try:
        yield
    except (InvalidArgument, KeystoreError):
        raise
    except Exception as error:  # noqa: BLE001
        raise KeystoreError(
            f"the desktop keyring refused: {type(error).__name__}",
            hint="unlock it, or pass the passphrase with `passphrase` or $SEALIFT_PASSPHRASE",
        ) from None
