"""Records from several shards into one batch: one copy of each number, into a pooled buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.process.buffers import BufferPools
from sealift.trainer.forms.batches import as_torch
from sealift.trainer.forms.columns import (
    Layout,
    as_array,
    as_tensor_column,
    binary_views,
    is_binary,
    layout_of,
    tensor_of,
)
from sealift.trainer.forms.numbers import Integers

Form = Literal["arrow", "numpy", "torch"]
# Values above this are copied one by one; smaller ones cost less together.
_LARGE_VALUE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some records of one record batch, and where they go.

    Attributes:
        payload: the opened shard.
        batch: one of its batches, with the columns that are wanted.
        rows: which records, (n,).
        places: where each goes in what is gathered, (n,) and ascending.
    """

    payload: memoryview = field(repr=False)
    batch: pa.RecordBatch = field(repr=False)
    rows: Integers
    places: Integers


class Gathered:
    """Records in one piece, to be cut into batches.

    Attributes:
        num_rows: how many.
    """

    def __init__(
        self,
        parts: Sequence[Selection],
        schema: pa.Schema,
        form: Form,
        pools: BufferPools | None,
    ) -> None:
        """Gathers.

        Args:
            parts: whose places are, all together, 0 to n - 1.
            schema: of their batches.
            form: what the batches will be.
            pools: where the memory for numbers is from; None for memory of their own.
        """
        self.num_rows = sum(len(part.rows) for part in parts)
        self._form = form
        columns = [
            self._gather(parts, place, column.type, pools)
            for place, column in enumerate(schema)
        ]
        if form == "arrow":
            arrays = [
                _to_arrow(c, kind)
                for c, kind in zip(columns, schema.types, strict=True)
            ]
            self._whole: Any = pa.RecordBatch.from_arrays(arrays, schema=schema)
        else:
            show = _to_numpy if form == "numpy" else _to_torch
            self._whole = {
                name: show(column, kind)
                for name, column, kind in zip(
                    schema.names, columns, schema.types, strict=True
                )
            }

    def batch(self, begin: int, end: int) -> Any:
        """A batch of the records from `begin` to `end`."""
        return _cut(self._whole, self._form, begin, end)

    def _gather(
        self,
        parts: Sequence[Selection],
        place: int,
        kind: pa.DataType,
        pools: BufferPools | None,
    ) -> Any:
        columns = [part.batch.column(place) for part in parts]
        layout = layout_of(kind)
        if layout is not None:
            elements = [layout.elements(column) for column in columns]
            if all(found is not None for found in elements):
                return self._numbers(parts, elements, layout, pools)
        if is_binary(kind) and self._form != "arrow":
            return self._views(parts, columns)
        return self._arrow(parts, columns, kind)

    def _numbers(
        self,
        parts: Sequence[Selection],
        elements: Sequence[Any],
        layout: Layout,
        pools: BufferPools | None,
    ) -> npt.NDArray[Any]:
        shape = (self.num_rows, layout.size)
        size = self.num_rows * layout.size * layout.dtype.itemsize
        if pools is None or size == 0:
            out = np.empty(shape, layout.dtype)
        else:
            out = np.frombuffer(pools.lease(size), layout.dtype).reshape(shape)
        for part, found in zip(parts, elements, strict=True):
            source = found.reshape(-1, layout.size)
            where = _evenly(part.places)
            if are_neighbours(part.rows):
                first = int(part.rows[0]) if len(part.rows) else 0
                out[part.places if where is None else where] = source[first:][
                    : len(part.rows)
                ]
            elif where is not None and where.step == 1:
                np.take(source, part.rows, axis=0, out=out[where], mode="clip")
            else:
                out[part.places if where is None else where] = source.take(
                    part.rows, axis=0
                )
        return out.reshape(self.num_rows, *layout.shape)

    def _views(
        self, parts: Sequence[Selection], columns: Sequence[pa.Array]
    ) -> list[memoryview | None]:
        out: list[memoryview | None] = [None] * self.num_rows
        for part, column in zip(parts, columns, strict=True):
            first, last = int(part.rows.min()), int(part.rows.max())
            views = binary_views(column.slice(first, last - first + 1))
            for row, place in zip(
                part.rows.tolist(), part.places.tolist(), strict=True
            ):
                out[place] = views[row - first]
        return out

    def _arrow(
        self, parts: Sequence[Selection], columns: Sequence[pa.Array], kind: pa.DataType
    ) -> pa.Array:
        if not parts:
            return pa.array([], kind)
        order = np.empty(self.num_rows, np.int64)
        order[np.concatenate([part.places for part in parts])] = np.arange(
            self.num_rows
        )
        if is_binary(kind) and _mean_size(columns) >= _LARGE_VALUE:
            pieces = [
                column.slice(row, 1)
                for part, column in zip(parts, columns, strict=True)
                for row in part.rows.tolist()
            ]
            return pa.concat_arrays([pieces[place] for place in order.tolist()])
        taken = [
            column.take(pa.array(part.rows))
            for part, column in zip(parts, columns, strict=True)
        ]
        together = taken[0] if len(taken) == 1 else pa.concat_arrays(taken)
        return (
            together
            if _evenly(order) == slice(0, len(order), 1)
            else together.take(order)
        )


