"""Arrow types as types of Hugging Face's `datasets`."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from sealift_protocol.errors import InvalidArgument

_TENSORS = {
    2: datasets.Array2D,
    3: datasets.Array3D,
    4: datasets.Array4D,
    5: datasets.Array5D,
}


def feature_of(kind: pa.DataType) -> Any:
    """Return the type of a column in `datasets`.

    Raises:
        InvalidArgument: `datasets` has no such type.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        shape = _logical_shape(kind)
        value = feature_of(kind.value_type)
        if len(shape) in _TENSORS:
            return _TENSORS[len(shape)](shape, value.dtype)
        for size in reversed(shape):
            value = datasets.List(value, length=size)
        return value
    if isinstance(kind, pa.BaseExtensionType):
        return feature_of(kind.storage_type)
    if pa.types.is_struct(kind):
        return {field.name: feature_of(field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return datasets.List(feature_of(kind.value_type), length=kind.list_size)
    if pa.types.is_large_list(kind):
        return datasets.LargeList(feature_of(kind.value_type))
    if pa.types.is_list(kind):
        return datasets.List(feature_of(kind.value_type))
    if pa.types.is_dictionary(kind):
        return feature_of(kind.value_type)
    if pa.types.is_fixed_size_binary(kind):
        return datasets.Value("binary")
    try:
        return datasets.Features.from_arrow_schema(pa.schema({"": kind}))[""]
    except (ValueError, pa.ArrowException):
        raise InvalidArgument(
            "a column has a type that Hugging Face's datasets lack",
            hint="leave it out: columns=",
        ) from None


def convert(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column converted to the type of its feature; unchanged if it has that type."""
    if column.type == kind:
        return column
    if isinstance(column.type, pa.FixedShapeTensorType):
        return _tensor(column, kind)
    if isinstance(column.type, pa.BaseExtensionType):
        return convert(column.storage, kind)
    try:
        return column.cast(kind)
    except pa.ArrowException:
        raise InvalidArgument(
            "a column has a type that Hugging Face's datasets lack",
            hint="leave it out: columns=",
        ) from None


def _tensor(column: pa.Array, kind: pa.DataType) -> pa.Array:
    shape, rows = _logical_shape(column.type), len(column)
    size = int(np.prod(shape, dtype=np.int64))
    storage = column.storage
    # Include the places of nulls, which flatten() would leave out.
    values = storage.values.slice(storage.offset * size, rows * size)
    order = column.type.permutation
    if order is not None and list(order) != sorted(order):
        lying = np.asarray(values).reshape(rows, *column.type.shape)
        values = pa.array(
            lying.transpose(0, *(axis + 1 for axis in order)).ravel(), values.type
        )
    nulls = column.is_null() if column.null_count else None
    if not isinstance(kind, pa.BaseExtensionType):
        for place, length in reversed(list(enumerate(shape))):
            mask = nulls if place == 0 else None
            values = pa.FixedSizeListArray.from_arrays(values, length, mask=mask)
        return values.cast(kind)
    count = size
    for place, length in reversed(list(enumerate(shape))):
        count //= length
        ends = pa.array(np.arange(rows * count + 1, dtype=np.int32) * length)
        mask = nulls if place == 0 else None
        values = pa.ListArray.from_arrays(ends, values, mask=mask)
    return pa.ExtensionArray.from_storage(kind, values)


def _logical_shape(kind: pa.FixedShapeTensorType) -> tuple[int, ...]:
    order = kind.permutation or range(len(kind.shape))
    return tuple(kind.shape[axis] for axis in order)
