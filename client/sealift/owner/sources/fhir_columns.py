"""Turns FHIR resources of one type into columns with Arrow, and counts elements without one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from sealift.owner.sources.fhir_dates import (
    parse_dates,
    parse_instants,
    parse_moments,
)
from sealift.owner.sources.fhir_elements import PREFERRED, Element, Leaf
from sealift.owner.sources.fhir_modifiers import (
    levels_in_objects,
    levels_in_type,
    modifiers_of,
)
from sealift.owner.sources.fhir_tree import (
    Mode,
    Node,
    Shape,
    column_name,
    leaf_columns,
    plan,
)

# The id of a reference, without the address before it.
_REFERENCE_ID = (
    r"^(?:urn:[a-z]+:|(?:.*/)?[A-Z][A-Za-z]+/)(?P<id>[^/#?|]+)(?:/_history/.*)?$"
)
# Arrow's reader crashes on inferring the type of tens of thousands of nested values.
_MAX_NESTING = 1000
# Enough lines to see which elements an export has.
_FIRST_LINES = 64
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

Wrap = Callable[[pa.Array], pa.Array]
_Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]


class Flattener:
    """Turns resources of one type into batches.

    Attributes:
        schema: schema of the batches; the metadata `fhir.path` of each field names its origin.
    """

    def __init__(
        self, resource: str, elements: Sequence[Element], modifiers: Sequence[str] = ()
    ) -> None:
        """Plan the columns.

        Args:
            resource: type of the resources.
            elements: elements that become columns.
            modifiers: the patterns of a policy that name `modifierExtension`; where none does,
                a resource that has one is refused.
        """
        self._modifiers = modifiers_of(resource, elements, modifiers)
        elements = (*elements, *self._modifiers.elements)
        self._root, self._shape = plan(resource, elements)
        self.schema: pa.Schema = pa.schema(
            [
                pa.field(name, kind, metadata={"fhir.path": f"{resource}.{name}"})
                for name, kind in self._root.columns()
            ]
        )
        self._read_as = self._shape.schema()
        self._seen = Shape(fields={"resourceType": Shape(value=pa.string())})
        self._learnt = False

    def flatten(
        self, lines: Sequence[bytes]
    ) -> tuple[pa.RecordBatch, pa.Array, Counter[str]]:
        """Return rows of resources, their types, and the number of elements without a column.

        Raises:
            pa.ArrowInvalid: a line is not one resource, or a value is not of its FHIR type.
            UnknownModifierError: an extension may change the meaning of a resource.
        """
        table = self._read(lines)
        if len(table) != len(lines):
            raise pa.ArrowInvalid("not one object on each line")
        resources = table.combine_chunks().to_struct_array().combine_chunks()
        walked = _Walk()
        walked.walk(self._root, resources, walked.left_out, _bare)
        columns = [
            walked.columns[f.name]
            if f.name in walked.columns
            else _nulls(len(lines), f.type)
            for f in self.schema
        ]
        types = pc.struct_field(resources, "resourceType")
        batch = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        return batch, types, walked.left_out

    def _read(self, lines: Sequence[bytes]) -> pa.Table:
        """Read lines as a table of what is in them.

        Arrow takes time for every field of a schema that a line does not have. So only those are
        asked for that were there before; others show among what is inferred, and are asked for
        from then on.
        """
        data = b"\n".join(lines)
        if _nesting(data) > _MAX_NESTING:
            return self._read_stubs(lines, data)
        try:
            if not self._learnt:
                self._learn(lines[:_FIRST_LINES])
            table = read_objects(data, self._seen.schema(), others="infer")
            if self._shape.has_more(self._seen, table.schema):
                table = self._learn(lines)
        except pa.ArrowInvalid:
            try:
                table = self._learn(lines)
            except pa.ArrowInvalid:
                return self._read_stubs(lines, data)
        self._modifiers.check(levels_in_type(table.schema))
        return table

    def _learn(self, lines: Sequence[bytes]) -> pa.Table:
        """Read lines, asking for every element, and remember which ones there are."""
        table = read_objects(b"\n".join(lines), self._read_as, others="infer")
        whole = table.combine_chunks().to_struct_array().combine_chunks()
        self._seen.grow(self._shape, whole)
        self._learnt = True
        return table

    def _read_stubs(self, lines: Sequence[bytes], data: bytes) -> pa.Table:
        """Read lines in which an element without a column is not of one type."""
        read_objects(data, self._read_as)
        objects = _objects(lines)
        self._modifiers.check(levels_in_objects(objects))
        stubs = [json.dumps(_stubbed(one, self._shape)).encode() for one in objects]
        return read_objects(b"\n".join(stubs), self._read_as, others="infer")


class _Walk:
    """One batch on its way from objects to columns.

    Attributes:
        columns: the columns so far, by name.
        left_out: number of elements without a column, by path.
    """

    def __init__(self) -> None:
        self.columns: dict[str, pa.Array] = {}
        self.left_out: Counter[str] = Counter()

    def walk(
        self, parent: Node, holders: pa.StructArray, counts: Counter[str], wrap: Wrap
    ) -> None:
        """Turn the children of some objects into columns.

        Args:
            parent: the node of the objects.
            holders: the objects.
            counts: takes the number of elements without a column.
            wrap: puts a column back into the lists around the objects.
        """
        _count_unknown(parent, holders, counts)
        _count_others(parent, holders, counts)
        taken_whole = {
            node.name
            for node in parent.children.values()
            if node.mode in (Mode.ALL, Mode.ALL_WHERE, Mode.OBJECTS)
        }
        for node in parent.children.values():
            values = None if node.deep else _field(holders, node.name)
            if values is None or values.null_count == len(values):
                self._leave_null(node, len(holders), wrap)
            elif node.element is not None:
                columns = leaf_columns(column_name(node.element), node.element)
                found = _converted(node.element, values)
                for (name, _), array in zip(columns, found, strict=True):
                    self.columns[name] = wrap(array)
            elif node.where[0] and node.name in taken_whole and not node.is_wrapped:
                # What is in it is counted where all are taken.
                self._walk_several(node, values, Counter(), wrap)
            else:
                self._walk_several(node, values, counts, wrap)

    def _leave_null(self, node: Node, length: int, wrap: Wrap) -> None:
        """Fill the columns of an element that no object has, inside the lists around it."""
        if wrap is not _bare:
            for name, kind in node.columns():
                self.columns[name] = wrap(_nulls(length, kind))

    def _walk_several(
        self, node: Node, values: pa.Array, counts: Counter[str], wrap: Wrap
    ) -> None:
        match node.mode:
            case Mode.SINGLE:
                self.walk(node, values, counts, wrap)
            case Mode.ALL:
                inner = _wrapping(values)
                self.walk(node, values.flatten(), counts, lambda a: wrap(inner(a)))
            case Mode.ALL_WHERE:
                marked = _marked(values, node)
                kept = _in_lists(_counts_in(_lengths(values), marked))
                held = values.flatten().filter(pa.array(marked))
                self.walk(node, held, counts, lambda a: wrap(kept(a)))
            case Mode.OBJECTS:
                objects = _built(node, values.flatten(), counts)
                self.columns[node.rest] = wrap(_wrapping(values)(objects))
            case Mode.OBJECT:
                valid = values.is_valid()
                objects = _built(node, values.filter(valid), counts)
                lengths = np.asarray(valid.to_numpy(zero_copy_only=False), np.int64)
                self.columns[node.rest] = wrap(_in_lists(lengths)(objects))
            case Mode.FIRST_WHERE | Mode.SOLE_WHERE:
                marked = _marked(values, node)
                lengths = _counts_in(_lengths(values), marked)
                one = lengths == 1 if node.mode is Mode.SOLE_WHERE else lengths > 0
                # The place of the first that is marked, for each list that has one.
                places = np.zeros(len(values), dtype=np.int64)
                starts = (np.cumsum(lengths) - lengths)[one]
                places[one] = np.flatnonzero(marked)[starts]
                taken = values.flatten().take(pa.array(places, mask=~one))
                self.walk(node, taken, counts, wrap)
            case Mode.BEST | Mode.SOLE:
                self._walk_one_and_rest(node, values, counts, wrap)

    def _walk_one_and_rest(
        self, node: Node, values: pa.Array, counts: Counter[str], wrap: Wrap
    ) -> None:
        lengths, flat = _lengths(values), values.flatten()
        if node.mode is Mode.SOLE:
            told = lengths > 1
            deeper = _has_deeper(node, flat)
            if deeper is not None:
                told |= _counts_in(lengths, deeper) > 0
            rests, is_rest = np.where(told, lengths, 0), np.repeat(told, lengths)
            one = _first(flat, lengths, lengths == 1)
        else:
            rests = np.maximum(lengths - 1, 0)
            is_rest = np.ones(len(flat), dtype=bool)
            if len(flat) == len(lengths) and not rests.any():
                one = flat
                is_rest[:] = False
            else:
                places, missing = _best(flat, lengths, node)
                is_rest[places[~missing]] = False
                one = flat.take(pa.array(places, mask=missing))
        if not rests.any():
            self.walk(node, one, counts, wrap)
            if wrap is not _bare:
                nulls = _nulls(len(values), pa.list_(node.objects()))
                self.columns[node.rest] = wrap(nulls)
            return
        self.walk(node, one, counts, wrap)
        objects = _built(node, flat.filter(pa.array(is_rest)), counts)
        self.columns[node.rest] = wrap(_in_lists(rests)(objects))


def _nulls(length: int, kind: pa.DataType) -> pa.Array:
    """Return nulls; lists without the room for elements that `pa.nulls` gives them."""
    if not pa.types.is_list(kind):
        return pa.nulls(length, kind)
    offsets = pa.array(np.zeros(length + 1, dtype=np.int32))
    missing = pa.array(np.ones(length, dtype=bool))
    return pa.ListArray.from_arrays(
        offsets, pa.array([], kind.value_type), mask=missing
    )


def _field(objects: pa.StructArray, name: str) -> pa.Array | None:
    """Return a field of objects; None if none of them has it."""
    place = objects.type.get_field_index(name)
    if place < 0 or pa.types.is_null(objects.type[place].type):
        return None
    return pc.struct_field(objects, name)


def _count_unknown(parent: Node, holders: pa.StructArray, counts: Counter[str]) -> None:
    """Count the fields of some objects that have no node."""
    # The column's name tells by which field an object was chosen.
    known = {node.name for node in parent.children.values()} | {parent.where[0]}
    for kind in holders.type:
        if kind.name not in known:
            values = pc.struct_field(holders, kind.name)
            if values.null_count < len(values):
                path = f"{parent.path}.{kind.name}".lstrip(".")
                counts[path] += len(values) - values.null_count


def _count_others(parent: Node, holders: pa.StructArray, counts: Counter[str]) -> None:
    """Count the elements of lists of which only those with a value are taken."""
    nodes: dict[str, list[Node]] = {}
    for node in parent.children.values():
        nodes.setdefault(node.name, []).append(node)
    for name, same in nodes.items():
        if not all(node.where[0] for node in same):
            continue
        values = _field(holders, name)
        if values is None:
            continue
        left = len(values.flatten())
        for node in {node.where: node for node in same}.values():
            lengths = _counts_in(_lengths(values), _marked(values, node))
            whole = any(n.is_wrapped for n in same if n.where == node.where)
            left -= int(lengths.sum() if whole else (lengths > 0).sum())
        if left > 0:
            counts[f"{parent.path}.{name}[others]".lstrip(".")] += left


def _built(node: Node, objects: pa.StructArray, counts: Counter[str]) -> pa.StructArray:
    """Return objects with the columns' names and types, and count what has none."""
    _count_unknown(node, objects, counts)
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for child in node.children.values():
        values = _field(objects, child.name)
        if child.element is not None:
            kinds = leaf_columns(child.name, child.element)
            fields += [pa.field(name, kind) for name, kind in kinds]
            if values is None:
                arrays += [_nulls(len(objects), kind) for _, kind in kinds]
            else:
                arrays += _converted(child.element, values)
            continue
        if values is None:
            kind = child.objects()
            if child.mode not in (Mode.SINGLE, Mode.OBJECT):
                kind = pa.list_(kind)
            inner = _nulls(len(objects), kind)
        elif child.mode in (Mode.SINGLE, Mode.OBJECT):
            inner = _built(child, values, counts)
        else:
            inner = _wrapping(values)(_built(child, values.flatten(), counts))
        fields.append(pa.field(child.name, inner.type))
        arrays.append(inner)
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=objects.is_null())


