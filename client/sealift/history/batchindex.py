"""An index of a payload's record batches, in the metadata of its Arrow schema.

An Arrow stream has no index: to reach its last record batch, a reader reads the header of
each one before it. So the schema, which is read first, lists the rows and size of each
record batch that follows. Any Arrow reader can read such a stream; a stream without the
list is walked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from sealift_protocol.errors import MalformedObject

KEY = b"sealift.batches"
# Rows and bytes of a record batch, 8 hexadecimal digits each. All zeros: an unused slot.
_SLOT = 16
_LIST = re.compile(rb"([0-9a-f]{16})*")
_EMPTY = b"0" * _SLOT


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A record batch in the index.

    Attributes:
        rows: number of records.
        size: bytes of its message in the stream, header and body.
    """

    rows: int
    size: int


def with_index(
    schema: pa.Schema, batches: Sequence[ListedBatch], slots: int
) -> pa.Schema:
    """Return a schema with an index of the first `slots` record batches.

    Schemas with the same number of slots have the same length in bytes.
    """
    listed = [b"%08x%08x" % (batch.rows, batch.size) for batch in batches[:slots]]
    value = b"".join(listed).ljust(_SLOT * slots, b"0")
    return schema.with_metadata({**(schema.metadata or {}), KEY: value})


def without_index(schema: pa.Schema) -> pa.Schema:
    """Return the schema without its index."""
    metadata = dict(schema.metadata or {})
    if metadata.pop(KEY, None) is None:
        return schema
    return schema.with_metadata(metadata) if metadata else schema.remove_metadata()


def read_index(schema: pa.Schema) -> list[ListedBatch]:
    """Return the record batches that a stream's schema lists, in order; empty without an index.

    Raises:
        MalformedObject: the index cannot be parsed.
    """
    value = (schema.metadata or {}).get(KEY, b"")
    if not _LIST.fullmatch(value):
        raise MalformedObject("a shard's index of record batches cannot be parsed")
    found = []
    for begin in range(0, len(value), _SLOT):
        slot = value[begin : begin + _SLOT]
        if slot == _EMPTY:
            break
        found.append(ListedBatch(int(slot[:8], 16), int(slot[8:], 16)))
    return found
