"""Tokens: values encrypted into values of the same form; the owner's secret decrypts them.

Source: FF1 of NIST SP 800-38G through libffx, AES-256. The smallest domain, 1,000,000, is that of
the draft of revision 1.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sealift.owner.deidentify.memo import Memo
from sealift.owner.deidentify.pseudonyms import derive_key
from sealift.owner.deidentify.texts import texts_of
from sealift.process.extras import extra
from sealift.process.secret import Secret

ALPHABETS = {
    "digits": string.digits,
    "letters": string.ascii_uppercase + string.ascii_lowercase,
    "alphanumeric": string.digits + string.ascii_uppercase + string.ascii_lowercase,
}
SEPARATORS = " -"
"""Separators, which stay where they are."""

MAX_LENGTH = 1000
_LEAST_DOMAIN = 1_000_000

CARD_LENGTHS = range(12, 20)
"""The numbers of digits that a card number can have."""
# 10**6 numbers, which is the smallest domain.
_LEAST_MIDDLE = 6
# The sum of the digits of twice a digit.
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class Tokeniser:
    """Encrypts the characters between those that are kept, in the value's alphabet.

    Attributes:
        least: the fewest characters of the alphabet that can be encrypted.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        alphabet: str = "digits",
        keep_first: int = 0,
        keep_last: int = 0,
        domain: str = "",
        texts: Callable[[pa.Array], pa.Array] = texts_of,
    ) -> None:
        """Derive the key.

        Args:
            secret: the owner's 32-byte secret.
            alphabet: a key of `ALPHABETS`.
            keep_first: characters of the alphabet kept at the beginning.
            keep_last: characters of the alphabet kept at the end.
            domain: values of different domains get unrelated tokens.
            texts: makes of the text of each value what is encrypted, or null.

        Raises:
            InvalidArgument: libffx is not installed, or the secret is not 32 bytes.
        """
        self._alphabet = ALPHABETS[alphabet]
        self._first, self._last = keep_first, keep_last
        self._domain = domain.encode()
        self._cipher = _cipher(secret, b"sealift/1 token", domain, self._alphabet)
        self._texts = texts
        self._memo = Memo()
        self.least = 1
        while len(self._alphabet) ** self.least < _LEAST_DOMAIN:
            self.least += 1

    def tokenise(self, value: str) -> str | None:
        """Return the token of a value.

        Returns:
            None if the value holds characters other than the alphabet's and separators, or too
            few or too many of the alphabet's to be encrypted.
        """
        return self._change(value, self._cipher.encrypt)

    def detokenise(self, token: str) -> str | None:
        """Return the value of a token, or None if it is not a token of this form."""
        return self._change(token, self._cipher.decrypt)

    def apply(self, values: pa.Array) -> pa.Array:
        """Return the token of each value, as text; nulls and values without a token are null."""
        return self._memo.apply(texts_of(values), self._tokenise_all)

    def _tokenise_all(self, texts: pa.Array) -> pa.Array:
        return _each(self._texts(texts), self.tokenise)

    def _change(self, value: str, cipher: Callable[..., str]) -> str | None:
        inner = value.translate(_NO_SEPARATORS)
        first, rest = inner[: self._first], inner[self._first :]
        end = max(len(rest) - self._last, 0)
        middle, last = rest[:end], rest[end:]
        if not self.least <= len(middle) <= MAX_LENGTH or inner.strip(self._alphabet):
            return None
        tweak = _tweak(self._domain, first, last)
        return _in_form(first + cipher(middle, tweak=tweak) + last, value)


