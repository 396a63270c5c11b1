"""Turns FHIR resources of one type into columns with Arrow, and counts elements without one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from sealift.owner.sources.fhir_dates import (
    MOMENT,
    parse_dates,
    parse_instants,
    parse_moments,
)
from sealift.owner.sources.fhir_mapping import PREFERRED, Element, Leaf

_STEP = re.compile(r"([^.\[]+)(\[(\*|[^\]=]*=[^\]]*)?\])?(?:\.|$)")
_PLAIN = {
    Leaf.BOOLEAN: pa.bool_(),
    Leaf.INTEGER: pa.int64(),
    Leaf.DECIMAL: pa.float64(),
}
# The id of a reference, without the address before it.
_REFERENCE_ID = (
    r"^(?:urn:[a-z]+:|(?:.*/)?[A-Z][A-Za-z]+/)(?P<id>[^/#?|]+)(?:/_history/.*)?$"
)
# Arrow's reader crashes on inferring the type of tens of thousands of nested values.
_MAX_NESTING = 1000
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

Wrap = Callable[[pa.Array], pa.Array]


@dataclass(slots=True)
class _Node:
    """A node of the tree of elements with columns.

    Attributes:
        name: field name in JSON.
        mode: which of several elements is taken: "" for a single element, "[]" the preferred,
            "[*]" all, "=" the first with a field of a given value.
        where: field and value for the mode "=".
        children: child nodes by their text in the path.
        element: the column at the end of a path.
    """

    name: str
    mode: str = ""
    where: tuple[str, str] = ("", "")
    children: dict[str, _Node] = field(default_factory=dict)
    element: Element | None = None


@dataclass(slots=True)
class _Shape:
    """The part of the JSON that is read: fields by name, or a value.

    Attributes:
        several: whether it is an array.
        fields: fields of an object.
        value: type of a value.
    """

    several: bool = False
    fields: dict[str, _Shape] = field(default_factory=dict)
    value: pa.DataType | None = None

    def arrow(self) -> pa.DataType:
        """Return its Arrow type."""
        kind = self.value or pa.struct(
            [(n, shape.arrow()) for n, shape in self.fields.items()]
        )
        return pa.list_(kind) if self.several else kind


class Flattener:
    """Turns resources of one type into batches.

    Attributes:
        schema: schema of the batches; the metadata `fhir.path` of each field names its origin.
    """

    def __init__(self, resource: str, elements: Sequence[Element]) -> None:
        """Plan the columns.

        Args:
            resource: type of the resources.
            elements: elements that become columns.
        """
        self._root = _Node("", where=("resourceType", resource))
        self._shape = _Shape(fields={"resourceType": _Shape(value=pa.string())})
        fields = []
        for element in elements:
            self._plan(element)
            for name, kind in _columns_of(element):
                fields.append(
                    pa.field(name, kind, metadata={"fhir.path": f"{resource}.{name}"})
                )
        self.schema: pa.Schema = pa.schema(fields)
        self._read_as = pa.schema(
            [(name, shape.arrow()) for name, shape in self._shape.fields.items()]
        )

    def flatten(
        self, lines: Sequence[bytes]
    ) -> tuple[pa.RecordBatch, pa.Array, Counter[str]]:
        """Return rows of resources, their types, and the number of elements without a column.

        Raises:
            pa.ArrowInvalid: a line is not one resource, or a value is not of its FHIR type.
        """
        data = b"\n".join(lines)
        try:
            if _nesting(data) > _MAX_NESTING:
                raise pa.ArrowInvalid("nested too deeply")
            table = read_objects(data, self._read_as, others="infer")
        except pa.ArrowInvalid:
            # The type of an element without a column may differ from line to line.
            read_objects(data, self._read_as)
            table = read_objects(
                _stub(lines, self._shape), self._read_as, others="infer"
            )
        if len(table) != len(lines):
            raise pa.ArrowInvalid("not one object on each line")
        found = _Found()
        resources = table.combine_chunks().to_struct_array().combine_chunks()
        self._walk(self._root, resources, "", found, _bare)
        columns = [
            found.columns[f.name]
            if f.name in found.columns
            else pa.nulls(len(lines), f.type)
            for f in self.schema
        ]
        types = pc.struct_field(resources, "resourceType")
        return (
            pa.RecordBatch.from_arrays(columns, schema=self.schema),
            types,
            found.left_out,
        )

    # --- planning --------------------------------------------------------------------------------

    def _plan(self, element: Element) -> None:
        node, shape = self._root, self._shape
        kind = _PLAIN.get(element.leaf, pa.string())
        for name, brackets, inside in _STEP.findall(element.path):
            node = node.children.setdefault(name + brackets, _Node(name))
            node.mode = "=" if "=" in inside else brackets
            shape = shape.fields.setdefault(name, _Shape())
            shape.several = bool(brackets)
            chosen_by = ""
            if node.mode == "=":
                chosen_by, _, value = inside.partition("=")
                node.where = chosen_by, value
            elif node.mode == "[]" and name in PREFERRED:
                chosen_by, _ = PREFERRED[name]
            if chosen_by:
                shape.fields.setdefault(chosen_by, _Shape(value=pa.string()))
        node.element = element
        shape.value = kind

    # --- walking ---------------------------------------------------------------------------------

    def _walk(
        self,
        parent: _Node,
        holders: pa.StructArray,
        path: str,
        found: _Found,
        wrap: Wrap,
    ) -> None:
        """Turns the children of some objects into columns, and counts those without one."""
        # The column's name tells by which field an object was chosen.
        known = {node.name for node in parent.children.values()} | {parent.where[0]}
        for kind in holders.type:
            if kind.name not in known:
                found.leave_out(path + kind.name, pc.struct_field(holders, kind.name))
        taken: Counter[str] = Counter()
        offered: dict[str, int] = {}
        for node in parent.children.values():
            values = pc.struct_field(holders, node.name)
            if values.null_count == len(values) and wrap is _bare:
                continue
            inner = f"{path}{node.name}."
            if node.element is not None:
                self._emit(node.element, values, found, wrap)
            elif node.mode == "[*]":
                self._walk(node, values.flatten(), inner, found, _wrapping(values))
            elif node.mode:
                one = _choose(values, node)
                offered[node.name] = len(values.flatten())
                taken[node.name] += len(one) - one.null_count
                self._walk(node, one, inner, found, wrap)
            else:
                self._walk(node, values, inner, found, wrap)
        for name, count in offered.items():
            if count > taken[name]:
                found.left_out[f"{path}{name}[others]"] += count - taken[name]

    def _emit(
        self, element: Element, values: pa.Array, found: _Found, wrap: Wrap
    ) -> None:
        arrays: tuple[pa.Array, ...]
        match element.leaf:
            case Leaf.DATE:
                arrays = parse_dates(values)
            case Leaf.DATETIME:
                arrays = parse_moments(values)
            case Leaf.INSTANT:
                arrays = (parse_instants(values),)
            case Leaf.REFERENCE:
                arrays = values, _reference_ids(values)
            case _:
                arrays = (values,)
        for (name, _), array in zip(
            _columns_of(element, wrapped=False), arrays, strict=True
        ):
            found.columns[name] = wrap(array)


@dataclass(slots=True)
class _Found:
    columns: dict[str, pa.Array] = field(default_factory=dict, repr=False)
    left_out: Counter[str] = field(default_factory=Counter)

    def leave_out(self, path: str, values: pa.Array) -> None:
        count = len(values) - values.null_count
        if count:
            self.left_out[path] += count


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


def column_name(element: Element) -> str:
    """Return the name of an element's first column."""
    return element.name or re.sub(r"\[[^\]]*\]", "", element.path)


