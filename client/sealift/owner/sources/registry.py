"""Every kind of source: the built-in ones, and those that other packages add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sealift.owner.sources import readers
from sealift.owner.sources.files import SUFFIXES
from sealift.owner.sources.kinds import Kind
from sealift.owner.sources.sql import SCHEMES
from sealift.owner.sources.stdin import arrow_stream
from sealift.process.plugins import find_plugin, load_plugin, plugin_names, unfit
from sealift_protocol.errors import InvalidArgument

GROUP = "sealift.sources"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "parquet",
            "Parquet: a file, a folder, a pattern, folders named KEY=VALUE",
            readers.open_parquet,
            suffixes=(".parquet", ".pq"),
            continues="at the row",
        ),
        Kind(
            "csv",
            "CSV and TSV with a header line; also .gz, .zst and .c4gh",
            readers.open_csv,
            suffixes=(".csv", ".tsv"),
            continues="at the row; a file that has grown continues where it ended",
            takes_types=True,
            stream=readers.open_csv_stream,
        ),
        Kind(
            "jsonl",
            "JSON Lines: an object on each line; also .gz, .zst and .c4gh",
            readers.open_jsonl,
            suffixes=(".jsonl", ".ndjson"),
            continues="at the line; a file that has grown continues where it ended",
            takes_types=True,
            stream=readers.open_jsonl_stream,
        ),
        Kind(
            "sql",
            "the result of a query: PostgreSQL, SQLite, MySQL, MariaDB; SQL Server and Oracle, "
            "which are untried",
            readers.open_database,
            schemes=SCHEMES,
            continues="with `cursor_column`, after its last value; without, not at all: one commit",
            extra="sql",
            module="sqlalchemy",
            takes_types=True,
        ),
        Kind(
            "excel",
            "a sheet of a workbook: Excel (xlsx, xlsm, xlsb, xls), OpenDocument (ods)",
            readers.open_excel,
            suffixes=(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
            continues="at the row",
            extra="excel",
            module="python_calamine",
        ),
        Kind(
            "statistics",
            "SPSS (sav, zsav, por), Stata (dta), SAS (xpt; sas7bdat, which is untried)",
            readers.open_statistics,
            suffixes=(".sav", ".zsav", ".por", ".dta", ".xpt", ".sas7bdat"),
            continues="at the row",
            extra="statistics",
            module="pyreadstat",
        ),
        Kind(
            "feather",
            "Arrow files, which are Feather 2",
            readers.open_feather,
            suffixes=(".feather", ".arrow"),
            continues="at the row",
        ),
        Kind(
            "orc",
            "Apache ORC",
            readers.open_orc,
            suffixes=(".orc",),
            continues="at the row",
        ),
        Kind(
            "avro",
            "Avro files of records",
            readers.open_avro,
            suffixes=(".avro",),
            continues="at the row",
            extra="avro",
            module="fastavro",
        ),
        Kind(
            "sqlite",
            "a table of an SQLite file, or the result of a query",
            readers.open_sqlite,
            suffixes=(".sqlite", ".sqlite3", ".db"),
            continues="with `cursor_column`, after its last value; without, not at all: one commit",
            extra="sql",
            module="sqlalchemy",
            takes_types=True,
        ),
        Kind(
            "arrow",
            "an Arrow IPC stream, from standard input",
            readers.refuse_files,
            continues="not at all: one commit",
            stream=lambda stream, _: arrow_stream(stream),
        ),
        Kind(
            "fhir",
            "FHIR R4: Bulk Data, bundles, a server's $export; one type as columns, or any whole",
            readers.open_fhir,
            suffixes=(".ndjson", ".json"),
            schemes=("fhir+bulk", "fhir+bulk+https", "fhir+bulk+http"),
            continues="at the line; a file that has grown continues where it ended",
            takes_whole=True,
            recognises=readers.holds_resources,
        ),
        Kind(
            "hl7",
            "HL7 version 2 messages: one per row, as columns or kept whole",
            readers.open_hl7,
            suffixes=(".hl7",),
            continues="at the message; a file that has grown continues where it ended",
            extra="hl7",
            module="hl7",
            takes_whole=True,
        ),
        Kind(
            "dicom",
            "DICOM instances: header elements as columns, decoded pixels; also .c4gh",
            readers.open_dicom,
            suffixes=(".dcm", ".dicom"),
            continues="at the instance, in a large one at the frame",
            extra="dicom",
            module="pydicom",
            claims=readers.is_instance,
        ),
        Kind(
            "files",
            "files of any kind, unchanged: path, media type, bytes; also .c4gh",
            readers.open_files,
            suffixes=SUFFIXES,
            continues="at the file, in a large one at the piece",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class PlugIns:
    """The kinds of source that other packages add.

    Attributes:
        kinds: the usable kinds, by name.
        problems: why the others cannot be used; each error names the package.
    """

    kinds: Mapping[str, Kind]
    problems: Sequence[InvalidArgument]


def plug_ins() -> PlugIns:
    """Load every kind of source that other packages add.

    A kind that cannot be loaded, or has the name of a built-in one, is a problem; it does not
    affect the others.
    """
    kinds: dict[str, Kind] = {}
    problems: list[InvalidArgument] = []
    for name in plugin_names(GROUP):
        try:
            kinds[name] = _plug_in(name)
        except InvalidArgument as error:
            problems.append(error)
    return PlugIns(kinds, problems)


def find_kind(name: str) -> Kind:
    """Return the kind of a name, built-in or of another package.

    Raises:
        InvalidArgument: there is none, or it cannot be used.
    """
    return KINDS[name] if name in KINDS else _plug_in(name)


def _plug_in(name: str) -> Kind:
    point = find_plugin(GROUP, name)
    if point is None:
        raise InvalidArgument(
            "there is no such kind of source", hint="see `sealift sources`"
        )
    if name in KINDS:
        raise unfit(point, "is not used: its name is that of a built-in source")
    kind = load_plugin(point, Kind)
    if kind.name != name:
        raise unfit(point, "declares a different name")
    return kind
