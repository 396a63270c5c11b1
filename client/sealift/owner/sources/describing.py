"""Reads labels, units and descriptions of columns from TOML into Arrow field metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec import UNSET, UnsetType

from sealift.process.layouts import FileStruct, Layout
from sealift_protocol.errors import InvalidArgument, SourceError


class _Column(FileStruct, frozen=True, omit_defaults=True):
    label: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


_LAYOUT = Layout(
    "the file of descriptions",
    dict[str, _Column],
    InvalidArgument,
    'write a table for each column, such as [weight] with unit = "kg"; a column has '
    + ", ".join(_Column.__struct_fields__),
)


def read_descriptions(path: Path) -> dict[str, dict[str, str]]:
    """Read a file with a table for each column: label, unit and description.

    Raises:
        SourceError: the file cannot be read.
        InvalidArgument: the file does not have that form.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"the descriptions cannot be read: {(error.strerror or 'no reason given').lower()}",
            path=path,
            hint="check the path",
        ) from None
    found = _LAYOUT.read_toml(content)
    return {name: msgspec.to_builtins(said) for name, said in found.items()}


def describe(
    schema: pa.Schema, descriptions: Mapping[str, Mapping[str, str]]
) -> pa.Schema:
    """Return a schema whose fields carry their descriptions and their earlier metadata.

    Raises:
        InvalidArgument: a described column is missing.
    """
    if not set(descriptions) <= set(schema.names):
        raise InvalidArgument(
            "the descriptions name a column that the source does not have"
        )
    fields = []
    for field in schema:
        said = {
            k.encode(): v.encode() for k, v in descriptions.get(field.name, {}).items()
        }
        fields.append(
            field.with_metadata({**(field.metadata or {}), **said}) if said else field
        )
    return pa.schema(fields, metadata=schema.metadata)
