"""Text files as blocks of whole records, each with the offset and the line where it begins."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from sealift.owner.sources.bytestreams import Opener, is_packed
from sealift.owner.sources.interface import BEGINNING, Chunk
from sealift_protocol.errors import InvalidArgument, SourceChanged, SourceError

BLOCK = 1 << 20
# A record of text beyond this is a quote that nobody closed.
MAX_RECORD = 64 << 20
_ASCII = bytes(range(32, 127)) + b"\t\r\n"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OPEN_QUOTE = "look for a double quote that is not closed"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a text file.

    Attributes:
        data: UTF-8; if the block is not sound, with the bytes that could not be decoded as they
            were.
        offset: of the first byte in the (unpacked) file.
        end: offset of the byte after the last.
        line: number of the first line, from 1.
        sound: whether all of it could be decoded.
    """

    data: bytes = field(repr=False)
    offset: int
    end: int
    line: int
    sound: bool = True


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a file's text is cut into records.

    Attributes:
        encoding: of the text.
        quoted: whether a line end inside double quotes belongs to the record (RFC 4180).
        delimiter: between the fields of a quoted format.
        strict: whether text that is not of the encoding is an error at once; otherwise its block
            is marked as not sound.
    """

    encoding: str = "utf-8"
    quoted: bool = False
    delimiter: str = ","
    strict: bool = True

    @property
    def is_utf8(self) -> bool:
        """Whether the text is UTF-8 already."""
        return codecs.lookup(self.encoding).name in ("utf-8", "ascii")


def check_encoding(encoding: str) -> None:
    """Refuses what is not the name of an encoding that has ASCII's characters as single bytes.

    Raises:
        InvalidArgument: it is none.
    """
    try:
        usable = _ASCII.decode(encoding).encode("ascii") == _ASCII
    except (LookupError, UnicodeError):
        usable = False
    if not usable:
        raise InvalidArgument(
            "the encoding is not known, or its line ends are not single bytes",
            hint="use utf-8, latin-1, cp1252 or the like; convert UTF-16 first",
        )


def read_blocks(
    path: Path, opener: Opener, form: TextFormat, begin: int = 0, *, size: int = BLOCK
) -> Iterator[Block]:
    """A file's records in blocks of about a MiB.

    Args:
        path: the file.
        opener: opens it.
        form: how it is cut.
        begin: offset of a record.
        size: bytes of a block, about.

    Raises:
        SourceError: the file cannot be read, is not in that encoding, or a quote never ends.
        SourceChanged: the file ends before `begin`, or what ended there goes on now.
    """
    with opener.open(path) as stream:
        lines, last = 0, b"\n"
        for content in skipped(stream, begin, path):
            lines += content.count(b"\n")
            last = content[-1:]
        yield from blocks_of(
            stream, form, path=path, begin=begin, line=1 + lines, size=size, before=last
        )


def blocks_of(
    stream: BinaryIO,
    form: TextFormat,
    *,
    path: Path | None = None,
    begin: int = 0,
    line: int = 1,
    size: int = BLOCK,
    before: bytes = b"\n",
) -> Iterator[Block]:
    """A stream's records in blocks; see `read_blocks`.

    Args:
        stream: to read, from where it stands.
        form: how it is cut.
        path: the file, if it is one.
        begin: offset at which the stream stands.
        line: number of the line at which it stands.
        size: bytes of a block, about.
        before: the last byte before.
    """
    held = b""
    offset = begin
    wanted = size
    while True:
        fresh = read_fully(stream, wanted)
        ended = len(fresh) < wanted
        if before != b"\n" and fresh:
            if fresh[:1] not in b"\r\n":
                raise SourceChanged(
                    f"what was pushed as the last record, on line {line}, is longer now",
                    path=path,
                    line=line,
                )
            before = b"\n"
        held += fresh
        cut, unclosed = _last_record_end(held, form)
        if ended:
            if unclosed:
                begun = line + held.count(b"\n", 0, cut)
                raise SourceError(
                    f"the record that begins at line {begun} never ends",
                    path=path,
                    line=begun,
                    hint=_OPEN_QUOTE,
                )
            cut = len(held)
        elif not cut:
            if len(held) > MAX_RECORD:
                raise _endless(form, path, line)
            # Doubling: each byte is looked at twice at most, however long a record is.
            wanted = min(len(held), MAX_RECORD + 1 - len(held)) or 1
            continue
        if cut:
            raw, held = held[:cut], held[cut:]
            data, sound = _as_utf8(raw, form, path, offset, line)
            yield Block(data, offset, offset + cut, line, sound)
            offset += cut
            line += raw.count(b"\n")
        if ended:
            return
        wanted = size


def _endless(form: TextFormat, path: Path | None, line: int) -> SourceError:
    if form.quoted:
        hint = _OPEN_QUOTE
    else:
        hint = "each record has a line of its own; split a JSON array with: jq -c '.[]'"
    return SourceError(
        f"the record that begins at line {line} never ends",
        path=path,
        line=line,
        hint=hint,
    )


def read_fully(stream: BinaryIO, size: int) -> bytes:
    """As many bytes as asked for; fewer only at the end."""
    fresh = stream.read(size) or b""
    if len(fresh) == size or not fresh:
        return fresh
    pieces, missing = [fresh], size - len(fresh)
    while missing and (more := stream.read(missing)):
        pieces.append(more)
        missing -= len(more)
    return b"".join(pieces)


def skipped(stream: BinaryIO, count: int, path: Path) -> Iterator[bytes]:
    """Moves on by `count` bytes, which it yields in pieces.

    Raises:
        SourceChanged: the file ends before.
    """
    while count > 0:
        content = stream.read(min(count, BLOCK))
        if not content:
            raise SourceChanged(
                "the file is shorter than what was pushed of it", path=path
            )
        count -= len(content)
        yield content


def chunk_of(batch: pa.RecordBatch, block: Block, path: Path) -> Chunk:
    """The records of a block, with the marks before and behind it."""
    begin = str(block.offset) if block.offset else BEGINNING
    return Chunk(batch, begin, str(block.end), 0 if is_packed(path) else block.end)


# --- where records end ---------------------------------------------------------------------------


@cache
def _quoted_fields(delimiter: str) -> re.Pattern[bytes]:
    """Text up to the end of its last quoted field, if every quote so far stood where one opens.

    A quote opens where a field begins; a doubled one closes a field and opens it again.
    """
    before = re.escape(delimiter).encode()
    return re.compile(rb'(?:[^"]*+(?<![^' + before + rb'\r\n"])"[^"]*+")*+')


def _last_record_end(data: bytes, form: TextFormat) -> tuple[int, bool]:
    """Where the last whole record ends: at a line end that no quotes enclose (RFC 4180).

    A quote inside an unquoted field is text, as it is to Arrow and to Python's csv module.

    Args:
        data: text that begins with a record.
        form: how it is cut.

    Returns:
        The offset behind the line end, 0 if there is none, and whether quotes are open at the end
        of the data.
    """
    if not form.quoted or b'"' not in data:
        return data.rfind(b"\n") + 1, False
    pattern = _quoted_fields(form.delimiter)
    opens = (form.delimiter.encode(), b"\r", b"\n", b"")
    # Stretches of text, outside quotes at both ends, in which the quotes alternate.
    stretches: list[tuple[int, int]] = []
    start, unclosed = 0, False
    while True:
        found = pattern.match(data, start)
        closed = found.end() if found else start
        quote = data.find(b'"', closed)
        end = len(data) if quote < 0 else quote
        stretches.append((start, end))
        if quote < 0:
            break
        # Right behind a quoted field, a quote takes up again what the one before seemed to close.
        if quote == closed > start or data[max(0, quote - 1) : quote] in opens:
            unclosed = True
            break
        start = quote
        while data[start : start + 1] == b'"':
            start += 1
    for start, end in reversed(stretches):
        line_end = _last_line_end(data, start, end)
        if line_end:
            return line_end, unclosed
    return 0, unclosed


def _last_line_end(data: bytes, start: int, end: int) -> int:
    """The last line end outside quotes in a stretch of text, or 0."""
    while True:
        line_end = data.rfind(b"\n", start, end)
        if line_end < 0:
            return 0
        if data.count(b'"', line_end, end) % 2 == 0:
            return line_end + 1
        end = data.rfind(b'"', start, line_end)


def _as_utf8(
    raw: bytes, form: TextFormat, path: Path | None, offset: int, line: int
) -> tuple[bytes, bool]:
    try:
        text = raw.decode(form.encoding)
    except UnicodeDecodeError as error:
        bad = line + raw.count(b"\n", 0, error.start)
        if not form.strict and not (offset == 0 and raw.startswith(_UTF16)):
            kept = raw.decode(form.encoding, "surrogateescape")
            return kept.encode("utf-8", "surrogateescape"), False
        raise not_text(form.encoding, path, bad, raw) from None
    return (raw if form.is_utf8 else text.encode()), True


def not_text(
    encoding: str, path: Path | None, line: int, raw: bytes = b""
) -> SourceError:
    """The error of a line that is not text of its encoding."""
    if raw.startswith(_UTF16):
        return SourceError(
            f"line {line}: the file is UTF-16",
            path=path,
            line=line,
            hint="convert it first: iconv -f utf-16 -t utf-8",
        )
    return SourceError(
        f"line {line} is not {encoding} text",
        path=path,
        line=line,
        hint="say with `encoding` which it is: latin-1, cp1252, ...",
    )
