"""Rows of a view: resources go in, and come out as the columns of a ViewDefinition."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import pyarrow as pa

from sealift.owner.sources.fhir_dates import MOMENT, parse_instants
from sealift.owner.sources.fhir_modifiers import NAME, levels_in_objects, modifiers_of
from sealift.owner.sources.fhir_paths import Path, PathFailedError, data_of
from sealift.owner.sources.fhir_views import Column, Select, View

_MAX_ROWS = 100_000
_MAX_DEPTH = 64

_Row = dict[str, Any]


class MisfitError(pa.ArrowInvalid):  # type: ignore[misc]
    """A column has several values where the view says one, or one that is not of its type.

    Attributes:
        column: name of the column.
    """

    def __init__(self, column: str) -> None:
        super().__init__("a value does not fit the view")
        self.column = column


class ViewReader:
    """Turns resources into the rows of a view.

    Attributes:
        schema: schema of the rows.
    """

    def __init__(self, view: View, modifiers: Sequence[str] = ()) -> None:
        """Take a view.

        Args:
            view: the view.
            modifiers: the patterns of a policy that name `modifierExtension`.
        """
        self._view = view
        self.schema: pa.Schema = view.schema()
        # A view that reads the extension of the resource knows what it means.
        own = (NAME,) if any(path.startswith(NAME) for path in view.paths) else ()
        self._modifiers = modifiers_of(view.resource, (), (*modifiers, *own))

    def flatten(
        self, lines: Sequence[bytes]
    ) -> tuple[pa.RecordBatch, pa.Array, Counter[str]]:
        """Turn lines into rows: none, one or several of a resource.

        Raises:
            pa.ArrowInvalid: a line is not a resource, or a value does not fit the view.
        """
        rows: list[_Row] = []
        types: list[str | None] = []
        for line in lines:
            resource = _object(line)
            kind = resource.get("resourceType")
            types.append(kind if isinstance(kind, str) else None)
            if kind != self._view.resource:
                continue
            self._modifiers.check(levels_in_objects(resource))
            if all(_is_true(path, resource) for path in self._view.where):
                rows += _rows(self._view.selects, resource, 0)
        arrays = [
            _array(column, [row.get(column.field.name) for row in rows])
            for column in self._view.selects.fields()
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return batch, pa.array(types, pa.string()), Counter()


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise pa.ArrowInvalid("not JSON") from None
    if not isinstance(found, dict):
        raise pa.ArrowInvalid("not an object")
    return found


def _is_true(path: Path, node: Any) -> bool:
    found = [data_of(value) for value in path(node, 0)]
    if found and found not in ([True], [False]):
        raise PathFailedError
    return found == [True]


def _rows(select: Select, node: Any, index: int) -> list[_Row]:
    """Return the rows of a node, which is at a place among others."""
    same = select.each is None and not select.repeat
    nodes = [node] if same else list(_nodes(select, node, index))
    if not nodes and select.or_null:
        return [{}]
    found: list[_Row] = []
    for place, each in enumerate(nodes, start=index if same else 0):
        own = {c.field.name: _value(c, each, place) for c in select.columns}
        parts = [_rows(inner, each, place) for inner in select.inner]
        if select.union:
            rows = [row for one in select.union for row in _rows(one, each, place)]
            parts.append(rows)
        for combined in product(*parts):
            row = dict(own)
            for part in combined:
                row |= part
            found.append(row)
            if len(found) > _MAX_ROWS:
                raise PathFailedError
    return found


def _nodes(select: Select, node: Any, index: int) -> Iterator[Any]:
    if select.repeat:
        yield from _descend(select.repeat, node, 0)
    elif select.each is not None:
        yield from select.each(node, index)


def _descend(paths: Sequence[Path], node: Any, depth: int) -> Iterator[Any]:
    if depth > _MAX_DEPTH:
        raise PathFailedError
    for path in paths:
        for below in path(node, 0):
            yield below
            yield from _descend(paths, below, depth + 1)


def _value(column: Column, node: Any, index: int) -> Any:
    """Return a column's value: of its type, or a list of such."""
    found = [_scalar(column, data_of(value)) for value in column.path(node, index)]
    found = [value for value in found if value is not None]
    if column.several:
        return found
    if len(found) > 1:
        raise MisfitError(column.field.name)
    return found[0] if found else None


def _scalar(column: Column, value: Any) -> Any:
    kind = column.field.type.value_type if column.several else column.field.type
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise MisfitError(column.field.name)
    if pa.types.is_boolean(kind):
        fits = isinstance(value, bool)
    elif pa.types.is_integer(kind):
        value = int(value) if isinstance(value, Decimal) and value % 1 == 0 else value
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits and -(2**63) <= value < 2**63
    elif pa.types.is_floating(kind):
        fits = not isinstance(value, bool | str)
        value = float(value) if fits else value
    else:
        fits = not (column.typed and isinstance(value, bool | int | float | Decimal))
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if not fits:
        raise MisfitError(column.field.name)
    return value


def _array(column: Column, values: list[Any]) -> pa.Array:
    if column.field.type == MOMENT:
        return parse_instants(pa.array(values, pa.string()))
    if column.several and column.field.type.value_type == MOMENT:
        lists = pa.array(values, pa.list_(pa.string()))
        moments = parse_instants(lists.values)
        return pa.ListArray.from_arrays(lists.offsets, moments, mask=lists.is_null())
    return pa.array(values, column.field.type)
