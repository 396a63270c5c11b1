"""Splits files of HL7 version 2 messages into messages: segments, escapes, character sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sealift.owner.sources.hl7_charsets import (
    Charset,
    UnknownCharacterSetError,
    charset_named,
    charset_of_encoding,
    switched,
)
from sealift.owner.sources.lines import BLOCK, MAX_RECORD, Block, skipped
from sealift_protocol.errors import SourceChanged, SourceError

# MSH and the message's separator, at the start of a line; MLLP frames a message with VT before
# and FS after it (HL7 v2.5.1, appendix C).
_START = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n\x0b\x1c]))MSH[^A-Za-z0-9\s]")
_FRAMING = "\x0b\x1c\ufeff"
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
# Formatting commands that end lines, with the number of lines.
_LINES = re.compile(r"\.(?:br|sp|ce)\+?(\d{0,2})", re.ASCII)
_ENVELOPES = ("FHS", "BHS", "BTS", "FTS")
# What may follow the message that was last: line ends, framing, an envelope, a message.
_NEXT = re.compile(rb"[\r\n\x0b\x1c]+(?:(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\s]|\Z)|\Z")
_BETWEEN = b"\r\n\x0b\x1c"
_OVERLAP = 8

# Segments of free text, with the number of the field that holds it.
_FREE_TEXT = {"OBX": 5, "NTE": 3}


class BrokenMessageError(Exception):
    """A message cannot be read; the source turns this into a `SourceError`.

    Attributes:
        what: what is wrong.
        line: line number in the file.
        hint: what to do, if known.
    """

    def __init__(self, what: str, line: int, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Message:
    """A message's text, cut into segments.

    Attributes:
        segments: line number and text of each segment; the first is MSH.
        separators: separators of fields, components, repetitions and subcomponents.
        escape: the character that begins and ends an escape sequence; empty for none.
        charset: character set of the message.
    """

    segments: list[tuple[int, str]] = field(repr=False)
    separators: str
    escape: str
    charset: Charset

    @property
    def line(self) -> int:
        """Its first line number."""
        return self.segments[0][0]

    @property
    def text(self) -> str:
        """The message in HL7's form: a carriage return ends each segment."""
        return "".join(f"{text}\r" for _, text in self.segments)

    def unescape(self, text: str) -> str:
        """Replace the escape sequences in a text (chapter 2, 2.7); unknown ones stay.

        The `hl7` package's own function logs sequences that it does not know.
        """
        if not self.escape or self.escape not in text:
            return text
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", self._meaning, text)

    def _meaning(self, found: re.Match[str]) -> str:
        code = found.group(1)
        field, component, repetition, subcomponent = tuple(self.separators)
        match code[:1]:
            case "F" | "S" | "R" | "T" | "E" if len(code) == 1:
                meanings = {
                    "F": field,
                    "S": component,
                    "R": repetition,
                    "T": subcomponent,
                }
                return meanings.get(code, self.escape)
            case "H" | "N" if len(code) == 1:
                return ""
            case "X":
                try:
                    return self.charset.decode(bytes.fromhex(code[1:]))
                except ValueError:
                    return found.group()
        lines = _LINES.fullmatch(code)
        return "\n" * int(lines.group(1) or 1) if lines else found.group()


def message_blocks(
    stream: BinaryIO, path: Path, *, begin: int = 0, size: int = BLOCK
) -> Iterator[Block]:
    """Read a stream's messages in blocks of about `size` bytes, from a message's offset on.

    Raises:
        SourceError: a message never ends.
        SourceChanged: the file ends before `begin`, or the message that ended there is longer now.
    """
    line, before = 1, b""
    for content in skipped(stream, begin, path):
        line += _line_ends(content) - (before == b"\r" and content[:1] == b"\n")
        before = content[-1:]
    offset, held, searched, wanted = begin, b"", 0, size
    while True:
        fresh = stream.read(wanted)
        ended = not fresh
        held += fresh
        if before and (ended or len(held.lstrip(_BETWEEN)) >= len("MSH|")):
            if not _NEXT.match((before if before in _BETWEEN else b"") + held):
                raise SourceChanged(
                    f"the message that was pushed last, up to line {line}, is longer now",
                    path=path,
                    line=line,
                )
            before = b""
        starts = [found.start() for found in _START.finditer(held, searched)]
        cut = len(held) if ended else next(reversed(starts), 0)
        if cut:
            data, held, searched, wanted = held[:cut], held[cut:], 0, size
            yield Block(data, offset, offset + cut, line)
            offset += cut
            line += _line_ends(data)
        elif len(held) > MAX_RECORD:
            raise SourceError(
                f"the message that begins at line {line} never ends",
                path=path,
                line=line,
                hint="check that each message begins with MSH at the start of a line",
            )
        else:
            # Doubling copies each byte at most twice, even in a long message.
            searched = max(len(held) - _OVERLAP, 0)
            wanted = min(len(held), MAX_RECORD + 1 - len(held)) or 1
        if ended:
            return


def cut_messages(block: Block) -> Iterator[tuple[int, bytes]]:
    """Return a block's messages with their first line numbers, and any text before them."""
    starts = [found.start() for found in _START.finditer(block.data)]
    line = block.line
    for start, end in zip([0, *starts], [*starts, len(block.data)], strict=True):
        raw = block.data[start:end]
        if raw:
            yield line, raw
        line += _line_ends(raw)


def has_message(raw: bytes) -> bool:
    """Return whether a piece of a block begins with a message, not with other text."""
    return _START.match(raw.lstrip(_BETWEEN)) is not None


