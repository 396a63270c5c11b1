"""What a form of export is: a function that writes an opened dataset into a new folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa

Progress: TypeAlias = Callable[[int, int], None]


class Exportable(Protocol):
    """An opened dataset, as far as an export looks at it; every byte that it gives is verified."""

    @property
    def schema(self) -> pa.Schema:
        """Of its records."""

    @property
    def num_records(self) -> int:
        """In all shards."""

    def shards(
        self, columns: Sequence[str] | None
    ) -> Iterator[Iterable[pa.RecordBatch]]:
        """For each shard its record batches, in order; a batch is valid until the next one.

        Names of columns and values are the owner's: none of them may become a path unchecked.
        """

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All record batches, in order."""


class Write(Protocol):
    """Writes a dataset."""

    def __call__(
        self,
        dataset: Exportable,
        folder: Path,
        *,
        columns: Sequence[str] | None,
        progress: Progress,
    ) -> list[Path]:
        """Writes all records into a new folder, which appears when all are written, or none.

        Args:
            dataset: what to write.
            folder: must not exist, or be empty: see `new_folder`.
            columns: only these, in this order; all if None.
            progress: called with the records and bytes that were written so far.

        Returns:
            The files.

        Raises:
            InvalidArgument: the folder is in the way, a column is missing, or the form cannot hold
                one.
            SealiftError: the dataset could not be read; nothing is left behind.
        """


@dataclass(frozen=True, slots=True)
class Export:
    """A form in which `sealift pull --as` writes.

    Attributes:
        name: as in --as.
        what: what it writes, in a line.
        write: writes a dataset.
    """

    name: str
    what: str
    write: Write
