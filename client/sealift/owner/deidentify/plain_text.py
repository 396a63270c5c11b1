"""Text as the patterns expect it: decoded, with one kind of space, hyphen and apostrophe."""

from __future__ import annotations

import re

from sealift.owner.deidentify.markup import decode
from sealift.owner.deidentify.spans import Span

_INVISIBLE = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_MARKUP = re.compile(r"</?[A-Za-z!?][^<>]{0,2000}>|&#?\w{2,31};|\\|-->")
_SAME = {
    **dict.fromkeys(map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006"), " "),
    **dict.fromkeys(map(ord, "\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e"), '"'),
    # Full-width forms, as East Asian keyboards produce them.
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}


# What a scanner takes for a digit among digits, and for a letter among letters.
_MISREAD_NUMBER = re.compile(
    r"(?<![A-Za-z])(?=[\dOlI/.~ -]*\d)[\dOlI]+(?:[/.~ -][\dOlI]+){0,6}(?![A-Za-z])"
)
_MISREAD_WORD = re.compile(r"(?<![\w])[A-Za-z][a-z]*[015][a-z][a-z015]*(?![\w])")
_AS_DIGITS = str.maketrans("OlI~", "011-")
_AS_LETTERS = str.maketrans("015", "ols")
# A word that a line's end cuts.
_CUT_WORD = re.compile(r"(?<=[a-z])-\n[ ]{0,4}(?=[a-z])")


def _reread(text: str) -> str:
    """Return a text with what a scanner misread, character by character."""
    if not any(c.isdigit() for c in text):
        return text
    text = _MISREAD_NUMBER.sub(_as_number, text)
    return _MISREAD_WORD.sub(lambda match: _as_word(match[0]), text)


def _as_number(match: re.Match[str]) -> str:
    found = match[0]
    if sum(c.isdigit() for c in found) < 3 or not any(c in "OlI~" for c in found):
        return found
    return found.translate(_AS_DIGITS)


def _as_word(found: str) -> str:
    letters = sum(c.isalpha() for c in found)
    return (
        found.translate(_AS_LETTERS)
        if letters > 3 and len(found) - letters < 3
        else found
    )


class PlainText:
    """A decoded and normalised text, with a map back to the original.

    Attributes:
        text: the text for the patterns.
    """

    def __init__(self, original: str) -> None:
        # For each character its begin and its end in the original; None if they are the same.
        self._begins: list[int] | None = None
        self._ends: list[int] | None = None
        text = original
        if _MARKUP.search(original):
            text = self._decode(original)
        self.text = _reread(text.translate(_SAME))
        cut = {
            n for m in _CUT_WORD.finditer(self.text) for n in range(m.start(), m.end())
        }
        if cut or _INVISIBLE.search(self.text):
            begins = self._begins or list(range(len(self.text)))
            ends = self._ends or list(range(1, len(self.text) + 1))
            kept = [
                n
                for n, c in enumerate(self.text)
                if n not in cut and not _INVISIBLE.match(c)
            ]
            self.text = "".join(self.text[n] for n in kept)
            self._begins = [begins[n] for n in kept]
            self._ends = [ends[n] for n in kept]

    def _decode(self, original: str) -> str:
        shown: list[str] = []
        begins: list[int] = []
        ends: list[int] = []
        for piece in decode(original):
            shown.append(piece.text)
            if piece.is_literal:
                begins += range(piece.start, piece.end)
                ends += range(piece.start + 1, piece.end + 1)
            else:
                begins += [piece.start] * len(piece.text)
                ends += [piece.end] * len(piece.text)
        self._begins, self._ends = begins, ends
        return "".join(shown)

    def original(self, span: Span) -> tuple[int, int]:
        """Return where a span of the plain text begins and ends in the original text."""
        if self._begins is None or self._ends is None:
            return span.start, span.end
        return self._begins[span.start], self._ends[span.end - 1]
