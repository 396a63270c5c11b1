"""Keys as the JSON document inside a keystore's file (docs/spec/keystore.md)."""

from __future__ import annotations

import base64
import json

from sealift.keystore import Keys, StoredKey
from sealift.keystore.backend import Algorithm, HeldKey, SignatureAlgorithm
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError
from sealift_protocol.objects import WrapSuite

_BODY_STEP = 256


def encode_keys(keys: Keys) -> bytes:
    """The document, padded so that its length says little."""
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
    """The keys of a document.

    Raises:
        KeystoreError: it is none.
    """
    try:
        document = json.loads(plaintext)
        return Keys(
            identity=_held_or_secret(document, "identity_seed"),
            recipient_keys=tuple(
                StoredKey(
                    key_id=base64.b64decode(key["key_id"]),
                    suite=WrapSuite.parse(key["suite"]),
                    private=_held_or_secret(key, "private"),
                    not_before=key["not_before"],
                    not_after=key["not_after"],
                )
                for key in document["recipient_keys"]
            ),
            tls_private_key=_held_or_secret(
                document, "tls_private_key", held="held_tls"
            ),
            owner_secret=_secret(document["owner_secret"])
            if "owner_secret" in document
            else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise KeystoreError("the keystore holds something else than keys") from None


def held_document(held: HeldKey) -> dict[str, object]:
    """What a file says of a key in a backend."""
    return {
        "reference": held.reference,
        "label": held.label,
        "algorithm": held.algorithm.value,
        "public_key": _text(held.public_key),
    }


def read_held(document: dict[str, object]) -> HeldKey:
    """What `held_document` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    algorithm = document["algorithm"]
    parsed: Algorithm
    if isinstance(algorithm, int):
        parsed = WrapSuite.parse(algorithm)
    else:
        parsed = SignatureAlgorithm(str(algorithm))
    public_key = base64.b64decode(str(document["public_key"]), validate=True)
    return HeldKey(
        str(document["reference"]), str(document["label"]), parsed, public_key
    )


def _private(
    name: str, key: Secret | HeldKey, *, held: str = "held"
) -> dict[str, object]:
    if isinstance(key, HeldKey):
        return {held: held_document(key)}
    return {name: _text(key.reveal())}


def _held_or_secret(
    document: dict[str, object], name: str, *, held: str = "held"
) -> Secret | HeldKey:
    place = document.get(held)
    if isinstance(place, dict):
        return read_held(place)
    return _secret(str(document[name]))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _secret(text: str) -> Secret:
    return Secret(base64.b64decode(text))
