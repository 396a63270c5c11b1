"""Writing an opened dataset to Parquet files: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sealift.records import read_batches
from sealift.trainer.dataset import Dataset
from sealift.trainer.staging import new_folder


def write_parquet(
    dataset: Dataset,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> list[Path]:
    """Writes one Parquet file for each shard into a new folder; returns the files.

    The folder takes its name only when every shard was verified and written.

    Args:
        dataset: what to write.
        folder: must not exist, or be empty.
        progress: called with the records and bytes in memory that were written so far.

    Raises:
        InvalidArgument: the folder is in the way, or its parent is missing.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    with new_folder(folder) as staging:
        names = _write_all(dataset, staging, progress)
    return [folder / name for name in names]


def _write_all(dataset: Dataset, folder: Path, progress: Callable[[int, int], None]) -> list[str]:
    names = []
    records = size = 0
    for number, shard in enumerate(dataset.shards()):
        # The name is ours: nothing that an owner chose becomes a path.
        name = f"part-{number:05d}.parquet"
        with pq.ParquetWriter(folder / name, dataset.schema) as writer:
            for batch in read_batches(shard.payload, dataset.schema):
                writer.write_batch(batch)
                records += batch.num_rows
                size += batch.nbytes
                progress(records, size)
                del batch
        names.append(name)
        del shard
    if not names:
        pq.write_table(pa.table([], schema=dataset.schema), folder / "part-00000.parquet")
        names.append("part-00000.parquet")
    return names
