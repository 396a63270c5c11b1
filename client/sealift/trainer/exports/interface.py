"""The interface of an export: a function that writes an opened dataset into a new folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

Progress: TypeAlias = Callable[[int, int], None]


class Exportable(Protocol):
    """The part of an opened dataset that an export uses; all its data is verified."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of its records."""

    @property
    def num_records(self) -> int:
        """Number of records in all shards."""

    def shards(
        self, columns: Sequence[str] | None
    ) -> Iterator[Iterable[pa.RecordBatch]]:
        """Yield the record batches of each shard, in order; a batch is valid until the next one.

        Column names and values come from the owner: never use one as a path unchecked.
        """

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all record batches, in order."""


class Write(Protocol):
    """A function that writes a dataset."""

    def __call__(
        self,
        dataset: Exportable,
        folder: Path,
        *,
        columns: Sequence[str] | None,
        progress: Progress,
    ) -> list[Path]:
        """Write all records into a new folder, which appears when all are written, or write none.

        Args:
            dataset: the dataset to write.
            folder: the new folder; it must not exist, or be empty: see `new_folder`.
            columns: names of the columns to write, in this order; all if None.
            progress: called with the records and bytes written so far.

        Returns:
            The files written.

        Raises:
            InvalidArgument: the folder is not empty, a column is missing, or the format cannot
                hold one.
            SealiftError: the dataset could not be read; nothing is left behind.
        """


@dataclass(frozen=True, slots=True)
class Export:
    """A format that `sealift pull --as` writes.

    Attributes:
        name: its name for --as.
        what: a one-line description of its output.
        write: writes a dataset.
    """

    name: str
    what: str
    write: Write