class View:
    """One record batch, to be cut into batches that are views of the opened shard."""

    def __init__(self, payload: memoryview, batch: pa.RecordBatch, form: Form) -> None:
        self.batch = batch
        self._form = form
        self._whole: Any = batch
        if form == "numpy":
            self._whole = {
                name: column if layout_of(column.type) is None else as_array(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }
        elif form == "torch":
            numbers = [
                name
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
                if layout_of(column.type) is not None
            ]
            tensors = as_torch(payload, batch.select(numbers))
            self._whole = {
                name: tensors.get(name, batch[name]) for name in batch.schema.names
            }

    def rows(self, begin: int, end: int) -> Any:
        """A batch of the records from `begin` to `end`."""
        return _cut(self._whole, self._form, begin, end)


def _cut(whole: Any, form: Form, begin: int, end: int) -> Any:
    """Some rows; what is an Arrow array in a dict still is shown as the form wants it."""
    if form == "arrow":
        return whole.slice(begin, end - begin)
    show = as_array if form == "numpy" else as_tensor_column
    return {
        name: show(column.slice(begin, end - begin))
        if isinstance(column, pa.Array)
        else column[begin:end]
        for name, column in whole.items()
    }


def are_neighbours(rows: Integers) -> bool:
    """Whether rows follow one another."""
    spans = len(rows) == 0 or int(rows[-1]) - int(rows[0]) == len(rows) - 1
    return spans and bool((rows[1:] > rows[:-1]).all())


def _evenly(places: Integers) -> slice | None:
    """A slice that says the same as places that are evenly spaced and ascending; else None."""
    if len(places) == 0:
        return slice(0, 0, 1)
    first = int(places[0])
    step = int(places[1]) - first if len(places) > 1 else 1
    last = first + step * (len(places) - 1)
    if step < 1 or int(places[-1]) != last:
        return None
    if not (np.diff(places) == step).all():
        return None
    return slice(first, last + 1, step)


def _mean_size(columns: Sequence[pa.Array]) -> float:
    rows = sum(len(column) for column in columns)
    return sum(column.nbytes for column in columns) / rows if rows else 0


def _to_arrow(column: Any, kind: pa.DataType) -> pa.Array:
    layout = layout_of(kind)
    if layout is None or not isinstance(column, np.ndarray):
        return column
    buffer = pa.py_buffer(column.reshape(-1)) if column.size else pa.py_buffer(b"")
    values = pa.Array.from_buffers(layout.kind, column.size, [None, buffer])
    if isinstance(kind, pa.FixedShapeTensorType):
        storage = pa.FixedSizeListArray.from_arrays(values, type=kind.storage_type)
        return pa.ExtensionArray.from_storage(kind, storage)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, type=kind)
    return values


def _to_numpy(column: Any, kind: pa.DataType) -> Any:
    layout = layout_of(kind)
    if layout is None or not isinstance(column, np.ndarray):
        return column
    return layout.as_shown(column)


def _to_torch(column: Any, kind: pa.DataType) -> Any:
    layout = layout_of(kind)
    if layout is None or not isinstance(column, np.ndarray):
        return column
    tensor = tensor_of(column)
    return tensor.permute(layout.axes) if layout.axes else tensor