def text_lines(raw: bytes) -> list[int]:
    """Return the places of the lines that are neither blank nor of an envelope, from 0."""
    return [
        piece.line for piece in _pieces(raw.decode("latin-1"), 0) if piece.is_segment
    ]


def read_message(raw: bytes, line: int, encoding: str) -> Message | None:
    """Split a message into segments; None if it holds only envelopes and framing.

    Args:
        raw: the message.
        line: its first line number.
        encoding: encoding of the text, if MSH-18 does not name one.

    Raises:
        BrokenMessageError: it is not a message.
    """
    charset = _charset_of(raw, line) or charset_of_encoding(encoding)
    try:
        text = charset.decode(_switched(raw) if charset.switches else raw)
    except UnicodeDecodeError as error:
        start = error.start if error.object == raw else 0
        raise BrokenMessageError(
            f"the text is not {charset.name}",
            line + _line_ends(raw[:start]),
            hint="give the encoding with `encoding`: latin-1, cp1252, ...",
        ) from None
    found = next((piece for piece in _pieces(text, line) if piece.is_segment), None)
    if found is None:
        return None
    first, header = found.line, found.text
    if not header.startswith("MSH") or len(header) < 4:
        raise BrokenMessageError(
            "there is no message in this text",
            first,
            hint="each message begins with MSH at the start of a line",
        )
    separator = header[3]
    signs = header[4:].partition(separator)[0]
    if not signs or len({separator, *signs}) != len(signs) + 1:
        raise BrokenMessageError("MSH does not define its separators", first)
    segments = _segments(text, line, separator)
    if not _header_field(header, separator, 9):
        raise BrokenMessageError("MSH does not name a message type", first)
    # Undefined separators are those that the standard recommends.
    component, repetition, escape, subcomponent = tuple(
        signs[:4] + r"^~\&"[len(signs) :]
    )
    separators = separator + component + repetition + subcomponent
    return Message(segments, separators, escape if len(signs) > 2 else "", charset)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line of a message.

    Attributes:
        line: line number in the file.
        text: the line, without framing.
        end: the line end before it.
    """

    line: int
    text: str = field(repr=False)
    end: str

    @property
    def is_segment(self) -> bool:
        """Whether it is neither blank nor of an envelope."""
        return bool(self.text.strip()) and not self.text.startswith(_ENVELOPES)


def _pieces(text: str, line: int) -> Iterator[_Piece]:
    parts = re.split("(\r\n|\r|\n)", text)
    ends = ["", *parts[1::2]]
    for number, (part, end) in enumerate(zip(parts[::2], ends, strict=True)):
        yield _Piece(line + number, part.strip(_FRAMING), end)


def _segments(text: str, line: int, separator: str) -> list[tuple[int, str]]:
    """Return a message's segments; a line that is none belongs to the free text before it.

    Many systems write the lines of a report as they are (OBX-5, NTE-3), and do not escape their
    ends. Elsewhere a line end that is not the message's own is text, too.

    Raises:
        BrokenMessageError: a line is neither a segment nor of a text.
    """
    segments: list[tuple[int, str]] = []
    own_end, blank = "", 0
    for piece in _pieces(text, line):
        if segments and not own_end:
            own_end = piece.end
        if not piece.is_segment:
            blank += 1
            continue
        named = _SEGMENT.match(piece.text) is not None
        inside = bool(segments) and (
            _is_open(segments[-1][1], separator) or (piece.end != own_end and not blank)
        )
        if (named and piece.text[3:4] == separator) or (
            named and len(piece.text) == 3 and not inside
        ):
            segments.append((piece.line, piece.text))
        elif inside:
            number, before = segments[-1]
            segments[-1] = number, before + "\n" * (blank + 1) + piece.text
        else:
            raise BrokenMessageError(
                "the line does not begin with a segment name", piece.line
            )
        blank = 0
    return segments


def _is_open(segment: str, separator: str) -> bool:
    """Return whether a segment ends within its free text."""
    return _FREE_TEXT.get(segment[:3]) == segment.count(separator)


def _charset_of(raw: bytes, line: int) -> Charset | None:
    text = _header_of(raw)
    if not text.startswith("MSH") or len(text) < 5:
        return None
    repetitions = _header_field(text, text[3], 18).split(_repetition_sign(text))
    names = [part.partition("^")[0].strip().upper() for part in repetitions]
    separators = text[3:4] + text[4:].partition(text[3])[0]
    try:
        return charset_named(names, separators.encode("latin-1"))
    except UnknownCharacterSetError:
        raise BrokenMessageError(
            "MSH-18 names an unknown character set",
            line,
            hint="convert the file to UTF-8, or correct MSH-18",
        ) from None


def _header_of(raw: bytes) -> str:
    header = re.split(rb"[\r\n]", raw.lstrip(b"\xef\xbb\xbf\x0b"), maxsplit=1)[0]
    return header.decode("latin-1")


def _switched(raw: bytes) -> bytes:
    header = _header_of(raw)
    signs = header[4:].partition(header[3])[0]
    return switched(raw, signs[2].encode("latin-1")) if len(signs) > 2 else raw


def _repetition_sign(header: str) -> str:
    signs = header[4:].partition(header[3])[0]
    return signs[1] if len(signs) > 1 else "~"


def _header_field(header: str, separator: str, number: int) -> str:
    # The separator itself is MSH-1.
    fields = header.split(separator)
    return fields[number - 1] if number <= len(fields) else ""


def _line_ends(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
