"""Some rows of an Arrow array whose memory has holes, and whose owner may lie. Pure.

Arrow's own functions believe an array's lengths and offsets, and look at all of it; these look at
the rows that are wanted, and NumPy checks every index.

Source: Apache Arrow columnar format 1.5, "Physical memory layout", and Message.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.trainer.forms.columns import is_list
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import MalformedObject

# Address and size.
Span: TypeAlias = tuple[int, int]
_OUTSIDE = "a shard's payload has lengths or offsets that lead outside it"
# Values of lists that are read at a time; a shard has 64 MiB.
_MOST_VALUES = 1 << 27
_RECORD_BATCH = 3
_HEADER_TYPE, _HEADER, _COMPRESSION = 1, 2, 3


def needed(
    array: pa.Array, rows: Integers, lacks: Callable[[Span], bool]
) -> Iterator[Span]:
    """Spans of memory that are lacking to read some rows of an array of a walkable type.

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
    elif _is_text(kind) or is_list(kind):
        yield from _of_different_lengths(array, at, lacks)
    elif pa.types.is_fixed_size_list(kind):
        # `values` and `at` both ignore that the array may be a slice.
        size = kind.list_size
        yield from needed(array.values, _spread(at * size, at * size + size), lacks)
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from needed(array.field(place), rows, lacks)
    elif kind.num_buffers == 2 and not pa.types.is_nested(kind):
        yield from _spans(buffers[1], at, at + 1, kind.bit_width // 8, lacks)


def is_walkable(kind: pa.DataType) -> bool:
    """Whether `needed` knows how arrays of a type lie in memory; others are read whole."""
    if isinstance(kind, pa.BaseExtensionType):
        return is_walkable(kind.storage_type)
    if pa.types.is_fixed_size_list(kind) or is_list(kind):
        return is_walkable(kind.value_type)
    if pa.types.is_struct(kind):
        return all(
            is_walkable(kind.field(place).type) for place in range(kind.num_fields)
        )
    return bool(
        pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or _is_text(kind)
        or pa.types.is_primitive(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_decimal(kind)
    )


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


def pick(array: pa.Array, rows: Integers) -> pa.Array:
    """Some rows of an array of a walkable type, in memory of their own; not validated.

    Args:
        array: nothing is lacking to read these rows; see `needed`.
        rows: (n,), not negative.

    Raises:
        MalformedObject: they lie outside of its buffers.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pick(array.storage, rows))
    if not is_walkable(kind):
        return array.take(pa.array(rows))
    buffers, at, count = array.buffers(), rows + array.offset, len(rows)
    if pa.types.is_null(kind):
        return pa.nulls(count)
    try:
        valid = None if buffers[0] is None else _pick_bits(buffers[0], at)
        if pa.types.is_boolean(kind):
            return pa.Array.from_buffers(
                kind, count, [valid, _pick_bits(buffers[1], at)]
            )
        if pa.types.is_struct(kind):
            children = [pick(array.field(n), rows) for n in range(kind.num_fields)]
            return pa.Array.from_buffers(kind, count, [valid], children=children)
        if pa.types.is_fixed_size_list(kind):
            size = kind.list_size
            child = pick(array.values, _spread(at * size, at * size + size))
            return pa.Array.from_buffers(kind, count, [valid], children=[child])
        if is_list(kind) or _is_text(kind):
            begins, ends = _offsets(array, at)
            dtype = np.int64 if _is_large(kind) else np.int32
            offsets = pa.py_buffer(np.cumsum([0, *(ends - begins)]).astype(dtype))
            if is_list(kind):
                child = pick(array.values, _spread(begins, ends))
                return pa.Array.from_buffers(
                    kind, count, [valid, offsets], children=[child]
                )
            data = b"" if buffers[2] is None else _numbers(buffers[2], np.uint8).data
            spans = zip(begins.tolist(), ends.tolist(), strict=True)
            content = pa.py_buffer(b"".join(data[begin:end] for begin, end in spans))
            return pa.Array.from_buffers(kind, count, [valid, offsets, content])
        width = kind.bit_width // 8
        whole = _numbers(buffers[1], np.uint8)
        values = whole[: len(whole) // width * width].reshape(-1, width)[at]
        return pa.Array.from_buffers(
            kind, count, [valid, pa.py_buffer(values.reshape(-1))]
        )
    except IndexError:
        raise MalformedObject(_OUTSIDE) from None


def _numbers(buffer: pa.Buffer | None, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A buffer's whole numbers; Arrow checks neither that it is there nor its size."""
    if buffer is None or buffer.size < 0:
        raise MalformedObject(_OUTSIDE)
    width = np.dtype(dtype).itemsize
    return np.frombuffer(buffer, np.uint8)[: buffer.size // width * width].view(dtype)


def _pick_bits(buffer: pa.Buffer, at: Integers) -> pa.Buffer:
    bits = _numbers(buffer, np.uint8)[at >> 3] >> (at & 7).astype(np.uint8)
    return pa.py_buffer(np.packbits(bits & 1, bitorder="little"))


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
    lacking = list(
        _spans(buffers[1], at, at + 2, 8 if _is_large(array.type) else 4, lacks)
    )
    if lacking:
        yield from lacking
        return
    begins, ends = _offsets(array, at)
    if is_list(array.type):
        yield from needed(array.values, _spread(begins, ends), lacks)
    elif buffers[2] is not None and buffers[2].size:
        yield from _spans(buffers[2], begins, ends, 1, lacks)


def _offsets(array: pa.Array, at: Integers) -> tuple[Integers, Integers]:
    """Where the values of some rows begin and end."""
    buffers = array.buffers()
    offsets = _numbers(buffers[1], np.int64 if _is_large(array.type) else np.int32)
    begins, ends = offsets[at].astype(np.int64), offsets[at + 1].astype(np.int64)
    # How many values a list's array has is a claim; where they lie is checked when they are read.
    limit = (
        _MOST_VALUES if is_list(array.type) else buffers[2].size if buffers[2] else 0
    )
    if (begins < 0).any() or (ends < begins).any() or (ends > limit).any():
        raise MalformedObject(_OUTSIDE)
    return begins, ends


def _spans(
    buffer: pa.Buffer | None,
    begins: Integers,
    ends: Integers,
    width: int,
    lacks: Callable[[Span], bool],
) -> Iterator[Span]:
    """What is lacking of a buffer's elements, neighbours as one span."""
    if buffer is None or int(ends.max()) * width > buffer.size:
        raise MalformedObject(_OUTSIDE)
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
    if total > _MOST_VALUES:
        raise MalformedObject(
            "a shard's payload has lists that are longer than any honest ones"
        )
    firsts = np.repeat(begins - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return firsts + np.arange(total)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _is_large(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_large_list(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    )
