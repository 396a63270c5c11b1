"""Every kind of source, and how one is chosen: by name, URL or suffix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from sealift.owner.sources.bytestreams import Opener, inner_suffix, is_packed
from sealift.owner.sources.delimited import CsvSource
from sealift.owner.sources.dialects import Dialect
from sealift.owner.sources.dicom import DicomSource
from sealift.owner.sources.dicomdir import is_index
from sealift.owner.sources.files import SUFFIXES, FilesSource
from sealift.owner.sources.fileset import Fileset, Found, Selection, look_for
from sealift.owner.sources.interface import (
    Rejects,
    Source,
    StopAtRejects,
    Written,
)
from sealift.owner.sources.jsonl import JsonLinesSource
from sealift.owner.sources.lines import check_encoding
from sealift.owner.sources.parquet import ParquetSource
from sealift.owner.sources.sql import SCHEMES, open_sql
from sealift.owner.sources.stdin import (
    arrow_stream,
    csv_stream,
    jsonl_stream,
    standard_input,
)
from sealift.owner.sources.tables import TableSource
from sealift.owner.sources.unread import how_to_convert
from sealift.policy.reading import ReadLeaf, as_inferred
from sealift.process.extras import is_installed, not_installed
from sealift.process.plugins import find_plugin, load_plugin, plugin_names, unfit
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    SealiftError,
    SourceError,
    UnclearSource,
)

STDIN = "-"
_QUERIED = ("sql", "sqlite")


def no_token(_refused: bool, /) -> Secret | None:
    """Return no token for a FHIR server."""
    return None


_FHIR_FOLDER = "fhir+bulk://"
# A DICOM file's preamble and prefix (PS3.10 7.1).
_PREFIXED = 132
_DECIMAL = re.compile(r"decimal128\((\d+), ?(\d+)\)")


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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source.

    Attributes:
        name: the value of `kind` that selects it.
        what: what it reads.
        suffixes: file suffixes that select it.
        schemes: URL schemes that select it.
        continues: how a push continues after an interruption.
        open: opens files, or what a URL names.
        extra: the extra that it needs; empty for none.
        module: the module that must be installed for it; empty for none.
        takes_types: whether column types can be given.
        takes_whole: whether records can be kept whole.
        stream: opens standard input; None if it cannot read from there.
        recognises: for kinds that share a suffix, whether a file's content is of this kind;
            None if the content does not say.
        claims: whether a file without a suffix is of this kind, by its name or first bytes.
    """

    name: str
    what: str
    open: Callable[[str, SourceOptions], Source]
    suffixes: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    continues: str = ""
    extra: str = ""
    module: str = ""
    takes_types: bool = False
    takes_whole: bool = False
    stream: Callable[[BinaryIO, SourceOptions], Source] | None = None
    recognises: Callable[[Path, Opener], bool | None] | None = None
    claims: Callable[[Path], bool] | None = None

    @property
    def installed(self) -> bool:
        """Return whether the module that it needs is installed."""
        return not self.module or is_installed(self.module)


def _fileset(text: str, options: SourceOptions) -> Fileset:
    found = look_for([text, *options.more], _selection(options))
    for sentence in found.skipped.sentences():
        options.notice(sentence)
    return Fileset(found.root, found.paths, Opener(options.crypt4gh_key))


def _selection(options: SourceOptions) -> Selection:
    """Return which files of folders and patterns are read."""
    return Selection(options.settle_seconds, options.include, options.exclude)


def _dialect(options: SourceOptions) -> Dialect:
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


def _csv(text: str, options: SourceOptions) -> Source:
    files = _fileset(text, options)
    source = CsvSource(
        files,
        types=options.column_types(),
        said=_dialect(options),
        usual="\t" if inner_suffix(files.first) == ".tsv" else ",",
        encoding=options.encoding,
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )
    options.shown(source.written)
    return source


def _jsonl(text: str, options: SourceOptions) -> Source:
    return JsonLinesSource(
        _fileset(text, options),
        types=options.column_types(),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )


def _holds_resources(path: Path, opener: Opener) -> bool | None:
    from sealift.owner.sources.fhir_lines import holds_resources

    return holds_resources(path, opener)


def _fhir(text: str, options: SourceOptions) -> Source:
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
        files = _fileset(text, options)
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


