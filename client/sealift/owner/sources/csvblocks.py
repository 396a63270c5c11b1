"""Parses blocks of CSV text into batches; errors name line and column, never a value."""

from __future__ import annotations

import csv as stdlib_csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from sealift.owner.sources.bisection import bad_places, first_bad
from sealift.owner.sources.dialects import (
    SNIFFED,
    Dialect,
    Layout,
    before_names,
    doubt_of,
    is_record,
    numbered,
)
from sealift.owner.sources.interface import Rejects, Written
from sealift.owner.sources.lines import BLOCK, MAX_RECORD, Block, TextFormat, not_text
from sealift.owner.sources.unify import OTHER_COLUMNS
from sealift.owner.sources.written import (
    NULL,
    NULLS,
    Form,
    NumberForm,
    Unclear,
    decimal_of,
    form_for,
    form_of,
)
from sealift.policy.reading import ReadAs, ReadLeaf, as_inferred
from sealift_protocol.errors import (
    EmptySource,
    InvalidArgument,
    SchemaMismatch,
    SourceError,
)

_BOM = b"\xef\xbb\xbf"
# At least all that Arrow's reader accepts.
_INTEGERS = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]*|[0-9]+)\s*")
_FLOATS = re.compile(
    r"\s*[+-]?(?:[0-9.]*(?:e[+-]?[0-9]*)?|nan|inf(?:inity)?)\s*", re.IGNORECASE
)
_TIMES = re.compile(r"[\s0-9TtZz:./+-]*")
# Zeros or a plus at the beginning, or more than 15 digits, which a double does not hold.
_LOSSY = r"^\s*(?:[+-]?0[0-9]|\+[0-9]+\s*$|[+-]?[0-9]{16})"
# What may be decimals or thousands, where decimals are written with a comma.
_GROUPED = r"^\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)\s*$"
# Values of a column that are shown before the first push, and their longest text.
_EXAMPLES, _LONGEST = 3, 40
# What else separates columns, and how the owner says so.
_OTHER_DELIMITERS = {
    ";": ("a semicolon", "`delimiter=';'`"),
    "\t": ("a tab", "`delimiter='\\t'`"),
    "|": ("a vertical bar", "`delimiter='|'`"),
    "^": ("a caret", "`delimiter='^'`"),
    "~": ("a tilde", "`delimiter='~'`"),
    "\x01": ("the character 01", "`delimiter='\\x01'`"),
    "\x1f": ("the character 1F", "`delimiter='\\x1f'`"),
    ",": ("a comma", "`delimiter=','`"),
}


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a CSV text.

    Attributes:
        names: names of the columns; empty if the text is empty.
        body: the first rows, or an empty block up to the end of the text.
    """

    names: list[str] = field(repr=False)
    body: Block

    @property
    def holds_rows(self) -> bool:
        """Whether a row follows the header."""
        return bool(self.body.data.strip(b"\r\n"))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its first and last line, its bytes and its fields."""

    line: int
    last: int
    raw: bytes = field(repr=False)
    fields: list[str] = field(repr=False)


