"""A recovery identity that k of n people hold on paper, so that lost keys do not lose data.

Source: RFC 5869 (HKDF). The shares: `shares.py`.
"""

from __future__ import annotations

from sealift.crypto.hkdf import derive
from sealift.crypto.suites import load_private_key
from sealift.keystore import Keys, StoredKey
from sealift.keystore.tlskeys import generate_tls_key
from sealift.process.secret import Secret
from sealift_protocol.ids import key_id_of
from sealift_protocol.objects.cards import WrapSuite

# A recovery key stays in a safe for years; for a shorter life, publish a new recovery identity.
_LIFETIME_SECONDS = 20 * 365 * 86_400


def keys_of_master(master: Secret, time: int) -> Keys:
    """Return every key of the recovery identity; the TLS key is fresh each time."""
    private = _derive(master, b"recipient key")
    suite = WrapSuite.MLKEM768_X25519
    public = load_private_key(suite, private).recipient().public_key
    key = StoredKey(
        key_id_of(suite, public), suite, private, time, time + _LIFETIME_SECONDS
    )
    return Keys(_derive(master, b"identity"), (key,), generate_tls_key())


def _derive(master: Secret, label: bytes) -> Secret:
    return derive(master, b"sealift/1 recovery " + label)
