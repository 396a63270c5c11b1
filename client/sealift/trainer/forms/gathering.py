"""Gather records of several shards into one batch: each number is copied once, into a pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_flat_bytes
from sealift.process.buffers import BufferPools
from sealift.trainer.forms.batches import as_torch
from sealift.trainer.forms.columns import (
    Layout,
    as_array,
    as_tensor_column,
    binary_views,
    layout_of,
    tensor_of,
)
from sealift.trainer.forms.numbers import Integers

Form = Literal["arrow", "numpy", "torch"]
# Larger values are copied one by one; smaller ones are cheaper to copy together.
_LARGE_VALUE = 4096
_CHECKED = pc.TakeOptions(boundscheck=True)


class Stack:
    """The record batches of an opened shard, with records numbered across all of them.

    Attributes:
        batches: the record batches, with the wanted columns.
        begins: number of the first record of each batch, and the total, (batches + 1,).
    """

    def __init__(self, payload: memoryview, batches: Sequence[pa.RecordBatch]) -> None:
        self.batches = batches
        self.begins = np.cumsum([0, *(batch.num_rows for batch in batches)])
        self._payload = payload
        self._numbers: dict[int, tuple[npt.NDArray[Any], Integers] | None] = {}

    def numbers(
        self, place: int, layout: Layout
    ) -> tuple[npt.NDArray[Any], Integers] | None:
        """Return a numeric column as an array, and where each batch begins; None if it has nulls.

        The array is a view of the payload, in which other columns lie between the batches.
        """
        if place not in self._numbers:
            self._numbers[place] = self._find_numbers(place, layout)
        return self._numbers[place]

    def _find_numbers(
        self, place: int, layout: Layout
    ) -> tuple[npt.NDArray[Any], Integers] | None:
        pieces = []
        for batch in self.batches:
            found = layout.elements(batch.column(place))
            if found is None:
                return None
            pieces.append(found.reshape(-1))
        width = layout.dtype.itemsize
        room = len(self._payload) // width
        whole = np.frombuffer(self._payload[: room * width], layout.dtype)
        begins = np.array([piece.ctypes.data for piece in pieces]) - whole.ctypes.data
        ends = begins + [piece.nbytes for piece in pieces]
        if (begins < 0).any() or (ends > whole.nbytes).any() or (begins % width).any():
            # Arrow allocated it, for example because the buffers were compressed.
            sizes = [piece.size for piece in pieces[:-1]]
            return np.concatenate(pieces), np.cumsum([0, *sizes])
        return whole, begins // width


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some records of one record batch, or of a stack of them, and their destinations.

    Attributes:
        payload: the opened shard.
        batch: one of its batches, with the wanted columns; or all of them.
        rows: indices of the records, (n,).
        places: index of each record in the gathered result, (n,) and ascending.
    """

    payload: memoryview = field(repr=False)
    batch: pa.RecordBatch | Stack = field(repr=False)
    rows: Integers
    places: Integers

    def select(self, columns: Sequence[str]) -> Selection:
        """Return the same records with only some columns."""
        names, batch = list(columns), self.batch
        if not isinstance(batch, Stack):
            return replace(self, batch=batch.select(names))
        batches = [one.select(names) for one in batch.batches]
        return replace(self, batch=Stack(self.payload, batches))

    def split(self) -> list[Selection]:
        """Return the same selection, split by record batch."""
        stack = self.batch
        if not isinstance(stack, Stack):
            return [self]
        return [
            Selection(self.payload, stack.batches[number], rows, self.places[group])
            for number, group, rows in _by_batch(stack.begins, self.rows)
        ]