class CsvParser:
    """Parses CSV rows into batches (RFC 4180, with a header line).

    Attributes:
        form: how the text is cut.
        schema: schema of the batches; what is not known yet is inferred.
        written: how the text is read, once types are inferred.
    """

    def __init__(
        self,
        form: TextFormat,
        rejects: Rejects,
        *,
        said: Dialect | None = None,
        layout: Layout | None = None,
        known: Collection[str] = (),
    ) -> None:
        """Store the settings.

        Args:
            form: how the text is cut.
            rejects: receives rows that cannot be read.
            said: what the owner said of how the text is written.
            layout: how it is laid out.
            known: names of columns that earlier records have.
        """
        self.form = form
        self.schema: pa.Schema = pa.schema([])
        self.written = Written({}, ())
        self._unclear: list[str] = []
        self._said = said or Dialect()
        self._layout = layout or Layout(form.delimiter)
        self._known = frozenset(known)
        self._forms: dict[str, Form] = {}
        self._rejects = rejects

    def begin(self, blocks: Iterator[Block], path: Path | None) -> Head:
        """Read the header, up to the first block that holds rows.

        Blank lines before the header are skipped.

        Args:
            blocks: blocks of the text, from its beginning.
            path: the file, if the text is from one.

        Raises:
            SourceError: two columns have the same name.
        """
        head = Head([], Block(b"", 0, 0, 1))
        for block in blocks:
            head = Head(head.names, block) if head.names else self._head(block, path)
            if head.holds_rows:
                break
        return head

    def _head(self, block: Block, path: Path | None) -> Head:
        text = block.data if block.offset else block.data.removeprefix(_BOM)
        size, line = len(block.data) - len(text), block.line
        names: list[str] = []
        if not block.offset:
            before = before_names(text, self._said.comment)
            size += before
            line += text.count(b"\n", 0, before)
            text = text[before:]
        already = size
        for row in self._rows(text, line):
            if row.fields and self._said.header is False:
                names = numbered([""] * len(self._padless(row.fields)))
                break
            size += len(row.raw)
            line += row.raw.count(b"\n")
            if row.fields:
                names = self._header(row, path)
                beginning = text[size - already :][:SNIFFED]
                ruler = self._ruler(row, beginning, line, path)
                self._refuse_one_column(row, names, beginning, path)
                size += len(ruler)
                line += ruler.count(b"\n")
                break
        return Head(names, replace(block, data=block.data[size:], line=line))

    def _ruler(self, row: _Row, below: bytes, line: int, path: Path | None) -> bytes:
        """Return the line of hyphens below the header, if there is one.

        Raises:
            SourceError: the text has one and the first one has not, or the other way round; then
                records may be padded, or one would be taken for a ruler.
        """
        first = below[: below.find(b"\n") + 1] or below
        names = row.raw.decode("utf-8", "replace")
        ruled = self._layout.rules(names, first.decode("utf-8", "replace"))
        if ruled != self._layout.ruled:
            raise SourceError(
                "this file and the first one differ: one has a line of hyphens below its header",
                path=path,
                line=line,
                hint="push files that are written in two ways separately, or remove such lines",
            )
        return first if ruled else b""

    def _refuse_one_column(
        self, row: _Row, names: list[str], below: bytes, path: Path | None
    ) -> None:
        """Refuse a text that seems to have one column where its rows say otherwise."""
        if len(names) > 1 or self._said.delimiter or self._known == set(names):
            return
        text = (row.raw + below).decode("utf-8", "replace")
        doubt = doubt_of(text)
        if doubt is not None:
            raise SourceError(
                doubt.what,
                path=path,
                line=row.line,
                hint=f"{doubt.way_out}; if it has one column: "
                f"{_OTHER_DELIMITERS[self.form.delimiter][1]}",
            )

    def _padless(self, fields: list[str]) -> list[str]:
        return [f.strip() for f in fields] if self._layout.ruled else fields

    def _header(self, row: _Row, path: Path | None) -> list[str]:
        """Return the names of the columns; check that they are names."""
        row = replace(row, fields=self._padless(row.fields))
        if self._known != set(row.fields):
            if self._said.header is None and is_record(row.fields):
                raise SourceError(
                    "the first line looks like a record, not like the names of columns",
                    path=path,
                    line=row.line,
                    hint="if it is a record: `header=False`; if it has the names: `header=True`",
                )
            row = replace(row, fields=numbered(row.fields))
        self._check_header(row, path)
        return row.fields

    def _check_header(self, row: _Row, path: Path | None) -> None:
        try:
            row.raw.decode()
        except UnicodeDecodeError:
            raise not_text(self.form.encoding, path, row.line) from None
        self._refuse_other_delimiter(row, path)
        seen: dict[str, int] = {}
        for column, name in enumerate(row.fields, start=1):
            if name in seen:
                raise SourceError(
                    f"columns {seen[name]} and {column} have the same name",
                    path=path,
                    line=row.line,
                    column=column,
                )
            seen[name] = column

    def _refuse_other_delimiter(self, row: _Row, path: Path | None) -> None:
        """Refuse a header that another delimiter cuts into more columns than this one does.

        Taken for one column, a whole record would stand under one name, and one rule of a policy
        would be for all of it.
        """
        if self._said.delimiter:
            return
        found = {
            other: sum(name.count(other) for name in row.fields)
            for other in _OTHER_DELIMITERS
            if other != self.form.delimiter
        }
        other = max(found, key=lambda character: found[character])
        if found[other] >= len(row.fields):
            columns = len(row.fields)
            raise SourceError(
                f"the header has {columns} column{'s' * (columns > 1)}, but {found[other] + 1} "
                f"if {_OTHER_DELIMITERS[other][0]} separates them",
                path=path,
                line=row.line,
                hint=f"name what separates columns: {_OTHER_DELIMITERS[other][1]}; if the header "
                f"is right as it is: {_OTHER_DELIMITERS[self.form.delimiter][1]}",
            )

    def infer(
        self,
        head: Head,
        types: Mapping[str, pa.DataType],
        path: Path | None,
        expected: pa.Schema | None = None,
        read_as: ReadLeaf = as_inferred,
    ) -> pa.Schema:
        """Infer columns and types from the first rows.

        Args:
            head: the header and the rows.
            types: types by column; they take precedence.
            path: the file, if the text is from one.
            expected: schema of earlier records: its types and its order are kept.
            read_as: how each column is read; it decides only on text for one that is expected.

        Raises:
            EmptySource: there is no row.
            InvalidArgument: a type is given for a missing column.
            SourceError: a row cannot be read, and that ends the push.
        """
        if not head.holds_rows:
            raise EmptySource("the file holds no record", path=path)
        if not types.keys() <= set(head.names):
            raise InvalidArgument(
                "a type is given for a column that the file does not have"
            )
        known = {**{field.name: field.type for field in expected or []}, **types}
        good, raw = self._as_written(head, path)
        self._forms = self._forms_of_known(raw, known)
        free = [name for name in head.names if name not in types]
        how = {name: read_as(name) for name in free}
        text = {name: pa.string() for name in free if how[name] is ReadAs.TEXT}
        known = {**known, **text}
        how = {name: how[name] for name in free if name not in known}
        try:
            schema = self._convert(head.names, good, known).schema
        except pa.ArrowException:
            # A row that will be rejected must not affect the types.
            guess = {name: known.get(name, pa.string()) for name in head.names}
            good, rejected = self._sift(path, head.names, good, guess)
            if self._rejects.stops:
                raise rejected[0][0] from None
            schema = self._convert(head.names, good, known).schema
            texts = dict.fromkeys(head.names, pa.string())
            raw = self._convert(head.names, good, texts)
        schema = self._with_forms(raw, schema, how)
        schema = self._without_loss(raw, schema, how)
        # Nothing is known about a column that begins empty.
        found = {
            f.name: pa.string() if pa.types.is_null(f.type) else f.type for f in schema
        }
        pinned = {field.name: known[field.name] for field in expected or []}
        self.schema = pa.schema(list({**pinned, **found}.items()))
        self._note(raw, self._convert(head.names, good, dict(found)), good)
        return self.schema

    def _as_written(self, head: Head, path: Path | None) -> tuple[Block, pa.Table]:
        """Return the first rows that are whole, and their fields as texts."""
        texts = dict.fromkeys(head.names, pa.string())
        block = self._cleaned(head.body, path)
        try:
            return block, self._convert(head.names, block, texts)
        except pa.ArrowException:
            # A row that will be rejected must not affect the types.
            good, rejected = self._sift(path, head.names, block, texts)
            if self._rejects.stops:
                raise rejected[0][0] from None
            return good, self._convert(head.names, good, texts)

    def _forms_of_known(
        self, raw: pa.Table, known: Mapping[str, pa.DataType]
    ) -> dict[str, Form]:
        if not known:
            return {}
        decimal = decimal_of(raw.columns, self._said)
        found = {
            name: form_for(known[name], raw.column(name), self._said, decimal)
            for name in raw.column_names
            if name in known
        }
        return {name: form for name, form in found.items() if form is not None}

    def _with_forms(
        self, raw: pa.Table, schema: pa.Schema, how: Mapping[str, ReadAs]
    ) -> pa.Schema:
        """Give columns of numbers and dates that Arrow takes for text their types."""
        decimal = decimal_of(raw.columns, self._said)
        fields: list[pa.Field] = []
        for column in schema:
            asked = how.get(column.name, ReadAs.TEXT)
            texts = raw.column(column.name)
            found: Form | Unclear | None = None
            numbers = asked is ReadAs.INFERRED
            if pa.types.is_string(column.type) and (
                numbers or asked is ReadAs.NO_NUMBER
            ):
                found = form_of(texts, self._said, numbers=numbers, decimal=decimal)
            elif pa.types.is_floating(column.type) and numbers:
                found = self._grouped(texts, decimal)
            elif pa.types.is_integer(column.type) and numbers and self._said.thousands:
                found = form_for(column.type, texts, self._said, decimal)
            if isinstance(found, Unclear):
                self._unclear.append(
                    f"column {len(fields) + 1} stays text: it may have {found.what}; "
                    f"{found.option} decides"
                )
                column = column.with_type(pa.string())
            elif found is not None:
                self._forms[column.name] = found
                column = column.with_type(found.kind)
            fields.append(column)
        return pa.schema(fields)

    def _grouped(
        self, texts: pa.ChunkedArray, decimal: str
    ) -> NumberForm | Unclear | None:
        """Return how numbers are read in which a point may separate thousands."""
        if decimal == "." or (not decimal and self.form.delimiter == ","):
            return None
        present = texts.filter(compute.not_equal(compute.utf8_trim(texts, " "), ""))
        fits = compute.match_substring_regex(present, _GROUPED)
        if not len(present) or not compute.all(fits).as_py():
            points = compute.any(compute.match_substring(present, ".")).as_py()
            if not self._said.decimal or not points:
                return None
            return Unclear("numbers with a point before decimals", "`decimal`")
        if decimal:
            return NumberForm(pa.int64(), decimal, ".")
        return Unclear("numbers, with decimals or with thousands", "`decimal`")

    def _note(self, raw: pa.Table, read: pa.Table, block: Block) -> None:
        """Remember how the text is read."""
        notes: list[str] = []
        examples: dict[str, list[tuple[str, str]]] = {}
        if self.form.delimiter != "," or self._layout.ruled:
            notes.append(f"columns are separated by {self._layout.described}")
        for form in dict.fromkeys(form.described for form in self._forms.values()):
            notes.append(form)
        if len(block.data) >= BLOCK // 2:
            notes.append(f"types are those of the first {read.num_rows:,} rows")
        for name in read.column_names:
            column = raw.column(name).slice(0, 1000)
            places: dict[str, int] = {}
            for place, text in enumerate(column.to_pylist()):
                if text and len(places) < _EXAMPLES:
                    places.setdefault(text, place)
            examples[name] = [
                (text[:_LONGEST], str(read.column(name)[place].as_py())[:_LONGEST])
                for text, place in places.items()
            ]
        self.written = Written(examples, (*notes, *self._unclear))

    def _cleaned(self, block: Block, path: Path | None) -> Block:
        if self._layout.continues(block.data):
            raise SourceError(
                "a value goes on in the next line, as psql prints it",
                path=path,
                line=block.line,
                hint="export with `psql --csv`",
            )
        return replace(block, data=self._layout.clean(block.data))

    def _without_loss(
        self, raw: pa.Table, schema: pa.Schema, how: Mapping[str, ReadAs]
    ) -> pa.Schema:
        """Make columns of numbers text where numbers would lose digits, or are not wanted."""
        numbers = {
            field.name
            for field in schema
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        }
        unwanted = {name for name in numbers if how.get(name) is ReadAs.NO_NUMBER}
        unsure = [name for name in numbers if how.get(name) is ReadAs.INFERRED]
        unwanted |= {name for name in unsure if _loses_digits(raw.column(name))}
        return pa.schema(
            [f.with_type(pa.string()) if f.name in unwanted else f for f in schema]
        )

    def check_names(self, names: Sequence[str], path: Path | None) -> None:
        """Check that the columns are those of the schema, in any order.

        Raises:
            SchemaMismatch: a column is missing, or the text has another one.
        """
        expected = self.schema.names
        for column, name in enumerate(names, start=1):
            if name not in expected:
                raise SchemaMismatch(
                    f"line 1, column {column}: earlier records have no column of that name",
                    path=path,
                    line=1,
                    column=column,
                    hint=OTHER_COLUMNS,
                )
        for column, name in enumerate(expected, start=1):
            if name not in names:
                raise SchemaMismatch(
                    f"line 1: column {column} of earlier records is missing",
                    path=path,
                    line=1,
                    column=column,
                    hint=OTHER_COLUMNS,
                )

    def parse(
        self, path: Path | None, names: Sequence[str], block: Block
    ) -> pa.RecordBatch:
        """Parse a block's rows.

        Args:
            path: the file, if the text is from one.
            names: names of the text's columns, in its own order.
            block: rows without the header.

        Raises:
            SourceError: a row is ragged, or a value is not of its column's type, and that ends
                the push.
        """
        types = {field.name: field.type for field in self.schema}
        block = self._cleaned(block, path)
        try:
            table = self._convert(names, block, types)
        except pa.ArrowException:
            good, rejected = self._sift(path, names, block, types)
            for problem, content in rejected:
                self._rejects.reject(problem, content)
            table = self._convert(names, good, types)
        return one_batch(table.select(self.schema.names), self.schema)

    def _convert(
        self, names: Sequence[str], block: Block, types: Mapping[str, pa.DataType]
    ) -> pa.Table:
        if not block.sound:
            raise pa.ArrowInvalid("")
        if not block.data.strip(b"\r\n"):
            fields = [(name, types.get(name, pa.string())) for name in names]
            return pa.schema(fields).empty_table()
        # Texts that stay texts are never changed by a form.
        text = pa.string()
        as_text = {name: text for name in self._forms if types.get(name, text) != text}
        table = _read(block.data, names, {**types, **as_text}, self.form.delimiter)
        for name in as_text:
            place = table.column_names.index(name)
            read = self._forms[name].read(table.column(place)).cast(types[name])
            table = table.set_column(place, name, read)
        # Backslashes are rare, and one character is found much faster than two.
        marked = b"\\" in block.data and NULL.encode() in block.data
        return _without_null_marks(table) if marked else table

    # --- finding what is wrong -------------------------------------------------------------------

    def _sift(
        self,
        path: Path | None,
        names: Sequence[str],
        block: Block,
        types: Mapping[str, pa.DataType],
    ) -> tuple[Block, list[tuple[SourceError, bytes]]]:
        """Separate good rows from bad ones: Arrow's own message quotes the offending value.

        If the first bad row ends the push, others are not searched for.
        """
        rows = [row for row in self._rows(block.data, block.line) if row.fields]
        bad = {
            place: problem
            for place, row in enumerate(rows)
            if (problem := self._problem(path, names, row)) is not None
        }
        whole = [place for place in range(len(rows)) if place not in bad]
        for column, name in enumerate(names):
            kind = types[name]
            if pa.types.is_string(kind):
                continue
            values = [rows[place].fields[column] for place in whole]
            for found in self._misfits(values, kind, self._forms.get(name)):
                place = whole[found]
                line = rows[place].line
                bad.setdefault(place, _bad_value(path, line, column, kind, name))
        if not bad:
            raise SourceError("the CSV text cannot be read", path=path, line=block.line)
        rejected = [(bad[place], rows[place].raw) for place in sorted(bad)]
        good = b"".join(row.raw for place, row in enumerate(rows) if place not in bad)
        return replace(block, data=good, sound=True), rejected

    def _problem(
        self, path: Path | None, names: Sequence[str], row: _Row
    ) -> SourceError | None:
        try:
            row.raw.decode()
        except UnicodeDecodeError as error:
            line = row.line + row.raw.count(b"\n", 0, error.start)
            return not_text(self.form.encoding, path, line)
        if len(row.fields) == len(names):
            return None
        return SourceError(
            f"line {row.last} has {len(row.fields)} columns, but the header has {len(names)}",
            path=path,
            line=row.last,
            column=min(len(row.fields), len(names)) + 1,
        )

    def _misfits(
        self, values: Sequence[str], kind: pa.DataType, form: Form | None
    ) -> list[int]:
        """Return the indices of values that Arrow's CSV reader does not accept as that type."""

        def good(some: Sequence[str]) -> bool:
            return _reads(some, kind, form)

        if self._rejects.stops:
            first = first_bad(values, good)
            return [] if first is None else [first]
        # The same wrong value often recurs, and many are easy to recognise.
        distinct = dict.fromkeys(values)
        wrong = {
            value for value in distinct if form is None and _is_surely_bad(value, kind)
        }
        unsure = [value for value in distinct if value not in wrong]
        wrong.update(unsure[place] for place in bad_places(unsure, good))
        return [place for place, value in enumerate(values) if value in wrong]

    def _rows(self, data: bytes, line: int) -> Iterator[_Row]:
        """Return rows as Python's csv module reads them; blank rows have no fields."""
        # The limit is global, and the program may have lowered it.
        if stdlib_csv.field_size_limit() < MAX_RECORD * 2:
            stdlib_csv.field_size_limit(MAX_RECORD * 2)
        starts = _line_starts(data)
        text = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
        reader = stdlib_csv.reader(text, delimiter=self.form.delimiter)
        before = 0
        for fields in reader:
            raw = data[starts[before] : starts[reader.line_num]]
            last = line + raw.count(b"\n", 0, len(raw) - 1)
            yield _Row(line, last, raw, fields)
            before = reader.line_num
            line += raw.count(b"\n")


