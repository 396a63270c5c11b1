"""Writes tests/vectors/backup/backup.json: backups that open, and some that must not.

The arithmetic and the JSON are this script's own; nothing of Sealift is imported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

MASTER = hashlib.sha256(b"vector master").digest()
NONCE = hashlib.sha256(b"vector nonce").digest()[:24]
# Any two of them give MASTER; the shares of SLIP-39 are random.
SHARES = json.loads((Path(__file__).parent / "backup" / "shares.json").read_text())
PROFILE = {
    "version": 3,
    "name": "hospital",
    "role": "owner",
    "address": "relay.example:8443",
    "fingerprint": "",
    "log_key": "",
    "identity_since": 1_767_225_600,
}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def fingerprint(public_key: bytes) -> str:
    digest = hashlib.sha256(b"sealift/1 identity" + public_key).digest()
    letters = base64.b32encode(digest).decode().rstrip("=").lower()
    return "-".join(letters[i : i + 4] for i in range(0, len(letters), 4))


def log_key() -> str:
    name, public = "relay.example/log", hashlib.sha256(b"vector log").digest()
    key = b"\x01" + public
    number = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    return f"{name}+{number.hex()}+{text(key)}"


def plaintext(**changes: object) -> bytes:
    profile = {**PROFILE, "fingerprint": fingerprint(b"\1" * 32), "log_key": log_key()}
    document: dict[str, object] = {
        "keys": {
            "identity_seed": text(hashlib.sha256(b"vector identity").digest()),
            "tls_private_key": text(b"PKCS#8, DER"),
            "owner_secret": text(hashlib.sha256(b"vector owner secret").digest()),
            "recipient_keys": [
                {
                    "key_id": text(bytes(16)),
                    "suite": 2,
                    "private": text(hashlib.sha256(b"vector recipient").digest()),
                    "not_before": 1_767_225_600,
                    "not_after": 1_830_297_600,
                }
            ],
        },
        "files": {
            "profile.json": text(json.dumps(profile).encode()),
            "trust.json": text(b"{}"),
        },
    }
    document.update(changes)
    content = json.dumps(document).encode()
    return content + b" " * (-len(content) % 4096)


def seal(content: bytes, version: int = 1, info: bytes = b"sealift/1 backup") -> bytes:
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(MASTER)
    header = b"sealiftB" + bytes([version]) + NONCE
    return header + crypto_aead_xchacha20poly1305_ietf_encrypt(
        content, header, NONCE, key
    )


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def render() -> str:
    good = seal(plaintext())
    profile = json.loads(plaintext())["files"]["profile.json"]
    cases = [
        ("good", good, ""),
        ("another magic", b"sealiftX" + good[8:], "no backup"),
        ("cut in the header", good[:20], "no backup"),
        ("version 2", seal(plaintext(), 2), "unknown version"),
        ("a bit of the nonce", flipped(good, 20), "does not open"),
        ("a bit of the ciphertext", flipped(good, 100), "does not open"),
        ("cut at the end", good[:-1], "does not open"),
        (
            "the key of something else",
            seal(plaintext(), info=b"sealift/1"),
            "does not open",
        ),
        ("no JSON", seal(b"no JSON"), "no profile in it"),
        ("no keys", seal(plaintext(keys={})), "no profile in it"),
        ("no profile", seal(plaintext(files={})), "no profile in it"),
        (
            "a file of another folder",
            seal(plaintext(files={"profile.json": profile, "../x": ""})),
            "no profile in it",
        ),
    ]
    document = {
        "master": MASTER.hex(),
        "shares": SHARES,
        "plaintext": text(plaintext()),
        "cases": [
            {"name": name, "file": text(content), "refused": reason}
            for name, content, reason in cases
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def main(folder: Path) -> None:
    (folder / "backup.json").write_text(render())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "backup")