class Gathered:
    """Gathered records, to be cut into batches.

    Attributes:
        num_rows: number of records.
    """

    def __init__(
        self,
        parts: Sequence[Selection],
        schema: pa.Schema,
        form: Form,
        pools: BufferPools | None,
    ) -> None:
        """Gather the records.

        Args:
            parts: the selections; their places together are 0 to n - 1.
            schema: the schema of their batches.
            form: the form of the batches.
            pools: provides memory for numbers; None to allocate it.
        """
        self.num_rows = sum(len(part.rows) for part in parts)
        self._form = form
        # Split by record batch, where a column that is not numeric needs it.
        self._split: list[Selection] | None = None
        self._where = [
            _located(part.batch.begins, part.rows)
            if isinstance(part.batch, Stack)
            else None
            for part in parts
        ]
        columns = [
            self._gather(parts, place, column.type, pools)
            for place, column in enumerate(schema)
        ]
        # A batch that is kept must not keep the shards of its records alive.
        del self._split, self._where
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
        """Return a batch of the records from `begin` to `end`."""
        return _cut(self._whole, self._form, begin, end)

    def _gather(
        self,
        parts: Sequence[Selection],
        place: int,
        kind: pa.DataType,
        pools: BufferPools | None,
    ) -> Any:
        layout = layout_of(kind)
        if layout is not None:
            elements = [_elements(part.batch, place, layout) for part in parts]
            if all(found is not None for found in elements):
                return self._numbers(parts, elements, layout, pools)
        if self._split is None:
            self._split = [piece for part in parts for piece in part.split()]
        split = self._split
        batches: list[Any] = [part.batch for part in split]
        columns = [batch.column(place) for batch in batches]
        if is_flat_bytes(kind) and self._form != "arrow":
            return self._views(split, columns)
        return self._arrow(split, columns, kind)

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
        for part, located, found in zip(parts, self._where, elements, strict=True):
            evenly = _evenly(part.places)
            where = part.places if evenly is None else evenly
            if located is not None:
                whole, begins = found
                of_batch, rows = located
                first = begins[of_batch] + rows * layout.size
                if layout.size == 1:
                    out[where] = whole.take(first)[:, None]
                else:
                    out[where] = _windows(whole, layout.size)[first]
                continue
            source = found.reshape(-1, layout.size)
            if are_neighbours(part.rows):
                first = int(part.rows[0]) if len(part.rows) else 0
                out[where] = source[first:][: len(part.rows)]
            elif evenly is not None and evenly.step == 1:
                np.take(source, part.rows, axis=0, out=out[where], mode="clip")
            else:
                out[where] = source.take(part.rows, axis=0)
        return out.reshape(self.num_rows, *layout.shape)

    def _views(
        self, parts: Sequence[Selection], columns: Sequence[pa.Array]
    ) -> list[memoryview | None]:
        out: list[memoryview | None] = [None] * self.num_rows
        for part, column in zip(parts, columns, strict=True):
            views = binary_views(column, part.rows)
            for place, view in zip(part.places.tolist(), views, strict=True):
                out[place] = view
        return out

    def _arrow(
        self, parts: Sequence[Selection], columns: Sequence[pa.Array], kind: pa.DataType
    ) -> pa.Array:
        if not parts:
            return pa.array([], kind)
        places = np.concatenate([part.places for part in parts])
        order = np.empty(self.num_rows, np.int64)
        order[places] = np.arange(self.num_rows)
        if is_flat_bytes(kind) and _mean_size(columns) >= _LARGE_VALUE:
            pieces = [
                column.slice(row, 1)
                for part, column in zip(parts, columns, strict=True)
                for row in part.rows.tolist()
            ]
            return pa.concat_arrays([pieces[place] for place in order.tolist()])
        # One array for all rows: slices of it cost less than separate arrays.
        rows = pa.array(np.concatenate([part.rows for part in parts]))
        taken, begin = [], 0
        for part, column in zip(parts, columns, strict=True):
            wanted = rows.slice(begin, len(part.rows))
            taken.append(pc.call_function("take", [column, wanted], _CHECKED))
            begin += len(part.rows)
        together = taken[0] if len(taken) == 1 else pa.concat_arrays(taken)
        return (
            together
            if _evenly(order) == slice(0, len(order), 1)
            else together.take(pa.array(order))
        )


class View:
    """One record batch, to be cut into batches that view the opened shard."""

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
        """Return a batch of the records from `begin` to `end`."""
        return _cut(self._whole, self._form, begin, end)


def _cut(whole: Any, form: Form, begin: int, end: int) -> Any:
    """Return some rows; Arrow arrays in a dict are converted to the form."""
    if form == "arrow":
        return whole.slice(begin, end - begin)
    show = as_array if form == "numpy" else as_tensor_column
    return {
        name: show(column.slice(begin, end - begin))
        if isinstance(column, pa.Array)
        else column[begin:end]
        for name, column in whole.items()
    }


def _located(begins: Integers, rows: Integers) -> tuple[Integers, Integers]:
    """Return the record batch of each row of a stack, and the row's index in it."""
    of_batch = np.searchsorted(begins, rows, side="right") - 1
    return of_batch, rows - begins[of_batch]


def _by_batch(
    begins: Integers, rows: Integers
) -> Iterator[tuple[int, Integers, Integers]]:
    """Yield the rows of a stack by record batch: its number, which of `rows`, and their indices."""
    of_batch, inside = _located(begins, rows)
    sorting = np.argsort(of_batch, kind="stable")
    cuts = np.flatnonzero(np.diff(of_batch[sorting])) + 1
    edges = [0, *cuts.tolist(), len(sorting)]
    for first, end in itertools.pairwise(edges):
        if first < end:
            group = sorting[first:end]
            yield int(of_batch[group[0]]), group, inside[group]


def _elements(batch: pa.RecordBatch | Stack, place: int, layout: Layout) -> Any:
    if isinstance(batch, Stack):
        return batch.numbers(place, layout)
    return layout.elements(batch.column(place))


def _windows(whole: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Return all runs of `size` elements of an array, (runs, size), as a view."""
    width = whole.itemsize
    runs = max(0, len(whole) - size + 1)
    return np.lib.stride_tricks.as_strided(
        whole, (runs, size), (width, width), writeable=False
    )


def are_neighbours(rows: Integers) -> bool:
    """Return whether rows are consecutive."""
    spans = len(rows) == 0 or int(rows[-1]) - int(rows[0]) == len(rows) - 1
    return spans and bool((rows[1:] > rows[:-1]).all())


def _evenly(places: Integers) -> slice | None:
    """Return a slice equal to evenly spaced, ascending places; None for other places."""
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
