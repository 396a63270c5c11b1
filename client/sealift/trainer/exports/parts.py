"""Write an opened dataset as one file per shard: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from sealift.trainer.exports.interface import Exportable, Progress
from sealift.trainer.exports.staging import new_folder
from sealift.trainer.forms.columns import pick_columns
from sealift_protocol.errors import MalformedObject


def no_progress(_records: int, _bytes: int) -> None:
    """Show no progress."""


class Part(Protocol):
    """A file that is being written."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Append records."""


OpenPart = Callable[[Path, pa.Schema], AbstractContextManager[Part]]


def write_parts(
    dataset: Exportable,
    folder: Path,
    suffix: str,
    open_part: OpenPart,
    *,
    columns: Sequence[str] | None,
    progress: Progress,
) -> list[Path]:
    """Write one file for each shard into a new folder, which appears when all are written.

    One shard is in memory while the next is being fetched.

    Args:
        dataset: the dataset to write.
        folder: the new folder; it must not exist, or be empty.
        suffix: suffix of the files, with its dot.
        open_part: opens a file for records of a schema.
        columns: names of the columns to write, in this order; all by default.
        progress: called with the records and bytes in memory written so far.

    Raises:
        InvalidArgument: the folder is not empty, its parent does not exist, or a column is
            missing.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    schema = pick_columns(dataset.schema, columns)
    names: list[str] = []
    records = size = 0
    with new_folder(folder) as staging:
        for shard in dataset.shards(columns):
            # The name is ours: no text that an owner chose becomes a path.
            names.append(f"part-{len(names):05d}{suffix}")
            with open_part(staging / names[-1], schema) as part:
                for batch in shard:
                    part.write_batch(batch)
                    records += batch.num_rows
                    size += batch.nbytes
                    progress(records, size)
                    del batch
            # Its memory is reused for the next batch.
            del shard
        if not names:
            names.append(f"part-00000{suffix}")
            with open_part(staging / names[-1], schema):
                pass
        if records != dataset.num_records:
            raise MalformedObject(
                "the number of records in the shards differs from the commits"
            )
    return [folder / name for name in names]
