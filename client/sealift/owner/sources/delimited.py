"""CSV files: one, or many with the same columns."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.csvblocks import CsvParser, Head
from sealift.owner.sources.dialects import SNIFFED, Dialect, Layout, lay_out
from sealift.owner.sources.fileset import Fileset, offset_of, path_of
from sealift.owner.sources.interface import BEGINNING, Chunk, Part, Rejects
from sealift.owner.sources.lines import (
    BLOCK,
    Block,
    TextFormat,
    read_blocks,
    read_fully,
)
from sealift.policy.reading import ReadLeaf, as_inferred
from sealift_protocol.errors import EmptySource


class CsvSource:
    """CSV files with the same columns, each with a header line (RFC 4180).

    Unknown types are inferred from the first MiB of the first file that holds records. Files may
    have the columns in another order, and may be empty.
    """

    kind = "csv"
    resumable = True
    rereadable = True

    def __init__(
        self,
        files: Fileset,
        *,
        types: Mapping[str, pa.DataType],
        said: Dialect,
        usual: str = ",",
        encoding: str,
        rejects: Rejects,
        expected: pa.Schema | None = None,
        read_as: ReadLeaf = as_inferred,
        block_size: int = BLOCK,
    ) -> None:
        """Read the first file's header and first block.

        Args:
            files: the files to read.
            types: types by column; they take precedence.
            said: what the owner said of how the files are written.
            usual: the delimiter that is taken if none is recognised.
            encoding: encoding of the text.
            rejects: receives rows that cannot be read.
            expected: schema of earlier pushes: its types and its order are kept.
            read_as: how each column is read whose type is not known.
            block_size: approximate bytes to read at a time.

        Raises:
            EmptySource: no file holds a record.
            SourceError: the first block cannot be read.
            InvalidArgument: a type is given for a column that the file does not have.
        """
        self._files = files
        self._block_size = block_size
        layout = self._laid_out(said, usual, encoding)
        form = TextFormat(
            encoding, quoted=True, delimiter=layout.delimiter, strict=rejects.stops
        )
        known = expected.names if expected is not None else ()
        self._parser = CsvParser(form, rejects, said=said, layout=layout, known=known)
        self.size: int | None = files.size
        path, head = self._first()
        self.schema: pa.Schema = self._parser.infer(
            head, types, path, expected, read_as
        )
        self.written = self._parser.written

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's rows from an offset on.

        Raises:
            SchemaMismatch: the file has other columns.
            SourceChanged: the file is not what it was when the mark was made.
            SourceError: a row is ragged, or a value is not of its column's type.
        """
        path = path_of(part)
        blocks = self._blocks(path, offset_of(mark))
        head = self._parser.begin(
            blocks if mark == BEGINNING else self._blocks(path), path
        )
        if head.names:
            self._parser.check_names(head.names, path)
        if mark == BEGINNING and head.names:
            yield self._chunk(path, head, head.body, BEGINNING)
        for block in blocks:
            yield self._chunk(path, head, block, str(block.offset))

    def _chunk(self, path: Path, head: Head, block: Block, begin: str) -> Chunk:
        batch = self._parser.parse(path, head.names, block)
        return Chunk(batch, begin, str(block.end), 0 if is_packed(path) else block.end)

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the bytes before an offset."""
        return self._files.digest(part, offset_of(mark))

    def continues(self, part: Part) -> bool:
        """Return whether the file is plain, and so may have grown."""
        return not is_packed(path_of(part))

    def _laid_out(self, said: Dialect, usual: str, encoding: str) -> Layout:
        """Recognise the layout of the first file that is not empty."""
        for part in self._files.parts:
            path = path_of(part)
            with self._files.opener.open(path) as stream:
                beginning = read_fully(stream, SNIFFED)
            text = beginning.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace")
            if text.strip():
                return lay_out(text, said, usual)
        return Layout(said.delimiter or usual)

    def _first(self) -> tuple[Path, Head]:
        """Find the first file that holds records."""
        for part in self._files.parts:
            path = path_of(part)
            head = self._parser.begin(self._blocks(path), path)
            if head.holds_rows:
                return path, head
        raise EmptySource("the file holds no record", path=self._files.first)

    def _blocks(self, path: Path, begin: int = 0) -> Iterator[Block]:
        opener = self._files.opener
        return read_blocks(
            path, opener, self._parser.form, begin, size=self._block_size
        )
