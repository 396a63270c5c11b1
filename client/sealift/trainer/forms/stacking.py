"""A column's values decoded one by one, and put together where they have one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.trainer.forms.columns import tensor_of
from sealift_protocol.errors import InvalidArgument, MalformedObject

Output = Literal["tensor", "array"]
Array = npt.NDArray[Any]
BROKEN_HINT = (
    "tell the dataset's owner; until then leave such records out with a filter"
)


def check_output(output: Output) -> None:
    """Refuses an output that is none.

    Raises:
        InvalidArgument: it is not "tensor" or "array".
    """
    if output not in ("tensor", "array"):
        raise InvalidArgument('the output is "tensor" or "array"')


def values_of(batch: dict[str, Any], column: str) -> tuple[Sequence[Any], bool]:
    """A column's values, and whether the batch is one record rather than several.

    Raises:
        InvalidArgument: there is no such column.
    """
    if column not in batch:
        raise InvalidArgument(
            "the batch lacks a column that is to be decoded",
            hint="name it in columns=, too",
        )
    values = batch[column]
    if values is None or isinstance(
        values, str | bytes | bytearray | memoryview | pa.Buffer
    ):
        return [values], True
    return values, False


def view_of(value: object) -> memoryview:
    """A value's bytes.

    Raises:
        InvalidArgument: it is null, or of a column that does not hold bytes.
    """
    if value is None:
        raise InvalidArgument(
            "a record has nothing to decode: its value is null",
            hint="leave such records out with a filter",
        )
    if not isinstance(value, bytes | bytearray | memoryview | pa.Buffer):
        raise InvalidArgument("the column that is to be decoded does not hold bytes")
    return memoryview(value).cast("B")


def decode_each(
    values: Sequence[Any], decode: Callable[[memoryview], Array]
) -> list[Array]:
    """Every value, decoded.

    Raises:
        MalformedObject: one cannot be decoded; the message says which of the batch.
        InvalidArgument: one is null, or not bytes.
    """
    arrays = []
    for place, value in enumerate(values):
        try:
            arrays.append(decode(view_of(value)))
        except MalformedObject as error:
            raise MalformedObject(
                f"{error.what} (record {place} of the batch)", hint=error.hint
            ) from None
    return arrays


def together(arrays: Sequence[Array], output: Output, *, single: bool) -> Any:
    """One array if all have one shape and type, else a list; the array itself for one record."""
    if single:
        return _as_output(arrays[0], output)
    if arrays and len({(array.shape, array.dtype) for array in arrays}) == 1:
        return _as_output(np.stack(arrays), output)
    return [_as_output(array, output) for array in arrays]


def _as_output(array: Array, output: Output) -> Any:
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return tensor_of(native) if output == "tensor" else native
