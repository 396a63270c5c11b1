"""How a source is read: what a caller says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from sealift.owner.sources.dialects import Dialect
from sealift.owner.sources.fileset import Selection
from sealift.owner.sources.interface import Rejects, StopAtRejects, Written
from sealift.policy.reading import ReadLeaf, as_inferred
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

_DECIMAL = re.compile(r"decimal128\((\d+), ?(\d+)\)")


def no_token(_refused: bool, /) -> Secret | None:
    """Return no token for a FHIR server."""
    return None


def _unsaid(_sentence: str) -> None:
    """Say nothing."""


def _unshown(_written: Written) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is read.

    Attributes:
        kind: name of a kind; empty to choose by URL or suffix.
        types: Arrow type names by column, for text formats; the others are inferred.
        encoding: the encoding of CSV files.
        delimiter: the character between columns of CSV; empty to recognise it.
        decimal: the character before decimals in CSV; empty to recognise it.
        thousands: the character between thousands in CSV; empty to recognise it.
        dates: the order of dates in CSV, dmy, mdy or ymd; empty to recognise it.
        recognise: whether what separates columns of CSV may be recognised. Under a policy the
            owner names it: a rule is for a column.
        header: whether the first line of CSV has the names of columns; None for yes, unless it
            looks like a record.
        comment: what lines before the names of columns in CSV begin with that are comments;
            empty for none.
        rejects: takes records that cannot be read.
        query: the query, for databases.
        cursor_column: a unique and increasing column of the query's result, so that a push
            can continue.
        whole: whether FHIR resources and HL7 messages are kept unchanged, not flattened.
        resource: the type of FHIR resource to read; empty if there is only one.
        crypt4gh_key: the owner's private key (32 bytes), for .c4gh files.
        settle_seconds: files of a folder that changed within this time are left for the next
            push.
        expected: the source's schema at earlier pushes, if there were any.
        pixels: whether the pixel data of DICOM files is read.
        read_as: how each leaf of a text format is read whose type is not known.
        modifiers: the patterns of a policy's rules that name FHIR's `modifierExtension`.
        view: a ViewDefinition of SQL on FHIR, whose columns FHIR resources get.
        token: returns the access token of a FHIR server; with True, after it refused to answer
            without one.
        more: further paths that are read with the source's.
        include: patterns of the names, or paths below the folder, of the files that are read.
        exclude: patterns of those that are left out.
        shown: takes how a text is read.
        notice: takes sentences about what is left out, with names of files, for the owner.
        table: the sheet of a workbook, or the table of a database file.
    """

    kind: str = ""
    types: Mapping[str, str] = field(default_factory=dict, repr=False)
    encoding: str = "utf-8"
    delimiter: str = ""
    decimal: str = ""
    thousands: str = ""
    dates: str = ""
    header: bool | None = None
    comment: str = ""
    recognise: bool = True
    rejects: Rejects = field(default_factory=StopAtRejects)
    query: str = field(default="", repr=False)
    cursor_column: str = field(default="", repr=False)
    whole: bool = False
    resource: str = ""
    crypt4gh_key: Secret | None = None
    settle_seconds: float = 0
    expected: pa.Schema | None = field(default=None, repr=False)
    pixels: bool = True
    read_as: ReadLeaf = field(default=as_inferred, repr=False)
    modifiers: tuple[str, ...] = field(default=(), repr=False)
    view: Path | None = field(default=None, repr=False)
    token: Callable[[bool], Secret | None] = field(default=no_token, repr=False)
    more: tuple[str, ...] = field(default=(), repr=False)
    include: tuple[str, ...] = field(default=(), repr=False)
    exclude: tuple[str, ...] = field(default=(), repr=False)
    shown: Callable[[Written], None] = field(default=_unshown, repr=False)
    notice: Callable[[str], None] = field(default=_unsaid, repr=False)
    table: str = field(default="", repr=False)

    def column_types(self) -> dict[str, pa.DataType]:
        """Return the given types."""
        return {name: parse_type(text) for name, text in self.types.items()}


def selection_of(options: SourceOptions) -> Selection:
    """Return which files of folders and patterns are read."""
    return Selection(options.settle_seconds, options.include, options.exclude)


def dialect_of(options: SourceOptions) -> Dialect:
    """Return what is said of how CSV is written.

    Raises:
        InvalidArgument: a character cannot have that meaning.
    """
    said = Dialect(
        options.delimiter,
        options.decimal,
        options.thousands,
        options.dates,
        options.header,
        options.recognise,
        options.comment,
    )
    said.check()
    return said


def parse_type(text: str) -> pa.DataType:
    """Parse an Arrow type name, such as int64, float, string, date32, timestamp[s].

    Raises:
        InvalidArgument: there is no type of that name.
    """
    decimal = _DECIMAL.fullmatch(text)
    try:
        if decimal:
            return pa.decimal128(int(decimal[1]), int(decimal[2]))
        return pa.type_for_alias(text)
    except ValueError:
        raise InvalidArgument(
            "the type given for a column is unknown",
            hint="use Arrow's names: int64, float32, string, bool, date32, timestamp[s], "
            "decimal128(12,2)",
        ) from None
