"""Parses blocks of JSON Lines into batches; errors name line and column, never a value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from sealift.formats.leaves import leaves_of, list_leaves_of, with_leaves
from sealift.history.schemas import shown
from sealift.owner.sources.bisection import bad_places, first_bad
from sealift.owner.sources.csvblocks import one_batch
from sealift.owner.sources.interface import Rejects
from sealift.owner.sources.jsonnumbers import (
    is_plain_name,
    loses_digits,
    may_lose_digits,
    numbers_in,
    quoted,
    quoted_fields,
)
from sealift.owner.sources.lines import Block, not_text
from sealift.policy.reading import ReadAs, ReadLeaf, as_inferred
from sealift_protocol.errors import InvalidArgument, SourceError

# Arrow's reader crashes on inferring the type of a hundred thousand nested values.
_MAX_DEPTH = 128
# Brackets inside strings are not structure.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_BOM = "\ufeff"
_ONE_A_LINE = "put each record on its own line; split a JSON array with: jq -c '.[]'"
_MEND = (
    "correct the value, or give the column's type with `types`; if the dataset has the column "
    "already, its owner first widens it with `session.dataset(dataset).widen(column, type)`"
)


class LineParser:
    """Parses lines of JSON into batches.

    Attributes:
        schema: schema of the batches.
    """

    def __init__(
        self,
        schema: pa.Schema,
        rejects: Rejects,
        *,
        ignore_others: bool = False,
        read_as: ReadLeaf = as_inferred,
    ) -> None:
        """Store the settings and the known columns.

        Args:
            schema: columns whose types are known.
            rejects: receives lines that cannot be read.
            ignore_others: whether fields outside the schema are silently left out.
            read_as: how each leaf is read whose type is not known.

        Raises:
            InvalidArgument: a column has a type that cannot be read from JSON.
        """
        if any(
            pa.types.is_time(kind) or pa.types.is_duration(kind)
            for kind in schema.types
        ):
            raise InvalidArgument(
                "times of day and durations cannot be read from JSON",
                hint="give the column the type string or int64",
            )
        self.schema = schema
        self._rejects = rejects
        self._others = "ignore" if ignore_others else "error"
        self._read_as = read_as
        # Leaves that are text, and whose numbers become text.
        self._texts: frozenset[str] = frozenset()

    def infer(
        self, path: Path | None, block: Block, pinned: Sequence[str] = ()
    ) -> pa.Schema:
        """Infer columns and types from a first block.

        Args:
            path: the file, if the text is from one.
            block: the first lines.
            pinned: columns that come first; the others follow in the first line's order.

        Raises:
            SourceError: the block cannot be read.
        """
        if block.sound and _is_shallow(block.data):
            self._texts = self._text_leaves(block.data)
            if self._texts:
                block = replace(block, data=quoted(block.data, self._texts))
        try:
            if not block.sound or not _is_shallow(block.data):
                raise pa.ArrowInvalid("")
            whole = _read(block.data, self.schema, "infer")
            self._learn({field.name: field.type for field in whole.schema})
        except pa.ArrowException:
            # A line that will be rejected must not affect the types.
            self._learn(self._infer_columns(path, block))
            if self._rejects.stops:
                self.parse(path, block)
        if not self.schema.names:
            raise SourceError(
                "none of the first lines is an object with fields",
                path=path,
                line=block.line,
                hint=_ONE_A_LINE,
            )
        # Arrow's reader puts columns with given types before all others.
        wanted = [*pinned, *_names_of_first(block.data), *self.schema.names]
        present = (name for name in dict.fromkeys(wanted) if name in self.schema.names)
        self.schema = pa.schema([self.schema.field(name) for name in present])
        self._texts |= {
            path for path, kind in leaves_of(self.schema) if self._is_text(path, kind)
        }
        return self.schema

    def _text_leaves(self, data: bytes) -> frozenset[str]:
        """Return the leaves of the first lines that hold numbers, but are read as text."""
        if self._read_as is as_inferred and not may_lose_digits(data):
            return frozenset()
        known = {
            path: pa.types.is_string(kind) for path, kind in leaves_of(self.schema)
        }
        wanted = set()
        for path, digits in numbers_in(data).items():
            how = self._read_as(path)
            text = how in (ReadAs.TEXT, ReadAs.NO_NUMBER) or (
                how is ReadAs.INFERRED and loses_digits(digits)
            )
            if text and known.get(path, True):
                wanted.add(path)
        return frozenset(wanted)

    def _is_text(self, path: str, kind: pa.DataType) -> bool:
        return bool(pa.types.is_string(kind)) and self._read_as(path) in (
            ReadAs.TEXT,
            ReadAs.NO_NUMBER,
        )

    def _learn(self, types: Mapping[str, pa.DataType]) -> None:
        self.schema = pa.schema(
            [(name, _without_nulls(kind)) for name, kind in types.items()]
        )

    def parse(self, path: Path | None, block: Block) -> pa.RecordBatch:
        """Parse a block's records.

        Raises:
            SourceError: a line cannot be read, and that ends the push.
        """
        try:
            if not block.sound:
                raise pa.ArrowInvalid("")
            table = self._table(block.data)
        except pa.ArrowException:
            good, rejected = self._sift(path, block)
            for problem, content in rejected:
                self._rejects.reject(problem, content)
            table = _read(good, self.schema, self._others)
        return one_batch(table.select(self.schema.names), self.schema)

    def _table(self, data: bytes) -> pa.Table:
        """Read lines, with numbers as text where leaves are text."""
        try:
            return _read(data, self.schema, self._others)
        except pa.ArrowException:
            if not self._texts:
                raise
        return _read(self._quoted(data), self.schema, self._others)

    def _quoted(self, data: bytes) -> bytes:
        if not self._texts:
            return data
        if _has_dots(self.schema):
            # The last part of a path may be less than the name of its field.
            return quoted(data, self._texts)
        every = dict(leaves_of(self.schema))
        names = frozenset(path.rpartition(".")[2] for path in self._texts)
        others = {path.rpartition(".")[2] for path in every.keys() - self._texts}
        if names.isdisjoint(others) and all(map(is_plain_name, names)):
            fields = quoted_fields(data, names)
            if not any(path in self._texts for path in list_leaves_of(self.schema)):
                return fields
        return quoted(data, self._texts)

    # --- finding what is wrong -------------------------------------------------------------------

    def _sift(
        self, path: Path | None, block: Block
    ) -> tuple[bytes, list[tuple[SourceError, bytes]]]:
        """Separate good lines from bad ones: Arrow's own message may quote a value.

        If the first bad line ends the push, others are not searched for.
        """
        raw = block.data.split(b"\n")
        lines = self._quoted(block.data).split(b"\n")
        bad: dict[int, SourceError] = {}
        whole: list[int] = []
        for place, text in enumerate(lines):
            if not text.strip():
                continue
            problem = self._problem(path, block.line + place, text)
            if problem is None:
                whole.append(place)
                continue
            bad[place] = problem
            if self._rejects.stops:
                break

        def good(some: Sequence[bytes]) -> bool:
            return _reads(some, self.schema, self._others)

        for misfit in self._misfits([lines[place] for place in whole], good):
            place = whole[misfit]
            bad[place] = self._explain(path, block.line + place, lines[place])
        if not bad:
            raise SourceError("the lines cannot be read", path=path, line=block.line)
        rejected = [(bad[place], raw[place] + b"\n") for place in sorted(bad)]
        return b"\n".join(lines[place] for place in whole if place not in bad), rejected

    def _problem(self, path: Path | None, line: int, text: bytes) -> SourceError | None:
        """Return the easily recognised bad lines; each other bad line costs a bisection."""
        found = _parse(path, line, text)
        if isinstance(found, SourceError):
            return found
        if self._others == "error" and not found.keys() <= set(self.schema.names):
            return _unknown_field(path, line)
        for column, field in enumerate(self.schema, start=1):
            if _is_surely_bad(found.get(field.name), field.type):
                return _bad_value(path, line, column, field.type)
        return None

    def _misfits(
        self, lines: Sequence[bytes], good: Callable[[Sequence[bytes]], bool]
    ) -> list[int]:
        if self._rejects.stops:
            first = first_bad(lines, good)
            return [] if first is None else [first]
        return bad_places(lines, good)

    def _explain(self, path: Path | None, line: int, text: bytes) -> SourceError:
        """Return the error for an object that does not fit the schema."""
        record = json.loads(text)
        for column, field in enumerate(self.schema, start=1):
            alone = json.dumps({field.name: record.get(field.name)}).encode()
            if not _reads([alone], pa.schema([field]), self._others):
                return _bad_value(path, line, column, field.type)
        return SourceError(f"line {line} has a field twice", path=path, line=line)

    # --- types -----------------------------------------------------------------------------------

    def _infer_columns(self, path: Path | None, block: Block) -> dict[str, pa.DataType]:
        """Infer the types of the columns of a block in which some lines cannot be read.

        A column's type is that of the largest set of its values that fits its first value.
        """
        records = [
            record
            for place, text in enumerate(block.data.split(b"\n"))
            if text.strip()
            and isinstance(record := _parse(path, block.line + place, text), dict)
        ]
        found = {field.name: field.type for field in self.schema}
        for name in dict.fromkeys(name for record in records for name in record):
            if name not in found:
                values = (record.get(name) for record in records)
                found[name] = _infer([value for value in values if value is not None])
        return found


def known_schema(
    types: Mapping[str, pa.DataType], expected: pa.Schema | None, read_as: ReadLeaf
) -> pa.Schema:
    """Return the columns whose types are known before a line is read.

    Args:
        types: types that were given; they take precedence.
        expected: schema of earlier records.
        read_as: how each leaf is read: one that is text is text, whatever it was before.
    """

    def read(path: str, kind: pa.DataType) -> pa.DataType:
        return pa.string() if read_as(path) is ReadAs.TEXT else kind

    known = {
        field.name: with_leaves(field.name, field.type, read)
        for field in expected or []
    }
    return pa.schema(list({**known, **types}.items()))


def _infer(values: list[Any]) -> pa.DataType:
    """Infer the type of one field's values, some of which may not fit."""
    alike = [value for value in values if _form(value) is _form(values[0])]
    lines = [json.dumps({"v": value}).encode() for value in alike]

    def good(some: Sequence[bytes]) -> bool:
        return _reads(some, pa.schema([]), "infer")

    wrong = set(bad_places(lines, good))
    lines = [line for place, line in enumerate(lines) if place not in wrong]
    lines = lines[: first_bad(lines, good)]
    if not lines:
        return pa.null()
    return _read(b"\n".join(lines), pa.schema([]), "infer").schema.field("v").type


