"""Tokens: values encrypted into values of the same form, which the owner's secret turns back.

Source: FF1 of NIST SP 800-38G through libffx, AES-256; the least domain is that of the draft of
revision 1, 1,000,000.
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
"""Stay where they are."""

MAX_LENGTH = 1000
_LEAST_DOMAIN = 1_000_000


class Tokeniser:
    """Encrypts what lies between the characters that are kept, in the alphabet of the value.

    Attributes:
        least: characters of the alphabet that have to lie there.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        alphabet: str = "digits",
        keep_first: int = 0,
        keep_last: int = 0,
        domain: str = "",
    ) -> None:
        """Derives the key.

        Args:
            secret: the owner's, 32 bytes.
            alphabet: a key of `ALPHABETS`.
            keep_first: characters of the alphabet that stay at the beginning.
            keep_last: and at the end.
            domain: values of different domains get unrelated tokens.

        Raises:
            InvalidArgument: libffx is not installed, or the secret does not have 32 bytes.
        """
        self._alphabet = ALPHABETS[alphabet]
        self._first, self._last = keep_first, keep_last
        self._domain = domain.encode()
        key = derive_key(secret, b"sealift/1 token", domain)
        self._cipher = _import_ff1()(key.reveal(), alphabet=self._alphabet)
        self._memo = Memo()
        self.least = 1
        while len(self._alphabet) ** self.least < _LEAST_DOMAIN:
            self.least += 1

    def tokenise(self, value: str) -> str | None:
        """The token of a value.

        Returns:
            None if the value holds other characters than the alphabet's and separators, or too few
            or too many of them to be encrypted.
        """
        return self._change(value, self._cipher.encrypt)

    def detokenise(self, token: str) -> str | None:
        """The value of a token, or None if it is no token of this form."""
        return self._change(token, self._cipher.decrypt)

    def apply(self, values: pa.Array) -> pa.Array:
        """The token of each value, as text; nulls stay, and values without a token become null."""
        return self._memo.apply(texts_of(values), self._tokenise_all)

    def _tokenise_all(self, texts: pa.Array) -> pa.Array:
        return pa.array([self.tokenise(text) for text in texts.to_pylist()], texts.type)

    def _change(self, value: str, cipher: Callable[..., str]) -> str | None:
        inner = value.translate(_NO_SEPARATORS)
        first, rest = inner[: self._first], inner[self._first :]
        end = max(len(rest) - self._last, 0)
        middle, last = rest[:end], rest[end:]
        if not self.least <= len(middle) <= MAX_LENGTH or inner.strip(self._alphabet):
            return None
        # Values that differ in what is kept are encrypted independently of one another.
        tweak = b"\0".join((self._domain, first.encode(), last.encode()))
        changed = first + cipher(middle, tweak=tweak) + last
        if len(changed) == len(value):
            return changed
        characters = iter(changed)
        return "".join(
            [char if char in SEPARATORS else next(characters) for char in value]
        )


_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)


def _import_ff1() -> Any:
    with extra("tokenise", 'the action "tokenise" needs libffx'):
        from ffx import FF1
    return FF1
