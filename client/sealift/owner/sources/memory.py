"""Records in memory, or from another library as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sealift.owner.sources.interface import BEGINNING, Chunk, Part

# An empty name is not remembered, so such records are appended on every push.
_ANONYMOUS = Part("")


class MemorySource:
    """An Arrow table, or a reader of batches, which is read once."""

    kind = "arrow"
    resumable = False

    def __init__(self, records: pa.Table | pa.RecordBatchReader) -> None:
        self._records = records
        self.schema: pa.Schema = records.schema
        self.rereadable = isinstance(records, pa.Table)
        self.size: int | None = (
            records.nbytes if isinstance(records, pa.Table) else None
        )

    def parts(self) -> Iterator[Part]:
        """Return one part, which is the whole source."""
        yield _ANONYMOUS

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read the batches."""
        batches = (
            self._records.to_batches()
            if isinstance(self._records, pa.Table)
            else self._records
        )
        position = 0
        for batch in batches:
            position += batch.nbytes
            yield Chunk(batch, BEGINNING, BEGINNING, position)

    def digest(self, part: Part, mark: str) -> bytes:
        """Nothing."""
        return b""

    def continues(self, part: Part) -> bool:
        """Never."""
        return False
