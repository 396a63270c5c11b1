"""Writes tests/vectors/keystore/: files of version 1 and 2 that open, and some that must not.

HPKE, the documents and the files are this script's own; nothing of Sealift is imported. What is
random in a keystore is a digest of its name here, and each private key of the backend is shown.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from typing import Any

import nacl.pwhash.argon2id as argon2id
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as xchacha

TIME = 1_767_225_600
PASSPHRASE = "correct horse battery staple, 5 °C"
URL = "pkcs11:token=vector?module-path=/usr/lib/vector.so"
P256 = 3


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def curve_key(name: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(sha(name)), ec.SECP256R1())


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def held(name: str, label: str, algorithm: str | int, public: bytes) -> dict[str, Any]:
    return {
        "reference": sha(f"vector {name}".encode())[:16].hex(),
        "label": f"sealift-{label}",
        "algorithm": algorithm,
        "public_key": b64(public),
    }


IDENTITY_SEED, OTHER_SEED = sha(b"vector identity"), sha(b"vector attacker")
RECIPIENT, TLS = curve_key(b"vector recipient"), curve_key(b"vector tls")
OWNER_SECRET = sha(b"vector owner secret")


def ed25519(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


HELD_IDENTITY = held("identity", "identity", "ed25519", ed25519(IDENTITY_SEED))
HELD_RECIPIENT = held("recipient", "recipient", P256, point(RECIPIENT))
HELD_TLS = held("tls", "tls", "ecdsa-p256", point(TLS))
HELD_ATTACKER = held("attacker", "identity", "ed25519", ed25519(OTHER_SEED))


def scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_numbers().private_value.to_bytes(32).hex()


BACKEND = [
    {"held": HELD_IDENTITY, "private": IDENTITY_SEED.hex()},
    {"held": HELD_RECIPIENT, "private": scalar(RECIPIENT)},
    {"held": HELD_TLS, "private": scalar(TLS)},
]


def document(*, in_backend: bool, tls_in_backend: bool = False) -> bytes:
    tls = TLS.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    recipient = {
        "key_id": b64(sha(b"sealift/1 key id" + bytes([P256]) + point(RECIPIENT))[:16]),
        "suite": P256,
        **(
            {"held": HELD_RECIPIENT}
            if in_backend
            else {"private": b64(bytes.fromhex(scalar(RECIPIENT)))}
        ),
        "not_before": TIME,
        "not_after": TIME + 730 * 86_400,
    }
    content = {
        **({"held_tls": HELD_TLS} if tls_in_backend else {"tls_private_key": b64(tls)}),
        "recipient_keys": [recipient],
        **(
            {"held": HELD_IDENTITY}
            if in_backend
            else {"identity_seed": b64(IDENTITY_SEED)}
        ),
        "owner_secret": b64(OWNER_SECRET),
    }
    text = json.dumps(content).encode()
    return text + b" " * (-len(text) % 256)


def version_1() -> dict[str, Any]:
    operations, memory = 2, 64 << 20
    salt, nonce = sha(b"vector salt")[:16], sha(b"vector nonce")[:24]
    key = argon2id.kdf(
        32, PASSPHRASE.encode(), salt, opslimit=operations, memlimit=memory
    )
    header = struct.pack(
        ">8sBIQ16s24s", b"sealiftK", 1, operations, memory, salt, nonce
    )
    plaintext = document(in_backend=False)
    return {
        "name": "version 1",
        "passphrase": PASSPHRASE,
        "key": key.hex(),
        "plaintext": plaintext.decode(),
        "file": (header + xchacha(plaintext, header, nonce, key)).hex(),
    }


def extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), material, "sha256")


def expand(key: bytes, info: bytes, size: int) -> bytes:
    # None of them is longer than one block.
    return hmac.digest(key, info + b"\x01", "sha256")[:size]


def hpke_wrap(secret: bytes, info: bytes) -> bytes:
    """DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode (RFC 9180)."""
    ephemeral = curve_key(b"vector ephemeral")
    enc = point(ephemeral)
    shared = ephemeral.exchange(ec.ECDH(), RECIPIENT.public_key())
    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x02"

    def labelled(size: int, of: bytes, label: bytes, rest: bytes) -> bytes:
        return size.to_bytes(2) + b"HPKE-v1" + of + label + rest

    prk = extract(b"", b"HPKE-v1" + kem + b"eae_prk" + shared)
    agreed = expand(
        prk, labelled(32, kem, b"shared_secret", enc + point(RECIPIENT)), 32
    )
    context = (
        b"\x00"
        + extract(b"", b"HPKE-v1" + suite + b"psk_id_hash")
        + extract(b"", b"HPKE-v1" + suite + b"info_hash" + info)
    )
    scheduled = extract(agreed, b"HPKE-v1" + suite + b"secret")
    key = expand(scheduled, labelled(32, suite, b"key", context), 32)
    nonce = expand(scheduled, labelled(12, suite, b"base_nonce", context), 12)
    return enc + AESGCM(key).encrypt(nonce, secret, b"")


def version_2(
    plaintext: bytes,
    *,
    seed: bytes = IDENTITY_SEED,
    signer: dict[str, Any] = HELD_IDENTITY,
) -> dict[str, Any]:
    bound = sha(
        json.dumps([URL, HELD_RECIPIENT["reference"]]).encode() + point(RECIPIENT)
    )
    context = b"sealift/1 keystore" + bound
    key, nonce = sha(b"vector file key"), sha(b"vector file nonce")[:24]
    wrapped = hpke_wrap(key, context)
    header = json.dumps(
        {"url": URL, "key": HELD_RECIPIENT, "wrapped": b64(wrapped), "signer": signer}
    ).encode()
    front = struct.pack(">8sBI", b"sealiftK", 2, len(header)) + header + nonce
    sealed = front + xchacha(plaintext, front, nonce, key)
    signed = b"sealift/1 keystore file" + sha(sealed)
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(signed)
    return {
        "context": context.hex(),
        "key": key.hex(),
        "signed": signed.hex(),
        "plaintext": plaintext.decode(),
        "file": (sealed + signature).hex(),
    }


def good() -> dict[str, Any]:
    return {
        "version_1": [version_1()],
        "url": URL,
        "backend": BACKEND,
        "version_2": [
            {"name": "the TLS key in the file", **version_2(document(in_backend=True))},
            {
                "name": "the TLS key in the backend",
                **version_2(document(in_backend=True, tls_in_backend=True)),
            },
        ],
    }


def bad() -> dict[str, Any]:
    plaintext = document(in_backend=True)
    honest = bytes.fromhex(version_2(plaintext)["file"])
    older = honest[:-64]
    cases = {
        "a bit of the signature": honest[:-1] + bytes([honest[-1] ^ 1]),
        "a bit of the ciphertext": older[:-1] + bytes([older[-1] ^ 1]) + honest[-64:],
        "no signature": older,
        "signed by a key that the backend does not have": version_2(
            plaintext, seed=OTHER_SEED, signer=HELD_ATTACKER
        ),
        "signed by another key in the identity's name": version_2(
            plaintext, seed=OTHER_SEED
        ),
        "signed by the identity, with another identity inside": version_2(
            document(in_backend=False)
        ),
    }
    return {
        "url": URL,
        "backend": BACKEND,
        "version_2": [
            {
                "name": name,
                "file": case.hex() if isinstance(case, bytes) else case["file"],
            }
            for name, case in cases.items()
        ],
    }


def render() -> dict[str, str]:
    """File name to content."""
    made = {"good.json": good(), "bad.json": bad()}
    return {
        name: json.dumps(content, indent=1) + "\n" for name, content in made.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent / "keystore"
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)
    sys.stdout.write(f"{len(render())} files\n")
