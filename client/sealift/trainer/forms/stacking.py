"""Decode a column's values one by one, and stack those of one shape."""

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
    "tell the dataset's owner; until then, leave out such records with a filter"
)


def check_output(output: Output) -> None:
    """Refuse an unknown output.

    Raises:
        InvalidArgument: it is not "tensor" or "array".
    """
    if output not in ("tensor", "array"):
        raise InvalidArgument('output must be "tensor" or "array"')


def values_of(batch: dict[str, Any], column: str) -> tuple[Sequence[Any], bool]:
    """Return a column's values, and whether the batch is a single record.

    Raises:
        InvalidArgument: there is no such column.
    """
    if column not in batch:
        raise InvalidArgument(
            "the batch does not have the column to decode",
            hint="include it in columns=",
        )
    values = batch[column]
    if values is None or isinstance(
        values, str | bytes | bytearray | memoryview | pa.Buffer
    ):
        return [values], True
    return values, False


def view_of(value: object) -> memoryview:
    """Return a value's bytes.

    Raises:
        InvalidArgument: it is null, or its column does not hold bytes.
    """
    if value is None:
        raise InvalidArgument(
            "a record has nothing to decode: its value is null",
            hint="leave out such records with a filter",
        )
    if not isinstance(value, bytes | bytearray | memoryview | pa.Buffer):
        raise InvalidArgument("the column to decode does not hold bytes")
    return memoryview(value).cast("B")


def decode_each(
    values: Sequence[Any], decode: Callable[[memoryview], Array]
) -> list[Array]:
    """Decode every value.

    Raises:
        MalformedObject: a value cannot be decoded; the message gives its place in the batch.
        InvalidArgument: a value is null, or not bytes.
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
    """Stack arrays of one shape and type, else return a list; for one record, its array."""
    if single:
        return _as_output(arrays[0], output)
    if arrays and len({(array.shape, array.dtype) for array in arrays}) == 1:
        return _as_output(np.stack(arrays), output)
    return [_as_output(array, output) for array in arrays]


def _as_output(array: Array, output: Output) -> Any:
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return tensor_of(native) if output == "tensor" else native
