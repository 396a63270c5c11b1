"""Files that another library reads as tables: rows from a number on, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sealift.owner.sources.bytestreams import is_packed
from sealift.owner.sources.fileset import Fileset, path_of
from sealift.owner.sources.interface import BEGINNING, Chunk, Part
from sealift.owner.sources.unify import as_before, fitted, unify
from sealift_protocol.errors import EmptySource, SealiftError, SourceError


class TableFormat(Protocol):
    """How the files of one format are read.

    Attributes:
        kind: kind of source.
        what: what a file is, for errors: "an ORC file".
        errors: what the library raises for a damaged file.
    """

    kind: str
    what: str
    errors: tuple[type[Exception], ...]

    def schema(self, path: Path) -> pa.Schema:
        """Return a file's columns."""

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read a file's rows in order; `schema` is what `schema` returned, perhaps wider."""


class TableSource:
    """Files of one format whose types one schema holds. A push continues at the row."""

    resumable = True
    rereadable = True

    def __init__(
        self, files: Fileset, form: TableFormat, expected: pa.Schema | None = None
    ) -> None:
        """Read the columns of all files.

        Raises:
            SchemaMismatch: a file has other columns than the first.
            SourceError: a file cannot be read.
        """
        self._files, self._form, self.kind = files, form, form.kind
        self.size: int | None = files.size
        schema = self._columns(files.first)
        for part in files.parts[1:]:
            schema = unify(schema, self._columns(path_of(part)), path_of(part))
        if not schema.names:
            raise EmptySource("the file holds no record", path=files.first)
        if len(set(schema.names)) < len(schema.names):
            raise SourceError(
                "two columns have the same name",
                path=files.first,
                hint="give each column a name of its own",
            )
        self.schema: pa.Schema = as_before(schema, expected)

    def parts(self) -> Iterator[Part]:
        """Return the files."""
        return iter(self._files.parts)

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a file's rows, from row `mark` on.

        Raises:
            SourceError: the file is damaged.
        """
        path, wanted, row = path_of(part), int(mark or 0), 0
        batches = self._form.batches(path, self._columns(path))
        while True:
            try:
                batch = next(batches, None)
            except SealiftError:
                raise
            except self._form.errors:
                raise SourceError(
                    f"this is not a whole {self._form.what}: it cannot be read after row {row}",
                    path=path,
                ) from None
            if batch is None:
                return
            end = row + batch.num_rows
            if end > wanted:
                kept = batch.slice(max(0, wanted - row))
                begin = end - kept.num_rows
                columns = fitted(kept, self.schema, path)
                yield Chunk(
                    pa.RecordBatch.from_arrays(columns, schema=self.schema),
                    str(begin) if begin else BEGINNING,
                    str(end),
                )
            row = end

    def digest(self, part: Part, mark: str) -> bytes:
        """Return BLAKE3 of the whole file: its rows have no place of their own in it."""
        return self._files.digest(part, None if mark else 0)

    def continues(self, part: Part) -> bool:
        """Return False: a file that has grown is another file."""
        return False

    def _columns(self, path: Path) -> pa.Schema:
        if is_packed(path):
            raise SourceError(
                f"a {self._form.what} cannot be read from inside a packed file",
                path=path,
                hint="unpack the file",
            )
        try:
            return self._form.schema(path)
        except SealiftError:
            raise
        except self._form.errors:
            raise SourceError(
                f"this is not a whole {self._form.what}",
                path=path,
                hint="copy the file again, or save it as CSV and push that",
            ) from None
