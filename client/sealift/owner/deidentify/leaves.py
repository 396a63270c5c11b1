"""The leaves of a schema: the scalars inside its columns, each with its path.

A rule applies to a leaf. The path of a leaf is the names of its column and of the fields around
it, with dots between them; items of lists have no name. A map is a list of entries with the
fields `key` and `value`. A flat column is a leaf with its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from sealift.formats.arrowtypes import is_list
from sealift.owner.deidentify.lists import (
    list_kind,
    parents_of,
    plain,
    plain_kind,
    with_items,
)

Rows: TypeAlias = pa.Array | None
"""The record of each value, as int64; None if value and record have one number."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A scalar inside a column.

    Attributes:
        place: index of the column.
        name: name of the column, or the path of the leaf.
        steps: names of the fields inside the column; empty for a flat column.
        kind: type of the values, without dictionary or extension.
        in_list: whether a record may have several.
    """

    place: int
    name: str = field(repr=False)
    steps: tuple[str, ...] = field(repr=False)
    kind: pa.DataType
    in_list: bool


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A column, or a part of one.

    Attributes:
        name: name of the field.
        kind: its type, without dictionary or extension; lists as lists with offsets.
        leaf: the leaf, if it is one.
        children: fields of a struct; the item of a list.
    """

    name: str = field(repr=False)
    kind: pa.DataType
    leaf: Leaf | None
    children: tuple[Tree, ...] = ()

    def leaves(self) -> Iterator[Leaf]:
        """Yield its leaves in the order of the schema."""
        if self.leaf is not None:
            yield self.leaf
        for child in self.children:
            yield from child.leaves()


def trees_of(schema: pa.Schema) -> list[Tree]:
    """Return the tree of each column."""
    return [
        _tree(place, column.name, column.name, (), column.type, in_list=False)
        for place, column in enumerate(schema)
    ]


def _tree(
    place: int,
    name: str,
    path: str,
    steps: tuple[str, ...],
    kind: pa.DataType,
    *,
    in_list: bool,
) -> Tree:
    kind = plain_kind(kind)

    if pa.types.is_struct(kind):
        inner = tuple(
            _tree(
                place,
                field.name,
                f"{path}.{field.name}",
                (*steps, field.name),
                field.type,
                in_list=in_list,
            )
            for field in kind
        )
        return Tree(name, kind, None, inner)
    if is_list(kind):
        item = _tree(place, name, path, steps, kind.value_type, in_list=True)
        return Tree(name, kind, None, (item,))
    return Tree(name, kind, Leaf(place, path, steps, kind, in_list))


def kind_after(
    tree: Tree, kind_of: Callable[[Leaf], pa.DataType | None]
) -> pa.DataType | None:
    """Return the type of a column after its leaves changed; None if nothing of it is left.

    Args:
        tree: the column.
        kind_of: returns the new type of a leaf; None for one that is dropped.
    """
    if tree.leaf is not None:
        return kind_of(tree.leaf)
    if is_list(tree.kind):
        item = kind_after(tree.children[0], kind_of)
        return None if item is None else list_kind(tree.kind, item)
    kinds = [(child.name, kind_after(child, kind_of)) for child in tree.children]
    fields = [pa.field(name, kind) for name, kind in kinds if kind is not None]
    return pa.struct(fields) if fields else None


Change = Callable[[Leaf, pa.Array, Rows], pa.Array | None]
"""Changes the values of a leaf; gets each value's record, and returns None to drop the leaf."""


def change_leaves(
    tree: Tree, values: pa.Array, change: Change, rows: Rows = None
) -> pa.Array | None:
    """Return a column with its leaves changed; its arrays are new, with nothing under nulls.

    Args:
        tree: the column.
        values: its values.
        change: changes the values of each leaf.
        rows: the record of each value.
    """
    values = plain(values)
    if tree.leaf is not None:
        return change(tree.leaf, values, rows)
    if is_list(tree.kind):
        items = change_leaves(
            tree.children[0], values.flatten(), change, _rows_of_items(values, rows)
        )
        if items is None:
            return None
        return with_items(values, items, list_kind(tree.kind, items.type))
    return _change_fields(tree, values, change, rows)


def _rows_of_items(lists: pa.Array, rows: Rows) -> pa.Array:
    parents = parents_of(lists)
    return parents if rows is None else rows.take(parents)


def _change_fields(
    tree: Tree, values: pa.Array, change: Change, rows: Rows
) -> pa.Array | None:
    # flatten() takes the nulls of the struct down into its fields.
    changed = [
        (child.name, change_leaves(child, inner, change, rows))
        for child, inner in zip(tree.children, values.flatten(), strict=True)
    ]
    left = [(name, array) for name, array in changed if array is not None]
    if not left:
        return None
    fields = [pa.field(name, array.type) for name, array in left]
    return pa.StructArray.from_arrays(
        [array for _, array in left], fields=fields, mask=values.is_null()
    )


def values_of(leaf: Leaf, column: pa.Array) -> pa.Array:
    """Return the values of a leaf that a record has one of."""
    values = plain(column)
    for step in leaf.steps:
        place = values.type.get_field_index(step)
        values = plain(values.flatten()[place])
    return values
