"""Record batches whose buffers hold exactly the records, and nothing beside them.

An Arrow array may be a window on larger buffers, has a value under each null, and leaves the
bits after its last one undefined. A writer copies these bytes into the stream. `compact` returns
arrays without them: windows are cut out, values under nulls are zeros, offsets begin at 0.

Source: the Arrow columnar format 1.5, "Physical Memory Layout".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.formats.arrowtypes import is_ragged_list, is_text
from sealift_protocol.errors import SchemaMismatch

_Mask = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[Any]

# A view of at most this many bytes holds its value itself.
_INLINE = 12
_VIEW = np.dtype([("size", "<i4"), ("start", "V4"), ("buffer", "<i4"), ("at", "<i4")])
_MAX_VIEWED = (1 << 31) - 1
# Bytes of a value, by the id of its Arrow type.
_WIDTHS = {
    kind.id: kind.bit_width // 8
    for kind in (
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.date64()),
        *(pa.timestamp("s"), pa.time32("s"), pa.time64("us"), pa.duration("s")),
    )
}


def compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the same records in buffers that hold nothing else.

    Buffers that hold nothing else already are not copied. Two batches with the same records
    have the same buffers afterwards, wherever they come from.

    Args:
        batch: any record batch without dictionaries.

    Raises:
        pyarrow.ArrowInvalid: buffers are too small, or offsets do not ascend.
        SchemaMismatch: a type is not supported.
    """
    batch.validate()
    if not batch.num_columns:
        return batch
    columns = [
        _exact(column, field.nullable, None)
        for column, field in zip(batch.columns, batch.schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _exact(array: pa.Array, nullable: bool, dead: _Mask | None) -> pa.Array:
    """Return an array's own values.

    Args:
        array: the array.
        nullable: whether its field allows nulls.
        dead: the slots whose value nobody sees, since a value around them is null.
    """
    kind = array.type
    width = _WIDTHS.get(kind.id, 0)
    if width and dead is None and len(array) and not array.null_count:
        # The commonest columns: numbers without nulls.
        data = array.buffers()[1]
        size = len(array) * width
        if not array.offset and data.size == size:
            return array
        own = data.slice(array.offset * width, size)
        return pa.Array.from_buffers(kind, len(array), [None, own], 0)
    if isinstance(kind, pa.BaseExtensionType):
        return kind.wrap_array(_exact(array.storage, nullable, dead))
    if pa.types.is_null(kind):
        return array
    if not len(array):
        return pa.nulls(0, kind)
    if pa.types.is_union(kind):
        return _union(array, dead)
    if pa.types.is_run_end_encoded(kind) and dead is None:
        return _runs(array)
    valid, blank = _validity(array, dead)
    # What lies under another null is null itself, where its field allows that.
    own = _Nulls(valid if blank is None or not nullable else ~blank)
    if pa.types.is_boolean(kind):
        return own.array(kind, array, [_booleans(array, blank)])
    if pa.types.is_struct(kind):
        return own.array(kind, array, [], _fields(array, blank))
    if pa.types.is_fixed_size_list(kind):
        return own.array(kind, array, [], [_fixed_items(array, blank)])
    if is_ragged_list(kind) or pa.types.is_map(kind):
        offsets, items = _items(array, blank)
        return own.array(kind, array, [offsets], [items])
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        ranges, items = _viewed_items(array, blank)
        return own.array(kind, array, ranges, [items])
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return own.array(kind, array, _views(array, blank))
    if is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return own.array(kind, array, _texts(array, blank))
    if _has_one_width(kind):
        return own.array(kind, array, [_fixed(array, blank)])
    raise SchemaMismatch(f"Arrow's type {kind.id} cannot be sealed")


def _has_one_width(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_primitive(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


# --- nulls -----------------------------------------------------------------------------------


class _Nulls:
    """The validity of an array that is put together again."""

    def __init__(self, valid: _Mask | None) -> None:
        self._count = 0 if valid is None else int(len(valid) - np.count_nonzero(valid))
        self._bits = None if valid is None or not self._count else _packed(valid)

    def array(
        self,
        kind: pa.DataType,
        old: pa.Array,
        buffers: list[pa.Buffer],
        children: list[pa.Array] | None = None,
    ) -> pa.Array:
        return pa.Array.from_buffers(
            kind, len(old), [self._bits, *buffers], self._count, 0, children
        )


def _validity(array: pa.Array, dead: _Mask | None) -> tuple[_Mask | None, _Mask | None]:
    """Return which slots are valid, and which hold a value that nobody sees; None for none."""
    if not array.null_count:
        if dead is None or not dead.any():
            return None, None
        return np.ones(len(array), np.bool_), dead
    valid = _unpacked(array.buffers()[0], array.offset, len(array))
    return valid, ~valid if dead is None else ~valid | dead


def _unpacked(bits: pa.Buffer, offset: int, count: int) -> _Mask:
    first, shift = divmod(offset, 8)
    held = np.frombuffer(bits, np.uint8, (shift + count + 7) // 8, first)
    found = np.unpackbits(held, bitorder="little")[shift : shift + count]
    return found.view(np.bool_)


def _packed(bits: _Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(bits, bitorder="little"))


# --- flat values -----------------------------------------------------------------------------


def _booleans(array: pa.Array, blank: _Mask | None) -> pa.Buffer:
    bits = _unpacked(array.buffers()[1], array.offset, len(array))
    return _packed(bits if blank is None else bits & ~blank)


def _fixed(array: pa.Array, blank: _Mask | None) -> pa.Buffer:
    width = array.type.bit_width // 8
    data = _cut(array.buffers()[1], array.offset * width, len(array) * width)
    if blank is None or not width:
        return data
    unit = next(size for size in (8, 4, 2, 1) if width % size == 0)
    values = np.frombuffer(data, f"u{unit}").reshape(len(array), -1)
    if not values[blank].any():
        return data
    values = values.copy()
    values[blank] = 0
    return pa.py_buffer(values)


def _texts(array: pa.Array, blank: _Mask | None) -> list[pa.Buffer]:
    _, held, data = array.buffers()
    offsets = _numbers(array, held, len(array) + 1)
    data = pa.py_buffer(b"") if data is None else data
    sizes = None if blank is None else _sizes(offsets)
    if blank is None or sizes is None or not sizes[blank].any():
        start, end = int(offsets[0]), int(offsets[-1])
        return [_from_zero(array, held, offsets), _cut(data, start, end - start)]
    large = offsets.dtype.itemsize == 8
    plain = pa.Array.from_buffers(
        pa.large_binary() if large else pa.binary(),
        len(array),
        [None, pa.py_buffer(offsets), data],
        0,
    )
    kept = plain.filter(pa.array(~blank))
    sizes[blank] = 0
    return [_ascending(sizes, offsets.dtype), _texts(kept, None)[1]]


def _views(array: pa.Array, blank: _Mask | None) -> list[pa.Buffer]:
    """Return 16 bytes a value, and one buffer with the values that are longer than 12 bytes."""
    text = is_text(array.type)
    flat = array.cast(pa.large_string() if text else pa.large_binary())
    flat = flat.view(pa.large_binary()) if text else flat
    if blank is not None:
        flat = _Nulls(~blank).array(flat.type, flat, _texts(flat, blank))
    sizes = _sizes(_numbers(flat, flat.buffers()[1], len(flat) + 1))
    held = array.buffers()[1]
    views = np.frombuffer(held, _VIEW, len(array), array.offset * _VIEW.itemsize).copy()
    if blank is not None:
        views[blank] = np.zeros((), _VIEW)
    short = sizes <= _INLINE
    raw = views.view(np.uint8).reshape(len(array), _VIEW.itemsize)
    unused = np.arange(_INLINE) >= sizes[:, None]
    raw[:, 4:][unused & short[:, None]] = 0
    longer = flat.filter(pa.array(~short))
    if not len(longer):
        return [pa.py_buffer(views)]
    _, ends, data = longer.buffers()
    starts = _numbers(longer, ends, len(longer) + 1)
    data = _cut(data, int(starts[0]), int(starts[-1] - starts[0]))
    if data.size > _MAX_VIEWED:
        raise SchemaMismatch("a batch of texts is larger than 2 GiB")
    views["buffer"][~short] = 0
    views["at"][~short] = starts[:-1] - starts[0]
    return [pa.py_buffer(views), data]


# --- nested values ---------------------------------------------------------------------------


def _fields(array: pa.Array, blank: _Mask | None) -> list[pa.Array]:
    return [
        _exact(array.field(place), field.nullable, blank)
        for place, field in enumerate(array.type)
    ]


def _fixed_items(array: pa.Array, blank: _Mask | None) -> pa.Array:
    size = array.type.list_size
    items = array.values.slice(array.offset * size, len(array) * size)
    dead = None if blank is None else np.repeat(blank, size)
    return _exact(items, array.type.value_field.nullable, dead)


def _items(array: pa.Array, blank: _Mask | None) -> tuple[pa.Buffer, pa.Array]:
    """Return the offsets and the items of lists or maps."""
    held = array.buffers()[1]
    offsets = _numbers(array, held, len(array) + 1)
    nullable = not pa.types.is_map(array.type) and array.type.value_field.nullable
    start, end = int(offsets[0]), int(offsets[-1])
    items = array.values.slice(start, end - start)
    sizes = None if blank is None else _sizes(offsets)
    if blank is None or sizes is None or not sizes[blank].any():
        return _from_zero(array, held, offsets), _exact(items, nullable, None)
    kept = np.flatnonzero(np.repeat(~blank, sizes))
    sizes[blank] = 0
    items = _exact(_gathered(items, kept), nullable, None)
    return _ascending(sizes, offsets.dtype), items


def _viewed_items(
    array: pa.Array, blank: _Mask | None
) -> tuple[list[pa.Buffer], pa.Array]:
    """Return the offsets, sizes and items of list views, which may overlap in any order."""
    _, held, lengths = array.buffers()[:3]
    starts = _numbers(array, held, len(array))
    sizes = _numbers(array, lengths, len(array)).copy()
    if blank is not None:
        sizes[blank] = 0
    if (sizes < 0).any():
        raise pa.ArrowInvalid("a list has a negative size")
    ends = np.cumsum(sizes, dtype=np.int64)
    # The place of each item is its own number, moved by where its list begins.
    moved = starts.astype(np.int64) - (ends - sizes)
    places = np.repeat(moved, sizes) + np.arange(int(ends[-1]))
    items = _gathered(array.values, places)
    own = (ends - sizes).astype(starts.dtype)
    return (
        [pa.py_buffer(own), pa.py_buffer(sizes)],
        _exact(items, array.type.value_field.nullable, None),
    )


def _union(array: pa.Array, dead: _Mask | None) -> pa.Array:
    kind = array.type
    codes = np.frombuffer(array.buffers()[1], np.int8, len(array), array.offset).copy()
    known = kind.type_codes
    if dead is not None:
        codes[dead] = known[0]
    buffers = [None, pa.py_buffer(codes)]
    if kind.mode == "sparse":
        children = []
        for place, code in enumerate(known):
            other = codes != code if dead is None else (codes != code) | dead
            field = kind.field(place)
            children.append(_exact(array.field(place), field.nullable, other))
        return pa.Array.from_buffers(kind, len(array), buffers, 0, 0, children)
    at = np.frombuffer(
        array.buffers()[2], np.int32, len(array), array.offset * 4
    ).astype(np.int64)
    if dead is not None:
        at[dead] = -1
    own = np.zeros(len(array), np.int32)
    children = []
    for place, code in enumerate(known):
        mine = codes == code
        own[mine] = np.arange(np.count_nonzero(mine))
        items = _gathered(array.field(place), at[mine])
        children.append(_exact(items, kind.field(place).nullable, None))
    buffers.append(pa.py_buffer(own))
    return pa.Array.from_buffers(kind, len(array), buffers, 0, 0, children)


def _runs(array: pa.Array) -> pa.Array:
    kind = array.type
    ends = np.asarray(array.run_ends).astype(np.int64)
    rows = np.arange(array.offset, array.offset + len(array))
    at = np.searchsorted(ends, rows, side="right")
    begins = np.flatnonzero(np.diff(at, prepend=-2))
    values = _exact(_gathered(array.values, at[begins]), True, None)
    own = np.append(begins[1:], len(array))
    ends_kind = kind.run_end_type
    return pa.RunEndEncodedArray.from_arrays(
        pa.array(own, ends_kind), values, type=kind
    )


# --- pieces ----------------------------------------------------------------------------------


def _gathered(array: pa.Array, places: npt.NDArray[np.int64]) -> pa.Array:
    """Return the values at some places; null where the place is -1."""
    absent = places < 0
    if not absent.any() and len(places):
        first = int(places[0])
        if (np.diff(places) == 1).all() and first + len(places) <= len(array):
            return array.slice(first, len(places))
    if len(places) and int(places.max()) >= len(array):
        raise pa.ArrowInvalid("an offset lies outside of its values")
    try:
        return array.take(pa.array(places, mask=absent))
    except pa.ArrowNotImplementedError:
        return _joined(array, places)


def _joined(array: pa.Array, places: npt.NDArray[np.int64]) -> pa.Array:
    """Gather values of a type that Arrow cannot take: run by run."""
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    pieces = []
    for run in np.split(places, breaks):
        if not len(run):
            continue
        first = int(run[0])
        pieces.append(
            pa.nulls(1, array.type) if first < 0 else array.slice(first, len(run))
        )
    return pa.concat_arrays(pieces) if pieces else array.slice(0, 0)


def _numbers(array: pa.Array, held: pa.Buffer, count: int) -> _Numbers:
    """Return the offsets or sizes of an array, of its type's width."""
    kind = array.type
    wide = (
        pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_large_list_view(kind)
    )
    size = 8 if wide else 4
    return np.frombuffer(held, f"<i{size}", count, array.offset * size)


def _sizes(offsets: _Numbers) -> _Numbers:
    sizes = np.diff(offsets)
    if (sizes < 0).any():
        raise pa.ArrowInvalid("offsets do not ascend")
    return sizes


def _from_zero(array: pa.Array, held: pa.Buffer, offsets: _Numbers) -> pa.Buffer:
    """Return offsets that begin at 0; the same memory if they do already."""
    if offsets[0]:
        return pa.py_buffer(offsets - offsets[0])
    width = offsets.dtype.itemsize
    return _cut(held, array.offset * width, len(offsets) * width)


def _ascending(sizes: _Numbers, kind: np.dtype[Any]) -> pa.Buffer:
    offsets = np.zeros(len(sizes) + 1, kind)
    np.cumsum(sizes, out=offsets[1:])
    return pa.py_buffer(offsets)


def _cut(buffer: pa.Buffer, start: int, size: int) -> pa.Buffer:
    """Return a part of a buffer, in the same memory."""
    if not start and buffer.size == size:
        return buffer
    return buffer.slice(start, size)
