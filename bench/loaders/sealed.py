"""Sealift: shards sealed for the trainer, from a relay on this machine or from their cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from loader import BATCH_SIZE, Batch, Kind, Shape
from parquet import as_record_batch

import sealift


@dataclass(frozen=True)
class Sealed:
    """Pushed by the profile `owner`, opened by the profile `trainer`."""

    caches: bool
    shuffle: bool = False

    needs = "sealift"
    store = "sealed"
    encrypted = True
    kinds: tuple[Kind, ...] = ("rows", "blobs")

    @property
    def name(self) -> str:
        if not self.caches:
            return "Sealift, no cache: over TLS"
        return "Sealift, shuffled" if self.shuffle else "Sealift"

    @property
    def again(self) -> bool:
        return self.caches

    def write(self, folder: Path, shape: Shape) -> None:
        del folder
        size = BATCH_SIZE[shape.kind]
        parts = (as_record_batch(*part, lists=True) for part in shape.parts(size * 16))
        first = next(parts)

        def batches() -> Iterator[pa.RecordBatch]:
            yield first
            yield from parts

        with sealift.connect("owner") as owner:
            owner.people.member("trainer")
            reader = pa.RecordBatchReader.from_batches(first.schema, batches())
            owner.push(reader, dataset=shape.kind, to="trainer")

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        cache = folder / "cache" if self.caches else None
        dataset = sealift.open_dataset(
            f"owner/{shape.kind}", profile="trainer", cache=cache
        )
        return _Epochs(dataset, batch_size, self.shuffle, workers)


class _Epochs:
    """Yields training epochs; with worker processes, through the loader for torch."""

    def __init__(
        self, dataset: Any, batch_size: int, shuffle: bool, workers: int
    ) -> None:
        self._dataset = dataset
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._epoch = 0
        self._loader = (
            dataset.torch_loader(batch_size, shuffle=shuffle, num_workers=workers)
            if workers
            else None
        )

    def __iter__(self) -> Iterator[Batch]:
        batches = self._loader or self._dataset.torch(
            self._batch_size, shuffle=self._shuffle, epoch=self._epoch
        )
        self._epoch += 1
        for batch in batches:
            yield batch["data"], batch["label"]
