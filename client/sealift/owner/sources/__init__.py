"""Sources of records: each yields Arrow batches in bounded memory."""

from __future__ import annotations

from sealift.owner.sources.choosing import check_source
from sealift.owner.sources.interface import (
    BEGINNING,
    Accompanied,
    Chunk,
    Part,
    Rejects,
    Selective,
    SkipRejects,
    Source,
    StopAtRejects,
    Written,
)
from sealift.owner.sources.kinds import Kind
from sealift.owner.sources.opening import open_source
from sealift.owner.sources.options import SourceOptions
from sealift.owner.sources.registry import KINDS, PlugIns, plug_ins

__all__ = [
    "BEGINNING",
    "KINDS",
    "Accompanied",
    "Chunk",
    "Kind",
    "Part",
    "PlugIns",
    "Rejects",
    "Selective",
    "SkipRejects",
    "Source",
    "SourceOptions",
    "StopAtRejects",
    "Written",
    "check_source",
    "open_source",
    "plug_ins",
]
