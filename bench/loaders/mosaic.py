"""MosaicML Streaming: MDS shards, copied from a remote folder to a local one on first use."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from loader import WIDTH, Batch, Kind, Shape, collate

# It imports torchvision for its image datasets, which nothing here uses, and fails if torchvision
# was built for another torch.
sys.modules.setdefault("streaming.vision", ModuleType("streaming.vision"))


class Mosaic:
    """Shards of 64 MiB (its default), uncompressed, without hashes."""

    name = "MosaicML Streaming"
    needs = "streaming"
    store = "mosaic"
    encrypted = False
    caches = True
    again = True
    kinds: tuple[Kind, ...] = ("rows", "blobs")

    def write(self, folder: Path, shape: Shape) -> None:
        from streaming import MDSWriter

        column = f"ndarray:float32:{WIDTH}" if shape.kind == "rows" else "bytes"
        columns = {"data": column, "label": "int"}
        with MDSWriter(out=str(folder / "remote"), columns=columns) as writer:
            for data, label in shape.samples():
                writer.write({"data": data, "label": label})

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        del shape
        from streaming import StreamingDataLoader, StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        clean_stale_shared_memory()
        dataset = StreamingDataset(
            remote=str(folder / "remote"),
            local=str(folder / "cache"),
            batch_size=batch_size,
            shuffle=False,
        )
        return StreamingDataLoader(
            dataset,
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=_collate,
        )


def _collate(samples: list[dict[str, Any]]) -> Batch:
    return collate([(sample["data"], sample["label"]) for sample in samples])