def _hl7(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.hl7 import Hl7Source

    return Hl7Source(
        _fileset(text, options),
        encoding=options.encoding,
        rejects=options.rejects,
        whole=options.whole,
    )


def _parquet(text: str, options: SourceOptions) -> Source:
    return ParquetSource(_fileset(text, options), options.expected)


def _sql(text: str, options: SourceOptions) -> Source:
    return open_sql(
        text,
        options.query,
        cursor_column=options.cursor_column,
        types=options.column_types(),
        expected=options.expected,
    )


def _feather(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.columnar import ArrowFiles

    return TableSource(_fileset(text, options), ArrowFiles(), options.expected)


def _orc(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.columnar import OrcFiles

    return TableSource(_fileset(text, options), OrcFiles(), options.expected)


def _excel(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.excel import Workbooks

    files = _fileset(text, options)
    return TableSource(
        files, Workbooks(options.table, options.notice), options.expected
    )


def _statistics(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.statistics import StatisticsFiles

    return TableSource(_fileset(text, options), StatisticsFiles(), options.expected)


def _avro(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.avro import AvroFiles

    return TableSource(_fileset(text, options), AvroFiles(), options.expected)


def _sqlite(text: str, options: SourceOptions) -> Source:
    from sealift.owner.sources.sqlitefile import query_of

    files = _fileset(text, options)
    if len(files.parts) > 1:
        raise SourceError(
            "several SQLite files cannot be one push",
            path=files.root,
            hint="push each of them by itself",
        )
    query = options.query or query_of(files.first, options.table, options.notice)
    return _sql(f"sqlite:///{files.first.resolve()}", replace(options, query=query))


def _csv_stream(stream: BinaryIO, options: SourceOptions) -> Source:
    source = csv_stream(
        stream,
        types=options.column_types(),
        encoding=options.encoding,
        said=_dialect(options),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )
    options.shown(source.written)
    return source


def _jsonl_stream(stream: BinaryIO, options: SourceOptions) -> Source:
    return jsonl_stream(
        stream,
        types=options.column_types(),
        rejects=options.rejects,
        expected=options.expected,
        read_as=options.read_as,
    )


def _only_streamed(_text: str, _options: SourceOptions) -> Source:
    raise InvalidArgument(
        "an Arrow stream is read from standard input",
        hint='push it from there: `push("-", kind="arrow")`',
    )


def _dicom(text: str, options: SourceOptions) -> Source:
    return DicomSource(
        _fileset(text, options),
        pixels=options.pixels,
        rejects=options.rejects,
        expected=options.expected,
    )


def _is_instance(path: Path) -> bool:
    """Return whether a file is a DICOMDIR, or begins as a DICOM file does."""
    if is_index(path):
        return True
    with Opener().open(path) as stream:
        return stream.read(_PREFIXED)[-4:] == b"DICM"


def _files(text: str, options: SourceOptions) -> Source:
    return FilesSource(_fileset(text, options))


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "parquet",
            "Parquet: a file, a folder, a pattern, folders named KEY=VALUE",
            _parquet,
            suffixes=(".parquet", ".pq"),
            continues="at the row",
        ),
        Kind(
            "csv",
            "CSV and TSV with a header line; also .gz, .zst and .c4gh",
            _csv,
            suffixes=(".csv", ".tsv"),
            continues="at the row; a file that has grown continues where it ended",
            takes_types=True,
            stream=_csv_stream,
        ),
        Kind(
            "jsonl",
            "JSON Lines: an object on each line; also .gz, .zst and .c4gh",
            _jsonl,
            suffixes=(".jsonl", ".ndjson"),
            continues="at the line; a file that has grown continues where it ended",
            takes_types=True,
            stream=_jsonl_stream,
        ),
        Kind(
            "sql",
            "the result of a query: PostgreSQL, SQLite, MySQL, MariaDB; SQL Server and Oracle, "
            "which are untried",
            _sql,
            schemes=SCHEMES,
            continues="with `cursor_column`, after its last value; without, not at all: one commit",
            extra="sql",
            module="sqlalchemy",
            takes_types=True,
        ),
        Kind(
            "excel",
            "a sheet of a workbook: Excel (xlsx, xlsm, xlsb, xls), OpenDocument (ods)",
            _excel,
            suffixes=(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
            continues="at the row",
            extra="excel",
            module="python_calamine",
        ),
        Kind(
            "statistics",
            "SPSS (sav, zsav, por), Stata (dta), SAS (xpt; sas7bdat, which is untried)",
            _statistics,
            suffixes=(".sav", ".zsav", ".por", ".dta", ".xpt", ".sas7bdat"),
            continues="at the row",
            extra="statistics",
            module="pyreadstat",
        ),
        Kind(
            "feather",
            "Arrow files, which are Feather 2",
            _feather,
            suffixes=(".feather", ".arrow"),
            continues="at the row",
        ),
        Kind("orc", "Apache ORC", _orc, suffixes=(".orc",), continues="at the row"),
        Kind(
            "avro",
            "Avro files of records",
            _avro,
            suffixes=(".avro",),
            continues="at the row",
            extra="avro",
            module="fastavro",
        ),
        Kind(
            "sqlite",
            "a table of an SQLite file, or the result of a query",
            _sqlite,
            suffixes=(".sqlite", ".sqlite3", ".db"),
            continues="with `cursor_column`, after its last value; without, not at all: one commit",
            extra="sql",
            module="sqlalchemy",
            takes_types=True,
        ),
        Kind(
            "arrow",
            "an Arrow IPC stream, from standard input",
            _only_streamed,
            continues="not at all: one commit",
            stream=lambda stream, _: arrow_stream(stream),
        ),
        Kind(
            "fhir",
            "FHIR R4: Bulk Data, bundles, a server's $export; one type as columns, or any whole",
            _fhir,
            suffixes=(".ndjson", ".json"),
            schemes=("fhir+bulk", "fhir+bulk+https", "fhir+bulk+http"),
            continues="at the line; a file that has grown continues where it ended",
            takes_whole=True,
            recognises=_holds_resources,
        ),
        Kind(
            "hl7",
            "HL7 version 2 messages: one per row, as columns or kept whole",
            _hl7,
            suffixes=(".hl7",),
            continues="at the message; a file that has grown continues where it ended",
            extra="hl7",
            module="hl7",
            takes_whole=True,
        ),
        Kind(
            "dicom",
            "DICOM instances: header elements as columns, decoded pixels; also .c4gh",
            _dicom,
            suffixes=(".dcm", ".dicom"),
            continues="at the instance, in a large one at the frame",
            extra="dicom",
            module="pydicom",
            claims=_is_instance,
        ),
        Kind(
            "files",
            "files of any kind, unchanged: path, media type, bytes; also .c4gh",
            _files,
            suffixes=SUFFIXES,
            continues="at the file, in a large one at the piece",
        ),
    )
}


GROUP = "sealift.sources"


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


def open_source(text: str | Path, options: SourceOptions | None = None) -> Source:
    """Open a source, chosen by the kind in the options, by URL or by suffix.

    Args:
        text: a path, a pattern, a URL, or "-" for standard input.
        options: how to read it.

    Raises:
        SourceError: it does not exist, is empty, or cannot be read.
        InvalidArgument: no source reads it, or an option does not fit.
    """
    chosen = options or SourceOptions()
    kind = choose_kind(str(text), chosen.kind, Opener(chosen.crypt4gh_key), chosen)
    if chosen.types and not kind.takes_types:
        raise InvalidArgument(
            f"a source of kind {kind.name} defines its own types",
            hint="leave out `types`",
        )
    if chosen.whole and not kind.takes_whole:
        raise InvalidArgument(
            f"a source of kind {kind.name} has no records to keep whole",
            hint="leave out `whole`",
        )
    if chosen.resource and kind.name != "fhir":
        raise InvalidArgument(
            f"a source of kind {kind.name} has no resource types",
            hint='leave out `resource`, or use `kind="fhir"`',
        )
    if chosen.view is not None and kind.name != "fhir":
        raise InvalidArgument(
            f"a source of kind {kind.name} has no views",
            hint='leave out `view`, or use `kind="fhir"`',
        )
    if (chosen.query or chosen.cursor_column) and kind.name not in _QUERIED:
        raise InvalidArgument(
            f"a source of kind {kind.name} does not take a query",
            hint="leave out `query` and `cursor_column`, or name a database by its URL",
        )
    check_encoding(chosen.encoding)
    if not kind.installed:
        needing = f"a source of kind {kind.name} needs {kind.module}"
        if kind.extra:
            raise not_installed(kind.extra, needing)
        raise InvalidArgument(
            f"{needing}, which is not installed", hint=f"install {kind.module}"
        )
    if str(text) == STDIN:
        if kind.stream is None:
            raise InvalidArgument(
                f"a source of kind {kind.name} cannot be read from standard input",
                hint='use `kind="csv"`, jsonl or arrow',
            )
        return kind.stream(standard_input(), chosen)
    return kind.open(str(text), chosen)


def check_source(
    text: str, kind: str = "", options: SourceOptions | None = None
) -> None:
    """Refuse early, without reading it, what no source could read.

    Raises:
        SourceError: it does not exist.
        InvalidArgument: no source reads it.
    """
    choose_kind(text, kind, options=options)


def choose_kind(
    text: str,
    name: str,
    opener: Opener | None = None,
    options: SourceOptions | None = None,
) -> Kind:
    """Return the kind of a source.

    Args:
        text: a path, a pattern or a URL.
        name: name of a kind; empty to choose by URL, suffix or content.
        opener: opens files whose suffix is ambiguous; without it, the first kind is taken.
        options: further paths, and which files are read.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        InvalidArgument: the kind is unknown, or files of several kinds are mixed.
    """
    if name:
        return KINDS[name] if name in KINDS else _plug_in(name)
    added: PlugIns | None = None
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme:
        for kind in KINDS.values():
            if scheme in kind.schemes:
                return kind
        added = plug_ins()
        claims = [k for k in added.kinds.values() if scheme in k.schemes]
        return _only(claims, "no source reads URLs of that kind", added)
    if text == STDIN:
        raise InvalidArgument(
            "standard input has no suffix that gives its kind",
            hint='use `kind="csv"`, jsonl or arrow',
        )
    chosen = options or SourceOptions()
    # Also files that are not settled tell the kind.
    wanted = replace(_selection(chosen), settle_seconds=0)
    files = look_for([text, *chosen.more], wanted)
    if any(is_index(path) for path in files.paths if path.parent == files.root):
        # The other files of a disc, such as a viewer, are not listed there.
        return KINDS["dicom"]
    found: Counter[str] = Counter()
    examples: dict[str, Path] = {}
    claimed: dict[str, list[Kind]] = {}
    undecided = ""
    for path in files.paths:
        suffix = inner_suffix(path)
        names = [k.name for k in KINDS.values() if suffix in k.suffixes]
        if len(names) > 1 and opener is not None:
            told = {name: _recognised(KINDS[name], path, opener) for name in names}
            if None in told.values():
                undecided = names[0]
                continue
            names = [name for name, is_it in told.items() if is_it] + names
        if not suffix and not is_packed(path):
            names = [k.name for k in KINDS.values() if k.claims and k.claims(path)]
        if not names:
            # Load plug-ins only here, so that built-in kinds cost nothing for them.
            added = added or plug_ins()
            if suffix not in claimed:
                kinds = added.kinds.values()
                claimed[suffix] = [k for k in kinds if suffix in k.suffixes]
            names = ["/".join(k.name for k in claimed[suffix])]
        found[names[0] if names else ""] += 1
        examples.setdefault(names[0] if names else "", path)
    if not found and undecided:
        return KINDS[undecided]
    if len(found) == 1 and "" not in found:
        name = next(iter(found))
        if name in KINDS:
            return KINDS[name]
        if added is not None and name in added.kinds:
            return added.kinds[name]
    broken = "; ".join(problem.what for problem in added.problems) if added else ""
    raise _no_kind(files, found, examples, broken, chosen.notice)


def _no_kind(
    files: Found,
    found: Counter[str],
    examples: Mapping[str, Path],
    broken: str,
    notice: Callable[[str], None],
) -> SealiftError:
    """Return the error for files that are of no kind or of several."""
    more = f". {broken}" if broken else ""
    if not found:
        for sentence in files.skipped.sentences():
            notice(sentence)
        return UnclearSource(
            "the kind of source is ambiguous (no files): there is no file to read",
            path=files.root,
            hint="check the path, `include` and `exclude`",
        )
    if "" in found and len(found) == 1:
        path = examples[""]
        unread = how_to_convert(path)
        if unread is not None:
            return UnclearSource(unread[0], path=path, hint=unread[1])
        return UnclearSource(
            "the kind of source is ambiguous (unknown): no source reads files of this suffix",
            path=path,
            hint="give it with `kind` (`files` pushes any file unchanged); see `sealift sources`"
            + more,
        )
    for name in sorted(found):
        notice(
            f"of kind {name or 'unknown'}: {found[name]:,}, such as {examples[name].name}"
        )
    return UnclearSource(
        f"the kind of source is ambiguous ({', '.join(sorted(n or 'unknown' for n in found))})",
        path=files.root,
        hint="push each kind to a dataset of its own: choose files with `include` and `exclude`, "
        "or give the kind with `kind`; see `sealift sources`" + more,
    )


def _only(claims: Sequence[Kind], none: str, added: PlugIns) -> Kind:
    """Return the one kind that claims a URL.

    Raises:
        InvalidArgument: no kind does, or several do.
    """
    if len(claims) == 1:
        return claims[0]
    if claims:
        names = ", ".join(sorted(kind.name for kind in claims))
        raise InvalidArgument(
            f"several kinds of source read this URL ({names})",
            hint="choose one with `kind`",
        )
    broken = "".join(f". {problem.what}" for problem in added.problems)
    raise InvalidArgument(none, hint="see `sealift sources`" + broken)


def _recognised(kind: Kind, path: Path, opener: Opener) -> bool | None:
    return kind.recognises is not None and kind.recognises(path, opener)


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
