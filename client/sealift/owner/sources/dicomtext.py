"""Texts of DICOM elements: character sets with code extensions, and padding.

Source: PS3.3 C.12.1.1.2 (Specific Character Set), PS3.5 6.1.2 (code extensions by ISO/IEC 2022)
and 6.2 (padding of each VR). A text is decoded exactly or not at all: no character is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

WITH_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""The VRs whose characters are those of Specific Character Set; others have ASCII."""
WITHOUT_SEVERAL = frozenset({"LT", "ST", "UR", "UT"})
"""The VRs in which a backslash is a character."""
_LEADING_COUNTS = frozenset({"LT", "ST", "UC", "UR", "UT"})
_PAD = " \0"

_CODECS = {
    100: "latin_1",
    101: "iso8859_2",
    109: "iso8859_3",
    110: "iso8859_4",
    126: "iso8859_7",
    127: "iso8859_6",
    138: "iso8859_8",
    144: "iso8859_5",
    148: "iso8859_9",
    166: "iso8859_11",
    203: "iso8859_15",
}
"""Sets of one byte by the number of their registration, for the upper half (G1)."""
_WHOLE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}
"""Sets without code extensions."""
_TERM = re.compile(r"ISO[ _-]?(?:2022[ _-]?)?(?:IR[ _-]?)?(\d{1,3})")


@dataclass(frozen=True, slots=True)
class _Escape:
    """An escape sequence: what it puts into which half."""

    upper: bool
    decode: Callable[[bytes], str]


def _codec(name: str) -> Callable[[bytes], str]:
    return lambda run: run.decode(name)


def _escaped(name: str, sequence: bytes) -> Callable[[bytes], str]:
    """Decode with a codec of Python's that wants the escape sequence itself."""
    return lambda run: (sequence + run).decode(name)


def _katakana(run: bytes) -> str:
    # JIS X 0201: one byte a character; other bytes would begin two-byte characters.
    if max(run) > 0xDF or min(run) < 0xA1:
        raise UnicodeDecodeError("jisx0201", run, 0, 1, "not katakana")
    return run.decode("shift_jis")


_ASCII = _codec("ascii")
_LATIN_1 = _codec("latin_1")
_ESCAPES = {
    b"(B": _Escape(upper=False, decode=_ASCII),
    b"(J": _Escape(upper=False, decode=_ASCII),
    b"$B": _Escape(upper=False, decode=_escaped("iso2022_jp", b"\x1b$B")),
    b"$@": _Escape(upper=False, decode=_escaped("iso2022_jp", b"\x1b$@")),
    b"$(D": _Escape(upper=False, decode=_escaped("iso2022_jp_2", b"\x1b$(D")),
    b")I": _Escape(upper=True, decode=_katakana),
    b"$)C": _Escape(upper=True, decode=_codec("euc_kr")),
    b"$)A": _Escape(upper=True, decode=_codec("gb2312")),
    **{
        b"-" + final: _Escape(upper=True, decode=_codec(_CODECS[number]))
        for final, number in (
            *((b"A", 100), (b"B", 101), (b"C", 109), (b"D", 110), (b"F", 126)),
            *((b"G", 127), (b"H", 138), (b"L", 144), (b"M", 148), (b"T", 166)),
            (b"b", 203),
        )
    },
}
"""Escape sequences (PS3.3 tables C.12-3 and C.12-4) without their first byte."""
_SEQUENCE = re.compile(
    rb"\x1b(" + b"|".join(re.escape(key) for key in _ESCAPES) + rb")"
)
_HALVES = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")


