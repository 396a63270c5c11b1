"""Writes the log as static files (C2SP tlog-tiles), for auditors with other tools."""

from __future__ import annotations

from pathlib import Path

from sealift_protocol.merkle import HASH_SIZE, TILE_WIDTH
from sealift_relay.checkpoints import Publisher
from sealift_relay.store.log import LogStore


def write_tiles(out: Path, store: LogStore, publisher: Publisher) -> int:
    """Writes checkpoint, tiles and entry bundles; returns the log's size."""
    note, head = publisher.checkpoint(store.head())
    level, count = 0, head.size
    while count:
        for index in range(-(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            hashes = store.tile(level, index)[: width * HASH_SIZE]
            _write(out / "tile" / str(level) / tile_path(index, width), hashes)
        level, count = level + 1, count // TILE_WIDTH
    for index in range(-(-head.size // TILE_WIDTH)):
        first = index * TILE_WIDTH
        bundle = store.entries(first, min(TILE_WIDTH, head.size - first))
        content = b"".join(len(e.entry).to_bytes(2, "big") + e.entry for e in bundle)
        _write(out / "tile" / "entries" / tile_path(index, len(bundle)), content)
    # Last, so that a reader never sees a checkpoint without its tiles.
    _write(out / "checkpoint", bytes(note))
    return head.size


def tile_path(index: int, width: int) -> str:
    """A tile's path below its level: x001/x234/067, and .p/W if it is not full."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(parts) + suffix


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
