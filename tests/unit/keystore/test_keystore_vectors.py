"""Keystore files byte for byte, with a backend in software whose keys the vectors show."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from places import VECTORS

from sealift.crypto.signing import Identity
from sealift.keystore.backend import Algorithm, HeldKey
from sealift.keystore.custody import Custody
from sealift.keystore.encoding import HeldDocument, decode_keys, encode_keys, held_key
from sealift.keystore.held import HeldPrivateKey
from sealift.keystore.locks import PassphraseLock
from sealift.process.secret import Secret
from sealift_protocol.errors import KeyNotFound, KeystoreError
from sealift_protocol.objects.cards import WrapSuite

KEYSTORES = VECTORS / "keystore"
GOOD, BAD = (
    json.loads((KEYSTORES / name).read_text()) for name in ("good.json", "bad.json")
)


class SoftwareBackend:
    """Only what the vectors need of a token."""

    signatures = ()
    suites = ()

    def __init__(self, vectors: dict[str, Any]) -> None:
        self.url = vectors["url"]
        self._private = {
            held_key(msgspec.convert(key["held"], HeldDocument)): bytes.fromhex(
                key["private"]
            )
            for key in vectors["backend"]
        }

    def held_keys(self) -> list[HeldKey]:
        return list(self._private)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        return Identity.of_seed(Secret(self._private[key])).key.sign(message)

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        private = ec.derive_private_key(
            int.from_bytes(self._private[key]), ec.SECP256R1()
        )
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return private.exchange(ec.ECDH(), peer)

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        raise NotImplementedError

    def destroy(self, key: HeldKey) -> None:
        raise NotImplementedError

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def test_a_file_of_version_1_opens() -> None:
    (vector,) = GOOD["version_1"]
    lock = PassphraseLock(Secret(vector["passphrase"].encode()))
    plaintext = lock.open(bytes.fromhex(vector["file"]))
    assert plaintext == vector["plaintext"].encode()
    assert encode_keys(decode_keys(plaintext)) == plaintext


@pytest.mark.parametrize("vector", GOOD["version_2"], ids=lambda vector: vector["name"])
def test_a_file_of_version_2_opens(vector: dict[str, str]) -> None:
    custody = Custody.of_backend(SoftwareBackend(GOOD))
    plaintext = custody.lock.open(bytes.fromhex(vector["file"]))
    assert plaintext == vector["plaintext"].encode()
    keys = decode_keys(plaintext)
    assert encode_keys(keys) == plaintext
    assert len(keys.held) == 2 + ("backend" in vector["name"])
    # What is written now is of the same form, and opens as well.
    assert custody.lock.open(custody.lock.seal(plaintext, keys)) == plaintext


@pytest.mark.parametrize("vector", BAD["version_2"], ids=lambda vector: vector["name"])
def test_a_file_of_version_2_that_somebody_else_wrote_is_refused(
    vector: dict[str, str],
) -> None:
    with pytest.raises(KeystoreError) as caught:
        Custody.of_backend(SoftwareBackend(BAD)).lock.open(
            bytes.fromhex(vector["file"])
        )
    unknown = "does not have" in vector["name"]
    assert (caught.type is KeyNotFound) is unknown


def test_the_vectors_show_what_is_between_file_and_plaintext() -> None:
    custody = Custody.of_backend(SoftwareBackend(GOOD))
    recipient = next(
        key
        for key in custody.backend.held_keys()
        if isinstance(key.algorithm, WrapSuite)
    )
    for vector in GOOD["version_2"]:
        content = bytes.fromhex(vector["file"])
        header = json.loads(content[13 : 13 + int.from_bytes(content[9:13])])
        wrapped = base64.b64decode(header["wrapped"])
        private = HeldPrivateKey(custody.backend, recipient, custody.unwrapped)
        key = private.unwrap(wrapped, bytes.fromhex(vector["context"]))
        assert key.reveal().hex() == vector["key"]


def test_the_vectors_are_what_their_script_writes(vector_script) -> None:
    made = vector_script("make_keystore_vectors").render()
    assert {path.name: path.read_text() for path in KEYSTORES.glob("*.json")} == made
