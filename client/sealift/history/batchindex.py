"""Where the record batches of a payload lie: an index in the metadata of its Arrow schema.

An Arrow stream has no index: whoever wants its last record batch reads the header of each one
before it. So the stream's schema, which is read first, lists rows and size of each record batch
that follows. Any Arrow reader reads such a stream; one without the list is walked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from sealift_protocol.errors import MalformedObject

KEY = b"sealift.batches"
# Rows and bytes of a record batch, 8 hexadecimal digits each. All zeros: nothing listed.
_SLOT = 16
_LIST = re.compile(rb"([0-9a-f]{16})*")
_EMPTY = b"0" * _SLOT


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """One record batch.

    Attributes:
        rows: how many it has.
        size: bytes of its message in the stream, header and body.
    """

    rows: int
    size: int


def with_index(
    schema: pa.Schema, batches: Sequence[ListedBatch], slots: int
) -> pa.Schema:
    """A schema with an index of the first `slots` of some record batches.

    Schemas with as many slots are equally long as bytes, whatever is in them.
    """
    listed = [b"%08x%08x" % (batch.rows, batch.size) for batch in batches[:slots]]
    value = b"".join(listed).ljust(_SLOT * slots, b"0")
    return schema.with_metadata({**(schema.metadata or {}), KEY: value})


def without_index(schema: pa.Schema) -> pa.Schema:
    """The schema as it is without an index."""
    metadata = dict(schema.metadata or {})
    if metadata.pop(KEY, None) is None:
        return schema
    return schema.with_metadata(metadata) if metadata else schema.remove_metadata()


def read_index(schema: pa.Schema) -> list[ListedBatch]:
    """The record batches that a stream's schema lists, from the first on; none if it has no index.

    Raises:
        MalformedObject: it is not an index.
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
