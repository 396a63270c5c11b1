"""Locks of the keystore's file: a passphrase, or a key in an HSM or KMS (docs/spec/keystore.md).

Source: RFC 9106 (Argon2id), through libsodium (PyNaCl); draft-irtf-cfrg-xchacha-03.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Protocol

import nacl.pwhash.argon2id as argon2id
import nacl.utils
from cryptography.exceptions import InvalidTag

from sealift.crypto import xchacha
from sealift.crypto.suites import load_recipient
from sealift.keystore import Keys
from sealift.keystore.backend import Backend, HeldKey
from sealift.keystore.encoding import (
    HeldDocument,
    decode_keys,
    held_document,
    held_key,
)
from sealift.keystore.held import HeldPrivateKey, HeldSigningKey, patiently
from sealift.keystore.unwrapped import Unwrapped
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeyNotFound,
    KeystoreError,
    MalformedObject,
    SealiftError,
    UnsupportedVersion,
    WrongPassphrase,
)
from sealift_protocol.signatures import SIGNATURE_SIZE, verify_signature

MAGIC = b"sealiftK"
_PASSPHRASE, _BACKEND = 1, 2
_HEADER = struct.Struct(">8sBIQ16s24s")
_PREFIX = struct.Struct(">8sBI")
_MAX_HEADER = 1 << 16
_COSTS = {
    "interactive": (argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": (argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE),
    "sensitive": (argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE),
}


_HINT = "restore it from a backup"


class BackendHeader(FileStruct, frozen=True):
    """The header of a version 2 file: the backend and key that open it."""

    url: str
    key: HeldDocument
    wrapped: bytes
    signer: HeldDocument


_LAYOUT = Layout("the keystore's header", BackendHeader, KeystoreError, _HINT)


class Lock(Protocol):
    """Seals and opens the content of a keystore's file."""

    def seal(self, plaintext: bytes, keys: Keys) -> bytes:
        """Seal a plaintext into a file's content; `keys` are the keys in it."""

    def open(self, content: bytes) -> bytes:
        """Open a file's content and return its plaintext.

        Raises:
            WrongPassphrase: it does not open, or was changed.
            KeystoreError, UnsupportedVersion: it is not a keystore of a known version.
        """


@dataclass(frozen=True, slots=True)
class PassphraseLock:
    """Version 1: Argon2id and XChaCha20-Poly1305.

    The cost of Argon2id comes from $SEALIFT_KEYSTORE_COST: interactive, moderate (the default:
    256 MiB, about a second) or sensitive. A file opens at the cost it was sealed at, and is sealed
    at the current cost.
    """

    passphrase: Secret

    def seal(self, plaintext: bytes, keys: Keys) -> bytes:
        """Seal a plaintext into a file's content; `keys` is not used."""
        del keys
        operations, memory = _cost()
        salt, nonce = nacl.utils.random(16), xchacha.fresh_nonce()
        header = _HEADER.pack(MAGIC, _PASSPHRASE, operations, memory, salt, nonce)
        key = self._key(salt, operations, memory)
        return header + xchacha.encrypt(plaintext, header, nonce, key)

    def open(self, content: bytes) -> bytes:
        """Open a file's content and return its plaintext.

        Raises:
            WrongPassphrase, KeystoreError, UnsupportedVersion: as `Lock.open`.
        """
        if backend_of(content) is not None:
            raise KeystoreError(
                "the keystore is opened by a key in a token or KMS, not by a passphrase"
            )
        if len(content) < _HEADER.size:
            raise KeystoreError("the file is not a keystore")
        header, body = content[: _HEADER.size], content[_HEADER.size :]
        _, _, operations, memory, salt, nonce = _HEADER.unpack(header)
        _check_cost(operations, memory)
        key = self._key(salt, operations, memory)
        try:
            return xchacha.decrypt(body, header, nonce, key)
        except InvalidTag:
            raise WrongPassphrase("the passphrase does not open the keystore") from None

    def _key(self, salt: bytes, operations: int, memory: int) -> Secret:
        secret = self.passphrase.reveal()
        return Secret(
            argon2id.kdf(
                xchacha.KEY_SIZE, secret, salt, opslimit=operations, memlimit=memory
            )
        )


