"""Write an opened dataset to Parquet files: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sealift.trainer.exports.interface import Export, Exportable, Progress
from sealift.trainer.exports.parts import (
    Part,
    no_progress,
    write_parts,
)
from sealift_protocol.errors import InvalidArgument


def write_parquet(
    dataset: Exportable,
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write one Parquet file for each shard into a new folder; return the files.

    The folder takes its name only when every shard was verified and written.

    Args:
        dataset: the dataset to write.
        folder: the new folder; it must not exist, or be empty.
        columns: names of the columns to write, in this order; all by default.
        progress: called with the records and bytes in memory written so far.

    Raises:
        InvalidArgument: the folder is not empty, its parent does not exist, a column is
            missing, or Parquet has no type for a column.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    return write_parts(
        dataset, folder, ".parquet", _open_part, columns=columns, progress=progress
    )


@contextmanager
def _open_part(path: Path, schema: pa.Schema) -> Iterator[Part]:
    try:
        with pq.ParquetWriter(path, schema) as writer:
            yield writer
    except pa.ArrowNotImplementedError:
        raise InvalidArgument(
            "Parquet has no type for a column of the dataset",
            hint="write it as Arrow instead",
        ) from None


EXPORT = Export("parquet", "Parquet files, one for each shard", write_parquet)
