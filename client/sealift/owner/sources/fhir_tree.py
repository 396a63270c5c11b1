"""The tree of a resource's elements with columns: what is read of its JSON, and the columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa

from sealift.owner.sources.fhir_dates import MOMENT
from sealift.owner.sources.fhir_elements import PREFERRED, Element, Leaf

_STEP = re.compile(r"([^.\[{]+)(\[(\*|\{\}|[^\]=]*=[^\]]*)?\]|\{\})?(?:\.|$)")
_BRACKETS = re.compile(r"\[[^\]]*\]|\{\}")
_PLAIN = {
    Leaf.BOOLEAN: pa.bool_(),
    Leaf.INTEGER: pa.int64(),
    Leaf.DECIMAL: pa.float64(),
}


class Mode(Enum):
    """Which of several elements become columns."""

    SINGLE = ""
    BEST = "the one that PREFERRED ranks first; the others as objects"
    SOLE = "the only one; all as objects, where that does not say all"
    ALL = "all, as lists"
    OBJECTS = "all, as objects"
    OBJECT = "a list of the object, if there is one"
    FIRST_WHERE = "the first with a field of a given value"
    SOLE_WHERE = "the only one with a field of a given value"
    ALL_WHERE = "all with a field of a given value, as lists"


@dataclass(slots=True)
class Node:
    """A node of the tree.

    Attributes:
        name: field name in JSON.
        path: path without brackets.
        mode: which of several elements are taken.
        where: field and value of the modes that choose by a value.
        children: child nodes by their text in the path.
        element: the column at the end of a path.
        deep: whether nothing in it has a column but the objects around it.
    """

    name: str
    path: str = ""
    mode: Mode = Mode.SINGLE
    where: tuple[str, str] = ("", "")
    children: dict[str, Node] = field(default_factory=dict)
    element: Element | None = None
    deep: bool = True

    @property
    def rest(self) -> str:
        """The name of the column with the elements that the others have not; or empty."""
        match self.mode:
            case Mode.BEST:
                return f"{self.path}.others"
            case Mode.SOLE:
                return f"{self.path}.all"
            case Mode.OBJECTS | Mode.OBJECT:
                return self.path
        return ""

    @property
    def is_wrapped(self) -> bool:
        """Whether its columns are lists of all elements."""
        return self.mode in (Mode.ALL, Mode.ALL_WHERE)

    def columns(self, depth: int = 0) -> Iterator[tuple[str, pa.DataType]]:
        """Yield its columns, with their types.

        Args:
            depth: number of lists around them.
        """
        if self.deep:
            return
        if self.element is not None:
            for name, kind in leaf_columns(column_name(self.element), self.element):
                yield name, listed(kind, depth)
            return
        if self.mode not in (Mode.OBJECTS, Mode.OBJECT):
            for child in self.children.values():
                yield from child.columns(depth + self.is_wrapped)
        if self.rest:
            yield self.rest, listed(pa.list_(self.objects()), depth)

    def objects(self) -> pa.DataType:
        """Return the type of the elements as objects."""
        fields: list[tuple[str, pa.DataType]] = []
        for child in self.children.values():
            if child.element is not None:
                fields += leaf_columns(child.name, child.element)
            elif child.mode in (Mode.SINGLE, Mode.OBJECT):
                fields.append((child.name, child.objects()))
            else:
                fields.append((child.name, pa.list_(child.objects())))
        return pa.struct(fields)


@dataclass(slots=True)
class Shape:
    """The part of the JSON that is read: fields by name, or a value.

    Attributes:
        several: whether it is an array.
        fields: fields of an object.
        value: type of a value.
    """

    several: bool = False
    fields: dict[str, Shape] = field(default_factory=dict)
    value: pa.DataType | None = None

    def arrow(self) -> pa.DataType:
        """Return its Arrow type."""
        kind = self.value or pa.struct(
            [(n, shape.arrow()) for n, shape in self.fields.items()]
        )
        return pa.list_(kind) if self.several else kind

    def schema(self) -> pa.Schema:
        """Return its fields as a schema."""
        return pa.schema([(n, shape.arrow()) for n, shape in self.fields.items()])

    def grow(self, whole: Shape, values: pa.StructArray) -> None:
        """Add what some objects have.

        Args:
            whole: everything that there is a column for.
            values: objects, with a field for all of it.
        """
        for name, shape in whole.fields.items():
            inner = values.field(name)
            if inner.null_count == len(inner):
                continue
            mine = self.fields.setdefault(name, Shape(shape.several, {}, shape.value))
            if shape.fields:
                mine.grow(shape, inner.values if shape.several else inner)

    def has_more(self, seen: Shape, kind: pa.Schema | pa.DataType) -> bool:
        """Return whether objects of a type have a field with a column that was not seen before."""
        for one in kind:
            inner, known = self.fields.get(one.name), seen.fields.get(one.name)
            if inner is None or pa.types.is_null(one.type):
                continue
            if known is None:
                return True
            below = one.type
            if inner.several and pa.types.is_list(below):
                below = below.value_type
            if pa.types.is_struct(below) and inner.has_more(known, below):
                return True
        return False


def plan(resource: str, elements: Sequence[Element]) -> tuple[Node, Shape]:
    """Return the tree of some elements, and the JSON that is read for them."""
    root = Node("", where=("resourceType", resource), deep=False)
    whole = Shape(fields={"resourceType": Shape(value=pa.string())})
    for element in elements:
        node, shape = root, whole
        for name, brackets, inside in _STEP.findall(element.path):
            path = f"{node.path}.{name}".lstrip(".")
            node = node.children.setdefault(name + brackets, Node(name, path))
            node.mode = _mode(name, brackets, inside)
            node.deep &= element.deep
            shape = shape.fields.setdefault(name, Shape())
            shape.several = brackets[:1] == "["
            chosen_by = PREFERRED[name][0] if node.mode is Mode.BEST else ""
            if "=" in inside:
                chosen_by, _, value = inside.partition("=")
                node.where = chosen_by, value.partition("|")[0]
            if chosen_by:
                shape.fields.setdefault(chosen_by, Shape(value=pa.string()))
        node.element = element
        shape.value = _PLAIN.get(element.leaf, pa.string())
    return root, whole


def _mode(name: str, brackets: str, inside: str) -> Mode:
    if not brackets:
        return Mode.SINGLE
    if brackets == "{}":
        return Mode.OBJECT
    if inside in ("*", "{}"):
        return Mode.ALL if inside == "*" else Mode.OBJECTS
    if not inside:
        return Mode.BEST if name in PREFERRED else Mode.SOLE
    modes = {"one": Mode.SOLE_WHERE, "all": Mode.ALL_WHERE}
    return modes.get(inside.rpartition("|")[2], Mode.FIRST_WHERE)


def column_name(element: Element) -> str:
    """Return the name of an element's first column."""
    return element.name or _BRACKETS.sub("", element.path)


def leaf_columns(name: str, element: Element) -> list[tuple[str, pa.DataType]]:
    """Return the columns of a value by its kind, without the lists around them."""
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
    depth = int(element.path.endswith("[]"))
    return [(name, listed(kind, depth)) for name, kind in found]


def listed(kind: pa.DataType, depth: int) -> pa.DataType:
    """Return the type of lists of lists, `depth` times."""
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind
