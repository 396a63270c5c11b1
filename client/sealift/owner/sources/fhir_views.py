"""ViewDefinitions of SQL on FHIR v2: what a hospital writes to have columns of its own.

https://build.fhir.org/ig/FHIR/sql-on-fhir-v2/StructureDefinition-ViewDefinition.html. A view is
read strictly: a member that is not known here is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import msgspec
import pyarrow as pa

from sealift.owner.sources.fhir_dates import MOMENT
from sealift.owner.sources.fhir_paths import (
    Path,
    compile_path,
    is_simple,
    type_of_path,
)
from sealift_protocol.errors import InvalidArgument

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_MAX_FILE = 1 << 20
_MAX_DEPTH = 16
_BOOLEAN, _INTEGER, _REAL = pa.bool_(), pa.int64(), pa.float64()
_TYPES: Mapping[str, pa.DataType] = {
    "boolean": _BOOLEAN,
    **dict.fromkeys(("integer", "integer64", "positiveInt", "unsignedInt"), _INTEGER),
    "decimal": _REAL,
    "instant": MOMENT,
    **dict.fromkeys(
        (
            *("string", "code", "id", "uri", "url", "canonical", "oid", "uuid"),
            *("markdown", "base64Binary", "date", "dateTime", "time", "xhtml"),
        ),
        pa.string(),
    ),
}
"""FHIR's primitive types. Dates of which day or month may be missing stay text."""
_BOOLEAN_CALLS = re.compile(r"(?:exists|empty|not)\([^()]*\)$")


