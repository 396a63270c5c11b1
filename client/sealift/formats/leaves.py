"""The leaves of a schema: the dotted paths of values inside columns; list items have no name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from sealift.formats.arrowtypes import is_list


def leaves_of(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    """Return the path and type of each leaf."""
    for field in schema:
        for path, kind, _ in _inside(field.name, field.type, listed=False):
            yield path, kind


def list_leaves_of(schema: pa.Schema) -> Iterator[str]:
    """Return the paths of leaves that are themselves items of a list."""
    for field in schema:
        for path, _, listed in _inside(field.name, field.type, listed=False):
            if listed:
                yield path


def with_leaves(
    path: str, kind: pa.DataType, change: Callable[[str, pa.DataType], pa.DataType]
) -> pa.DataType:
    """Return a type with other types for its leaves.

    Args:
        path: the path of the value.
        kind: its type.
        change: takes a leaf's path and type, and returns its new type.
    """
    if pa.types.is_list(kind):
        return pa.list_(with_leaves(path, kind.value_type, change))
    if pa.types.is_struct(kind):
        fields = [
            (field.name, with_leaves(f"{path}.{field.name}", field.type, change))
            for field in kind
        ]
        return pa.struct(fields)
    return change(path, kind)


def _inside(
    path: str, kind: pa.DataType, *, listed: bool
) -> Iterator[tuple[str, pa.DataType, bool]]:
    if is_list(kind):
        yield from _inside(path, kind.value_type, listed=True)
    elif pa.types.is_dictionary(kind):
        yield from _inside(path, kind.value_type, listed=listed)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _inside(f"{path}.{field.name}", field.type, listed=False)
    else:
        yield path, kind, listed
