"""A record batch as NumPy arrays or PyTorch tensors that view the decrypted buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sealift.trainer.forms.columns import (
    Layout,
    as_array,
    as_tensor_column,
    import_torch,
    layout_of,
    raise_for_nulls,
    torch_dtype,
)

if TYPE_CHECKING:
    import torch


def as_numpy(batch: pa.RecordBatch) -> dict[str, Any]:
    """Return a dict with one entry for each column.

    Numbers are arrays: (rows,), (rows, size) for fixed-size lists, (rows, *shape) for tensors;
    without nulls they are views of the shard's buffer. Lists of numbers are `Ragged`, bytes a list
    of memoryviews (also of that buffer), everything else an array of objects.
    """
    return {
        name: as_array(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def as_torch(payload: memoryview, batch: pa.RecordBatch) -> dict[str, Any]:
    """Return a dict with one entry for each column.

    Numbers are tensors: (rows,), (rows, size) for fixed-size lists, (rows, *shape) for tensors.
    Each is a writable view of `payload`, the decrypted buffer, without a copy. Dates and times are
    integers of their unit, lists of numbers are `Ragged`, bytes a list of memoryviews, booleans a
    tensor of their own, everything else a list.

    Args:
        payload: the opened shard.
        batch: one of its batches.

    Raises:
        InvalidArgument: a numeric column has nulls, or torch is not installed.
    """
    tensors = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        layout = layout_of(column.type)
        tensors[name] = (
            as_tensor_column(column)
            if layout is None
            else _view(payload, column, layout)
        )
    return tensors


def _view(payload: memoryview, column: pa.Array, layout: Layout) -> torch.Tensor:
    torch = import_torch()
    raise_for_nulls(column)
    elements = layout.elements(column)
    shape = (len(column), *layout.shape)
    if elements is None or elements.size == 0:
        tensor = torch.empty(shape, dtype=torch_dtype(layout.dtype))
    else:
        offset = elements.ctypes.data - np.frombuffer(payload, np.uint8).ctypes.data
        if not 0 <= offset <= len(payload) - elements.nbytes:
            # A column that was widened since is in memory of its own, which nothing else uses.
            own = memoryview(bytearray(elements.tobytes()))
            payload, offset = own, 0
        tensor = torch.frombuffer(
            payload,
            dtype=torch_dtype(layout.dtype),
            count=elements.size,
            offset=offset,
        ).reshape(shape)
    return tensor.permute(layout.axes) if layout.axes else tensor  # type: ignore[no-any-return]
