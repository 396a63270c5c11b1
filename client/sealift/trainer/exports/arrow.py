"""Write an opened dataset to Arrow IPC files, which can be memory-mapped: all, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from sealift.trainer.exports.interface import Export, Exportable, Progress
from sealift.trainer.exports.parts import (
    Part,
    no_progress,
    write_parts,
)
from sealift_protocol.errors import InvalidArgument


def write_arrow(
    dataset: Exportable,
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write one uncompressed Arrow IPC file for each shard into a new folder; return the files.

    The folder takes its name only when every shard was verified and written.

    Args:
        dataset: the dataset to write.
        folder: the new folder; it must not exist, or be empty.
        columns: names of the columns to write, in this order; all by default.
        progress: called with the records and bytes in memory written so far.

    Raises:
        InvalidArgument: the folder is not empty, its parent does not exist, a column is
            missing, or the file format cannot hold a column.
        SealiftError: the dataset could not be read; nothing is left behind.
    """
    return write_parts(
        dataset, folder, ".arrow", _open_part, columns=columns, progress=progress
    )


@contextmanager
def _open_part(path: Path, schema: pa.Schema) -> Iterator[Part]:
    options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
    with pa.ipc.new_file(path, schema, options=options) as writer:
        if not any(_holds_dictionary(field.type) for field in schema):
            yield writer
            return
        gathered = _Gathered()
        yield gathered
        if gathered.batches:
            try:
                writer.write_table(pa.Table.from_batches(gathered.batches))
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                raise InvalidArgument(
                    "the dictionaries of a column cannot be merged, as an Arrow file requires",
                    hint="write it as Parquet instead",
                ) from None


class _Gathered:
    """The batches of one shard: a file has one dictionary per column, a stream may have several."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)


def _holds_dictionary(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_dictionary(kind.storage_type)
    return bool(pa.types.is_dictionary(kind)) or any(
        _holds_dictionary(kind.field(place).type) for place in range(kind.num_fields)
    )


EXPORT = Export(
    "arrow", "Arrow IPC files, uncompressed, one for each shard", write_arrow
)
