"""A secret split into n paper shares in words, any k of which recover it.

Source: SLIP-39 (Shamir's secret sharing, through the shamir-mnemonic package).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sealift.process.extras import extra
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

_MASTER_SIZE = 32


def new_master() -> Secret:
    """Return a random secret of 32 bytes."""
    return Secret.random(_MASTER_SIZE)


def split_master(master: Secret, threshold: int, shares: int) -> list[str]:
    """Split a secret into shares in words, any `threshold` of which recover it.

    Raises:
        InvalidArgument: the numbers are out of range, or the extra is not installed.
    """
    if not 1 < threshold <= shares <= 16:
        raise InvalidArgument(
            "the number of shares must be 2 to 16, and the threshold from 2 to that number"
        )
    mnemonics = _slip39().generate_mnemonics(1, [(threshold, shares)], master.reveal())
    return list(mnemonics[0])


def check_share(words: str) -> int:
    """Return how many shares are needed, as recorded in a share; its checksum finds wrong words.

    Raises:
        InvalidArgument: the words are not a share, or the extra is not installed.
    """
    slip39 = _slip39()
    try:
        needed: int = slip39.Share.from_mnemonic(_plain(words)).member_threshold
    except slip39.MnemonicError:
        raise InvalidArgument(
            "this is not a share: a word is wrong, missing or in the wrong place"
        ) from None
    return needed


def combine_shares(shares: Sequence[str]) -> Secret:
    """Recover the secret from enough shares.

    Raises:
        InvalidArgument: the shares are too few, have wrong words, or belong to different secrets.
    """
    slip39 = _slip39()
    try:
        return Secret(slip39.combine_mnemonics([_plain(share) for share in shares]))
    except slip39.MnemonicError:
        raise InvalidArgument(
            "these shares do not belong together, or there are too few",
            hint="check each word, that all shares are of one set, and that there are enough",
        ) from None


def _plain(words: str) -> str:
    return " ".join(words.lower().split())


def _slip39() -> Any:
    with extra("recovery", "paper shares need shamir_mnemonic"):
        import shamir_mnemonic
    return shamir_mnemonic
