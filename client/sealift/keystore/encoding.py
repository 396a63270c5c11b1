"""Keys as the JSON document inside a keystore's file (docs/spec/keystore.md)."""

from __future__ import annotations

import base64
import json

from msgspec import UNSET, UnsetType

from sealift.keystore import Keys, StoredKey
from sealift.keystore.backend import Algorithm, HeldKey, SignatureAlgorithm
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError, MalformedObject
from sealift_protocol.objects.cards import WrapSuite

_BODY_STEP = 256


class HeldDocument(FileStruct, frozen=True):
    """A key in a backend, as recorded in a file; byte strings are in base64."""

    reference: str
    label: str
    algorithm: int | str
    public_key: bytes


class _RecipientKey(FileStruct, frozen=True, kw_only=True):
    key_id: bytes
    suite: int
    private: bytes | UnsetType = UNSET
    held: HeldDocument | UnsetType = UNSET
    not_before: int
    not_after: int


class KeysDocument(FileStruct, frozen=True, kw_only=True):
    """The keys document; each key is either a secret or a held key."""

    identity_seed: bytes | UnsetType = UNSET
    held: HeldDocument | UnsetType = UNSET
    tls_private_key: bytes | UnsetType = UNSET
    held_tls: HeldDocument | UnsetType = UNSET
    recipient_keys: tuple[_RecipientKey, ...]
    owner_secret: bytes | UnsetType = UNSET


_LAYOUT = Layout(
    "the keystore's content",
    KeysDocument,
    KeystoreError,
    "restore it from a backup, or use the release that wrote it",
)


def encode_keys(keys: Keys) -> bytes:
    """Encode keys as a document, padded so that its length reveals little."""
    document: dict[str, object] = {
        **_private("tls_private_key", keys.tls_private_key, held="held_tls"),
        "recipient_keys": [
            {
                "key_id": _text(key.key_id),
                "suite": int(key.suite),
                **_private("private", key.private),
                "not_before": key.not_before,
                "not_after": key.not_after,
            }
            for key in keys.recipient_keys
        ],
        **_private("identity_seed", keys.identity),
    }
    if keys.owner_secret is not None:
        document["owner_secret"] = _text(keys.owner_secret.reveal())
    plaintext = json.dumps(document).encode()
    return plaintext + b" " * (-len(plaintext) % _BODY_STEP)


def decode_keys(plaintext: bytes) -> Keys:
    """Decode the keys of an encoded document.

    Raises:
        KeystoreError: the document is malformed; the message names the key that is wrong.
    """
    return keys_of(_LAYOUT.read_json(plaintext))


def keys_of(document: KeysDocument) -> Keys:
    """Return the keys of a parsed document.

    Raises:
        KeystoreError: the document is malformed; the message names the key that is wrong.
    """
    try:
        return Keys(
            identity=_held_or_secret(
                document.held, document.identity_seed, "identity_seed"
            ),
            recipient_keys=tuple(
                StoredKey(
                    key_id=key.key_id,
                    suite=WrapSuite.parse(key.suite),
                    private=_held_or_secret(
                        key.held, key.private, "recipient_keys[...].private"
                    ),
                    not_before=key.not_before,
                    not_after=key.not_after,
                )
                for key in document.recipient_keys
            ),
            tls_private_key=_held_or_secret(
                document.held_tls, document.tls_private_key, "tls_private_key"
            ),
            owner_secret=None
            if document.owner_secret is UNSET
            else Secret(document.owner_secret),
        )
    except (MalformedObject, ValueError):
        raise _LAYOUT.refused("an algorithm is not known") from None


def held_document(held: HeldKey) -> dict[str, object]:
    """Return the record of a key in a backend, for a file."""
    return {
        "reference": held.reference,
        "label": held.label,
        "algorithm": held.algorithm.value,
        "public_key": _text(held.public_key),
    }


def held_key(held: HeldDocument) -> HeldKey:
    """Parse what `held_document` wrote.

    Raises:
        ValueError, MalformedObject: the algorithm is not known.
    """
    parsed: Algorithm
    if isinstance(held.algorithm, int):
        parsed = WrapSuite.parse(held.algorithm)
    else:
        parsed = SignatureAlgorithm(held.algorithm)
    return HeldKey(held.reference, held.label, parsed, held.public_key)


def _private(
    name: str, key: Secret | HeldKey, *, held: str = "held"
) -> dict[str, object]:
    if isinstance(key, HeldKey):
        return {held: held_document(key)}
    return {name: _text(key.reveal())}


def _held_or_secret(
    held: HeldDocument | UnsetType, secret: bytes | UnsetType, name: str
) -> Secret | HeldKey:
    if held is not UNSET:
        return held_key(held)
    if secret is UNSET:
        raise _LAYOUT.refused(f'the key "{name}" is missing')
    return Secret(secret)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
