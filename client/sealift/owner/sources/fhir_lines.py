"""Lines of FHIR Bulk Data: the resource types in a file, and errors for other lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.fhir_bundles import ResourceOpener
from sealift.owner.sources.fhir_columns import read_objects
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.fhir_modifiers import NAME, UnknownModifierError
from sealift.owner.sources.fhir_paths import PathFailedError
from sealift.owner.sources.fhir_viewing import MisfitError
from sealift.owner.sources.fileset import Fileset, path_of
from sealift.owner.sources.lines import Block, TextFormat, not_text, read_blocks
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError

KEEP_WHOLE = "or keep resources of every type whole with `whole=True`"
_BOM = b"\xef\xbb\xbf"
_TYPE = pa.schema([("resourceType", pa.string())])
# The most lines that are read to find a file's resource types.
_FIRST_LINES = 5
_FIRST_BLOCK = 64 << 10
_SPLIT = (
    "Bulk Data has one resource a line; split a bundle with: jq -c '.entry[].resource'"
)


def holds_resources(path: Path, opener: Opener) -> bool | None:
    """Return whether a file's first lines are FHIR resources; None if it is empty.

    Raises:
        SourceError: the file cannot be read.
    """
    lines = first_lines(path, ResourceOpener(opener.key))
    return any(is_typed([line]) for line in lines) if lines else None


def only_type(files: Fileset) -> str:
    """Return the type of the resources in files, from their first lines.

    Raises:
        EmptySource: all files are empty.
        SourceError: a file does not begin with resources.
        InvalidArgument: there are several types.
    """
    found: set[str] = set()
    for part in files.parts:
        lines = first_lines(path_of(part), files.opener)
        typed = next((line for line in lines if is_typed([line])), None)
        if typed is not None:
            found |= set(types_of([typed]).to_pylist())
        elif lines:
            raise not_a_resource(path_of(part), 1, lines[0])
    if not found:
        raise EmptySource("no file holds a record", path=files.first)
    if len(found) > 1:
        # An unknown type may be any text, and is not shown.
        known = sorted(found & MAPPING.keys())
        others = len(found) - len(known)
        names = [*known, *([f"{others} more"] if others else [])]
        raise InvalidArgument(
            f"the files hold several types of resources: {', '.join(names)}",
            hint=f"push each type to its own dataset with `resource`, {KEEP_WHOLE}",
        )
    return found.pop()


def first_lines(path: Path, opener: Opener) -> list[bytes]:
    """Read a few lines from the beginning of a file, without blank ones.

    Raises:
        SourceError: the file cannot be read.
    """
    for block in read_blocks(path, opener, TextFormat(strict=False), size=_FIRST_BLOCK):
        lines = [text for _, text in lines_of(block)]
        if lines:
            return lines[:_FIRST_LINES]
    return []


def lines_of(block: Block) -> Iterator[tuple[int, bytes]]:
    """Return the lines that are not blank, with their numbers."""
    data = block.data.removeprefix(_BOM) if block.offset == 0 else block.data
    for line, text in enumerate(data.split(b"\n"), start=block.line):
        if text.strip():
            yield line, text


def types_of(lines: Sequence[bytes]) -> pa.Array:
    """Return the resource types of lines of JSON.

    Raises:
        pa.ArrowInvalid: a line is not an object, or its type is not a text.
    """
    return read_objects(b"\n".join(lines), _TYPE)["resourceType"].combine_chunks()


def is_typed(lines: Sequence[bytes]) -> bool:
    """Return whether every line is one object with a resource type, in UTF-8."""
    try:
        b"\n".join(lines).decode()
        types = types_of(lines)
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return False
    return len(types) == len(lines) and not types.null_count


def not_a_resource(path: Path, line: int, text: bytes) -> SourceError:
    """Return the error for a line that `is_typed` rejects."""
    try:
        is_object = isinstance(json.loads(text.decode()), dict)
        what = (
            "is not a FHIR resource: it has no resourceType"
            if is_object
            else "is not an object"
        )
    except UnicodeDecodeError:
        return not_text("utf-8", path, line)
    except (ValueError, RecursionError):
        what = "is not JSON"
    return SourceError(f"line {line} {what}", path=path, line=line, hint=_SPLIT)


def of_another_type(path: Path, line: int) -> SourceError:
    """Return the error for a resource of another type than the first."""
    return SourceError(
        f"line {line} is a resource of another type than the first",
        path=path,
        line=line,
        hint=f"choose one with `resource`, {KEEP_WHOLE}",
    )


def not_understood(path: Path, line: int, error: UnknownModifierError) -> SourceError:
    """Return the error for a resource whose meaning an extension may change."""
    known = error.level is not None
    place = f"{error.level}.{NAME}" if error.level else NAME
    return SourceError(
        f"line {line} has a {place}, which may change the meaning of what it stands in: no rule "
        "of a policy names it, or its value has no column",
        path=path,
        line=line,
        hint="find out what it means, then name it in the policy ("
        f'"{place if known else f"**.{NAME}"}" = "drop"); or skip such lines with '
        f'`on_error="skip"`, {KEEP_WHOLE}',
    )


def not_of_view(
    path: Path, line: int, schema: pa.Schema, error: MisfitError | PathFailedError
) -> SourceError:
    """Return the error for a resource that a view does not fit."""
    column = None
    what = f"line {line}: a path of the view cannot be evaluated"
    if isinstance(error, MisfitError):
        column = schema.get_field_index(error.column) + 1
        what = (
            f"line {line}, column {column}: several values where the view says one, or a value "
            "that is not of the column's type"
        )
    return SourceError(
        what,
        path=path,
        line=line,
        column=column,
        hint="correct the view (`collection`, `type`, first()), or skip such lines with "
        '`on_error="skip"`',
    )