def _converted(element: Element, values: pa.Array) -> tuple[pa.Array, ...]:
    """Return the columns of values as they stand in JSON."""
    if pa.types.is_list(values.type) and element.leaf is not Leaf.STRING:
        wrap = _wrapping(values)
        return tuple(map(wrap, _converted(element, values.flatten())))
    match element.leaf:
        case Leaf.DATE:
            return parse_dates(values)
        case Leaf.DATETIME:
            return parse_moments(values)
        case Leaf.INSTANT:
            return (parse_instants(values),)
        case Leaf.REFERENCE:
            return values, _reference_ids(values)
        case _:
            return (values,)


def read_objects(data: bytes, schema: pa.Schema, others: str = "ignore") -> pa.Table:
    """Read lines of JSON as a table; fields outside the schema are ignored, or inferred.

    Raises:
        pa.ArrowInvalid: a line is not JSON, or a value is of another type.
    """
    return pj.read_json(
        pa.py_buffer(data),
        read_options=pj.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=pj.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior=others
        ),
    )


def _nesting(data: bytes) -> int:
    """Return the nesting depth of JSON, or more if texts hold brackets."""
    brackets = np.frombuffer(data.translate(None, _NOT_BRACKETS), dtype=np.uint8)
    # In ASCII, opening brackets have a bit that closing brackets lack.
    steps = (brackets & 2).astype(np.int8) - 1
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def _lengths(values: pa.ListArray) -> _Numbers:
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(
        zero_copy_only=False
    )
    return np.asarray(lengths, dtype=np.int64)


