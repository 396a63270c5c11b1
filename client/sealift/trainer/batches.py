"""NumPy arrays and torch tensors: views of the buffer that AES-GCM wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np
    import torch


def as_numpy(batch: pa.RecordBatch) -> dict[str, np.ndarray[Any, Any]]:
    """One array a column: (rows,), (rows, size) for fixed-size lists, (rows, *shape) for tensors.

    Numeric columns without nulls are views of the shard's buffer; others are converted.
    """
    return {
        name: _column_as_numpy(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def _column_as_numpy(column: pa.Array) -> np.ndarray[Any, Any]:
    values, shape, axes = _elements(column)
    zero_copy = column.null_count == values.null_count == 0 and _is_numeric(values.type)
    if column.null_count or len(shape) == 1:
        return column.to_numpy(zero_copy_only=zero_copy)  # type: ignore[no-any-return]
    array = values.to_numpy(zero_copy_only=zero_copy).reshape(shape)
    return array.transpose(axes) if axes else array  # type: ignore[no-any-return]


def as_torch(payload: memoryview, batch: pa.RecordBatch) -> dict[str, torch.Tensor]:
    """One tensor a numeric column: (rows,), (rows, size) for lists, (rows, *shape) for tensors.

    Every tensor is a writable view of `payload`, the buffer that AES-GCM wrote: no copy. Columns
    that are not numeric are left out.

    Args:
        payload: the opened shard.
        batch: one of its batches.

    Raises:
        InvalidArgument: a numeric column has nulls, or torch is not installed.
    """
    torch = _import_torch()
    base = pa.py_buffer(payload).address
    tensors = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values, shape, axes = _elements(column)
        if not _is_numeric(values.type):
            continue
        if column.null_count or values.null_count:
            raise InvalidArgument(
                "a numeric column has nulls, which a tensor cannot show",
                hint="iterate batches() and fill the nulls first",
            )
        dtype = getattr(torch, _TORCH_DTYPES[str(values.type)])
        offset = values.buffers()[1].address - base + values.offset * (values.type.bit_width // 8)
        if len(values) == 0:
            tensors[name] = torch.empty(shape, dtype=dtype)
            continue
        tensors[name] = torch.frombuffer(
            payload, dtype=dtype, count=len(values), offset=offset
        ).reshape(shape)
        if axes:
            tensors[name] = tensors[name].permute(axes)
    return tensors


def _elements(column: pa.Array) -> tuple[pa.Array, tuple[int, ...], tuple[int, ...]]:
    """The values in a column, the shape in which they lie there, and the order of its axes.

    The order is empty if the axes are in the order in which they lie.
    """
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        order = list(kind.permutation or ())
        moved = order != sorted(order)
        axes = (0, *(axis + 1 for axis in order)) if moved else ()
        return column.storage.flatten(), (len(column), *kind.shape), axes
    if pa.types.is_fixed_size_list(kind):
        return column.flatten(), (len(column), kind.list_size), ()
    return column, (len(column),), ()


_TORCH_DTYPES = {
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}


def _is_numeric(kind: pa.DataType) -> bool:
    return str(kind) in _TORCH_DTYPES


def _import_torch() -> Any:
    try:
        import torch
    except ImportError:
        raise InvalidArgument(
            "torch is not installed", hint="install it with: pip install 'sealift[torch]'"
        ) from None
    return torch
