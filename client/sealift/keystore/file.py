"""The keystore file: Argon2id and XChaCha20-Poly1305 under a passphrase (docs/spec/keystore.md).

Source: RFC 9106 (Argon2id); draft-irtf-cfrg-xchacha-03; both through libsodium (PyNaCl).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import stat
import struct
from pathlib import Path

import nacl.exceptions
import nacl.pwhash.argon2id as argon2id
import nacl.utils
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)

from sealift.files import sync_folder, write_atomically
from sealift.keystore import Keys, StoredKey
from sealift.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreError,
    KeystoreInsecure,
    ProfileError,
    UnsupportedVersion,
    WrongPassphrase,
)
from sealift_protocol.objects import WrapSuite

MAGIC = b"sealiftK"
VERSION = 1
_HEADER = struct.Struct(">8sBIQ16s24s")
_KEY_SIZE = 32
_BODY_STEP = 256
_MAX_FILE = 1 << 20
_COSTS = {
    "interactive": (argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE),
    "sensitive": (argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE),
}


def create(path: Path, keys: Keys, passphrase: Secret) -> None:
    """Writes a new keystore, readable by its owner only, durable when this returns.

    The cost of Argon2id comes from $SEALIFT_KEYSTORE_COST: interactive, moderate (the default:
    256 MiB, about a second) or sensitive.

    Raises:
        ProfileError: there is a file already; it is left as it is.
    """
    content = _encode(keys, passphrase)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise ProfileError("there is a keystore already, which is never overwritten") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def replace(path: Path, keys: Keys, passphrase: Secret) -> None:
    """Replaces a keystore as a whole; a crash leaves the old one or the new one."""
    write_atomically(path, _encode(keys, passphrase))


class Keychain:
    """A keystore that was opened, and can be written again.

    Attributes:
        keys: every private key.
    """

    def __init__(self, path: Path, passphrase: Secret) -> None:
        """Opens a keystore.

        Raises:
            KeystoreError: as `open_keystore`.
        """
        self._path = path
        self._passphrase = passphrase
        self.keys = open_keystore(path, passphrase)

    def store(self, keys: Keys) -> None:
        """Replaces every key, durably, as a whole."""
        replace(self._path, keys, self._passphrase)
        self.keys = keys

    def owner_secret(self) -> Secret:
        """The owner's secret; made and stored now if the keystore is older than such secrets."""
        if self.keys.owner_secret is None:
            # Another process may have been first.
            self.keys = open_keystore(self._path, self._passphrase)
        if self.keys.owner_secret is None:
            self.store(dataclasses.replace(self.keys, owner_secret=Secret(nacl.utils.random(32))))
        secret = self.keys.owner_secret
        if secret is None:
            raise KeystoreError("the keystore has no owner's secret")
        return secret

    def stage(self, path: Path, keys: Keys) -> None:
        """Writes keys to another file under the same passphrase, for a change in two steps."""
        replace(path, keys, self._passphrase)

    def staged(self, path: Path) -> Keys | None:
        """The keys in such a file; None if there is none."""
        return open_keystore(path, self._passphrase) if path.exists() else None

    def adopt(self, path: Path) -> None:
        """Puts such a file in the keystore's place."""
        keys = open_keystore(path, self._passphrase)
        path.replace(self._path)
        sync_folder(self._path.parent)
        self.keys = keys


def open_keystore(path: Path, passphrase: Secret) -> Keys:
    """Reads a keystore.

    Raises:
        ProfileError: there is none.
        KeystoreInsecure: others can read it, or it is not a plain file of this user.
        WrongPassphrase: the passphrase does not open it, or it was changed.
        KeystoreError, UnsupportedVersion: it is not a keystore of a known version.
    """
    content = _read_private(path)
    if len(content) < _HEADER.size or content[:8] != MAGIC:
        raise KeystoreError("the file is not a keystore")
    header, body = content[: _HEADER.size], content[_HEADER.size :]
    _, version, operations, memory, salt, nonce = _HEADER.unpack(header)
    if version != VERSION:
        raise UnsupportedVersion(f"the keystore has version {version}, which is not known")
    _check_cost(operations, memory)
    key = argon2id.kdf(_KEY_SIZE, passphrase.reveal(), salt, opslimit=operations, memlimit=memory)
    try:
        plaintext = crypto_aead_xchacha20poly1305_ietf_decrypt(body, header, nonce, key)
    except nacl.exceptions.CryptoError:
        raise WrongPassphrase("the passphrase does not open the keystore") from None
    return _decode(plaintext)


def _encode(keys: Keys, passphrase: Secret) -> bytes:
    operations, memory = _cost()
    salt = nacl.utils.random(16)
    nonce = nacl.utils.random(24)
    header = _HEADER.pack(MAGIC, VERSION, operations, memory, salt, nonce)
    document: dict[str, object] = {
        "identity_seed": _text(keys.identity_seed.reveal()),
        "tls_private_key": _text(keys.tls_private_key.reveal()),
        "recipient_keys": [
            {
                "key_id": _text(key.key_id),
                "suite": int(key.suite),
                "private": _text(key.private.reveal()),
                "not_before": key.not_before,
                "not_after": key.not_after,
            }
            for key in keys.recipient_keys
        ],
    }
    if keys.owner_secret is not None:
        document["owner_secret"] = _text(keys.owner_secret.reveal())
    plaintext = json.dumps(document).encode()
    plaintext += b" " * (-len(plaintext) % _BODY_STEP)
    key = argon2id.kdf(_KEY_SIZE, passphrase.reveal(), salt, opslimit=operations, memlimit=memory)
    return header + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, header, nonce, key)


def _decode(plaintext: bytes) -> Keys:
    document = json.loads(plaintext)
    return Keys(
        identity_seed=_secret(document["identity_seed"]),
        recipient_keys=tuple(
            StoredKey(
                key_id=base64.b64decode(key["key_id"]),
                suite=WrapSuite.parse(key["suite"]),
                private=_secret(key["private"]),
                not_before=key["not_before"],
                not_after=key["not_after"],
            )
            for key in document["recipient_keys"]
        ),
        tls_private_key=_secret(document["tls_private_key"]),
        owner_secret=_secret(document["owner_secret"]) if "owner_secret" in document else None,
    )


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise ProfileError("the profile has no keystore") from None
    except OSError:
        raise KeystoreInsecure(
            "the keystore cannot be opened as a plain file", hint="a link is not followed"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise KeystoreInsecure("the keystore is not a plain file of this user", hint="")
        if status.st_mode & 0o077:
            raise KeystoreInsecure(
                "other users can read the keystore", hint="run chmod 600 on it, then try again"
            )
        if status.st_size > _MAX_FILE:
            raise KeystoreError("the file is too large for a keystore")
        return file.read()


def _cost() -> tuple[int, int]:
    name = os.environ.get("SEALIFT_KEYSTORE_COST", "moderate")
    if name not in _COSTS:
        raise InvalidArgument(
            "SEALIFT_KEYSTORE_COST has an unknown value",
            hint="use interactive, moderate or sensitive",
        )
    return _COSTS[name]


def _check_cost(operations: int, memory: int) -> None:
    # A planted file must neither exhaust this machine nor make guessing cheap.
    if not (
        argon2id.OPSLIMIT_INTERACTIVE <= operations <= argon2id.OPSLIMIT_SENSITIVE * 2
        and argon2id.MEMLIMIT_INTERACTIVE <= memory <= argon2id.MEMLIMIT_SENSITIVE * 2
    ):
        raise KeystoreError("the keystore asks for a cost that is not allowed")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _secret(text: str) -> Secret:
    return Secret(base64.b64decode(text))
