"""Fingerprints as words that two people can compare on the phone.

Source: BIP 39, English list of 2048 words, with its checksum. The words are not a secret.
"""

from __future__ import annotations

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.ids import Fingerprint

_WORDS = 24
_A_LINE = 6


def fingerprint_words(fingerprint: Fingerprint) -> list[str]:
    """Return 24 words, which encode the 256 bits and a checksum of 8 bits."""
    from mnemonic import Mnemonic

    return str(Mnemonic("english").to_mnemonic(fingerprint.digest)).split()


def word_lines(fingerprint: Fingerprint) -> list[str]:
    """Return the words in four lines of six."""
    words = fingerprint_words(fingerprint)
    return [" ".join(words[i : i + _A_LINE]) for i in range(0, len(words), _A_LINE)]


def parse_fingerprint(text: str) -> Fingerprint:
    """Parse a fingerprint in groups or in words.

    Raises:
        InvalidArgument: the text is neither, or a word is wrong.
    """
    from mnemonic import Mnemonic

    words = text.lower().split()
    if len(words) != _WORDS:
        return Fingerprint.parse(text)
    try:
        return Fingerprint(bytes(Mnemonic("english").to_entropy(words)))
    except (ValueError, LookupError):
        raise InvalidArgument(
            "these are not the 24 words of a fingerprint",
            hint="ask for the words again, six at a time; at least one of them is wrong",
        ) from None