def _loses_digits(texts: pa.ChunkedArray) -> bool:
    """Return whether any of the texts, read as a number, would not come back as it is."""
    return bool(compute.any(compute.match_substring_regex(texts, _LOSSY)).as_py())


def one_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """Return a table's rows as one batch of a schema."""
    if not table.schema.equals(schema):
        table = table.cast(schema)
    batches = table.to_batches()
    if len(batches) > 1:
        batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema)


def _line_starts(data: bytes) -> list[int]:
    starts = [0]
    for text in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))
    return starts


def _bad_value(
    path: Path | None, line: int, column: int, kind: pa.DataType, name: str
) -> SourceError:
    option = "`dates`" if pa.types.is_temporal(kind) else "`decimal`"
    order = "" if pa.types.is_string(kind) else f", say how it is written with {option}"
    return SourceError(
        f"line {line}, column {column + 1}: the value is not {kind}, the type of the column",
        path=path,
        line=line,
        column=column + 1,
        columns=(name,),
        hint=f"correct the value{order}, or give the column's type with `types`; if the "
        "dataset has the column already, its owner first widens it with "
        "`session.dataset(dataset).widen(column, type)`",
    )


def _is_surely_bad(value: str, kind: pa.DataType) -> bool:
    """Return whether a value is easily recognised as not of the type for Arrow's CSV reader.

    Otherwise some thousand bad values would each need a bisection.
    """
    if pa.types.is_integer(kind):
        form = _INTEGERS
    elif pa.types.is_floating(kind):
        form = _FLOATS
    elif pa.types.is_temporal(kind):
        form = _TIMES
    else:
        return False
    return not form.fullmatch(value) and value.strip() not in NULLS


def _reads(values: Sequence[str], kind: pa.DataType, form: Form | None = None) -> bool:
    """Return whether every value is accepted as that type."""
    if not values:
        return True
    if form is not None:
        try:
            form.read(pa.array(values, pa.string())).cast(kind)
        except pa.ArrowException:
            return False
        return True
    lines = ['"' + value.replace('"', '""') + '"' for value in values]
    try:
        _read("\n".join(lines).encode(), ["v"], {"v": kind}, ",")
    except pa.ArrowException:
        return False
    return True


def _read(
    data: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], delimiter: str
) -> pa.Table:
    return pc.read_csv(
        pa.py_buffer(data),
        read_options=pc.ReadOptions(
            column_names=list(names), block_size=len(data) + 1, use_threads=False
        ),
        parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types=dict(types), null_values=[*NULLS]
        ),
    )


def _without_null_marks(table: pa.Table) -> pa.Table:
    """Return a table in which texts that stand for null are null."""
    for place, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            texts = table.column(place)
            marks = compute.equal(texts, NULL)
            texts = compute.if_else(marks, pa.scalar(None, column.type), texts)
            table = table.set_column(place, column, texts)
    return table