def _form(value: object) -> type:
    """Return the JSON type of a value: whole numbers and fractions are both numbers."""
    return float if type(value) is int else type(value)


def _without_nulls(kind: pa.DataType) -> pa.DataType:
    """Return a type with string instead of null, for fields that began with nulls."""
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_nulls(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_nulls(field.type)) for field in kind])
    return kind


# --- single lines --------------------------------------------------------------------------------


def _parse(path: Path | None, line: int, text: bytes) -> dict[str, Any] | SourceError:
    """Return the object on a line, or the error for it."""
    if text.count(b"[") + text.count(b"{") > _MAX_DEPTH and _depth(text) > _MAX_DEPTH:
        return SourceError(f"line {line} is nested too deeply", path=path, line=line)
    try:
        record = json.loads(text.decode().removeprefix(_BOM))
    except UnicodeDecodeError:
        return not_text("utf-8", path, line)
    except (ValueError, RecursionError):
        return SourceError(
            f"line {line} is not JSON", path=path, line=line, hint=_ONE_A_LINE
        )
    if not isinstance(record, dict):
        what = f"line {line} is not an object"
        return SourceError(what, path=path, line=line, hint=_ONE_A_LINE)
    return record


def _has_dots(fields: Iterable[pa.Field]) -> bool:
    """Return whether any name, of a column or inside one, has a dot."""
    return any(
        "." in field.name
        or (
            pa.types.is_nested(field.type)
            and _has_dots(field.type.field(n) for n in range(field.type.num_fields))
        )
        for field in fields
    )


