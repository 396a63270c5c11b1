"""Text as the patterns expect it: one kind of space, hyphen and apostrophe, all visible."""

from __future__ import annotations

import re

from sealift.owner.deidentify.spans import Span

_INVISIBLE = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
_SAME = {
    **dict.fromkeys(map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006"), " "),
    **dict.fromkeys(map(ord, "\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u00b4"), "'"),
    # Full-width forms, as East Asian keyboards produce them.
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}


class PlainText:
    """A normalised text, with a map back to the original.

    Attributes:
        text: the text for the patterns.
    """

    def __init__(self, original: str) -> None:
        self.text = original.translate(_SAME)
        self._places: list[int] | None = None
        if _INVISIBLE.search(self.text):
            self._places = [
                place for place, c in enumerate(self.text) if not _INVISIBLE.match(c)
            ]
            self.text = "".join(self.text[place] for place in self._places)

    def original(self, span: Span) -> tuple[int, int]:
        """Return where a span of the plain text begins and ends in the original text."""
        if self._places is None:
            return span.start, span.end
        return self._places[span.start], self._places[span.end - 1] + 1