class CardTokeniser:
    """Encrypts the numbers of payment cards (PANs) into tokens that are no card's number.

    The digits between the issuer's and the check digit are encrypted. The check digit is then one
    that is wrong, so that a token never passes the Luhn check; two numbers never share a token,
    and each token has one number.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        keep_first: int = 6,
        domain: str = "",
        texts: Callable[[pa.Array], pa.Array] = texts_of,
    ) -> None:
        """Derive the key.

        Args:
            secret: the owner's 32-byte secret.
            keep_first: the issuer's digits, which are kept.
            domain: values of different domains get unrelated tokens.
            texts: makes of the text of each value what is encrypted, or null.

        Raises:
            InvalidArgument: libffx is not installed, or the secret is not 32 bytes.
        """
        self._first = keep_first
        self._domain = domain.encode()
        # Not the key of other tokens: what was a token before must not be one of these.
        self._cipher = _cipher(secret, b"sealift/2 card token", domain, string.digits)
        self._texts = texts
        self._memo = Memo()

    def tokenise(self, value: str) -> str | None:
        """Return the token of a card number; None if the value is none (ISO/IEC 7812-1).

        A card number has 12 to 19 digits, of which the first is not 0 and the last the check
        digit. One with fewer than 6 digits to encrypt has no token either.
        """
        inner = value.translate(_NO_SEPARATORS)
        if not _is_digits(inner) or inner[0] == "0":
            return None
        if check_digit(inner[:-1]) != int(inner[-1]):
            return None
        return self._change(value, inner, self._cipher.encrypt, wrong_by=1)

    def detokenise(self, token: str) -> str | None:
        """Return the card number of a token, or None if it is not a token of this form."""
        inner = token.translate(_NO_SEPARATORS)
        if not _is_digits(inner) or inner[0] == "0":
            return None
        if (check_digit(inner[:-1]) + 1) % 10 != int(inner[-1]):
            return None
        return self._change(token, inner, self._cipher.decrypt, wrong_by=0)

    def apply(self, values: pa.Array) -> pa.Array:
        """Return the token of each value, as text; nulls and what is no card number are null."""
        return self._memo.apply(texts_of(values), self._tokenise_all)

    def _tokenise_all(self, texts: pa.Array) -> pa.Array:
        return _each(self._texts(texts), self.tokenise)

    def _change(
        self, value: str, inner: str, cipher: Callable[..., str], *, wrong_by: int
    ) -> str | None:
        first, middle = inner[: self._first], inner[self._first : -1]
        if len(middle) < _LEAST_MIDDLE:
            return None
        changed = first + cipher(middle, tweak=_tweak(self._domain, first, ""))
        while changed[0] == "0":
            # Only where no digit is kept. Walking on from a number that does not begin with 0 to
            # the next such number is one-to-one.
            changed = cipher(changed, tweak=_tweak(self._domain, "", ""))
        check = (check_digit(changed) + wrong_by) % 10
        return _in_form(f"{changed}{check}", value)


def check_digit(digits: str) -> int:
    """Return the Luhn check digit that follows some digits (ISO/IEC 7812-1, annex B)."""
    from_right = [int(digit) for digit in reversed(digits)]
    doubled = sum(_DOUBLED[digit] for digit in from_right[::2])
    return -(doubled + sum(from_right[1::2])) % 10


_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)


def _tweak(domain: bytes, first: str, last: str) -> bytes:
    """Return the tweak: values that differ in what is kept are encrypted independently."""
    return b"\0".join((domain, first.encode(), last.encode()))


def _in_form(changed: str, value: str) -> str:
    """Put the separators of a value into what its other characters became."""
    if len(changed) == len(value):
        return changed
    characters = iter(changed)
    return "".join([char if char in SEPARATORS else next(characters) for char in value])


def _each(texts: pa.Array, token: Callable[[str], str | None]) -> pa.Array:
    found = [None if text is None else token(text) for text in texts.to_pylist()]
    return pa.array(found, texts.type)


def _is_digits(text: str) -> bool:
    return len(text) in CARD_LENGTHS and text.isascii() and text.isdecimal()


def _cipher(secret: Secret, purpose: bytes, domain: str, alphabet: str) -> Any:
    key = derive_key(secret, purpose, domain)
    return _import_ff1()(key.reveal(), alphabet=alphabet)


def _import_ff1() -> Any:
    with extra("tokenise", 'the action "tokenise" needs libffx'):
        from ffx import FF1
    return FF1