def _columns_of(
    element: Element, *, wrapped: bool = True
) -> Iterable[tuple[str, pa.DataType]]:
    name = column_name(element)
    match element.leaf:
        case Leaf.DATE:
            found = [(name, pa.date32()), (f"{name}.precision", pa.string())]
        case Leaf.DATETIME:
            found = [(name, MOMENT), (f"{name}.precision", pa.string())]
        case Leaf.INSTANT:
            found = [(name, MOMENT)]
        case Leaf.REFERENCE:
            found = [(name, pa.string()), (f"{name}.id", pa.string())]
        case leaf:
            found = [(name, _PLAIN.get(leaf, pa.string()))]
    if wrapped and ("[*]" in element.path or element.path.endswith("[]")):
        return [(name, pa.list_(kind)) for name, kind in found]
    return found


def _choose(values: pa.ListArray, node: _Node) -> pa.Array:
    """Return one element of each list by the node's mode, or null; as long as `values`."""
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(
        zero_copy_only=False
    )
    flat = values.flatten()
    if node.mode == "[]" and len(flat) == len(values) and np.all(lengths == 1):
        return flat
    if len(flat) == 0:
        return pa.nulls(len(values), flat.type)
    occupied = lengths > 0
    starts = (np.cumsum(lengths) - lengths)[occupied]
    # The best rank, and the first among equals: one number holds both.
    keys = _ranks(flat, node) * len(flat) + np.arange(len(flat))
    best = np.minimum.reduceat(keys, starts)
    places = np.zeros(len(values), dtype=np.int64)
    places[occupied] = best % len(flat)
    missing = ~occupied
    if node.mode == "=":
        missing[occupied] = best >= len(flat)
    return flat.take(pa.array(places, mask=missing))


def _ranks(
    flat: pa.StructArray, node: _Node
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    wanted: tuple[str, ...]
    if node.mode == "=":
        by, wanted = node.where[0], node.where[1:]
    elif node.name in PREFERRED:
        by, wanted = PREFERRED[node.name]
    else:
        return np.zeros(len(flat), dtype=np.int64)
    found = pc.index_in(pc.struct_field(flat, by), pa.array(wanted, pa.string()))
    ranks = pc.fill_null(found, len(wanted)).to_numpy(zero_copy_only=False)
    return np.asarray(ranks, dtype=np.int64)


def _bare(array: pa.Array) -> pa.Array:
    return array


def _wrapping(values: pa.ListArray) -> Wrap:
    """Put the results for the elements of lists back into lists."""
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(
        zero_copy_only=False
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    missing = values.is_null()
    return lambda array: pa.ListArray.from_arrays(offsets, array, mask=missing)


def _reference_ids(references: pa.Array) -> pa.Array:
    return pc.struct_field(pc.extract_regex(references, _REFERENCE_ID), "id")


def _stub(lines: Sequence[bytes], shape: _Shape) -> bytes:
    """Return lines of JSON in which every element without a column is `true`."""
    try:
        return b"\n".join(
            json.dumps(_stubbed(json.loads(line), shape)).encode() for line in lines
        )
    except (ValueError, RecursionError):
        raise pa.ArrowInvalid("not one object on each line") from None


def _stubbed(value: object, shape: _Shape) -> object:
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
