"""Opens the source of each built-in kind; what few need is imported on use."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sealift.owner.sources.bytestreams import Opener, inner_suffix
from sealift.owner.sources.delimited import CsvSource
from sealift.owner.sources.dicom import DicomSource
from sealift.owner.sources.dicomdir import is_index
from sealift.owner.sources.files import FilesSource
from sealift.owner.sources.fileset import Fileset, look_for
from sealift.owner.sources.interface import Source
from sealift.owner.sources.jsonl import JsonLinesSource
from sealift.owner.sources.options import SourceOptions, dialect_of, selection_of
from sealift.owner.sources.parquet import ParquetSource
from sealift.owner.sources.sql import open_sql
from sealift.owner.sources.stdin import csv_stream, jsonl_stream
from sealift.owner.sources.tables import TableSource
from sealift_protocol.errors import InvalidArgument, SourceError

_FHIR_FOLDER = "fhir+bulk://"
# A DICOM file's preamble and prefix (PS3.10 7.1).
_PREFIXED = 132


def fileset_of(text: str, options: SourceOptions) -> Fileset:
    """Return the files of a path and of the options; the owner is told what is left out."""
    found = look_for([text, *options.more], selection_of(options))
    for sentence in found.skipped.sentences():
        options.notice(sentence)
    return Fileset(found.root, found.paths, Opener(options.crypt4gh_key))


def open_csv(text: str, options: SourceOptions) -> Source:
    """Open CSV files, and show how they are read."""
    files = fileset_of(text, options)
    source = CsvSource(
        files,
        types=options.column_types(),
        said=dialect_of(options),
        usual="\t" if inner_suffix(files.first) == ".tsv" else ",",
        encoding=options.encoding,
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )
    options.shown(source.written)
    return source


def open_jsonl(text: str, options: SourceOptions) -> Source:
    """Open files of JSON Lines."""
    return JsonLinesSource(
        fileset_of(text, options),
        types=options.column_types(),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )


def holds_resources(path: Path, opener: Opener) -> bool | None:
    """Return whether a file holds FHIR resources; None if its content does not say."""
    from sealift.owner.sources.fhir_lines import holds_resources

    return holds_resources(path, opener)


def open_fhir(text: str, options: SourceOptions) -> Source:
    """Open FHIR resources: files, an export's folder, or a server's export."""
    from sealift.owner.sources.fhir import FhirSource
    from sealift.owner.sources.fhir_export import download_export, is_export
    from sealift.owner.sources.fhir_manifest import find_export
    from sealift.owner.sources.fhir_views import read_view

    view = None if options.view is None else read_view(options.view)
    resource = options.resource or (view.resource if view is not None else "")
    opener = Opener(options.crypt4gh_key)
    told, downloaded = Counter[str](), None
    if is_export(text):
        downloaded = download_export(text, resource, options.token)
        files = Fileset(downloaded.root, downloaded.paths, opener)
        told = downloaded.told
    elif text.startswith(_FHIR_FOLDER):
        folder = Path(text.removeprefix(_FHIR_FOLDER))
        found = find_export(folder, resource)
        files, told = Fileset(found.root, found.paths, opener), found.told
    else:
        files = fileset_of(text, options)
    return FhirSource(
        files,
        rejects=options.rejects,
        resource=options.resource,
        whole=options.whole,
        modifiers=options.modifiers,
        view=view,
        told=told,
        export=downloaded,
    )


def open_hl7(text: str, options: SourceOptions) -> Source:
    """Open files of HL7 version 2 messages."""
    from sealift.owner.sources.hl7 import Hl7Source

    return Hl7Source(
        fileset_of(text, options),
        encoding=options.encoding,
        rejects=options.rejects,
        whole=options.whole,
    )


def open_parquet(text: str, options: SourceOptions) -> Source:
    """Open Parquet files."""
    return ParquetSource(fileset_of(text, options), options.expected)


def open_database(text: str, options: SourceOptions) -> Source:
    """Open the result of a query."""
    return open_sql(
        text,
        options.query,
        cursor_column=options.cursor_column,
        types=options.column_types(),
        expected=options.expected,
    )


def open_feather(text: str, options: SourceOptions) -> Source:
    """Open Arrow files."""
    from sealift.owner.sources.columnar import ArrowFiles

    return TableSource(fileset_of(text, options), ArrowFiles(), options.expected)


def open_orc(text: str, options: SourceOptions) -> Source:
    """Open ORC files."""
    from sealift.owner.sources.columnar import OrcFiles

    return TableSource(fileset_of(text, options), OrcFiles(), options.expected)


def open_excel(text: str, options: SourceOptions) -> Source:
    """Open a sheet of workbooks."""
    from sealift.owner.sources.excel import Workbooks

    files = fileset_of(text, options)
    return TableSource(
        files, Workbooks(options.table, options.notice), options.expected
    )


def open_statistics(text: str, options: SourceOptions) -> Source:
    """Open files of SPSS, Stata or SAS."""
    from sealift.owner.sources.statistics import StatisticsFiles

    return TableSource(fileset_of(text, options), StatisticsFiles(), options.expected)


def open_avro(text: str, options: SourceOptions) -> Source:
    """Open Avro files."""
    from sealift.owner.sources.avro import AvroFiles

    return TableSource(fileset_of(text, options), AvroFiles(), options.expected)


def open_sqlite(text: str, options: SourceOptions) -> Source:
    """Open a table of an SQLite file, or the result of a query.

    Raises:
        SourceError: there are several files.
    """
    from sealift.owner.sources.sqlitefile import query_of

    files = fileset_of(text, options)
    if len(files.parts) > 1:
        raise SourceError(
            "several SQLite files cannot be one push",
            path=files.root,
            hint="push each of them by itself",
        )
    query = options.query or query_of(files.first, options.table, options.notice)
    return open_database(
        f"sqlite:///{files.first.resolve()}", replace(options, query=query)
    )


def open_csv_stream(stream: BinaryIO, options: SourceOptions) -> Source:
    """Open a stream of CSV, and show how it is read."""
    source = csv_stream(
        stream,
        types=options.column_types(),
        encoding=options.encoding,
        said=dialect_of(options),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )
    options.shown(source.written)
    return source


def open_jsonl_stream(stream: BinaryIO, options: SourceOptions) -> Source:
    """Open a stream of JSON Lines."""
    return jsonl_stream(
        stream,
        types=options.column_types(),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )


def refuse_files(_text: str, _options: SourceOptions) -> Source:
    """Refuse files of a kind that is read only from standard input.

    Raises:
        InvalidArgument: always.
    """
    raise InvalidArgument(
        "an Arrow stream is read from standard input",
        hint='push it from there: `push("-", kind="arrow")`',
    )


def open_dicom(text: str, options: SourceOptions) -> Source:
    """Open DICOM instances."""
    return DicomSource(
        fileset_of(text, options),
        pixels=options.pixels,
        rejects=options.rejects,
        expected=options.expected,
    )


def is_instance(path: Path) -> bool:
    """Return whether a file is a DICOMDIR, or begins as a DICOM file does."""
    if is_index(path):
        return True
    with Opener().open(path) as stream:
        return stream.read(_PREFIXED)[-4:] == b"DICM"


def open_files(text: str, options: SourceOptions) -> Source:
    """Open files, to be kept unchanged."""
    return FilesSource(fileset_of(text, options))
