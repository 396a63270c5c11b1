"""RTF, HTML, XML and escapes in a text, decoded for the patterns, with the original positions.

Each decoded character knows which characters of the original it stands for, so that what is found
in it can be replaced in the original.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][\w:.-]{0,60})(?P<rest>(?:\s[^<>]{0,2000})?)/?>"
)
_OTHER_MARKUP = re.compile(
    r"<!--|-->|<!\[CDATA\[|\]\]>|<\?[^<>]{0,300}\?>|<![A-Z][^<>]{0,300}>"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
# Escapes of JSON and HL7 that were left in the text.
_ESCAPE = re.compile(
    r"\\u[0-9A-Fa-f]{4}|\\[nrt](?![a-z])|\\n(?=[A-Z])|\\\.(?:br|sp)\d*\\|\\[FSTRE]\\"
)
_HL7 = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
# Tags inside a word or a sentence: nothing takes their place.
_INLINE = frozenset(
    "a abbr b big caption-text content em font i ins mark s small span strong sub sup tt u".split()
)
_RTF_TOKEN = re.compile(
    r"\\(?P<word>[a-z]{1,32})(?P<number>-?\d{1,10})?[ ]?|\\'(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<symbol>[^a-z])|(?P<open>\{)|(?P<close>\})"
)
_RTF_BREAKS = {
    **dict.fromkeys(("par", "line", "row", "sect", "page"), "\n"),
    **dict.fromkeys(("tab", "cell"), "\t"),
    **dict.fromkeys(("lquote", "rquote"), "'"),
    **dict.fromkeys(("ldblquote", "rdblquote"), '"'),
    **dict.fromkeys(("emdash", "endash"), "-"),
}
# Groups that hold no text of the document.
_RTF_HIDDEN = frozenset(
    "fonttbl colortbl stylesheet pict themedata colorschememapping latentstyles datastore".split()
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of decoded text.

    Attributes:
        text: the decoded characters.
        start: where the stretch begins in the original.
        end: where it ends.
    """

    text: str
    start: int
    end: int

    @property
    def is_literal(self) -> bool:
        """Whether each decoded character is the original one."""
        return len(self.text) == self.end - self.start


def decode(text: str) -> Iterator[Piece]:
    """Cut a text into pieces; the decoded pieces together are what a reader sees.

    Attributes of tags stay, since they may hold a name or a number; the name of a tag becomes a
    label, as in `given: `.
    """
    if text.lstrip()[:5] == "{\\rtf":
        yield from _rtf(text)
    else:
        yield from _between(text)


def _between(text: str) -> Iterator[Piece]:
    place = 0
    for start, end, shown in _marks(text):
        if start < place:
            continue
        if place < start:
            yield Piece(text[place:start], place, start)
        yield from shown
        place = end
    if place < len(text):
        yield Piece(text[place:], place, len(text))


def _marks(text: str) -> list[tuple[int, int, tuple[Piece, ...]]]:
    found: list[tuple[int, int, tuple[Piece, ...]]] = []
    if "<" in text:
        found += [(m.start(), m.end(), _tag(m)) for m in _TAG.finditer(text)]
        found += [
            (m.start(), m.end(), (Piece("\n", m.start(), m.end()),))
            for m in _OTHER_MARKUP.finditer(text)
        ]
    if "&" in text:
        for match in _ENTITY.finditer(text):
            shown = html.unescape(match[0])
            if shown != match[0]:
                piece = Piece(shown, match.start(), match.end())
                found.append((match.start(), match.end(), (piece,)))
    if "\\" in text:
        for match in _ESCAPE.finditer(text):
            piece = Piece(_unescaped(match[0]), match.start(), match.end())
            found.append((match.start(), match.end(), (piece,)))
    return sorted(found, key=lambda mark: mark[0])


def _tag(match: re.Match[str]) -> tuple[Piece, ...]:
    name = match["name"].lower().rpartition(":")[2]
    start, end = match.span()
    rest = match["rest"]
    if name in _INLINE and "=" not in rest:
        return ()
    if match["close"] or not rest.strip():
        label = "" if match["close"] or name in _INLINE else f"{name}: "
        return (Piece(f"\n{label}", start, end),)
    # Attributes keep their places: a value such as an e-mail address is found in them.
    first = match.start("rest")
    shown = rest.replace('"', " ").replace("'", " ").replace("=", ":")
    return (
        Piece("\n" if name not in _INLINE else " ", start, first),
        Piece(shown, first, match.end("rest")),
        Piece("\n" if name not in _INLINE else " ", match.end("rest"), end),
    )


def _unescaped(found: str) -> str:
    if found.startswith("\\u"):
        shown = chr(int(found[2:], 16))
        return " " if "\ud800" <= shown <= "\udfff" else shown
    if found.startswith("\\."):
        return "\n"
    return _HL7.get(found[1], "\t" if found[1] == "t" else "\n")


def _rtf(text: str) -> Iterator[Piece]:
    place = depth = 0
    hidden: int | None = None
    for match in _RTF_TOKEN.finditer(text):
        if match.start() < place:
            continue
        if hidden is None and place < match.start():
            yield from _plain(text, place, match.start())
        place = match.end()
        if match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
            if hidden is not None and depth < hidden:
                hidden = None
        elif match["word"] in _RTF_HIDDEN:
            hidden = depth if hidden is None else hidden
        elif hidden is None:
            shown = _rtf_shown(match)
            if match["word"] == "u":
                # One character follows for readers that do not know Unicode.
                place = min(len(text), place + 1)
            if shown:
                yield Piece(shown, match.start(), place)
    if hidden is None and place < len(text):
        yield from _plain(text, place, len(text))


def _plain(text: str, start: int, end: int) -> Iterator[Piece]:
    """Yield text of an RTF file, in which line ends mean nothing."""
    piece = text[start:end]
    if "\n" in piece or "\r" in piece:
        for match in re.finditer(r"[^\r\n]+", piece):
            yield Piece(match[0], start + match.start(), start + match.end())
    else:
        yield Piece(piece, start, end)


def _rtf_shown(match: re.Match[str]) -> str:
    if match["hex"]:
        return bytes.fromhex(match["hex"]).decode("cp1252", "replace")
    if match["symbol"]:
        return {"~": " ", "_": "-", "*": "", "-": ""}.get(
            match["symbol"], match["symbol"]
        )
    if match["word"] == "u" and match["number"]:
        code = int(match["number"]) % 65536
        return " " if 0xD800 <= code <= 0xDFFF else chr(code)
    return _RTF_BREAKS.get(match["word"] or "", "")
