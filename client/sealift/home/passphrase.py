"""Sources of the passphrase: a file descriptor, the environment, systemd, a keyring, a prompt.

Source: systemd.exec(5), "Credentials": a file in $CREDENTIALS_DIRECTORY, readable by the service.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from sealift.home.desktop import recall
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, KeystoreError

MIN_LENGTH = 8
CREDENTIAL = "sealift-passphrase"
_CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"
_MAX_LENGTH = 4096


def read_passphrase(
    what: str = "passphrase of the keystore",
    *,
    fd: int | None,
    confirm: bool,
    variable: str = "SEALIFT_PASSPHRASE",
    account: str = "",
) -> Secret:
    """Read the keystore's passphrase, or the PIN of its token.

    Args:
        what: its name in a prompt.
        fd: a file descriptor to read to the end of the first line, or None.
        variable: the environment variable that may hold it.
        account: its account in the desktop keyring; empty if it is not kept there.
        confirm: whether this is a new passphrase, which a prompt asks for twice and which must
            not be short.

    Raises:
        KeystoreError: there is no way to ask, or the answers differ.
        InvalidArgument: a new passphrase is too short.
    """
    text = _find(what, fd, confirm, variable, account)
    if confirm and len(text) < MIN_LENGTH:
        raise InvalidArgument(
            f"a passphrase must have at least {MIN_LENGTH} characters",
            hint="four or five random words are easy to keep and hard to guess",
        )
    return Secret(text.encode())


def ask_anew(what: str, *, fd: int | None = None) -> Secret:
    """Ask a person for the passphrase or PIN, whatever the environment or a keyring holds.

    Args:
        what: its name in the prompt.
        fd: a file descriptor to read it from instead, or None.

    Raises:
        KeystoreError: there is no terminal to ask at.
    """
    if fd is not None:
        return Secret(_read_line(fd).encode())
    if not sys.stdin.isatty():
        raise KeystoreError(
            "this command asks for the passphrase each time, and there is no terminal to ask at",
            hint="use `passphrase`",
        )
    return Secret(getpass.getpass(f"{what}: ").encode())


def _find(what: str, fd: int | None, confirm: bool, variable: str, account: str) -> str:
    if fd is not None:
        return _read_line(fd)
    from_environment = os.environ.get(variable)
    if from_environment is not None:
        return from_environment
    folder = os.environ.get(_CREDENTIALS_FOLDER)
    if folder and not confirm and (Path(folder) / CREDENTIAL).is_file():
        return _read_credential(Path(folder) / CREDENTIAL)
    remembered = recall(account) if account and not confirm else None
    if remembered is not None:
        return remembered.reveal().decode()
    if not sys.stdin.isatty():
        raise KeystoreError(
            "the keystore needs its passphrase, and there is no terminal to ask at",
            hint=f"use `passphrase`, set {variable}, or give the service the credential "
            f"{CREDENTIAL}",
        )
    text = getpass.getpass(f"{what}: ")
    if confirm and getpass.getpass("the same again: ") != text:
        raise KeystoreError("the passphrases do not match", hint="try again")
    return text


def _read_credential(path: Path) -> str:
    try:
        return path.read_bytes()[:_MAX_LENGTH].decode(errors="replace").rstrip("\r\n")
    except OSError:
        raise KeystoreError(
            "the service manager's credential cannot be read",
            hint=f"check LoadCredential={CREDENTIAL}:... and the user that the service runs as",
        ) from None


def _read_line(fd: int) -> str:
    collected = b""
    try:
        while len(collected) < _MAX_LENGTH:
            byte = os.read(fd, 1)
            if byte in (b"", b"\n"):
                break
            collected += byte
    except OSError:
        raise KeystoreError(
            "the passphrase's file descriptor cannot be read", hint=""
        ) from None
    return collected.decode(errors="replace").rstrip("\r")
