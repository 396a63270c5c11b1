"""Changes the items of lists and the values of dictionaries, and leaves the rest as it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TENSOR = "arrow.fixed_shape_tensor"


def plain_kind(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionary, runs and extension; a map is a list of its entries.

    A tensor of fixed shape stays one, without the names of its dimensions.
    """
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == _TENSOR:
            shape, order = kind.shape, kind.permutation
            return pa.fixed_shape_tensor(kind.value_type, shape, permutation=order)
        return plain_kind(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_kind(kind.value_type)
    if pa.types.is_map(kind):
        entry = [("key", kind.key_type), ("value", kind.item_type)]
        return pa.list_(pa.struct(entry))
    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_field)
    if pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_field)
    return kind


def plain(values: pa.Array) -> pa.Array:
    """Return values without dictionary, runs and extension, as `plain_kind` says."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == _TENSOR:
            return plain_kind(kind).wrap_array(values.storage)
        return plain(values.storage)
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(_without_runs(values))
    if (
        pa.types.is_map(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    ):
        return values.cast(plain_kind(kind))
    return values


def without_hidden(values: pa.Array) -> pa.Array:
    """Return the same values, without what buffers hold under nulls and before a slice."""
    if not values.null_count and not values.offset:
        return values
    places = np.arange(len(values), dtype=np.int64)
    return _taken(values, pa.array(places, mask=np.asarray(values.is_null())))


def _taken(values: pa.Array, places: pa.Array) -> pa.Array:
    """Return the values at some places; Arrow does not take from views."""
    if "_view" not in str(values.type):
        return values.take(places)
    whole = pa.string() if pa.types.is_string_view(values.type) else pa.binary()
    return values.cast(whole).take(places).cast(values.type)


def _without_runs(values: pa.Array) -> pa.Array:
    """Return the values of runs, one by one."""
    if "_view" not in str(values.type.value_type):
        return pc.run_end_decode(values)
    rows = np.arange(values.offset, values.offset + len(values))
    ends = values.run_ends.to_numpy()
    return _taken(values.values, pa.array(np.searchsorted(ends, rows, side="right")))


def parents_of(lists: pa.Array) -> pa.Array:
    """Return the list, by its number, of each item that `flatten` returns, as int64."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return pa.array(np.repeat(np.arange(len(lists), dtype=np.int64), lengths))


def with_items(lists: pa.Array, items: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the same lists with other items.

    Args:
        lists: lists of any of Arrow's list types with offsets or a fixed size.
        items: new items, as many as `flatten` returns.
        kind: type of the result: the lists' type with the items' type.
    """
    missing = lists.is_null()
    if pa.types.is_fixed_size_list(kind):
        if lists.null_count:
            # A null list of fixed size still has items.
            size = kind.list_size
            present = np.repeat(~np.asarray(missing), size)
            places = np.cumsum(present) - 1
            items = _taken(items, pa.array(places, mask=~present))
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=missing)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    wide = pa.types.is_large_list(kind)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(
        np.int64 if wide else np.int32
    )
    array = pa.LargeListArray if wide else pa.ListArray
    return array.from_arrays(pa.array(offsets), items, type=kind, mask=missing)


def list_kind(kind: pa.DataType, item: pa.DataType) -> pa.DataType:
    """Return a list type with another item type.

    Items have Arrow's usual name: another would be text that no rule covers.
    """
    field = pa.field("item", item)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    return pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)
