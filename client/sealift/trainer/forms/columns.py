"""Columns of records as NumPy arrays and PyTorch tensors."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.formats.arrowtypes import is_flat_bytes, is_ragged_list
from sealift.process.extras import extra
from sealift.trainer.forms.numbers import Integers
from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ragged:
    """Lists of different lengths: row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: all elements, end to end; an array or a tensor.
        offsets: (rows + 1,) int64; an array or a tensor.
    """

    values: Any
    offsets: Any

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Any:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        return self.values[int(self.offsets[row]) : int(self.offsets[row + 1])]

    def __repr__(self) -> str:
        return f"Ragged({len(self)} rows)"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the elements of a column of fixed-size numbers are stored in memory.

    Attributes:
        kind: Arrow type of an element.
        dtype: NumPy type of an element; dates and times are integers here.
        shape: shape of one record.
        axes: the order of a whole array's axes, if it differs from the stored order.
        shown: NumPy's type of dates and times, if it differs.
    """

    kind: pa.DataType
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    axes: tuple[int, ...] = ()
    shown: np.dtype[Any] | None = None

    @property
    def size(self) -> int:
        """Number of elements in one record."""
        return math.prod(self.shape)

    def elements(self, column: pa.Array) -> npt.NDArray[Any] | None:
        """Return the column's numbers, (rows, *shape), as a view; None if it has nulls."""
        values = column
        if isinstance(column.type, pa.FixedShapeTensorType):
            values = column.storage.flatten()
        elif pa.types.is_fixed_size_list(column.type):
            values = column.flatten()
        if column.null_count or values.null_count:
            return None
        whole = np.frombuffer(values.buffers()[1] or b"", self.dtype)
        return whole[values.offset : values.offset + len(values)].reshape(
            len(column), *self.shape
        )

    def as_shown(self, elements: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return elements with the logical axes and type."""
        if self.axes:
            elements = elements.transpose(self.axes)
        if self.shown is None:
            return elements
        if self.shown.itemsize == self.dtype.itemsize:
            return elements.view(self.shown)
        return elements.astype(self.shown)


@functools.lru_cache(maxsize=256)
def layout_of(kind: pa.DataType) -> Layout | None:
    """Return the layout of a column with a fixed number of numbers, dates or times per record."""
    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    element = kind
    if isinstance(kind, pa.FixedShapeTensorType):
        order = list(kind.permutation or ())
        axes = (0, *(axis + 1 for axis in order)) if order != sorted(order) else ()
        shape, element = tuple(kind.shape), kind.value_type
    elif pa.types.is_fixed_size_list(kind):
        shape, element = (kind.list_size,), kind.value_type
    if pa.types.is_temporal(element) and not pa.types.is_interval(element):
        stored = np.dtype(f"i{element.bit_width // 8}")
        return Layout(element, stored, shape, axes, _time_type(element))
    if pa.types.is_integer(element) or pa.types.is_floating(element):
        return Layout(element, np.dtype(element.to_pandas_dtype()), shape, axes)
    return None


def _time_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return NumPy's type of a time; None for times of day, which stay integers."""
    if pa.types.is_timestamp(kind):
        return np.dtype(f"datetime64[{kind.unit}]")
    if pa.types.is_duration(kind):
        return np.dtype(f"timedelta64[{kind.unit}]")
    if pa.types.is_date(kind):
        return np.dtype(
            "datetime64[D]" if pa.types.is_date32(kind) else "datetime64[ms]"
        )
    return None


def binary_views(
    column: pa.Array, rows: Integers | None = None
) -> list[memoryview | None]:
    """Return the bytes of each record, or of some records, without a copy."""
    if rows is None:
        rows = np.arange(len(column))
    if len(rows) == 0:
        return []
    at = rows + column.offset
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        data = memoryview(column.buffers()[1]).cast("B")
        starts = at * width
        ends = starts + width
    else:
        large = pa.types.is_large_binary(column.type)
        offsets = np.frombuffer(column.buffers()[1], np.int64 if large else np.int32)
        starts, ends = offsets[at], offsets[at + 1]
        buffer = column.buffers()[2]
        data = memoryview(buffer if buffer is not None else b"").cast("B")
    views: list[memoryview | None] = [
        data[start:end]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)[rows]
        views = [
            view if there else None
            for view, there in zip(views, valid.tolist(), strict=True)
        ]
    return views


def as_array(column: pa.Array) -> Any:
    """Return a column for NumPy, as a view where possible.

    Numbers are (rows,), (rows, size) or (rows, *shape), and views if they have no nulls; lists of
    numbers are `Ragged`, bytes a list of memoryviews, everything else an array of objects.
    """
    layout = layout_of(column.type)
    if layout is not None:
        elements = layout.elements(column)
        if elements is not None:
            return layout.as_shown(elements)
    if is_flat_bytes(column.type):
        return binary_views(column)
    if is_ragged_list(column.type) and not column.null_count:
        inner = layout_of(column.type.value_type)
        values = column.flatten()
        if inner is not None and not values.null_count:
            offsets = np.concatenate(
                ([0], np.cumsum(column.value_lengths().to_numpy()))
            )
            return Ragged(as_array(values), offsets.astype(np.int64))
    return column.to_numpy(zero_copy_only=False)


def as_tensor_column(column: pa.Array) -> Any:
    """Return a column for torch that is not plain numbers: tensors, `Ragged`, or lists of values.

    Raises:
        InvalidArgument: a numeric column has nulls.
    """
    import_torch()
    if layout_of(column.type) is not None or pa.types.is_boolean(column.type):
        raise_for_nulls(column)
    if is_flat_bytes(column.type):
        return binary_views(column)
    if pa.types.is_boolean(column.type):
        return tensor_of(column.to_numpy(zero_copy_only=False))
    shown = as_array(column)
    if isinstance(shown, Ragged):
        return Ragged(tensor_of(shown.values), tensor_of(shown.offsets))
    return column.to_pylist()


def raise_for_nulls(column: pa.Array) -> None:
    """Refuse nulls in a numeric column.

    Raises:
        InvalidArgument: there are nulls.
    """
    inner = 0
    if pa.types.is_fixed_size_list(column.type):
        inner = column.flatten().null_count
    elif isinstance(column.type, pa.FixedShapeTensorType):
        inner = column.storage.flatten().null_count
    if column.null_count or inner:
        raise InvalidArgument(
            "a numeric column has nulls, which a tensor cannot hold",
            hint="iterate batches() and fill the nulls first, or leave the column out: columns=",
        )


def tensor_of(array: npt.NDArray[Any]) -> torch.Tensor:
    """Return a tensor of an array's memory, or of a copy if torch could not write to it."""
    if array.dtype.kind in "mM":
        array = array.view(np.int64)
    if not array.flags.writeable:
        array = array.copy()
    return import_torch().from_numpy(array)  # type: ignore[no-any-return]


def torch_dtype(dtype: np.dtype[Any]) -> Any:
    """Return torch's name for a NumPy type."""
    return getattr(import_torch(), dtype.name)


def import_torch() -> Any:
    """Import and return torch.

    Raises:
        InvalidArgument: it is not installed.
    """
    with extra("torch", "a tensor needs torch"):
        import torch
    return torch


def pick_columns(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """Return the schema of some columns, in the given order; of all columns if None.

    Raises:
        InvalidArgument: there is no such column.
    """
    if columns is None:
        return schema
    missing = [name for name in columns if schema.get_field_index(name) < 0]
    if missing:
        raise InvalidArgument(
            f"the dataset does not have {len(missing)} of the {len(columns)} columns asked for",
            hint="see dataset.schema.names, or `sealift show`, for its columns",
        )
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)
