"""The records that are loaded, and the interface of every loader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Kind = Literal["rows", "blobs"]
Batch = tuple[Any, "torch.Tensor"]

WIDTH = 256
BLOB_BYTES = 256 << 10
BATCH_SIZE: dict[Kind, int] = {"rows": 256, "blobs": 16}
_PAGE = 4096


@dataclass(frozen=True)
class Shape:
    """The records: `rows` of 256 float32 and a label, or `blobs` of 256 KiB and a label.

    They are random, so that nothing can be compressed, and the same each time. The first number of
    a row is its label.
    """

    kind: Kind
    records: int

    @property
    def record_bytes(self) -> int:
        return (WIDTH * 4 if self.kind == "rows" else BLOB_BYTES) + 8

    def parts(self, size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Parts of `size` records: an array (size, 256) or a list of bytes, and the labels."""
        random = np.random.default_rng(0)
        all_labels = random.integers(0, 1000, self.records)
        for start in range(0, self.records, size):
            labels = all_labels[start : start + size]
            number = len(labels)
            if self.kind == "rows":
                rows = random.random((number, WIDTH), dtype=np.float32)
                rows[:, 0] = labels
                yield rows, labels
            else:
                yield [random.bytes(BLOB_BYTES) for _ in range(number)], labels

    def samples(self) -> Iterator[tuple[Any, int]]:
        """Yields records: an array (256,) or bytes, and the label."""
        for data, labels in self.parts(100):
            yield from zip(data, labels.tolist(), strict=True)

    def expected(self) -> Tally:
        """The result of a loader that left nothing out."""
        tally = Tally()
        for data, labels in self.parts(100):
            tally.records += len(labels)
            tally.labels += int(labels.sum())
            tally.touched += (
                int(data[:, 0].sum()) if self.kind == "rows" else sum(map(touch, data))
            )
        return tally


@dataclass
class Tally:
    """The result of an epoch: its records, the sum of the labels, the sum of the values read."""

    records: int = 0
    labels: int = 0
    touched: int = 0


def touch(blob: bytes | memoryview) -> int:
    """Sum of a byte of each page, so that a view of a file is really read."""
    return int(np.frombuffer(blob, np.uint8)[::_PAGE].sum(dtype=np.int64))


def run_epoch(kind: Kind, batches: Iterable[Batch]) -> Tally:
    """A training loop that only reads its records: one number a row, one byte a page."""
    tally = Tally()
    for data, labels in batches:
        tally.records += len(labels)
        tally.labels += int(labels.sum())
        tally.touched += (
            int(data[:, 0].sum()) if kind == "rows" else sum(map(touch, data))
        )
    return tally


class Loader(Protocol):
    """One way to store records and to load them.

    Attributes:
        name: its name in the table.
        needs: the module without which it cannot run.
        store: name of the folder that it writes; loaders of one store read the same.
        encrypted: whether that folder holds ciphertext.
        caches: whether it copies what it reads to the folder `cache` in its own. If not, the files'
            pages are evicted before the first epoch.
        again: whether a second epoch reads from this machine alone.
        kinds: the shapes that it is measured with.
    """

    name: str
    needs: str
    store: str
    encrypted: bool
    caches: bool
    again: bool
    kinds: tuple[Kind, ...]

    def write(self, folder: Path, shape: Shape) -> None:
        """Stores all records in a new folder."""

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        """Opens what was written; each iteration is a training epoch, in batches.

        Rows: a float32 tensor (batch, 256); blobs: a list of buffers; with the labels, an int64
        tensor (batch,).
        """
        ...


def collate(samples: Sequence[tuple[Any, int]]) -> Batch:
    """A batch of single samples: faster than torch's own function for arrays and numbers."""
    import torch

    data, labels = zip(*samples, strict=True)
    together = (
        torch.from_numpy(np.stack(data))
        if isinstance(data[0], np.ndarray)
        else list(data)
    )
    return together, torch.tensor(labels)


def as_is(batch: Batch) -> Batch:
    """For a DataLoader of ready batches; torch's own function turns memoryviews into lists."""
    return batch