def _is_surely_bad(value: object, kind: pa.DataType) -> bool:
    """Return whether a value's JSON type rules the type out: a text is not a number."""
    if value is None:
        return False
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return isinstance(value, str | bool | list | dict)
    if pa.types.is_string(kind):
        return not isinstance(value, str)
    if pa.types.is_boolean(kind):
        return not isinstance(value, bool)
    if pa.types.is_list(kind):
        return not isinstance(value, list)
    return bool(pa.types.is_struct(kind)) and not isinstance(value, dict)


def _bad_value(
    path: Path | None, line: int, column: int, kind: pa.DataType
) -> SourceError:
    # The name of a nested type holds the names of its fields.
    return SourceError(
        f"line {line}, column {column}: the value is not of the column's type {shown(kind)}",
        path=path,
        line=line,
        column=column,
        hint=_MEND,
    )


def _unknown_field(path: Path | None, line: int) -> SourceError:
    return SourceError(
        f"line {line} has a field that the first records do not have",
        path=path,
        line=line,
        hint="name every field with `types`, or give the first record all fields",
    )


def _is_shallow(data: bytes) -> bool:
    """Return whether no value is nested too deeply for Arrow's reader."""
    lines = filter(None, map(bytes.strip, data.split(b"\n")))
    # No array or object continues after such a line: Arrow reports the error there.
    if all(
        line.count(b"[") + line.count(b"{") <= _MAX_DEPTH
        and line[0] == 123
        and line[-1] == 125
        for line in lines
    ):
        return True
    return _depth(data) <= _MAX_DEPTH


