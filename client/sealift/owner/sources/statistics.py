"""Files of SAS, SPSS and Stata in chunks of rows, by pyreadstat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from sealift.process.extras import extra
from sealift_protocol.errors import SourceError

_ROWS = 8192
_READERS = {
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".por": "read_por",
    ".dta": "read_dta",
    ".xpt": "read_xport",
    ".sas7bdat": "read_sas7bdat",
}
SUFFIXES = tuple(_READERS)
_DATES = (
    *("ADATE", "EDATE", "JDATE", "SDATE", "DATE", "YYMMDD", "MMDDYY", "DDMMYY"),
    *("%TD", "%D"),
)
_MOMENTS = ("DATETIME", "YMDHMS", "%TC", "%-TC")
_INTEGERS = {"int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32()}


class StatisticsFiles:
    """SPSS (.sav, .zsav, .por), Stata (.dta), SAS (.xpt, .sas7bdat).

    Values that the file declares missing are null. Labels are metadata of the columns: `label`, and
    `values` with the labels of values as JSON.
    """

    kind = "statistics"
    what = "file of SAS, SPSS or Stata"

    def __init__(self) -> None:
        with extra(
            "statistics", "reading files of SAS, SPSS and Stata needs pyreadstat"
        ):
            import pyreadstat
        self._library = pyreadstat
        self.errors: tuple[type[Exception], ...] = (
            pyreadstat.ReadstatError,
            pyreadstat.PyreadstatError,
            OSError,
            ValueError,
        )

    def schema(self, path: Path) -> pa.Schema:
        """Return the columns with their labels."""
        _, meta = self._read(path, metadataonly=True)
        fields = []
        for name, label in zip(meta.column_names, meta.column_labels, strict=True):
            told = {"label": label} if label else {}
            values = meta.variable_value_labels.get(name)
            if values:
                told["values"] = json.dumps({str(k): v for k, v in values.items()})
            fields.append(pa.field(name, _type_of(name, meta), metadata=told or None))
        return pa.schema(fields)

    def batches(self, path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Read the rows in chunks."""
        row = 0
        while True:
            found, _ = self._read(path, row_offset=row, row_limit=_ROWS)
            columns = []
            for number, field in enumerate(schema, start=1):
                try:
                    columns.append(
                        pa.array(_cells(found[field.name]), from_pandas=True).cast(
                            field.type
                        )
                    )
                except pa.ArrowException:
                    raise SourceError(
                        f"a value of column {number} is not of the type that the file declares",
                        path=path,
                        column=number,
                    ) from None
            batch = pa.RecordBatch.from_arrays(columns, schema=schema)
            if batch.num_rows:
                yield batch
            if batch.num_rows < _ROWS:
                return
            row += batch.num_rows

    def _read(self, path: Path, **options: Any) -> tuple[dict[str, Any], Any]:
        read = getattr(self._library, _READERS[path.suffix.lower()])
        found: tuple[dict[str, Any], Any] = read(
            str(path), output_format="dict", **options
        )
        return found


def _cells(values: Any) -> list[Any]:
    # NaN is how the library gives a missing number.
    return [None if value != value else value for value in list(values)]


def _type_of(name: str, meta: Any) -> pa.DataType:
    kind = meta.readstat_variable_types[name]
    form = str(meta.original_variable_types.get(name, "")).upper()
    if kind == "string":
        return pa.string()
    if form.startswith(_MOMENTS):
        return pa.timestamp("us")
    if form.startswith(_DATES):
        return pa.date32()
    if form.startswith("TIME"):
        return pa.time64("us")
    return _INTEGERS.get(kind, pa.float64())
