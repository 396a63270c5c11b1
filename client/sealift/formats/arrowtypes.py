"""What Arrow's types have in common: it has three of text, four of bytes, six of lists."""

from __future__ import annotations

import pyarrow as pa


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are byte strings."""
    return is_flat_bytes(kind) or bool(pa.types.is_binary_view(kind))


def is_flat_bytes(kind: pa.DataType) -> bool:
    """Whether values are byte strings that lie end to end in one buffer."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_ragged_list(kind: pa.DataType) -> bool:
    """Whether values are lists of any length, end to end."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists, of any length or of one, end to end."""
    return is_ragged_list(kind) or bool(pa.types.is_fixed_size_list(kind))


def is_sequence(kind: pa.DataType) -> bool:
    """Whether a scalar's `values` is an array of its items; those of a map are structs."""
    return is_list(kind) or bool(
        pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
        or pa.types.is_map(kind)
    )


def is_wrapped(kind: pa.DataType) -> bool:
    """Whether a scalar's `value` is the value: extensions, dictionaries, runs, unions."""
    return bool(
        isinstance(kind, pa.BaseExtensionType)
        or pa.types.is_dictionary(kind)
        or pa.types.is_run_end_encoded(kind)
        or pa.types.is_union(kind)
    )
