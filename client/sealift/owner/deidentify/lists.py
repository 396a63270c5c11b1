"""Changes the items of lists and the values of dictionaries, and leaves the rest as it is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def plain(values: pa.Array) -> pa.Array:
    """Return values without dictionary encoding."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def items_of(lists: pa.Array) -> pa.Array:
    """Return the items of all lists as one array."""
    return plain(lists.flatten())


def for_each_item(lists: pa.Array, per_list: pa.Array) -> pa.Array:
    """Repeat a value of each list once for every item of that list."""
    return per_list.take(pc.list_parent_indices(lists))


def with_items(lists: pa.Array, items: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the same lists with other items.

    Args:
        lists: lists of any of Arrow's list types.
        items: new items, as many as `items_of` returned.
        kind: type of the result: the lists' type with the items' type.
    """
    missing = lists.is_null()
    if pa.types.is_fixed_size_list(kind):
        if lists.null_count:
            # A null list of fixed size still has items.
            size = kind.list_size
            present = np.repeat(~np.asarray(missing), size)
            places = np.cumsum(present) - 1
            items = items.take(pa.array(places, mask=~present))
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=missing)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    wide = pa.types.is_large_list(kind)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(
        np.int64 if wide else np.int32
    )
    array = pa.LargeListArray if wide else pa.ListArray
    return array.from_arrays(pa.array(offsets), items, type=kind, mask=missing)


def list_kind(kind: pa.DataType, item: pa.DataType) -> pa.DataType:
    """Return a list type with another item type."""
    field = kind.value_field.with_type(item).with_nullable(True)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(field, kind.list_size)
    return pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)
