"""Arrow schemas: their bytes, and how a dataset's schema may grow and its columns widen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from sealift_protocol.errors import HistoryInvalid, MalformedObject, SchemaMismatch

if TYPE_CHECKING:
    # It imports what opens metadata, which sources do without.
    from sealift.history.contents import StatedSchema

_WIDEN = (
    "the owner widens the column with `session.dataset(dataset).widen(column, type)`, if it "
    "can be widened; else convert it, or push to a new dataset"
)


def write_schema(schema: pa.Schema) -> bytes:
    """Write an Arrow schema as an encapsulated IPC message."""
    return schema.serialize().to_pybytes()  # type: ignore[no-any-return]


def read_schema(data: bytes) -> pa.Schema:
    """Read what `write_schema` wrote.

    Raises:
        MalformedObject: it is not a schema.
    """
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(data))
        # Arrow checks that names are UTF-8 only when they are accessed.
        schema.names  # noqa: B018
        return schema
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise MalformedObject("the dataset's schema cannot be parsed") from None


def read_grown(stated: Sequence[StatedSchema]) -> pa.Schema:
    """Return the newest of some schemas, each of which may follow the one before.

    Raises:
        MalformedObject: one is not a schema, or may not follow the one before.
        HistoryInvalid: a member other than the owner widened a column.
    """
    newest = read_schema(stated[0].message)
    for one in stated[1:]:
        new = read_schema(one.message)
        if not extends(newest, new):
            if not follows(newest, new):
                raise MalformedObject(
                    "a commit changes the dataset's schema beyond adding and widening columns"
                )
            if not one.by_owner:
                raise HistoryInvalid(
                    "a member other than the owner widened a column of the dataset"
                )
        newest = new
    return newest


def extends(old: pa.Schema, new: pa.Schema) -> bool:
    """Return whether `new` is `old` plus nullable columns at the end, so old records fit."""
    return _grows(old, new, lambda kind, wider: kind == wider)


def follows(old: pa.Schema, new: pa.Schema) -> bool:
    """Return whether `new` extends `old` once some columns of `old` are widened."""
    return _grows(old, new, lambda kind, wider: kind == wider or widens(kind, wider))


def _grows(
    old: pa.Schema, new: pa.Schema, fits: Callable[[pa.DataType, pa.DataType], bool]
) -> bool:
    return (
        len(new) >= len(old)
        and all(
            new.field(place).name == field.name
            and fits(field.type, new.field(place).type)
            for place, field in enumerate(old)
        )
        and all(new.field(place).nullable for place in range(len(old), len(new)))
    )


def widens(kind: pa.DataType, wider: pa.DataType) -> bool:
    """Return whether a column of a type may become one of a wider type.

    Each value keeps its meaning, and turns back. 64-bit integers become doubles only up to
    2^53: `fit` refuses others.
    """
    types = pa.types
    if types.is_null(kind):
        return not bool(types.is_null(wider))
    if types.is_integer(kind):
        if types.is_integer(wider):
            signs = types.is_signed_integer(kind), types.is_signed_integer(wider)
            grows = int(wider.bit_width) > int(kind.bit_width)
            return bool(grows and signs != (True, False))
        if types.is_float32(wider):
            return int(kind.bit_width) <= 16
        return bool(types.is_float64(wider) or types.is_string(wider))
    if types.is_floating(kind):
        return bool(types.is_floating(wider) and wider.bit_width > kind.bit_width)
    return (kind, wider) in (
        (pa.string(), pa.large_string()),
        (pa.binary(), pa.large_binary()),
    )


def needs_reading(kind: pa.DataType, wider: pa.DataType) -> bool:
    """Return whether only the values can tell that a widening is exact: 2^53 is the limit."""
    return bool(
        pa.types.is_integer(kind)
        and int(kind.bit_width) == 64
        and pa.types.is_float64(wider)
    )


def with_widened(narrow: pa.Schema, wide: pa.Schema) -> pa.Schema:
    """Return a schema with the types of another one for the columns that this one widens."""
    return pa.schema(
        [
            field.with_type(wide.field(place).type)
            if (place := wide.get_field_index(field.name)) >= 0
            and widens(field.type, wide.field(place).type)
            else field
            for field in narrow
        ],
        metadata=narrow.metadata,
    )


def grow(pinned: pa.Schema, fresh: pa.Schema) -> pa.Schema:
    """Return the schema of a dataset after records of another schema are added.

    The dataset's columns must be present with their types, in any order; new columns must be
    nullable.

    Args:
        pinned: the dataset's schema, whose column descriptions are kept.
        fresh: the schema of the records to be added.

    Raises:
        SchemaMismatch: the records do not fit; the message says where.
    """
    places = {name: place for place, name in enumerate(fresh.names)}
    if len(places) != len(fresh):
        raise SchemaMismatch("two columns of the records have the same name")
    for place, field in enumerate(pinned, start=1):
        if field.name not in places:
            if len(fresh) == len(pinned) and fresh.names[place - 1] not in pinned.names:
                raise SchemaMismatch(
                    f"column {place} has a different name than in the dataset"
                )
            raise SchemaMismatch(
                f"column {place} of the dataset is missing in these records; the dataset has "
                f"{len(pinned)} columns and these records have {len(fresh)}"
            )
        found = fresh.field(places[field.name])
        if found.type != field.type and not _is_cast(found.type, field.type):
            raise SchemaMismatch(
                f"column {places[field.name] + 1} is {shown(field.type)} in the dataset and "
                f"{shown(found.type)} here",
                column=places[field.name] + 1,
                columns=(field.name,),
                hint=_WIDEN if widens(field.type, found.type) else None,
            )
    added = [field for field in fresh if pinned.get_field_index(field.name) < 0]
    for field in added:
        if not field.nullable:
            raise SchemaMismatch(
                f"column {places[field.name] + 1} is new to the dataset and does not allow nulls",
                hint="a column that is added later must be nullable: older records lack it",
            )
    return pa.schema([*pinned, *added], metadata=pinned.metadata)


def _is_cast(kind: pa.DataType, pinned: pa.DataType) -> bool:
    """Return whether records of a type are cast to the dataset's.

    Narrower ones are, and both kinds of text; numbers are no text, as they may have lost zeros.
    """
    if {kind, pinned} in (
        {pa.string(), pa.large_string()},
        {pa.binary(), pa.large_binary()},
    ):
        return True
    text = pa.types.is_integer(kind) and pa.types.is_string(pinned)
    return not text and widens(kind, pinned)


def shown(kind: pa.DataType) -> str:
    """Return a type for an error message, without the field names of a nested one."""
    return "nested" if pa.types.is_nested(kind) else str(kind)


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in a schema's column order and types; columns that it lacks are null.

    Raises:
        SchemaMismatch: a value cannot be cast to its column's type without a loss.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            column = batch.column(place)
            columns.append(_cast(column, field, place))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field, place: int) -> pa.Array:
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowInvalid:
        # Arrow's message quotes the value.
        raise SchemaMismatch(
            f"column {place + 1}: a value of type {shown(column.type)} cannot be "
            f"{shown(field.type)}, the type of the dataset's column, without a loss",
            column=place + 1,
            columns=(field.name,),
        ) from None
