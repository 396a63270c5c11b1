"""Sheets: a document for each of some synthetic people, in one file or table.

The documents of a sheet have the same columns, and each column holds an identifier of each person.
What is planted follows from the seed and the number of the sheet alone, so that a trainer in
another process knows what to look for; headers follow from the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pyarrow as pa

from leaks import columns as shapes
from leaks import standards
from leaks.columns import METADATA, NAMES, POSITIONS, TYPES, Type, metadata_of
from leaks.headers import Header, Vocabulary, respelled
from leaks.identifiers import Days, Form, Identifier, Maker, forms_of
from sealift.policy.names import fold

ROWS = 40
_PLANTED = 14
# Dates of a sheet are so far apart that there is room for few.
_MOST_DATES = 2
_AROUND_SLICE = 8
_TEXT_SHEETS = 0.15
_UNHEARD_OF = 0.02
_CHANGING = ("hash", "mask", "tokenise", "generalise", "scrub")
# Texts with letters: digits in hexadecimal are digits again, and read as a number.
_CODED = ("name", "email", "address")

ARROW = ("parquet", "table", "stream", "slice", "nulls")
TEXT = ("csv ,", "csv ;", "csv tab", "csv |", "jsonl")
STANDARD = ("fhir", "hl7", "dicom")
_TEXT_TYPES = ("string", "int64", "float64", "date32", "timestamp us")
_SQL_TYPES = (*_TEXT_TYPES, "binary")

FORMATS = {
    "parquet": 34,
    "table": 30,
    "stream": 28,
    "slice": 28,
    "nulls": 24,
    "csv ,": 7,
    "csv ;": 6,
    "csv tab": 6,
    "csv |": 6,
    "jsonl": 16,
    "sqlite": 10,
    "fhir": 12,
    "hl7": 8,
    "dicom": 6,
    "one column": 24,
}
"""The formats, and how many of 245 sheets are in each."""

HIDDEN = {"slice": "behind a slice", "nulls": "under nulls", "unused": "unused entries"}

ONE_COLUMN = (
    *(("csv ,", t) for t in ("string", "int64")),
    *(("csv ;", t) for t in ("string", "int64")),
    *(("csv tab", t) for t in ("string", "int64")),
    *(("csv |", t) for t in ("string", "int64")),
    *(("jsonl", t) for t in ("string", "int64")),
    *(("parquet", t) for t in ("string", "int64", "large_string", "date32")),
    *(("table", t) for t in ("string", "int64", "large_string", "date32")),
    *(("sqlite", t) for t in ("string", "int64")),
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A kind of place, as the table of results has it.

    Attributes:
        position: the leaf position, name or metadata.
        type: name of the leaf's type.
        format: format of the file.
    """

    position: str
    type: str
    format: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column of a sheet holds, or one place in its metadata.

    Attributes:
        spot: where it is.
        kind: the kind of its identifiers.
        coding: how its texts are encoded; empty for plain.
        seen: the identifiers of the documents.
        hidden: identifiers that are no part of any document: behind a slice, under nulls.
        has_column: whether the source reads it.
    """

    spot: Spot
    kind: str
    coding: str
    seen: tuple[Identifier, ...]
    hidden: tuple[Identifier, ...] = ()
    has_column: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """Some documents in one format.

    Attributes:
        seed: of the run.
        number: of the sheet in the run.
        format: of the file.
        rows: how many documents.
        cells: what is planted.
        texts: whether a scrubber reads some columns.
    """

    seed: int
    number: int
    format: str
    rows: int
    cells: tuple[Cell, ...]
    texts: bool = False

    def owned(self) -> Iterator[tuple[int, Iterator[Form]]]:
        """Yield the forms of every identifier, with its owner."""
        for place, cell in enumerate(self.cells):
            for row, identifier in enumerate((*cell.seen, *cell.hidden)):
                yield owner_of(place, row), forms_of(identifier)


def owner_of(cell: int, row: int) -> int:
    """Return the number by which a search calls an identifier."""
    return cell * 1000 + row


def cell_and_row(owner: int) -> tuple[int, int]:
    """Return the cell and the row of an identifier; hidden ones come after the rows."""
    return divmod(owner, 1000)


def spots_of(format_: str) -> list[tuple[str, str]]:
    """Return every position and type that a format has, without one-column files."""
    found: list[tuple[str, str]] = []
    for position in POSITIONS.values():
        if format_ in ARROW:
            found += [
                (position.name, name)
                for name in position.types or TYPES
                if not (format_ == "parquet" and not _in_parquet(position.name, name))
                and not (format_ == "nulls" and position.name in ("map key", "runs"))
            ]
        elif position.in_text if format_ == "jsonl" else _is_csv(format_, position):
            found += [(position.name, name) for name in _TEXT_TYPES]
        elif format_ == "sqlite" and position.flat:
            found += [(position.name, name) for name in _SQL_TYPES]
    if format_ in ARROW:
        found += [(name, "string") for name in (*NAMES, *METADATA, "unused entries")]
    elif format_ == "jsonl":
        found += [("column name", "string"), ("field name", "string")]
    elif format_ not in STANDARD:
        found += [("column name", "string")]
    return found


def _is_csv(format_: str, position: shapes.Position) -> bool:
    return format_.startswith("csv") and position.flat


def _in_parquet(position: str, name: str) -> bool:
    """Whether PyArrow writes it to Parquet."""
    if position == "runs":
        return False
    return name != "string_view" or not ("list" in position or "map" in position)


@dataclass(frozen=True, slots=True)
class Planned:
    """A sheet that is not made yet.

    Attributes:
        seed: of the run.
        number: of the sheet.
        format: of the file.
        rows: how many documents.
        spots: positions and types of what is planted; empty for standards.
    """

    seed: int
    number: int
    format: str
    rows: int
    spots: tuple[tuple[str, str], ...] = ()

    def sheet(self) -> Sheet:
        """Make the sheet."""
        rng = Random(f"{self.seed}/{self.number}")
        if self.format in STANDARD:
            return _standard(self.seed, self.number, self.format, self.rows, rng)
        return _sheet(self.seed, self.number, self.format, self.rows, self.spots, rng)


def plan(seed: int, documents: int, rows: int = ROWS) -> list[Planned]:
    """Return the sheets of a run: every place in its turn, as often as there is room.

    Args:
        seed: everything follows from it.
        documents: how many, rounded to whole sheets.
        rows: documents in a sheet.
    """
    rng = Random(seed)
    formats = _formats(rng, max(1, documents // rows))
    turns: dict[str, list[tuple[str, str]]] = {}
    single = list(ONE_COLUMN)
    rng.shuffle(single)
    sheets = []
    for number, format_ in enumerate(formats):
        spots: list[tuple[str, str]] = []
        if format_ == "one column":
            format_, type_ = single.pop(0)
            single.append((format_, type_))
            spots = [("one column", type_)]
        elif format_ not in STANDARD:
            spots = _next(format_, turns.setdefault(format_, []), rng)
        sheets.append(Planned(seed, number, format_, rows, tuple(spots)))
    return sheets


def _formats(rng: Random, count: int) -> list[str]:
    whole = sum(FORMATS.values())
    formats: list[str] = []
    exact = {name: count * share / whole for name, share in FORMATS.items()}
    for name, number in exact.items():
        formats += [name] * int(number)
    rest = sorted(FORMATS, key=lambda n: rng.random() ** (1 / (exact[n] % 1 + 1e-9)))
    formats += rest[::-1][: count - len(formats)]
    rng.shuffle(formats)
    return formats


def _next(
    format_: str, turn: list[tuple[str, str]], rng: Random
) -> list[tuple[str, str]]:
    """Take the next places of a format, with few dates and few that make many columns."""
    taken: list[tuple[str, str]] = []
    while len(taken) < _PLANTED:
        if not any(_fits(spot, taken) for spot in turn):
            more = [spot for spot in spots_of(format_) if spot not in turn]
            rng.shuffle(more)
            if not any(_fits(spot, taken) for spot in more):
                break
            turn += more
        spot = next(spot for spot in turn if _fits(spot, taken))
        turn.remove(spot)
        taken.append(spot)
    return taken


def _fits(spot: tuple[str, str], taken: Sequence[tuple[str, str]]) -> bool:
    if spot in taken:
        return False
    dates = sum(name.startswith("date") for _, name in taken)
    if spot[1].startswith("date"):
        return dates < _MOST_DATES
    return True


def _sheet(
    seed: int,
    number: int,
    format_: str,
    rows: int,
    spots: Sequence[tuple[str, str]],
    rng: Random,
) -> Sheet:
    hidden = {"slice": 2 * _AROUND_SLICE, "nulls": rows}.get(format_, 0)
    maker = Maker(rng, Days(rng, (rows + hidden) * _MOST_DATES))
    dated = sum(name.startswith("date") for _, name in spots)
    cells = []
    for position, name in spots:
        type_ = TYPES[name]
        kinds = [
            k for k in type_.kinds if k != "date" or len(type_.kinds) == 1 or dated < 2
        ]
        kind = rng.choice(kinds)
        dated += kind == "date" and len(type_.kinds) > 1
        if position in NAMES or position in METADATA or position == "unused entries":
            kind = rng.choice(("name", "email", "phone", "ssn", "address"))
        seen = [maker.make(kind) for _ in range(rows)]
        behind = [maker.make(kind) for _ in range(hidden)]
        if position in NAMES or position in METADATA:
            behind = []
        if position == "unused entries":
            seen, behind = [], seen
        coding = rng.choice(type_.coded) if kind in _CODED else ""
        if position in NAMES or position in METADATA or position == "unused entries":
            coding = ""
        spot = Spot(position, name, format_)
        cells.append(Cell(spot, kind, coding, tuple(seen), tuple(behind)))
    texts = rng.random() < _TEXT_SHEETS
    return Sheet(seed, number, format_, rows, tuple(cells), texts)


def _standard(seed: int, number: int, format_: str, rows: int, rng: Random) -> Sheet:
    maker = Maker(rng, Days(rng, rows * _MOST_DATES))
    cells = tuple(
        Cell(
            Spot(place.name, place.type, format_),
            place.kind,
            "",
            tuple(maker.make(place.kind) for _ in range(rows)),
            has_column=place.has_column,
        )
        for place in standards.places(format_, number)
    )
    return Sheet(seed, number, format_, rows, cells)


# --- a sheet under a policy -----------------------------------------------------------------------


@dataclass(slots=True)
class Laid:
    """A sheet with the headers that a policy knows.

    Attributes:
        table: the columns, hidden rows and all; None for standards.
        begin: the first row that is a document.
        rows: how many rows are documents.
        cell_of: the cell of a column, by its name.
        missing: cells for which the policy has no rule that lets them go.
    """

    table: pa.Table | None
    begin: int
    rows: int
    cell_of: dict[str, int] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)


def lay(sheet: Sheet, vocabulary: Vocabulary, without: set[int]) -> Laid:
    """Make the table of a sheet.

    Args:
        sheet: the sheet.
        vocabulary: headers of the policy.
        without: cells to leave out.
    """
    return _Layout(sheet, vocabulary).lay(without)


class _Layout:
    """The columns of a sheet under a policy, one after another."""

    def __init__(self, sheet: Sheet, vocabulary: Vocabulary) -> None:
        self._sheet, self._vocabulary = sheet, vocabulary
        self._rng = Random(f"{sheet.seed}/{sheet.number}/{vocabulary.policy.name}")
        around = _AROUND_SLICE if sheet.format == "slice" else 0
        double = 2 if sheet.format == "nulls" else 1
        self._length = sheet.rows * double + 2 * around
        self._laid = Laid(None, around, sheet.rows * double)
        self._used: set[str] = set()
        self._fields: list[pa.Field] = []
        self._arrays: list[pa.Array] = []
        self._metadata: dict[bytes, bytes] = {}

    def lay(self, without: set[int]) -> Laid:
        """Return the table."""
        if [cell.spot.position for cell in self._sheet.cells] != ["one column"]:
            self._companions()
        for place, cell in enumerate(self._sheet.cells):
            # Chance is used up either way, so that headers stay as they were.
            before = len(self._fields)
            kept = self._metadata.copy()
            own = (self._sheet.seed, self._sheet.number, place)
            self._rng = Random(f"{own}/{self._vocabulary.policy.name}")
            if not self._add(place, cell):
                self._laid.missing.add(place)
            if place in without:
                del self._fields[before:], self._arrays[before:]
                self._metadata = kept
        schema = pa.schema(self._fields, self._metadata or None)
        self._laid.table = pa.Table.from_arrays(self._arrays, schema=schema)
        return self._laid

    def _put(
        self, name: str, array: pa.Array, place: int | None = None, **about: object
    ) -> None:
        field_ = pa.field(name, array.type)
        if "metadata" in about:
            field_ = field_.with_metadata(about["metadata"])
        self._fields.append(field_)
        self._arrays.append(array)
        self._used.add(fold(name))
        if place is not None:
            self._laid.cell_of[name] = place

    # --- columns that the policy keeps ---

    def _companions(self) -> None:
        """Add columns that stay, so that something does: the policy would refuse nothing at all."""
        count = self._length
        for rule in self._vocabulary.policy.rules:
            by = rule.settings.get("by", "")
            if (
                by
                and "." not in str(by)
                and by != "id"
                and fold(str(by)) not in self._used
            ):
                self._put(str(by), pa.array([f"V{row}" for row in range(count)]))
        for kind, values in (
            ("numeric", pa.array([1 + row % 7 for row in range(count)], pa.int16())),
            ("numeric", pa.array([row % 9 + 0.5 for row in range(count)])),
            ("boolean", pa.array([row % 3 == 0 for row in range(count)])),
            ("values", None),
        ):
            header = self._vocabulary.kept(kind, self._used)
            if header is None:
                continue
            if values is None:
                allowed = header.rule.guard.allowed
                values = pa.array([allowed[row % len(allowed)] for row in range(count)])
            self._put(header.text, values)

    # --- what is planted ---

    def _add(self, place: int, cell: Cell) -> bool:
        position = cell.spot.position
        adders = {
            "column name": self._column_names,
            "field name": self._field_names,
            "list item name": self._item_names,
            "unused entries": self._unused_entries,
        }
        if position in adders:
            return adders[position](place, cell)
        if position in METADATA:
            return self._in_metadata(place, cell)
        return self._column(place, cell)

    def _column(self, place: int, cell: Cell) -> bool:
        single = cell.spot.position == "one column"
        position = POSITIONS["column" if single else cell.spot.position]
        type_ = TYPES[cell.spot.type]
        header = self._header(cell, position, type_, single=single)
        if header is None:
            return False
        coding = (
            cell.coding
            if header.rule and header.rule.action in ("drop", "hash")
            else ""
        )
        values = self._values(type_, cell, coding)
        name = respelled(header.text, self._rng)
        self._put(position.name_of(name, place), position.around(values, name), place)
        return True

    def _header(
        self, cell: Cell, position: shapes.Position, type_: Type, *, single: bool
    ) -> Header | None:
        policy = self._vocabulary.policy
        unheard_of = 0.5 if policy.unlisted == "drop" else _UNHEARD_OF
        if not single and self._rng.random() < unheard_of:
            return Header(f"qzx{self._rng.randrange(10**6)}", None)
        for _ in range(20 if single else 1):
            found = self._vocabulary.choose(
                position,
                type_,
                cell.kind,
                self._rng,
                self._used,
                texts=self._sheet.texts,
            )
            # Something of the only column has to be left.
            if not single or (found and found.rule and found.rule.action in _CHANGING):
                return found
        return None

    def _values(self, type_: Type, cell: Cell, coding: str) -> pa.Array:
        if self._sheet.format == "slice":
            hidden = cell.hidden
            whole = (*hidden[:_AROUND_SLICE], *cell.seen, *hidden[_AROUND_SLICE:])
            return type_.array(whole, coding)
        if self._sheet.format == "nulls":
            pairs = zip(cell.seen, cell.hidden, strict=True)
            return _under_nulls(
                type_.array([one for pair in pairs for one in pair], coding)
            )
        return type_.array(cell.seen, coding)

    def _dropped(self, text: str) -> str:
        for _ in range(50):
            name = self._vocabulary.dropped_with(text, self._rng)
            if fold(name) not in self._used:
                return name
        return name

    def _ones(self) -> pa.Array:
        return pa.array([1] * self._length, pa.int8())

    def _column_names(self, place: int, cell: Cell) -> bool:
        for identifier in cell.seen:
            self._put(self._dropped(identifier.text), self._ones(), place)
        return True

    def _field_names(self, place: int, cell: Cell) -> bool:
        names = [identifier.text for identifier in cell.seen]
        inner = pa.StructArray.from_arrays([self._ones()] * len(names), names)
        self._put(self._dropped("box"), inner, place)
        return True

    def _item_names(self, place: int, cell: Cell) -> bool:
        """Name the items of lists in lists: such names are in the schema, and no rule sees them."""
        depth = 8
        for begin in range(0, len(cell.seen), depth):
            header = self._vocabulary.kept("numeric", self._used)
            if header is None:
                return False
            kind = pa.int8()
            array: pa.Array = self._ones()
            for identifier in cell.seen[begin : begin + depth]:
                kind = pa.list_(pa.field(identifier.text, kind))
                offsets = pa.array(range(self._length + 1), pa.int32())
                array = pa.ListArray.from_arrays(offsets, array, type=kind)
            self._put(header.text, array, place)
        return True

    def _unused_entries(self, place: int, cell: Cell) -> bool:
        header = self._vocabulary.kept("values", self._used)
        if header is None:
            return False
        entries = [header.rule.guard.allowed[0], *(one.text for one in cell.hidden)]
        indices = pa.array([0] * self._length, pa.int32())
        self._put(
            header.text,
            pa.DictionaryArray.from_arrays(indices, pa.array(entries)),
            place,
        )
        return True

    def _in_metadata(self, place: int, cell: Cell) -> bool:
        position = cell.spot.position
        texts = [identifier.text for identifier in cell.seen]
        note = metadata_of(texts)
        if position == "schema metadata":
            self._metadata[b"source"] = note
        elif position == "schema metadata key":
            self._metadata |= {text.encode(): b"1" for text in texts}
        elif position == "pandas metadata":
            known = {
                "attributes": {"examples": texts},
                "columns": [],
                "index_columns": texts,
            }
            self._metadata[b"pandas"] = json.dumps(known, ensure_ascii=False).encode()
        else:
            return self._in_field_metadata(place, position, texts, note)
        return True

    def _in_field_metadata(
        self, place: int, position: str, texts: Sequence[str], note: bytes
    ) -> bool:
        nested = position == "nested field metadata"
        header = self._vocabulary.kept("numeric", self._used)
        if header is None:
            return False
        ones = self._ones()
        about: Mapping[bytes, bytes] = {b"comment": note}
        if position == "field metadata key":
            about = {text.encode(): b"1" for text in texts}
        if nested:
            kind = pa.list_(pa.field("item", pa.int8(), metadata=about))
            offsets = pa.array(range(self._length + 1), pa.int32())
            self._put(
                header.text, pa.ListArray.from_arrays(offsets, ones, type=kind), place
            )
        elif position == "extension metadata":
            kind = pa.opaque(pa.int8(), "person", note.decode())
            self._put(header.text, pa.ExtensionArray.from_storage(kind, ones), place)
        else:
            self._put(header.text, ones, place, metadata=about)
        return True


def _under_nulls(values: pa.Array) -> pa.Array:
    """Make every second value null, and leave its bytes where they are."""
    count = len(values)
    valid = bytes([0b01010101]) * ((count + 7) // 8)
    return pa.Array.from_buffers(
        values.type, count, [pa.py_buffer(valid), *values.buffers()[1:]], count // 2
    )
