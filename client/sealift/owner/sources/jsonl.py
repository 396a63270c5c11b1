"""JSON Lines files: one, or many whose records have the same fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.fileset import Fileset, offset_of, path_of
from sealift.owner.sources.interface import Chunk, Part, Rejects
from sealift.owner.sources.jsonblocks import LineParser, known_schema
from sealift.owner.sources.lines import BLOCK, Block, TextFormat, chunk_of, read_blocks
from sealift.policy.reading import ReadLeaf, as_inferred
from sealift_protocol.errors import EmptySource

__all__ = ["JsonLinesSource", "LineParser"]


class JsonLinesSource:
    """Files with a JSON object on each line.

    Unknown columns and types are inferred from the first MiB of the first file that holds records.
    """

    kind = "jsonl"
    resumable = True
    rereadable = True

    def __init__(
        self,
        files: Fileset,
        *,
        types: Mapping[str, pa.DataType],
        rejects: Rejects,
        expected: pa.Schema | None = None,
        read_as: ReadLeaf = as_inferred,
        block_size: int = BLOCK,
    ) -> None:
        """Read the first file's first block.

        Args:
            files: the files to read.
            types: types by column; they take precedence.
            rejects: receives lines that cannot be read.
            expected: schema of earlier pushes.
            read_as: how each leaf is read whose type is not known.
            block_size: approximate bytes to read at a time.

        Raises:
            EmptySource: no file holds a record.
            SourceError: the first block cannot be read.
        """
        self._files = files
        self._block_size = block_size
        self._form = TextFormat(strict=rejects.stops)
        self.size: int | None = files.size
        path, first = self._first()
        known = known_schema(types, expected, read_as)
        self._lines = LineParser(known, rejects, read_as=read_as)
        self.schema: pa.Schema = self._lines.infer(
            path, first, [field.name for field in expected or []]
        )

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's records from an offset on.

        Raises:
            SourceChanged: the file is not what it was when the mark was made.
            SourceError: a line is not an object of the source's columns and types.
        """
        path = path_of(part)
        for block in self._blocks(path, offset_of(mark)):
            batch = self._lines.parse(path, block)
            yield chunk_of(batch, block, path)

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the bytes before an offset."""
        return self._files.digest(part, offset_of(mark))

    def continues(self, part: Part) -> bool:
        """Return whether the file is plain, and so may have grown."""
        return not is_packed(path_of(part))

    def _blocks(self, path: Path, begin: int = 0) -> Iterator[Block]:
        opener = self._files.opener
        return read_blocks(path, opener, self._form, begin, size=self._block_size)

    def _first(self) -> tuple[Path, Block]:
        """Read the first block of the first file that holds records."""
        for part in self._files.parts:
            path = path_of(part)
            for block in self._blocks(path):
                if block.data.strip():
                    return path, block
        raise EmptySource("the file holds no record", path=self._files.first)