def _first(
    flat: pa.Array, lengths: _Numbers, wanted: np.ndarray[tuple[int], np.dtype[np.bool]]
) -> pa.Array:
    """Return the first element of each wanted list, null for the others."""
    if len(flat) == len(lengths) and wanted.all() and np.all(lengths == 1):
        return flat
    if not len(flat):
        return _nulls(len(lengths), flat.type)
    starts = np.cumsum(lengths) - lengths
    return flat.take(pa.array(np.where(wanted, starts, 0), mask=~wanted))


def _best(
    flat: pa.StructArray, lengths: _Numbers, node: Node
) -> tuple[_Numbers, np.ndarray[tuple[int], np.dtype[np.bool]]]:
    """Return the place of the preferred element of each list, and which lists have none."""
    occupied = lengths > 0
    starts = (np.cumsum(lengths) - lengths)[occupied]
    by, wanted = PREFERRED[node.name]
    keys = np.arange(len(flat))
    values = _field(flat, by)
    if values is not None:
        found = pc.index_in(values, pa.array(wanted, pa.string()))
        ranks = pc.fill_null(found, len(wanted)).to_numpy(zero_copy_only=False)
        # The best rank, and the first among equals: one number holds both.
        keys += np.asarray(ranks, dtype=np.int64) * len(flat)
    places = np.zeros(len(lengths), dtype=np.int64)
    places[occupied] = np.minimum.reduceat(keys, starts) % len(flat)
    return places, ~occupied


