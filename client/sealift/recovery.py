"""A recovery identity that k of n people hold on paper: lost keys must not mean lost data.

Source: SLIP-39 (Shamir's secret sharing, through the shamir-mnemonic package).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sealift.certificates import generate_tls_key
from sealift.keystore import Keys, StoredKey
from sealift.secret import Secret
from sealift.suites import load_private_key
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.ids import key_id_of
from sealift_protocol.objects import WrapSuite

_MASTER_SIZE = 32
# A recovery key lies in a safe for long; who needs it shorter publishes a new recovery identity.
_LIFETIME_SECONDS = 20 * 365 * 86_400


def new_master() -> Secret:
    """A fresh secret from which all keys of a recovery identity follow."""
    return Secret(secrets.token_bytes(_MASTER_SIZE))


def split_master(master: Secret, threshold: int, shares: int) -> list[str]:
    """Shares in words; any `threshold` of them give the secret back.

    Raises:
        InvalidArgument: the numbers do not fit, or the extra is not installed.
    """
    if not 1 < threshold <= shares <= 16:
        raise InvalidArgument(
            "a recovery identity needs 2 to 16 shares, and a threshold from 2 to their number"
        )
    mnemonics = _slip39().generate_mnemonics(1, [(threshold, shares)], master.reveal())
    return list(mnemonics[0])


def combine_shares(shares: Sequence[str]) -> Secret:
    """The secret out of enough shares.

    Raises:
        InvalidArgument: they are too few, misheard, or of different identities.
    """
    slip39 = _slip39()
    try:
        return Secret(slip39.combine_mnemonics([" ".join(s.lower().split()) for s in shares]))
    except slip39.MnemonicError:
        raise InvalidArgument(
            "these shares do not give a recovery identity",
            hint="check each word, that they are of one identity, and that there are enough",
        ) from None


def keys_of_master(master: Secret, time: int) -> Keys:
    """Every key of the recovery identity; the TLS key is fresh each time."""
    private = Secret(_derive(master, b"recipient key"))
    suite = WrapSuite.MLKEM768_X25519
    public = load_private_key(suite, private).recipient().public_key
    key = StoredKey(key_id_of(suite, public), suite, private, time, time + _LIFETIME_SECONDS)
    return Keys(Secret(_derive(master, b"identity")), (key,), generate_tls_key())


def _derive(master: Secret, label: bytes) -> bytes:
    kdf = HKDF(SHA256(), 32, salt=None, info=b"sealift/1 recovery " + label)
    return kdf.derive(master.reveal())


def _slip39() -> Any:
    try:
        import shamir_mnemonic
    except ImportError:
        raise InvalidArgument(
            "recovery identities need the extra `recovery`",
            hint="pip install 'sealift[recovery]'",
        ) from None
    return shamir_mnemonic
