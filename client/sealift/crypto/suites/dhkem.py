"""HPKE from a shared point that an HSM computed, which keeps the private key.

pyca's HPKE needs the private key itself. A token returns only the Diffie-Hellman result of
DHKEM(P-256, HKDF-SHA256); the rest is HKDF and an AEAD.

Source: RFC 9180, sections 4 (labels), 4.1 (DHKEM), 5.1 (key schedule, base mode) and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

_VERSION = b"HPKE-v1"
_KEM_P256, _KDF_HKDF_SHA256 = 0x0010, 0x0001
_KEM_SUITE = b"KEM" + _KEM_P256.to_bytes(2)
_SECRET_SIZE = 32
_NONCE_SIZE = 12
_BASE_MODE = b"\x00"


@dataclass(frozen=True, slots=True)
class Aead:
    """An AEAD of RFC 9180 section 7.3.

    Attributes:
        number: its id in that section.
        key_size: bytes of the key.
        cipher: its implementation.
    """

    number: int
    key_size: int
    cipher: type[AESGCM] | type[ChaCha20Poly1305]


AES_256_GCM = Aead(0x0002, 32, AESGCM)


def open_with_shared_point(
    shared: bytes,
    enc: bytes,
    public_key: bytes,
    ciphertext: bytes,
    *,
    info: bytes,
    aad: bytes = b"",
    aead: Aead = AES_256_GCM,
) -> bytes:
    """Open the first message of a base-mode sender.

    Args:
        shared: x-coordinate of the private key times `enc`, 32 bytes.
        enc: the sender's ephemeral point, uncompressed, 65 bytes.
        public_key: the recipient's, uncompressed, 65 bytes.
        ciphertext: the ciphertext with its tag.
        info: the context that the sender bound it to.
        aad: associated data.
        aead: the suite's AEAD.

    Raises:
        cryptography.exceptions.InvalidTag: the message does not open.
    """
    extracted = _extract(_KEM_SUITE, b"", b"eae_prk", shared)
    secret = _expand(
        _KEM_SUITE, extracted, b"shared_secret", enc + public_key, _SECRET_SIZE
    )
    suite = b"HPKE" + b"".join(
        number.to_bytes(2) for number in (_KEM_P256, _KDF_HKDF_SHA256, aead.number)
    )
    context = (
        _BASE_MODE
        + _extract(suite, b"", b"psk_id_hash", b"")
        + _extract(suite, b"", b"info_hash", info)
    )
    scheduled = _extract(suite, secret, b"secret", b"")
    key = _expand(suite, scheduled, b"key", context, aead.key_size)
    nonce = _expand(suite, scheduled, b"base_nonce", context, _NONCE_SIZE)
    return aead.cipher(key).decrypt(nonce, ciphertext, aad)


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return HKDF.extract(SHA256(), salt or None, _VERSION + suite + label + material)


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2) + _VERSION + suite + label + info
    return HKDFExpand(SHA256(), size, labelled).derive(key)
