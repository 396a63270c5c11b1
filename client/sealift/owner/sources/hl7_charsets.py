"""Character sets of HL7 messages: table 0211, and files in UTF-16 or UTF-32.

Source: HL7 v2.5.1 and v2.9, chapter 2, 2.15.9.18 (MSH-18) and 2.7.2 (escape sequences for
character sets); ISO/IEC 2022 for text that switches between sets.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sealift.owner.sources.dicomtext import character_set
from sealift_protocol.errors import SourceError

_LATIN = {
    1: 100,
    2: 101,
    3: 109,
    4: 110,
    5: 144,
    6: 127,
    7: 126,
    8: 138,
    9: 148,
    11: 166,
    15: 203,
}
"""Parts of ISO 8859 with the numbers of their registration."""
_UNICODE = {
    *("UNICODE", "UNICODE UTF-8", "UTF-8", "UTF8"),
    # A message whose MSH can be read byte by byte is not in these, or was converted before.
    *("UNICODE UTF-16", "UNICODE UTF-32"),
}
_WHOLE = {
    **dict.fromkeys(_UNICODE, "utf-8"),
    **dict.fromkeys(("GB 18030-2000", "GB 18030", "GB18030"), "gb18030"),
    **dict.fromkeys(("BIG-5", "BIG5"), "big5"),
    **{f"8859/{number}": f"iso8859-{number}" for number in _LATIN},
}
_REGISTERED = {
    "": 6,
    "ASCII": 6,
    "ISO IR6": 6,
    "ISO IR14": 13,
    "ISO IR87": 87,
    "ISO IR159": 159,
    "KS X 1001": 149,
    **{f"8859/{number}": registered for number, registered in _LATIN.items()},
}
"""Sets that a message may switch to, by the number of their registration."""
_JAPANESE = {"ISO IR87", "ISO IR159"}
_AROUND_JAPANESE = {"", "ASCII", "ISO IR6", "ISO IR14", *_JAPANESE}
_SWITCH = rb"[CM]((?:[0-9A-Fa-f]{2}){2,3})"
_ESCAPE = b"\x1b"


class UnknownCharacterSetError(Exception):
    """MSH-18 names a set that is not known, or sets that do not go together."""


@dataclass(frozen=True, slots=True)
class Charset:
    """How a message's bytes become text.

    Attributes:
        name: its name for people.
        decode: decodes; raises UnicodeDecodeError.
        switches: whether HL7's escape sequences for character sets change the set.
    """

    name: str
    decode: Callable[[bytes], str] = field(repr=False)
    switches: bool = False


def charset_of_encoding(encoding: str) -> Charset:
    """Return the character set of one of Python's encodings."""
    return Charset(encoding, lambda data: data.decode(encoding))


def charset_named(names: Sequence[str], separators: bytes) -> Charset | None:
    """Return the character set of the repetitions of MSH-18; None if they say nothing.

    Args:
        names: the repetitions, in upper case.
        separators: the message's separators, behind which the first set applies again.

    Raises:
        UnknownCharacterSetError: a name is not of table 0211, or has no decoder here.
    """
    first, rest = names[0], [name for name in names[1:] if name]
    if _JAPANESE.intersection(names) and _AROUND_JAPANESE.issuperset(names):
        return Charset("iso2022_jp_ext", _decoded_by("iso2022_jp_ext"), switches=True)
    if first in ("", "ASCII") and not rest:
        return None
    if not all(name in _WHOLE or name in _REGISTERED for name in names):
        raise UnknownCharacterSetError
    whole = _WHOLE.get(first, "")
    if not rest or first in _UNICODE:
        if whole:
            return Charset(whole, _decoded_by(whole))
        if first == "KS X 1001":
            return Charset("euc_kr", _decoded_by("euc_kr"))
    if first not in _REGISTERED or not all(name in _REGISTERED for name in rest):
        raise UnknownCharacterSetError
    prefix = "ISO_IR " if not rest else "ISO 2022 IR "
    terms = [f"{prefix}{_REGISTERED[name]}" for name in names]
    if first in ("", "ASCII"):
        terms[0] = ""
    found = character_set(terms)
    ends = separators + b"\r\n"
    return Charset(
        names[0] or names[1],
        lambda data: found.decode(data, ends),
        switches=bool(rest),
    )


def switched(raw: bytes, escape: bytes) -> bytes:
    r"""Replace HL7's escape sequences for sets (``\C2842\``, ``\M2442\``) by ISO 2022's."""
    mark = re.escape(escape)
    return re.sub(
        mark + _SWITCH + mark,
        lambda found: _ESCAPE + bytes.fromhex(found[1].decode("ascii")),
        raw,
    )


def _decoded_by(codec: str) -> Callable[[bytes], str]:
    return lambda data: data.decode(codec)


def wide_codec(head: bytes) -> str:
    """Return the codec of a file in UTF-16 or UTF-32, from its first bytes; empty for others."""
    marks = (
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    )
    for mark, codec in marks:
        if head.startswith(mark):
            return codec
    zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
    patterns = {
        "x000": "utf-32-le",
        "000x": "utf-32-be",
        "x0x0": "utf-16-le",
        "0x0x": "utf-16-be",
    }
    return patterns.get(zeros, "")


class WideText:
    """A stream of UTF-16 or UTF-32 as UTF-8, read from its beginning on."""

    def __init__(self, stream: BinaryIO, codec: str, path: Path) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._codec = codec
        self._path = path
        self._ready = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end.

        Raises:
            SourceError: the file is not of its encoding.
        """
        while not self._ready and not self._ended:
            content = self._stream.read(max(size, 4))
            self._ended = not content
            try:
                text = self._decoder.decode(content, final=self._ended)
                self._ready = text.encode()
            except UnicodeError:
                raise SourceError(
                    f"the text is not {self._codec}, as the file begins",
                    path=self._path,
                    hint="convert the file to UTF-8",
                ) from None
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken
