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
    ) -> None:
        """Derive the key.

        Args:
            secret: the owner's 32-byte secret.
            alphabet: a key of `ALPHABETS`.
            keep_first: characters of the alphabet kept at the beginning.
            keep_last: characters of the alphabet kept at the end.
            domain: values of different domains get unrelated tokens.

        Raises:
            InvalidArgument: libffx is not installed, or the secret is not 32 bytes.
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
        return pa.array([self.tokenise(text) for text in texts.to_pylist()], texts.type)

    def _change(self, value: str, cipher: Callable[..., str]) -> str | None:
        inner = value.translate(_NO_SEPARATORS)
        first, rest = inner[: self._first], inner[self._first :]
        end = max(len(rest) - self._last, 0)
        middle, last = rest[:end], rest[end:]
        if not self.least <= len(middle) <= MAX_LENGTH or inner.strip(self._alphabet):
            return None
        # Values that differ in the kept characters are encrypted independently.
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
