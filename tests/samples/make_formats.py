"""Writes tests/samples/formats: small files of each format, by the libraries named here.

openpyxl 3.1.5, odfpy 1.4.1, pyreadstat 1.3.7, pandas 3.1.1, pyarrow 26.0.1, fastavro 1.13.1,
sqlite3 of Python 3.11.
"""

from __future__ import annotations

import sqlite3
from datetime import date, datetime
from pathlib import Path

import fastavro
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from pyarrow import feather, orc

HERE = Path(__file__).parent / "formats"
DAY = date(2024, 2, 29)
TABLE = pa.table(
    {"mrn": ["000123", "000124"], "n": [1, 2], "day": [DAY, None], "w": [1.5, None]}
)


def workbook(name: str, *more: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["mrn", "n", "w", "day", "mixed", "empty"])
    sheet.append(["000123", 1, 1.5, datetime(2024, 2, 29), 7, None])
    sheet.append(["000124", 2, 2, datetime(2024, 3, 1), "seven", None])
    for title in more:
        book.create_sheet(title).append(["x"])
    book.save(HERE / name)


def spreadsheet(name: str, rows: list[list[object]]) -> None:
    document = OpenDocumentSpreadsheet()
    table = Table(name="visits")
    for row in rows:
        line = TableRow()
        for value in row:
            if isinstance(value, str):
                cell = TableCell(valuetype="string")
                cell.addElement(P(text=value))
            elif isinstance(value, date):
                cell = TableCell(valuetype="date", datevalue=value.isoformat())
            else:
                cell = TableCell(valuetype="float", value=str(value))
            line.addElement(cell)
        table.addElement(line)
    document.spreadsheet.addElement(table)
    document.save(str(HERE / name))


def main() -> None:
    HERE.mkdir(exist_ok=True)
    workbook("visits.xlsx")
    workbook("sheets.xlsx", "second")
    spreadsheet("visits.ods", [["mrn", "n", "day"], ["000123", 1, DAY]])
    spreadsheet("halves.ods", [["w"], [1.5], [2]])
    frame = pd.DataFrame(
        {"mrn": ["000123", "000124"], "n": [1.0, 2.0], "w": [1.5, None]}
    )
    labels = {"column_labels": ["record number", "sex", "weight"]}
    pyreadstat.write_sav(
        frame,
        HERE / "visits.sav",
        variable_value_labels={"n": {1: "f", 2: "m"}},
        **labels,
    )
    pyreadstat.write_sav(
        pd.DataFrame({"n": [1.0, 9.0], "day": [DAY, DAY]}),
        HERE / "missing.sav",
        missing_ranges={"n": [9]},
    )
    pyreadstat.write_xport(frame, HERE / "visits.xpt", **labels)
    pyreadstat.write_xport(frame, HERE / "v8.xpt", file_format_version=8)
    pyreadstat.write_dta(frame, HERE / "visits.dta", **labels)
    pd.DataFrame(
        {"n": pd.array([1, 2], "int16"), "at": [datetime(2024, 2, 29, 12, 30)] * 2}
    ).to_stata(HERE / "times.dta", write_index=False, convert_dates={"at": "tc"})
    feather.write_feather(TABLE, str(HERE / "visits.feather"), compression="zstd")
    with pa.ipc.new_file(str(HERE / "visits.arrow"), TABLE.schema) as writer:
        for batch in TABLE.to_batches(max_chunksize=1):
            writer.write_batch(batch)
    orc.write_table(TABLE, str(HERE / "visits.orc"), compression="zlib")
    orc.write_table(TABLE.slice(1), str(HERE / "snappy.orc"), compression="snappy")
    fields = [
        {"name": "mrn", "type": "string"},
        {"name": "n", "type": ["null", "long"]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ]
    schema = {"type": "record", "name": "visit", "fields": fields}
    rows = [
        {"mrn": "000123", "n": 1, "day": DAY, "tags": ["a"]},
        {"mrn": "000124", "n": None, "day": DAY, "tags": []},
    ]
    for name, codec in (("visits.avro", "deflate"), ("snappy.avro", "snappy")):
        with (HERE / name).open("wb") as stream:
            fastavro.writer(stream, schema, rows, codec=codec)
    for name, tables in (("visits.sqlite", ["v"]), ("tables.db", ["a", "b"])):
        (HERE / name).unlink(missing_ok=True)
        base = sqlite3.connect(HERE / name)
        for table in tables:
            base.execute(f"CREATE TABLE {table} (mrn TEXT, n INTEGER)")
            base.execute(f"INSERT INTO {table} VALUES ('000123', 1)")
        base.commit()
        base.close()


if __name__ == "__main__":
    main()
