"""Labels, units and descriptions of columns, from a TOML file into Arrow field metadata."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from sealift_protocol.errors import InvalidArgument, SourceError

KEYS = ("label", "unit", "description")


def read_descriptions(path: Path) -> dict[str, dict[str, str]]:
    """What a file says of columns: a table for each, with label, unit and description.

    Raises:
        SourceError: the file cannot be read.
        InvalidArgument: it says something else.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(
            f"the descriptions cannot be read: {(error.strerror or 'no reason given').lower()}",
            path=path,
            hint="check the path",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise InvalidArgument(
            "the file of descriptions is not TOML",
            hint='write a table for each column: [weight], then unit = "kg"',
        ) from None
    for said in document.values():
        if not isinstance(said, dict) or not all(
            key in KEYS and isinstance(value, str) for key, value in said.items()
        ):
            raise InvalidArgument(
                "the file of descriptions says something that is not known",
                hint="a column has the texts " + ", ".join(KEYS),
            )
    return document


def describe(
    schema: pa.Schema, descriptions: Mapping[str, Mapping[str, str]]
) -> pa.Schema:
    """A schema whose fields carry their descriptions beside the metadata that they have.

    Raises:
        InvalidArgument: a column that is described is not there.
    """
    if not set(descriptions) <= set(schema.names):
        raise InvalidArgument("a column is described that the source does not have")
    fields = []
    for field in schema:
        said = {
            k.encode(): v.encode() for k, v in descriptions.get(field.name, {}).items()
        }
        fields.append(
            field.with_metadata({**(field.metadata or {}), **said}) if said else field
        )
    return pa.schema(fields, metadata=schema.metadata)