def _marked(
    values: pa.ListArray, node: Node
) -> np.ndarray[tuple[int], np.dtype[np.bool]]:
    """Return which elements of lists have a node's value."""
    by, wanted = node.where
    flat = values.flatten()
    keys = _field(flat, by)
    if keys is None:
        return np.zeros(len(flat), dtype=bool)
    fits = pc.fill_null(pc.equal(keys, wanted), False)
    return np.asarray(fits.to_numpy(zero_copy_only=False), dtype=bool)


def _counts_in(
    lengths: _Numbers, marked: np.ndarray[tuple[int], np.dtype[np.bool]]
) -> _Numbers:
    """Return how many elements of each list are marked."""
    ends = np.concatenate([[0], np.cumsum(marked)])
    places = np.concatenate([[0], np.cumsum(lengths)])
    return np.asarray(np.diff(ends[places]), dtype=np.int64)


def _has_deeper(
    node: Node, objects: pa.StructArray
) -> np.ndarray[tuple[int], np.dtype[np.bool]] | None:
    """Return which objects have what has no column of its own; None if none has."""
    found = None
    for child in node.children.values():
        values = _field(objects, child.name)
        if values is None or values.null_count == len(values):
            continue
        inner = None
        if child.deep:
            inner = values.is_valid().to_numpy(zero_copy_only=False)
        elif child.mode is Mode.SINGLE and child.element is None:
            inner = _has_deeper(child, values)
        if inner is not None:
            found = inner if found is None else found | inner
    return found


def _bare(array: pa.Array) -> pa.Array:
    return array


def _wrapping(values: pa.ListArray) -> Wrap:
    """Put the results for the elements of lists back into lists."""
    return _in_lists(_lengths(values), values.is_null())


def _in_lists(lengths: _Numbers, missing: pa.Array | None = None) -> Wrap:
    """Put elements into lists of some lengths; empty ones are null unless `missing` tells."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    mask = pa.array(lengths == 0) if missing is None else missing
    return lambda array: pa.ListArray.from_arrays(offsets, array, mask=mask)


def _reference_ids(references: pa.Array) -> pa.Array:
    return pc.struct_field(pc.extract_regex(references, _REFERENCE_ID), "id")


def _objects(lines: Sequence[bytes]) -> list[object]:
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        raise pa.ArrowInvalid("not one object on each line") from None


def _stubbed(value: object, shape: Shape) -> object:
    """Return JSON in which every element without a column is `true`."""
    if isinstance(value, list):
        return [_stubbed(one, shape) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _stubbed(inner, shape.fields[name])
        if name in shape.fields
        else (None if inner is None else True)
        for name, inner in value.items()
    }
