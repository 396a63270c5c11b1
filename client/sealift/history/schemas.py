"""Arrow schemas: their bytes, and how a dataset's schema may grow."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sealift_protocol.errors import MalformedObject, SchemaMismatch


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


def read_grown(schemas: Sequence[bytes]) -> pa.Schema:
    """Return the newest of some schemas, each of which extends the one before.

    Raises:
        MalformedObject: one is not a schema, or does not extend the one before.
    """
    first, *later = (read_schema(data) for data in schemas)
    for new in later:
        if not extends(first, new):
            raise MalformedObject(
                "a commit changes the dataset's schema beyond adding columns"
            )
        first = new
    return first


def extends(old: pa.Schema, new: pa.Schema) -> bool:
    """Return whether `new` is `old` plus nullable columns at the end, so old records fit."""
    return (
        len(new) >= len(old)
        and all(
            new.field(place).name == field.name and new.field(place).type == field.type
            for place, field in enumerate(old)
        )
        and all(new.field(place).nullable for place in range(len(old), len(new)))
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
        if found.type != field.type:
            raise SchemaMismatch(
                f"column {places[field.name] + 1} is {shown(field.type)} in the dataset and "
                f"{shown(found.type)} here"
            )
    added = [field for field in fresh if pinned.get_field_index(field.name) < 0]
    for field in added:
        if not field.nullable:
            raise SchemaMismatch(
                f"column {places[field.name] + 1} is new to the dataset and does not allow nulls",
                hint="a column that is added later must be nullable: older records lack it",
            )
    return pa.schema([*pinned, *added], metadata=pinned.metadata)


def shown(kind: pa.DataType) -> str:
    """Return a type for an error message, without the field names of a nested one."""
    return "nested" if pa.types.is_nested(kind) else str(kind)


def fit(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in a schema's column order and types; columns that it lacks are null."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        if place < 0:
            columns.append(pa.nulls(batch.num_rows, field.type))
        else:
            column = batch.column(place)
            columns.append(
                column if column.type == field.type else column.cast(field.type)
            )
    return pa.RecordBatch.from_arrays(columns, schema=schema)
