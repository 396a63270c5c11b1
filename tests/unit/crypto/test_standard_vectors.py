"""RFC 9180, X-Wing and Wycheproof vectors against the very primitives that are used."""

from __future__ import annotations

import functools
import json
from typing import Any

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl as pyca
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_der_private_key
from places import VECTORS

from sealift.crypto.suites import dhkem, load_private_key, rsa_oaep
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject, SignatureInvalid
from sealift_protocol.objects.cards import WrapSuite
from sealift_protocol.signatures import verify_signature

FOLDER = VECTORS / "standard"


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def wycheproof(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [
        (group, test) for group in load(name)["testGroups"] for test in group["tests"]
    ]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    "vector", load("rfc9180_hpke.json"), ids=lambda v: f"kem{v['kem_id']}"
)
def test_rfc_9180_base_mode(vector: dict[str, Any]) -> None:
    kem, suite = {32: (KEM.X25519, WrapSuite.X25519), 16: (KEM.P256, WrapSuite.P256)}[
        vector["kem_id"]
    ]
    aead = {1: AEAD.AES_128_GCM, 2: AEAD.AES_256_GCM, 3: AEAD.CHACHA20_POLY1305}[
        vector["aead_id"]
    ]
    private = load_private_key(suite, Secret(unhex(vector["skRm"])))
    assert private.recipient().public_key == unhex(vector["pkRm"])
    # The RFC's vectors have associated data, which pyca's public single-shot call leaves empty.
    plaintext = pyca.hpke._decrypt_with_aad(
        Suite(kem, KDF.HKDF_SHA256, aead),
        unhex(vector["enc"]) + unhex(vector["ct"]),
        private._key(),  # type: ignore[attr-defined]
        unhex(vector["info"]),
        unhex(vector["aad"]),
    )
    assert plaintext == unhex(vector["pt"])


@pytest.mark.parametrize(
    "vector",
    [vector for vector in load("rfc9180_hpke.json") if vector["kem_id"] == 16],
    ids=lambda v: f"aead{v['aead_id']}",
)
def test_rfc_9180_around_a_shared_point_from_elsewhere(vector: dict[str, Any]) -> None:
    private = ec.derive_private_key(int(vector["skRm"], 16), ec.SECP256R1())
    enc = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), unhex(vector["enc"])
    )
    opened = dhkem.open_with_shared_point(
        private.exchange(ec.ECDH(), enc),
        unhex(vector["enc"]),
        unhex(vector["pkRm"]),
        unhex(vector["ct"]),
        info=unhex(vector["info"]),
        aad=unhex(vector["aad"]),
        aead={
            1: dhkem.Aead(0x0001, 16, AESGCM),
            3: dhkem.Aead(0x0003, 32, ChaCha20Poly1305),
        }[vector["aead_id"]],
    )
    assert opened == unhex(vector["pt"])


def test_rfc_6979_signatures_of_p256() -> None:
    vectors = load("rfc6979_p256.json")
    public = b"\x04" + unhex(vectors["Ux"]) + unhex(vectors["Uy"])
    for vector in vectors["SHA-256"]:
        message, signature = (
            vector["message"].encode(),
            unhex(vector["r"] + vector["s"]),
        )
        verify_signature(public, message, signature)
        for bad in (signature[::-1], bytes(64), signature[:32] + bytes(32)):
            with pytest.raises(SignatureInvalid):
                verify_signature(public, message, bad)
        with pytest.raises(SignatureInvalid):
            verify_signature(public, message + b"!", signature)
        with pytest.raises(MalformedObject, match="size"):
            verify_signature(public, message, signature + b"!")


def test_public_keys_that_are_none_are_refused() -> None:
    for bad in (b"", bytes(31), bytes(33), bytes(64), bytes(65), b"\x04" + bytes(64)):
        with pytest.raises(MalformedObject):
            verify_signature(bad, b"message", bytes(64))


def test_x_wing_seeds_expand_to_the_published_public_keys() -> None:
    vectors = load("xwing.json")
    assert len(vectors) == 3
    for vector in vectors:
        private = load_private_key(
            WrapSuite.MLKEM768_X25519, Secret(unhex(vector["sk"]))
        )
        assert private.recipient().public_key.hex() == vector["pk"]


def test_wycheproof_aes_256_gcm_into_buffers() -> None:
    tests = wycheproof("wycheproof_aes_gcm.json")
    assert len(tests) == 66
    for _, test in tests:
        cipher = AESGCM(unhex(test["key"]))
        nonce, aad, plain = unhex(test["iv"]), unhex(test["aad"]), unhex(test["msg"])
        sealed = unhex(test["ct"]) + unhex(test["tag"])
        out = bytearray(len(plain))
        if test["result"] == "valid":
            assert cipher.decrypt_into(nonce, sealed, aad, out) == len(plain)
            assert out == plain
            again = bytearray(len(sealed))
            cipher.encrypt_into(nonce, plain, aad, again)
            assert again == sealed
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt_into(nonce, sealed, aad, out)


@functools.cache
def rsa_key(pkcs8: str) -> Any:
    """A key, whose numbers take long to check."""
    return load_der_private_key(unhex(pkcs8), password=None)


@pytest.mark.parametrize("bits", [3072, 4096])
def test_wycheproof_rsa_oaep_sha256(bits: int) -> None:
    tests = wycheproof(f"wycheproof_rsa_oaep_{bits}.json")
    assert len(tests) == 37
    for group, test in tests:
        if test["label"]:
            # Labels are not used: they are not portable to HSMs.
            continue
        private = rsa_key(group["privateKeyPkcs8"])
        assert private.key_size == bits
        try:
            plain = private.decrypt(unhex(test["ct"]), rsa_oaep._OAEP)
        except ValueError:
            assert test["result"] in ("invalid", "acceptable"), test["tcId"]
        else:
            assert test["result"] in ("valid", "acceptable"), test["tcId"]
            assert plain == unhex(test["msg"])


def test_wycheproof_x25519() -> None:
    tests = wycheproof("wycheproof_x25519.json")
    assert len(tests) == 518
    for _, test in tests:
        private = X25519PrivateKey.from_private_bytes(unhex(test["private"]))
        public = X25519PublicKey.from_public_bytes(unhex(test["public"]))
        try:
            shared = private.exchange(public)
        except ValueError:
            # The all-zero secret of a low-order point is refused (RFC 9180 section 7.1.4).
            assert test["result"] in ("invalid", "acceptable"), test["tcId"]
            assert set(unhex(test["shared"])) == {0}
        else:
            assert shared == unhex(test["shared"]), test["tcId"]


def test_wycheproof_ed25519() -> None:
    tests = wycheproof("wycheproof_ed25519.json")
    assert len(tests) == 151
    for group, test in tests:
        key = nacl.signing.VerifyKey(unhex(group["publicKey"]["pk"]))
        signature = unhex(test["sig"])
        try:
            key.verify(unhex(test["msg"]), signature)
        except (nacl.exceptions.BadSignatureError, ValueError):
            assert test["result"] == "invalid", test["tcId"]
        else:
            assert test["result"] == "valid", test["tcId"]
