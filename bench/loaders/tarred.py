"""WebDataset: tar files, read in turn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from loader import Batch, Kind, Shape, as_is, collate

_FILES = 8


class Tarred:
    """Eight tar files; two members a record, as its documentation has it.

    Rows are stored as raw numbers, which are read faster than its `npy`.
    """

    name = "WebDataset"
    needs = "webdataset"
    store = "tarred"
    encrypted = False
    caches = False
    again = True
    kinds: tuple[Kind, ...] = ("rows", "blobs")

    def write(self, folder: Path, shape: Shape) -> None:
        import webdataset

        files = str(folder / "%06d.tar")
        count = -(-shape.records // _FILES)
        # A time of whole seconds avoids an extra header per member, which halves the speed.
        with webdataset.ShardWriter(
            files, maxcount=count, encoder=False, verbose=0, mtime=0
        ) as writer:
            for number, (data, label) in enumerate(shape.samples()):
                writer.write(
                    {
                        "__key__": f"{number:09}",
                        "bin": bytes(data),
                        "cls": str(label).encode(),
                    }
                )

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        import webdataset

        files = sorted(map(str, folder.glob("*.tar")))
        dataset = webdataset.WebDataset(files, shardshuffle=False, empty_check=False)
        decode = _row if shape.kind == "rows" else _blob
        batches = dataset.map(decode).batched(batch_size, collation_fn=collate)
        return webdataset.WebLoader(
            batches,
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=as_is,
        )


def _row(sample: dict[str, Any]) -> tuple[Any, int]:
    return np.frombuffer(sample["bin"], np.float32), int(sample["cls"])


def _blob(sample: dict[str, Any]) -> tuple[Any, int]:
    return sample["bin"], int(sample["cls"])
