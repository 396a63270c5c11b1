"""Parquet files, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sealift_protocol.errors import EmptySource, SourceError

_BATCH_ROWS = 16_384
_READ_BUFFER = 64 << 10


class ParquetSource:
    """One Parquet file."""

    def __init__(self, path: Path) -> None:
        """Reads the file's footer.

        Raises:
            EmptySource: it has no rows.
            SourceError: it is not a whole Parquet file.
        """
        self._path = path
        self.size = path.stat().st_size
        try:
            # Columns are read in slices, not whole chunks: a row group may be gigabytes.
            self._file = pq.ParquetFile(path, buffer_size=_READ_BUFFER, pre_buffer=False)
            self.schema: pa.Schema = self._file.schema_arrow
        except (pa.ArrowException, OSError):
            raise SourceError(
                "this is not a whole Parquet file: its footer cannot be read", path=path
            ) from None
        self._rows = self._file.metadata.num_rows
        self._rows_read = 0
        if self._rows == 0:
            raise EmptySource("the file holds no record", path=path)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's rows, in order.

        Raises:
            SourceError: a row group is damaged.
        """
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS):
                self._rows_read += batch.num_rows
                yield batch
        except (pa.ArrowException, OSError):
            raise SourceError(
                f"the Parquet file is damaged after row {self._rows_read}", path=self._path
            ) from None

    def position(self) -> int:
        """Bytes of the file that the rows read so far stand for."""
        return int(self.size * self._rows_read // self._rows)
