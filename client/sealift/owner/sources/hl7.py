"""Files of HL7 version 2 messages: one row a message, as columns or kept whole.

The columns are in docs/owner/sources/hl7.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.fileset import Fileset, offset_of, path_of
from sealift.owner.sources.hl7_charsets import WideText, wide_codec
from sealift.owner.sources.hl7_columns import RowMaker, WholeMaker
from sealift.owner.sources.hl7_messages import (
    BrokenMessageError,
    cut_messages,
    has_message,
    message_blocks,
    read_message,
    text_lines,
)
from sealift.owner.sources.interface import BEGINNING, Chunk, Part, Rejects
from sealift.owner.sources.lines import BLOCK, Block, chunk_of
from sealift.process.extras import extra
from sealift_protocol.errors import EmptySource, SourceError


class Hl7Source:
    """Files of HL7 messages, separated by MSH at the start of a line.

    Attributes:
        left_out: number of segments without a column, by name, in everything read so far. A caller
            that reads the source twice clears it in between.
    """

    kind = "hl7"
    resumable = True
    rereadable = True

    def __init__(
        self,
        files: Fileset,
        *,
        rejects: Rejects,
        encoding: str = "utf-8",
        whole: bool = False,
        block_size: int = BLOCK,
    ) -> None:
        """Check that the files are not empty.

        Args:
            files: the files to read.
            rejects: receives messages that cannot be read.
            encoding: encoding of messages that do not name one in MSH-18.
            whole: whether messages are kept as they are instead of becoming columns.
            block_size: approximate bytes to read at a time.

        Raises:
            EmptySource: all files are empty.
            SourceError: a file cannot be read.
            InvalidArgument: the package hl7 is not installed.
        """
        _check_package()
        self._files = files
        self._encoding = encoding
        self._rejects = rejects
        self._block_size = block_size
        self._rows = WholeMaker() if whole else RowMaker()
        self.size: int | None = files.size
        self.schema: pa.Schema = self._rows.schema
        self.left_out: Counter[str] = Counter()
        heads = {part.name: self._head(path_of(part)) for part in files.parts}
        self._codecs = {name: wide_codec(head) for name, head in heads.items()}
        if not any(heads.values()):
            raise EmptySource("no file holds a record", path=files.first)

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's messages from an offset on.

        Raises:
            SourceChanged: the file is not what it was when the mark was made.
            SourceError: a message cannot be read.
        """
        path, size = path_of(part), self._block_size
        before = _Before()
        with self._open(part) as stream:
            for block in message_blocks(stream, path, begin=offset_of(mark), size=size):
                rows = list(self._rows_of(path, block, before))
                batch = pa.RecordBatch.from_pylist(rows, schema=self.schema)
                yield chunk_of(batch, block, path)
        if before.lines and mark == BEGINNING:
            self._tell_text(path, before)

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the bytes before an offset; of the whole file if it is converted."""
        return self._files.digest(
            part, None if self._codecs[part.name] else offset_of(mark)
        )

    def continues(self, part: Part) -> bool:
        """Return whether the file is plain, and so may have grown."""
        return not is_packed(path_of(part)) and not self._codecs[part.name]

    def _head(self, path: Path) -> bytes:
        with self._files.opener.open(path) as stream:
            return stream.read(4)

    @contextmanager
    def _open(self, part: Part) -> Iterator[BinaryIO]:
        path, codec = path_of(part), self._codecs[part.name]
        with self._files.opener.open(path) as stream:
            yield cast("BinaryIO", WideText(stream, codec, path)) if codec else stream

    def _tell_text(self, path: Path, before: _Before) -> None:
        if before.followed:
            self.left_out["text before the first message"] += before.lines
            return
        error = SourceError(
            f"line {before.line}: there is no message in this text",
            path=path,
            line=before.line,
            hint="each message begins with MSH at the start of a line",
        )
        self._rejects.reject(error, before.raw)

    def _rows_of(
        self, path: Path, block: Block, before: _Before
    ) -> Iterator[dict[str, object]]:
        for line, raw in cut_messages(block):
            if not before.followed and not has_message(raw):
                before.take(line, raw)
                continue
            before.followed = True
            try:
                message = read_message(raw, line, self._encoding)
                if message is None:
                    continue
                row, left_out = self._rows.row(message)
            except BrokenMessageError as broken:
                error = SourceError(
                    f"line {broken.line}: {broken.what}",
                    path=path,
                    line=broken.line,
                    hint=broken.hint,
                )
                self._rejects.reject(error, raw)
                continue
            self.left_out += left_out
            yield row


@dataclass(slots=True)
class _Before:
    """The text before a file's first message.

    Attributes:
        line: number of its first line.
        lines: number of lines that are not blank, framing or envelopes.
        raw: the text.
        followed: whether a message follows.
    """

    line: int = 0
    lines: int = 0
    raw: bytes = b""
    followed: bool = False

    def take(self, line: int, raw: bytes) -> None:
        """Add some of the text."""
        found = text_lines(raw)
        if found and not self.lines:
            self.line = line + found[0]
        self.lines += len(found)
        self.raw += raw


def _check_package() -> None:
    with extra("hl7", "reading HL7 messages needs the package hl7"):
        import hl7  # noqa: F401
