"""A secret in words on paper, of which any k of n people bring it back.

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
    """A fresh secret of 32 bytes."""
    return Secret.random(_MASTER_SIZE)


def split_master(master: Secret, threshold: int, shares: int) -> list[str]:
    """Shares in words; any `threshold` of them give the secret back.

    Raises:
        InvalidArgument: the numbers do not fit, or the extra is not installed.
    """
    if not 1 < threshold <= shares <= 16:
        raise InvalidArgument(
            "there are 2 to 16 shares, and a threshold from 2 to their number"
        )
    mnemonics = _slip39().generate_mnemonics(1, [(threshold, shares)], master.reveal())
    return list(mnemonics[0])


def check_share(words: str) -> int:
    """How many shares are needed, as a share says; its checksum finds a wrong word.

    Raises:
        InvalidArgument: it is not a share, or the extra is not installed.
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
    """The secret out of enough shares.

    Raises:
        InvalidArgument: they are too few, misheard, or of different secrets.
    """
    slip39 = _slip39()
    try:
        return Secret(slip39.combine_mnemonics([_plain(share) for share in shares]))
    except slip39.MnemonicError:
        raise InvalidArgument(
            "these shares do not belong together, or are not enough",
            hint="check each word, that they are of one set, and that there are enough",
        ) from None


def _plain(words: str) -> str:
    return " ".join(words.lower().split())


def _slip39() -> Any:
    with extra("recovery", "a set of paper shares needs shamir_mnemonic"):
        import shamir_mnemonic
    return shamir_mnemonic
