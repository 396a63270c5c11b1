"""Text files as blocks of whole records, each with its offset and first line number."""

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
# A longer record of text is taken for an unclosed quote.
MAX_RECORD = 64 << 20
_ASCII = bytes(range(32, 127)) + b"\t\r\n"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OPEN_QUOTE = "look for a double quote that is not closed"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a text file.

    Attributes:
        data: UTF-8; if the block is not sound, the bytes that could not be decoded are unchanged.
        offset: offset of the first byte in the (unpacked) file.
        end: offset after the last byte.
        line: number of the first line, from 1.
        sound: whether all of the data could be decoded.
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
        encoding: encoding of the text.
        quoted: whether a line end inside double quotes belongs to the record (RFC 4180).
        delimiter: character between the fields of a quoted format.
        strict: whether text that is not of the encoding is an error; otherwise its block is marked
            as not sound.
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
    """Check that an encoding is known and has ASCII's characters as single bytes.

    Raises:
        InvalidArgument: it is not such an encoding.
    """
    try:
        usable = _ASCII.decode(encoding).encode("ascii") == _ASCII
    except (LookupError, UnicodeError):
        usable = False
    if not usable:
        raise InvalidArgument(
            "the encoding is unknown, or its line ends are not single bytes",
            hint="use an encoding such as utf-8, latin-1 or cp1252; convert UTF-16 to UTF-8 first",
        )


def read_blocks(
    path: Path, opener: Opener, form: TextFormat, begin: int = 0, *, size: int = BLOCK
) -> Iterator[Block]:
    """Read a file's records in blocks of about a MiB.

    Args:
        path: the file.
        opener: opens the file.
        form: how the text is cut into records.
        begin: offset of a record.
        size: approximate bytes of a block.

    Raises:
        SourceError: the file cannot be read, is not in that encoding, or a quote never ends.
        SourceChanged: the file ends before `begin`, or the record that ended there is longer now.
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
    """Read a stream's records in blocks; see `read_blocks`.

    Args:
        stream: the stream, read from its current position.
        form: how the text is cut into records.
        path: the file, if the stream is one.
        begin: offset of the current position.
        line: line number of the current position.
        size: approximate bytes of a block.
        before: the last byte before the current position.
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
                    f"the record that was pushed last, on line {line}, is longer now",
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
            # Doubling scans each byte at most twice, even in a long record.
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
        hint = "put each record on its own line; split a JSON array with: jq -c '.[]'"
    return SourceError(
        f"the record that begins at line {line} never ends",
        path=path,
        line=line,
        hint=hint,
    )


def read_fully(stream: BinaryIO, size: int) -> bytes:
    """Read the requested number of bytes; fewer only at the end."""
    fresh = stream.read(size) or b""
    if len(fresh) == size or not fresh:
        return fresh
    pieces, missing = [fresh], size - len(fresh)
    while missing and (more := stream.read(missing)):
        pieces.append(more)
        missing -= len(more)
    return b"".join(pieces)


def skipped(stream: BinaryIO, count: int, path: Path) -> Iterator[bytes]:
    """Skip `count` bytes, which are yielded in pieces.

    Raises:
        SourceChanged: the file ends before.
    """
    while count > 0:
        content = stream.read(min(count, BLOCK))
        if not content:
            raise SourceChanged(
                "the file is shorter than the part that was already pushed", path=path
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
    """Match text up to the end of its last quoted field, if every quote opens where one may.

    A quote opens where a field begins; a doubled quote closes a field and opens it again.
    """
    before = re.escape(delimiter).encode()
    return re.compile(rb'(?:[^"]*+(?<![^' + before + rb'\r\n"])"[^"]*+")*+')


def _last_record_end(data: bytes, form: TextFormat) -> tuple[int, bool]:
    """Find the end of the last whole record: a line end outside quotes (RFC 4180).

    A quote inside an unquoted field is text, as in Arrow and in Python's csv module.

    Args:
        data: text that begins with a record.
        form: how the text is cut into records.

    Returns:
        The offset after the line end, or 0 if there is none; and whether a quote is open at the end
        of the data.
    """
    if not form.quoted or b'"' not in data:
        return data.rfind(b"\n") + 1, False
    pattern = _quoted_fields(form.delimiter)
    opens = (form.delimiter.encode(), b"\r", b"\n", b"")
    # Pieces of text, outside quotes at both ends, in which opening and closing quotes alternate.
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
        # A quote directly after a quoted field reopens the field.
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
    """Return the offset after the last line end outside quotes in a piece of text, or 0."""
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
    """Return the error for a line that is not text of its encoding."""
    if raw.startswith(_UTF16):
        return SourceError(
            f"line {line}: the file is UTF-16",
            path=path,
            line=line,
            hint="convert the file first: iconv -f utf-16 -t utf-8",
        )
    return SourceError(
        f"line {line} is not {encoding} text",
        path=path,
        line=line,
        hint="give the encoding with `encoding`: latin-1, cp1252, ...",
    )
