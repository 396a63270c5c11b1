"""The plan before a first push, on a terminal of 80 columns."""

from __future__ import annotations

import pyarrow as pa

from sealift.cli.reports import column_lines

LONG = "Bemerkung_der_behandelnden_Aerztin_in_der_Notaufnahme"


def test_values_go_below_a_column_where_they_do_not_fit_beside_it() -> None:
    schema = pa.schema([("id", pa.int64()), ("day", pa.date32()), (LONG, pa.string())])
    days = [(f"{day}.01.2024", f"2024-01-{day}") for day in (13, 14, 15)]
    text = "a long note that goes on and on"
    lines = column_lines(
        schema, {"id": [("1", "1")], "day": days, LONG: [(text, text)] * 3}
    )
    assert max(map(len, lines)) <= 78
    assert lines[0].split() == ["id", "int64", "1"]
    shown = "\n".join(lines)
    assert all(f"{written} -> {read}" in shown for written, read in days)
    assert lines[-1].count("a long note that goes…") == 3
    assert any(line.startswith(LONG) for line in lines)


def test_columns_without_values_have_a_line_each() -> None:
    schema = pa.schema([("id", pa.int64()), (LONG, pa.string())])
    assert len(column_lines(schema)) == 2
