"""LitData: chunks of 64 MB, mapped into memory in place; plain, or encrypted with Fernet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loader import Batch, Kind, Shape, collate

_PASSWORD = "bench password"


@dataclass(frozen=True)
class Lit:
    """A local folder is read in place, which its documentation calls the fastest way."""

    level: Literal["chunk", "sample"] | None = None

    needs = "litdata"
    caches = False
    again = True
    kinds: tuple[Kind, ...] = ("rows", "blobs")

    @property
    def encrypted(self) -> bool:
        return self.level is not None

    @property
    def name(self) -> str:
        return f"LitData, Fernet by {self.level}" if self.level else "LitData"

    @property
    def store(self) -> str:
        return f"lit-{self.level or 'plain'}"

    def write(self, folder: Path, shape: Shape) -> None:
        from litdata.streaming.cache import Cache
        from litdata.utilities.encryption import FernetEncryption

        chunks = folder / "chunks"
        chunks.mkdir()
        lock = FernetEncryption(_PASSWORD, self.level) if self.level else None
        # What `litdata.optimize` runs in each of its workers.
        cache = Cache(str(chunks), chunk_bytes="64MB", encryption=lock)
        for number, (data, label) in enumerate(shape.samples()):
            # A pair, because LitData stores dicts of bytes in a way that it cannot encrypt.
            cache[number] = (data, label)
        cache.done()
        cache.merge()
        if lock:
            lock.save(str(folder / "lock.json"))

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        del shape
        from litdata import StreamingDataLoader, StreamingDataset
        from litdata.utilities.encryption import FernetEncryption

        lock = (
            FernetEncryption.load(str(folder / "lock.json"), _PASSWORD)
            if self.level
            else None
        )
        dataset = StreamingDataset(
            str(folder / "chunks"), encryption=lock, shuffle=False
        )
        return StreamingDataLoader(
            dataset,
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=collate,
        )