def _undecodable(run: bytes) -> str:
    raise UnicodeDecodeError("dicom", run, 0, 1, "the character set is unknown")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """How the texts of a file are decoded.

    Attributes:
        whole: name of a codec for texts without code extensions; empty for others.
        lower: decodes bytes below 0x80 before an escape sequence.
        upper: decodes bytes from 0x80 on before an escape sequence.
    """

    whole: str = ""
    lower: Callable[[bytes], str] = field(default=_ASCII)
    # Without a character set, files with accents are Latin 1 most often; it loses no byte.
    upper: Callable[[bytes], str] = field(default=_LATIN_1)

    def decode(self, content: bytes, delimiters: bytes) -> str:
        """Decode a value.

        Args:
            content: one or several values as the file has them.
            delimiters: the bytes behind which the first character set applies again.

        Raises:
            UnicodeError: the bytes are not in the character set.
        """
        if self.whole:
            return content.decode(self.whole)
        if b"\x1b" not in content:
            return self._halves(content, self.lower, self.upper)
        pieces = re.split(b"([" + re.escape(delimiters) + b"])", content)
        if b"\x1b$" in content:
            # Two-byte characters in G0 may hold a delimiter's byte: they end at an escape.
            pieces = _whole_pieces(content, delimiters)
        return "".join(self._piece(piece) for piece in pieces)

    def _piece(self, content: bytes) -> str:
        lower, upper = self.lower, self.upper
        parts = _SEQUENCE.split(content)
        texts = [self._halves(parts[0], lower, upper)]
        for name, run in zip(parts[1::2], parts[2::2], strict=True):
            escape = _ESCAPES[name]
            if escape.upper:
                upper = escape.decode
            else:
                lower = escape.decode
            texts.append(self._halves(run, lower, upper))
        return "".join(texts)

    @staticmethod
    def _halves(
        run: bytes, lower: Callable[[bytes], str], upper: Callable[[bytes], str]
    ) -> str:
        if b"\x1b" in run:
            _undecodable(run)
        return "".join(
            lower(half) if half[0] < 0x80 else upper(half)
            for half in _HALVES.findall(run)
        )


def _whole_pieces(content: bytes, delimiters: bytes) -> list[bytes]:
    """Split behind delimiters that are outside of two-byte characters in G0."""
    pieces, begin, two_bytes, place = [], 0, False, 0
    while place < len(content):
        found = _SEQUENCE.match(content, place)
        if found:
            if not _ESCAPES[found[1]].upper:
                two_bytes = found[1].startswith(b"$")
            place = found.end()
        elif two_bytes and content[place] > 0x20:
            place += 2
        else:
            if content[place] in delimiters:
                pieces.append(content[begin : place + 1])
                begin, two_bytes = place + 1, False
            place += 1
    return [*pieces, content[begin:]]


def character_set(terms: Sequence[str]) -> CharacterSet:
    """Return how texts are decoded under the values of Specific Character Set.

    The first value may be missing (PS3.3: then it is ASCII), and a set that has no place there is
    entered by its escape sequences. Terms that are misspelt with other spaces are understood;
    under unknown ones, only ASCII can be decoded.
    """
    first = terms[0].strip(_PAD).upper() if terms else ""
    if first in _WHOLE:
        return CharacterSet(whole=_WHOLE[first])
    if not first:
        # Code extensions from ASCII; without a term at all, see above.
        return CharacterSet(upper=_undecodable) if len(terms) > 1 else CharacterSet()
    found = _TERM.fullmatch(first)
    number = int(found[1]) if found else 0
    if number == 192:
        return CharacterSet(whole="utf-8")
    if number in _CODECS:
        return CharacterSet(upper=_codec(_CODECS[number]))
    upper = {
        6: _LATIN_1,
        13: _katakana,
        149: _codec("euc_kr"),
        58: _codec("gb2312"),
    }
    return CharacterSet(upper=upper.get(number, _undecodable))


def texts_of(content: bytes, vr: str, characters: CharacterSet) -> list[str]:
    """Return the values of an element of text, without padding; empty values are "".

    Raises:
        UnicodeError: the bytes are not in the character set of that VR.
    """
    if vr in WITH_CHARACTER_SET:
        delimiters = b"\r\n\f\t" + (b"^=" if vr == "PN" else b"")
        text = characters.decode(
            content, delimiters if vr in WITHOUT_SEVERAL else delimiters + b"\\"
        )
    else:
        text = content.decode("ascii")
    values = [text] if vr in WITHOUT_SEVERAL else text.split("\\")
    return [without_padding(value, vr) for value in values]


def without_padding(value: str, vr: str) -> str:
    """Remove what pads a value: spaces that do not count, and NUL (PS3.5 6.2)."""
    value = value.rstrip(_PAD)
    return value if vr in _LEADING_COUNTS else value.lstrip(_PAD)
