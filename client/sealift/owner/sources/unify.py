"""One schema for files that differ only in how they store the same values.

It follows what pyarrow.dataset does when schemas are unified permissively, as far as no value
changes: whole numbers never become floating point here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_ragged_list, is_text
from sealift_protocol.errors import SchemaMismatch, SourceError

_UNITS = ("s", "ms", "us", "ns")
OTHER_COLUMNS = (
    "the files of one push must have the same columns: push this one separately"
)
"""What to do about a file that has others."""


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both; None if there is none."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    one, other = _plain(one), _plain(other)
    if one == other:
        return one
    for holds, small, large in (
        (is_text, pa.string(), pa.large_string()),
        (_is_bytes, pa.binary(), pa.large_binary()),
    ):
        if holds(one) and holds(other):
            return large if large in (one, other) else small
    return (
        _common_number(one, other)
        or _common_time(one, other)
        or _common_nested(one, other)
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _common_number(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_floating(one) and pa.types.is_floating(other):
        return one if one.bit_width > other.bit_width else other
    if not (pa.types.is_integer(one) and pa.types.is_integer(other)):
        return None
    if pa.types.is_signed_integer(one) == pa.types.is_signed_integer(other):
        return one if one.bit_width > other.bit_width else other
    unsigned, signed = (
        (one, other) if pa.types.is_signed_integer(other) else (other, one)
    )
    bits = max(signed.bit_width, 2 * unsigned.bit_width)
    return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(bits)


def _common_time(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        if one.tz != other.tz:
            return None
        return pa.timestamp(max(one.unit, other.unit, key=_UNITS.index), one.tz)
    for is_kind in (pa.types.is_duration, pa.types.is_time):
        if is_kind(one) and is_kind(other):
            return max(one, other, key=lambda kind: _UNITS.index(kind.unit))
    return None


def _common_nested(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if is_ragged_list(one) and is_ragged_list(other):
        inner = common_type(one.value_type, other.value_type)
        large = pa.types.is_large_list(one) or pa.types.is_large_list(other)
        if inner is None:
            return None
        return pa.large_list(inner) if large else pa.list_(inner)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        names = [field.name for field in one]
        if names != [field.name for field in other]:
            return None
        kinds = [
            common_type(one.field(name).type, other.field(name).type) for name in names
        ]
        if any(kind is None for kind in kinds):
            return None
        return pa.struct(list(zip(names, kinds, strict=True)))
    return None


def unify(known: pa.Schema, found: pa.Schema, path: Path) -> pa.Schema:
    """Return the schema of earlier files, widened where a further file needs it.

    Raises:
        SchemaMismatch: the file has other columns, or a column's types have none in common.
    """
    if found.equals(known):
        return known
    rest = {field.name: field for field in found}
    merged = []
    for column, field in enumerate(known, start=1):
        other = rest.pop(field.name, None)
        if other is None:
            raise _other_schema(
                f"column {column} of the first file is missing", path, column
            )
        if other.nullable and not field.nullable:
            raise _other_schema(
                f"column {column} of the first file does not allow nulls, "
                "but this file's does",
                path,
                column,
            )
        kind = common_type(field.type, other.type)
        if kind is None:
            raise _other_schema(
                f"column {found.get_field_index(field.name) + 1} has another type "
                "than in the first file",
                path,
                column,
            )
        merged.append(field.with_type(kind))
    if rest or len(found) != len(known):
        column = min(map(found.get_field_index, rest), default=0) + 1
        raise _other_schema(f"column {column} is not in the first file", path, column)
    return pa.schema(merged, metadata=known.metadata)


def as_before(schema: pa.Schema, expected: pa.Schema | None) -> pa.Schema:
    """Return a schema with the types of earlier pushes, where those hold the same values."""
    if expected is None:
        return schema
    fields = []
    for field in schema:
        kind = field.type
        if field.name in expected.names:
            earlier = expected.field(field.name).type
            wide = common_type(earlier, kind)
            if wide is not None and (wide == earlier or _same_values(wide, earlier)):
                kind = earlier
        fields.append(field.with_type(kind))
    return pa.schema(fields, metadata=schema.metadata)


def _same_values(one: pa.DataType, other: pa.DataType) -> bool:
    holds: tuple[Callable[[pa.DataType], bool], ...] = (is_text, _is_bytes)
    return any(is_kind(one) and is_kind(other) for is_kind in holds)


def fitted(batch: pa.RecordBatch, schema: pa.Schema, path: Path) -> list[pa.Array]:
    """Return a batch's columns in the types of a schema, without its further columns.

    Raises:
        SourceError: a value does not fit the type.
    """
    columns = []
    for number, field in enumerate(schema, start=1):
        if field.name not in batch.schema.names:
            continue
        column = batch.column(field.name)
        try:
            columns.append(
                column if column.type == field.type else pc.cast(column, field.type)
            )
        except pa.ArrowException:
            raise SourceError(
                f"a value of column {number} does not fit the type that the files have in common",
                path=path,
                column=number,
                hint="push this file separately, to a dataset of its own",
            ) from None
    return columns


def _other_schema(what: str, path: Path, column: int) -> SchemaMismatch:
    return SchemaMismatch(
        f"the file's schema differs from the first file's: {what}",
        path=path,
        column=column,
        hint=OTHER_COLUMNS,
    )