def _is_one_a_line(data: bytes, count: int) -> bool:
    """Return whether objects that Arrow has read are on one line each.

    No object continues after a line that ends with a brace if the next line begins with one.
    """
    ends = data.count(b"\n") + (not data.endswith(b"\n"))
    if ends == count and data.count(b"}\n{") == count - 1 and data[:1] == b"{":
        return True
    stripped = map(bytes.strip, data.removeprefix(_BOM.encode()).split(b"\n"))
    lines = [line for line in stripped if line]
    return len(lines) == count and all(
        line[0] == 123 and line[-1] == 125 for line in lines
    )


def _depth(data: bytes) -> int:
    """Return the nesting depth of arrays and objects."""
    brackets = _STRINGS.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(1 if byte in b"[{" else -1 for byte in brackets), default=0)


# --- Arrow's reader ------------------------------------------------------------------------------


def _reads(lines: Sequence[bytes], schema: pa.Schema, others: str) -> bool:
    """Return whether Arrow's JSON reader accepts every line under that schema."""
    try:
        _read(b"\n".join(lines), schema, others)
    except pa.ArrowException:
        return False
    return True


def _read(data: bytes, schema: pa.Schema, others: str) -> pa.Table:
    """Read the records on lines.

    Raises:
        ArrowException: a line is not an object of that schema, or holds more than one.
    """
    if not data.strip():
        return schema.empty_table()
    # Arrow does not read dates from JSON, but casts them from text.
    read = [
        field.with_type(pa.string()) if pa.types.is_date(field.type) else field
        for field in schema
    ]
    table = pj.read_json(
        pa.py_buffer(data),
        read_options=pj.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=pj.ParseOptions(
            explicit_schema=pa.schema(read) if read else None,
            unexpected_field_behavior=others,
        ),
    )
    # Objects that share a line, or span lines, would be counted differently in another block.
    if not _is_one_a_line(data, table.num_rows):
        raise pa.ArrowInvalid("")
    for place, field in enumerate(schema):
        if pa.types.is_date(field.type):
            table = table.set_column(place, field, table.column(place).cast(field.type))
    return table


def _names_of_first(data: bytes) -> list[str]:
    """Return the fields of the first line that is an object, in its order."""
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            return list(record)
    return []
