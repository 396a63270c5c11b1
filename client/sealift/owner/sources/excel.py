"""A sheet of an Excel workbook or an OpenDocument spreadsheet, by python-calamine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sealift.process.extras import extra
from sealift_protocol.errors import SourceError

_ROWS = 8192
_EXACT = 2.0**53


class Workbooks:
    """Workbooks whose first row that is not empty names the columns.

    A sheet is decoded as a whole: the format has no rows that can be read by themselves.
    """

    kind = "excel"
    what = "workbook"

    def __init__(self, sheet: str, notice: Callable[[str], None]) -> None:
        with extra("excel", "reading a workbook needs python-calamine"):
            import python_calamine
        self._library = python_calamine
        self._sheet = sheet
        self._notice = notice
        self._last: tuple[Path, pa.Table] | None = None
        self.errors: tuple[type[Exception], ...] = (
            python_calamine.CalamineError,
            OSError,
            ValueError,
        )

    def schema(self, path: Path) -> pa.Schema:
        """Return the columns, with types from all values of the sheet."""
        return self._table(path).schema

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the rows."""
        yield from self._table(path).to_batches(max_chunksize=_ROWS)

    def _table(self, path: Path) -> pa.Table:
        if self._last is None or self._last[0] != path:
            self._last = None
            self._last = (path, self._read(path))
        return self._last[1]

    def _read(self, path: Path) -> pa.Table:
        with self._library.load_workbook(str(path)) as book:
            rows = book.get_sheet_by_name(
                self._chosen(book.sheet_names, path)
            ).to_python()
        filled = (
            number for number, row in enumerate(rows) if any(v != "" for v in row)
        )
        first = next(filled, None)
        if first is None:
            return pa.table({})
        names = rows[first]
        last = max(number for number, name in enumerate(names) if name != "") + 1
        body = [row for row in rows[first + 1 :] if any(v != "" for v in row)]
        for number, name in enumerate(names[:last], start=1):
            if name == "":
                raise SourceError(
                    f"column {number} has no name in the first row",
                    path=path,
                    column=number,
                    hint="give it a name, or delete what is above the table",
                )
        if any(value != "" for row in body for value in row[last:]):
            raise SourceError(
                "a row has more values than the first row has names",
                path=path,
                hint="name every column in the first row, and delete what is beside the table",
            )
        columns = {}
        for number, name in enumerate(names[:last]):
            text = _as_text(name)
            if text in columns:
                raise SourceError(
                    "two columns have the same name", path=path, column=number + 1
                )
            columns[text] = _array([row[number] for row in body])
        return pa.table(columns)

    def _chosen(self, names: Sequence[str], path: Path) -> str:
        if self._sheet in names:
            return self._sheet
        if not self._sheet and len(names) == 1:
            return names[0]
        self._notice("the sheets of the workbook: " + ", ".join(names))
        raise SourceError(
            "the workbook has no sheet of that name"
            if self._sheet
            else "the workbook has several sheets",
            path=path,
            hint="choose one with `table`",
        )


def _array(values: list[Any]) -> pa.Array:
    """Return a column in the one type of its cells; text where the types differ."""
    cells = [None if value == "" else value for value in values]
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds:
        return pa.nulls(len(cells))
    if kinds <= {float, int}:
        if all(
            c is None or (float(c).is_integer() and abs(c) <= _EXACT) for c in cells
        ):
            return pa.array([None if c is None else int(c) for c in cells], pa.int64())
        return pa.array(cells, pa.float64())
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds == {date}:
        return pa.array(cells, pa.date32())
    if kinds <= {date, datetime}:
        # A date with a time is one too.
        moments = [
            datetime(c.year, c.month, c.day) if type(c) is date else c for c in cells
        ]
        return pa.array(moments, pa.timestamp("us"))
    if kinds == {time}:
        return pa.array(cells, pa.time64("us"))
    if kinds == {timedelta}:
        return pa.array(cells, pa.duration("us"))
    return pa.array([None if c is None else _as_text(c) for c in cells], pa.string())


def _as_text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    return str(cell)