@dataclass(frozen=True, slots=True)
class BackendLock:
    """Version 2: a fresh key for each write, wrapped to the newest recipient key in the backend.

    The identity signs the file, so that forging a file needs the backend.
    """

    backend: Backend = field(repr=False)
    unwrapped: Unwrapped = field(repr=False)

    def seal(self, plaintext: bytes, keys: Keys) -> bytes:
        """Seal a plaintext into a file's content.

        Raises:
            InvalidArgument: the identity in `keys`, or every recipient key, is not in a backend.
            KeystoreError: the backend does not sign.
        """
        signer = keys.identity
        places = (key.private for key in keys.recipient_keys)
        held = next((place for place in places if isinstance(place, HeldKey)), None)
        if held is None or not isinstance(signer, HeldKey):
            raise InvalidArgument(
                "a keystore in a backend needs its identity and a recipient key there"
            )
        key = Secret.random(xchacha.KEY_SIZE)
        context = _context(self.backend.url, held)
        recipient = load_recipient(held.suite, held.public_key)
        header = json.dumps(
            {
                "url": self.backend.url,
                "key": held_document(held),
                "wrapped": base64.b64encode(recipient.wrap(key, context)).decode(),
                "signer": held_document(signer),
            }
        ).encode()
        nonce = xchacha.fresh_nonce()
        front = _PREFIX.pack(MAGIC, _BACKEND, len(header)) + header + nonce
        sealed = front + xchacha.encrypt(plaintext, front, nonce, key)
        return sealed + HeldSigningKey(self.backend, signer).sign(_signed(sealed))

    def open(self, content: bytes) -> bytes:
        """Open a file's content and return its plaintext.

        Raises:
            KeyNotFound: the backend does not have the key that opens it.
            WrongKey, WrongPassphrase, KeystoreError, UnsupportedVersion: it does not open, or was
                not written with the backend.
        """
        header = backend_of(content)
        if header is None or header.url != self.backend.url:
            raise KeystoreError("the keystore belongs to another backend")
        held = _known(header.key)
        # Verify the signature before the backend unwraps anything, which may be forged.
        signer = signer_of(content, header)
        there = patiently(self.backend.held_keys)
        if held not in there or signer not in there:
            raise KeyNotFound(
                "the keystore's backend does not have the keys of its file"
            )
        private = HeldPrivateKey(self.backend, held, self.unwrapped)
        key = private.unwrap(header.wrapped, _context(self.backend.url, held))
        end = (
            _PREFIX.size
            + _PREFIX.unpack(content[: _PREFIX.size])[2]
            + xchacha.NONCE_SIZE
        )
        front, body = content[:end], content[end:-SIGNATURE_SIZE]
        nonce = front[-xchacha.NONCE_SIZE :]
        try:
            plaintext = xchacha.decrypt(body, front, nonce, key)
        except InvalidTag:
            raise _damaged() from None
        if decode_keys(plaintext).identity != signer:
            raise _damaged()
        return plaintext


def backend_of(content: bytes) -> BackendHeader | None:
    """Return the header of a file that a backend opens; None if a passphrase opens it.

    Raises:
        KeystoreError, UnsupportedVersion: it is not a keystore of a known version.
    """
    if len(content) < _PREFIX.size or content[: len(MAGIC)] != MAGIC:
        raise KeystoreError("the file is not a keystore")
    _, version, size = _PREFIX.unpack(content[: _PREFIX.size])
    if version == _PASSPHRASE:
        return None
    if version != _BACKEND:
        raise UnsupportedVersion(
            f"the keystore has version {version}, which this release does not know"
        )
    header = content[_PREFIX.size : _PREFIX.size + size]
    if not len(header) == size <= _MAX_HEADER:
        raise _damaged()
    return _LAYOUT.read_json(header)


def signer_of(content: bytes, header: BackendHeader) -> HeldKey:
    """Return the identity that signed a file, whose header `backend_of` returned.

    Raises:
        KeystoreError: the signature does not verify.
    """
    sealed, signature = content[:-SIGNATURE_SIZE], content[-SIGNATURE_SIZE:]
    try:
        signer = _known(header.signer)
        verify_signature(signer.public_key, _signed(sealed), signature)
    except (ValueError, SealiftError):
        raise _damaged() from None
    return signer


def _known(held: HeldDocument) -> HeldKey:
    try:
        return held_key(held)
    except (ValueError, MalformedObject):
        raise _damaged() from None


def _signed(sealed: bytes) -> bytes:
    # A digest, because some tokens sign only short messages.
    return b"sealift/1 keystore file" + hashlib.sha256(sealed).digest()


def _context(url: str, held: HeldKey) -> bytes:
    bound = hashlib.sha256(json.dumps([url, held.reference]).encode() + held.public_key)
    return b"sealift/1 keystore" + bound.digest()


def _damaged() -> KeystoreError:
    return KeystoreError(
        "the keystore's file was damaged or changed",
        hint=_HINT,
    )


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
        raise KeystoreError("the keystore's Argon2id cost is out of bounds")
