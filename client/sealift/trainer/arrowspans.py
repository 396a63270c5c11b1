"""Which memory has to be there to read some rows of an Arrow array. Pure.

Source: Apache Arrow columnar format 1.5, "Physical memory layout", and Message.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from sealift.trainer.order import Integers
from sealift_protocol.errors import MalformedObject

# Address and size.
Span: TypeAlias = tuple[int, int]
_RECORD_BATCH = 3
_HEADER_TYPE, _HEADER, _COMPRESSION = 1, 2, 3


def needed(array: pa.Array, rows: Integers, lacks: Callable[[Span], bool]) -> Iterator[Span]:
    """Spans of memory that are lacking to read some rows.

    Where values of different lengths lie is known from their offsets: while those are lacking, the
    values are not asked for. Ask again until nothing is.

    Args:
        array: whose buffers may have holes.
        rows: (n,), not negative.
        lacks: whether something of a span is a hole.

    Raises:
        MalformedObject: offsets lead outside their buffer.
    """
    if len(rows) == 0:
        return
    if isinstance(array, pa.ExtensionArray):
        yield from needed(array.storage, rows, lacks)
        return
    kind, buffers = array.type, array.buffers()
    at = rows + array.offset
    if buffers[0] is not None:
        yield from _spans(buffers[0], at // 8, at // 8 + 1, 1, lacks)
    if pa.types.is_null(kind):
        return
    if pa.types.is_boolean(kind):
        yield from _spans(buffers[1], at // 8, at // 8 + 1, 1, lacks)
    elif _is_text(kind) or _is_list(kind):
        yield from _of_different_lengths(array, at, lacks)
    elif pa.types.is_fixed_size_list(kind):
        # `values` and `at` both ignore that the array may be a slice.
        size = kind.list_size
        yield from needed(array.values, _spread(at * size, at * size + size), lacks)
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from needed(array.field(place), rows, lacks)
    elif pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind):
        yield from _spans(buffers[1], at, at + 1, kind.bit_width // 8, lacks)
    else:
        for buffer in buffers:
            if buffer is not None and lacks((buffer.address, buffer.size)):
                yield buffer.address, buffer.size


def is_compressed(metadata: memoryview) -> bool:
    """Whether a message's metadata says that the buffers behind it are compressed.

    Raises:
        struct.error: it is no metadata.
    """
    (message,) = struct.unpack_from("<I", metadata, 0)
    place = _field(metadata, message, _HEADER_TYPE)
    if place is None or metadata[place] != _RECORD_BATCH:
        return False
    header = _field(metadata, message, _HEADER)
    if header is None:
        return False
    (distance,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + distance, _COMPRESSION) is not None


def _field(metadata: memoryview, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table lies; None if it is left out."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    if 4 + 2 * number >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, table - back + 4 + 2 * number)
    return table + int(offset) if offset else None


def _of_different_lengths(
    array: pa.Array, at: Integers, lacks: Callable[[Span], bool]
) -> Iterator[Span]:
    buffers = array.buffers()
    large = pa.types.is_large_list(array.type) or str(array.type).startswith("large")
    lacking = list(_spans(buffers[1], at, at + 2, 8 if large else 4, lacks))
    if lacking:
        yield from lacking
        return
    offsets = np.frombuffer(buffers[1], np.int64 if large else np.int32)
    begins, ends = offsets[at].astype(np.int64), offsets[at + 1].astype(np.int64)
    nested = _is_list(array.type)
    size = 0 if nested or buffers[2] is None else buffers[2].size
    limit = len(array.values) if nested else size
    if (begins < 0).any() or (ends < begins).any() or (ends > limit).any():
        raise MalformedObject("a shard's payload has offsets that lead outside it")
    if nested:
        yield from needed(array.values, _spread(begins, ends), lacks)
    elif size:
        yield from _spans(buffers[2], begins, ends, 1, lacks)


def _spans(
    buffer: pa.Buffer,
    begins: Integers,
    ends: Integers,
    width: int,
    lacks: Callable[[Span], bool],
) -> Iterator[Span]:
    """What is lacking of a buffer's elements, neighbours as one span."""
    if int(ends.max()) * width > buffer.size + 7:
        raise MalformedObject("a shard's payload has a buffer that ends too early")
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order] * width, ends[order] * width
    cuts = np.flatnonzero(begins[1:] > ends[:-1]) + 1
    for group in np.split(np.arange(len(begins)), cuts):
        begin = int(begins[group[0]])
        span = buffer.address + begin, int(ends[group].max()) - begin
        if span[1] and lacks(span):
            yield span


def _spread(begins: Integers, ends: Integers) -> Integers:
    """All numbers from each begin to its end."""
    lengths = ends - begins
    total = int(lengths.sum())
    firsts = np.repeat(begins - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return firsts + np.arange(total)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