class _Tag(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    value: str


class _Column(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    name: str
    description: str = ""
    collection: bool = False
    type: str = ""
    tag: list[_Tag] = []


class _Select(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    column: list[_Column] = []
    select: list[_Select] = []
    for_each: str = ""
    for_each_or_null: str = ""
    repeat: list[str] = []
    union_all: list[_Select] = []


class _Where(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    description: str = ""


class _Definition(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    resource: str
    select: list[_Select]
    resource_type: str = "ViewDefinition"
    constant: list[dict[str, Any]] = []
    where: list[_Where] = []
    # What follows says something about the view, and changes no column.
    id: str = ""
    url: str = ""
    name: str = ""
    title: str = ""
    status: str = ""
    version: str = ""
    description: str = ""
    publisher: str = ""
    copyright: str = ""
    date: str = ""
    experimental: bool = False
    meta: Any = None
    text: Any = None
    identifier: Any = None
    contact: Any = None
    use_context: Any = None
    fhir_version: Any = None
    profile: Any = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view.

    Attributes:
        field: name, type and metadata.
        path: evaluates it.
        several: whether it is a list.
        typed: whether its type was said; the values of others become text as they are.
    """

    field: pa.Field
    path: Path
    several: bool
    typed: bool


@dataclass(frozen=True, slots=True)
class Select:
    """Rows of a node.

    Attributes:
        columns: columns of the node itself.
        inner: further rows, of which each goes with each.
        union: alternatives, whose rows follow each other.
        each: the nodes to take instead; None for the node itself.
        or_null: whether there is a row of nulls if there is no such node.
        repeat: paths that are followed again from what they find.
    """

    columns: tuple[Column, ...]
    inner: tuple[Select, ...]
    union: tuple[Select, ...]
    each: Path | None
    or_null: bool
    repeat: tuple[Path, ...]

    def fields(self) -> Iterator[Column]:
        """Yield all columns, in order."""
        yield from self.columns
        for select in self.inner:
            yield from select.fields()
        if self.union:
            yield from self.union[0].fields()


@dataclass(frozen=True, slots=True)
class View:
    """A view.

    Attributes:
        resource: type of the resources.
        selects: rows of a resource.
        where: what has to be true of a resource.
        paths: all paths, as written.
    """

    resource: str
    selects: Select
    where: tuple[Path, ...]
    paths: tuple[str, ...] = field(repr=False)

    def schema(self) -> pa.Schema:
        """Return the schema of its rows."""
        return pa.schema([column.field for column in self.selects.fields()])


def read_view(path: File) -> View:
    """Read a ViewDefinition.

    Raises:
        InvalidArgument: the file cannot be read, or is not one that is supported.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError:
        raise InvalidArgument(
            "the file of the view cannot be read", hint="check the path and permissions"
        ) from None
    if len(content) > _MAX_FILE:
        raise InvalidArgument("the file of the view is larger than 1 MiB")
    return parse_view(content)


def parse_view(content: bytes) -> View:
    """Parse a ViewDefinition of JSON.

    Raises:
        InvalidArgument: it is not one, or not supported.
    """
    try:
        found = msgspec.json.decode(content, type=_Definition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The view is the owner's own file, and holds no records.
        raise InvalidArgument(f"the view is not a ViewDefinition: {error}") from None
    if found.resource_type.rpartition("/")[2] != "ViewDefinition":
        raise InvalidArgument("the file of the view is of another resourceType")
    if not _NAME.fullmatch(found.resource):
        raise InvalidArgument("the view names no type of resource")
    maker = _Maker(found.resource, _constants(found.constant))
    selects = maker.select(_Select(select=found.select), 0)
    names = [column.field.name for column in selects.fields()]
    if not names:
        raise InvalidArgument("the view has no columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgument(f"the view has several columns of one name: {twice[0]}")
    where = tuple(maker.path(one.path) for one in found.where)
    return View(found.resource, selects, where, tuple(maker.seen))


def _constants(given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in given:
        name = one.get("name")
        found = {key: value for key, value in one.items() if key.startswith("value")}
        if not isinstance(name, str) or not _NAME.fullmatch(name) or len(found) != 1:
            raise InvalidArgument(
                "a constant of the view has no name, or not one value"
            )
        (value,) = found.values()
        if not isinstance(value, str | bool | int | float) or set(one) - {
            "name",
            *found,
        }:
            raise InvalidArgument(
                f"the constant {name} of the view is not a single value"
            )
        values[name] = value
    return values


class _Maker:
    """Compiles the parts of a view."""

    def __init__(self, resource: str, constants: Mapping[str, Any]) -> None:
        self._resource = resource
        self._constants = constants
        self.seen: list[str] = []

    def path(self, text: str, *, nodes: bool = False) -> Path:
        self.seen.append(text)
        return compile_path(text, self._constants, nodes=nodes)

    def select(self, given: _Select, depth: int, around: str | None = "") -> Select:
        if depth > _MAX_DEPTH:
            raise InvalidArgument("the view is nested too deeply")
        ways = [given.for_each, given.for_each_or_null, *given.repeat[:1]]
        if sum(map(bool, ways)) > 1:
            raise InvalidArgument(
                "a select of the view has more than one of forEach, forEachOrNull and repeat"
            )
        step = given.for_each or given.for_each_or_null
        if step or given.repeat:
            known = bool(step) and around is not None and is_simple(step)
            around = f"{around}{step}." if known else None
        union = tuple(self.select(one, depth + 1, around) for one in given.union_all)
        _check_alike(union)
        return Select(
            tuple(self._column(one, around) for one in given.column),
            tuple(self.select(one, depth + 1, around) for one in given.select),
            union,
            self.path(step, nodes=True) if step else None,
            bool(given.for_each_or_null),
            tuple(self.path(one, nodes=True) for one in given.repeat),
        )

    def _column(self, given: _Column, around: str | None) -> Column:
        if not _NAME.fullmatch(given.name):
            raise InvalidArgument(
                f"the view has a column of a name that is none of SQL: {given.name!r}",
                hint="begin with a letter; use letters, digits and _",
            )
        said = given.type.rpartition("/")[2]
        if not said and around is not None:
            inferred = type_of_path(self._resource, f"{around}{given.path}")
            said = inferred if inferred in _TYPES else ""
        if not said and _BOOLEAN_CALLS.search(given.path):
            said = "boolean"
        if said and said not in _TYPES:
            raise InvalidArgument(
                f"the column {given.name} of the view is of type {said}, which is not a "
                "primitive type",
                hint="give each of its parts a column",
            )
        kind = _TYPES.get(said, pa.string())
        metadata = {}
        if around is not None and is_simple(given.path):
            # A policy may name a column by it. Of another expression it says nothing.
            metadata["fhir.path"] = f"{self._resource}.{around}{given.path}"
        if given.description:
            metadata["description"] = given.description
        listed = pa.list_(kind) if given.collection else kind
        return Column(
            pa.field(given.name, listed, metadata=metadata),
            self.path(given.path),
            given.collection,
            bool(said),
        )


def _check_alike(union: Sequence[Select]) -> None:
    shapes = [[(c.field.name, c.field.type) for c in one.fields()] for one in union]
    if any(shape != shapes[0] for shape in shapes):
        raise InvalidArgument(
            "the parts of a unionAll of the view have other columns, or columns of other types"
        )
