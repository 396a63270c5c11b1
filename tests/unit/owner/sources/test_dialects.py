"""How CSV is written: separators, decimals, dates, headers, and what databases print around it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.sources import SourceOptions, Written, open_source
from sealift.owner.sources.dialects import Dialect, Layout, is_record, lay_out, numbered
from sealift.owner.sources.interface import BEGINNING, SkipRejects
from sealift.owner.sources.written import DateForm, NumberForm, Unclear, form_of
from sealift_protocol.errors import InvalidArgument, SourceError


def read(path: Path, text: str | bytes, **options: object) -> pa.Table:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    source = open_source(str(path), SourceOptions(**options))  # type: ignore[arg-type]
    batches = [
        chunk.batch for part in source.parts() for chunk in source.read(part, BEGINNING)
    ]
    return pa.Table.from_batches(batches, source.schema)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "export.csv"


# --- layout --------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_what_separates_columns_is_recognised(separator: str, path: Path) -> None:
    rows = [["id", "ward, bed", "weight"], ["1", "A; B", "70"], ["2", "C|D", "80"]]
    text = "".join(
        separator.join(f'"{value}"' for value in row) + "\r\n" for row in rows
    )
    table = read(path, text)
    assert table.to_pylist() == [
        {"id": 1, "ward, bed": "A; B", "weight": 70},
        {"id": 2, "ward, bed": "C|D", "weight": 80},
    ]


def test_rows_decide_where_a_header_can_be_cut_in_two_ways() -> None:
    text = "name;city, state;zip\nx;a;1\ny;b, c;2\n"
    assert lay_out(text, Dialect(), ",") == Layout(";", columns=3)
    assert lay_out("a,b\n1,2\n3\n", Dialect(), ",").delimiter == ","
    assert lay_out("a\n1,2\n", Dialect(), ",").delimiter == ","


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_under_a_policy_the_owner_names_what_separates_columns(
    separator: str, path: Path
) -> None:
    text = separator.join("abc") + "\n" + separator.join("123") + "\n"
    with pytest.raises(SourceError, match="3 if") as caught:
        read(path, text, recognise=False)
    assert "delimiter=" in caught.value.hint
    named = read(path, text, recognise=False, delimiter=separator)
    assert named.column_names == ["a", "b", "c"]


def test_excel_names_its_separator(path: Path) -> None:
    table = read(path, "\ufeffsep=;\r\nid;x\r\n1;2,5\r\n")
    assert table.to_pylist() == [{"id": 1, "x": 2.5}]


PSQL = """\
 id  |    name     | weight
-----+-------------+--------
 007 | Ann Lee     |   70.5
   8 | Bob         |
(2 rows)

"""
SQLCMD = """\
id,name,weight\r
--,----,------\r
007,Ann Lee,70.5\r
8,Bob,NULL\r
\r
(2 rows affected)\r
"""


@pytest.mark.parametrize("text", [PSQL, SQLCMD, PSQL.replace("2 rows", "2 Zeilen")])
def test_what_databases_print_around_records_is_no_record(
    text: str, path: Path
) -> None:
    assert read(path, text).to_pylist() == [
        {"id": "007", "name": "Ann Lee", "weight": 70.5},
        {"id": "8", "name": "Bob", "weight": None},
    ]


ONE_BESIDE_OTHERS = [
    ("id,x\n--,--\n1,2\n", "id,x\n3,4\n5,6\n", "differ: one has a line of hyphens"),
    ("id,x\n3,4\n", "id,x\n--,--\n1,2\n", "differ: one has a line of hyphens"),
]


@pytest.mark.parametrize(("first", "second", "refusal"), ONE_BESIDE_OTHERS)
def test_files_with_and_without_rulers_are_not_mixed(
    first: str, second: str, refusal: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(first)
    (tmp_path / "b.csv").write_text(second)
    source = open_source(str(tmp_path), SourceOptions())
    with pytest.raises(SourceError, match=refusal) as caught:
        [chunk for part in source.parts() for chunk in source.read(part, BEGINNING)]
    assert caught.value.path == tmp_path / "b.csv"


def test_no_record_is_lost_where_one_file_names_its_separator(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"sep=;\r\n1;2\r\n")
    (tmp_path / "b.csv").write_bytes(b"33333;4\r\n5;6\r\n")
    source = open_source(str(tmp_path), SourceOptions(header=False))
    batches = [c.batch for p in source.parts() for c in source.read(p, BEGINNING)]
    assert [row["column_1"] for b in batches for row in b.to_pylist()] == [1, 33333, 5]


def test_pads_of_sqlcmd_are_no_part_of_a_value(path: Path) -> None:
    text = "mrn        ;ward\n-----------;----\nA1         ;x   \n\n(1 rows affected)\n"
    assert read(path, text).to_pylist() == [{"mrn": "A1", "ward": "x"}]


@pytest.mark.parametrize(
    "text",
    [
        " id | note  | z\n----+-------+---\n  1 | a    +| q\n    | b     | \n(1 row)\n",
        " id | note\n----+------\n  1 | a   +\n    | b\n(1 row)\n",
    ],
)
def test_a_value_that_psql_prints_in_two_lines_is_not_cut(
    text: str, path: Path
) -> None:
    with pytest.raises(SourceError, match="goes on in the next line"):
        read(path, text)


def test_a_plus_at_the_end_of_a_value_is_a_value(path: Path) -> None:
    text = " id | blood\n----+-------\n  1 | A+\n  2 | 0+\n(2 rows)\n"
    assert read(path, text)["blood"].to_pylist() == ["A+", "0+"]


def test_a_count_below_one_ruled_column_is_no_record(path: Path) -> None:
    assert read(path, " id \n----\n 1\n 2\n(2 rows)\n")["id"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "Report of ward 3\n\nid;name\n1;Ann\n2;Bob\n",
        "# export of 2024\nid;name\n1;Ann\n",
        "# export\n# by Ann\nid,name\n1,Ann\n2,Bob\n",
        "note\na|b\nc|d\n",
        "id          name\n----------- -----------\n          1 Ann\n",
        "+----+------+\n| id | name |\n+----+------+\n|  1 | Ann  |\n+----+------+\n",
        "-[ RECORD 1 ]\nid   | 1\nname | Ann\n",
        "*************************** 1. row ***************************\n  id: 1\n",
        '"id" "x"\n"1" "a" 1.5\n"2" "b" NA\n',
        "id:name\n1:Ann\n2:Bob\n",
    ],
)
@pytest.mark.parametrize("recognise", [True, False])
def test_records_are_not_taken_for_one_column(
    text: str, recognise: bool, path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        read(path, text, recognise=recognise)
    assert "if it has one column: `delimiter=" in caught.value.hint
    assert caught.value.path == path


@pytest.mark.parametrize(
    "text", ["note\nfell, twice\nfine\n\n", "id\n1\n2\n", "ward name\nA\nWard B\n"]
)
def test_a_text_of_one_column_is_read(text: str, path: Path) -> None:
    text = text.replace("fell, twice", '"fell, twice"')
    assert len(read(path, text).column_names) == 1


def test_comments_before_the_names_are_left_out_when_asked(path: Path) -> None:
    text = '# Bögen, "open\n\n# 2024;x\nsep=;\nid;x\n1;2,5\n#2;3,5\n'
    table = read(path, text, comment="#")
    assert table.to_pylist() == [{"id": "1", "x": 2.5}, {"id": "#2", "x": 3.5}]
    with pytest.raises(SourceError) as caught:
        read(path, "# x\nid,x\n1,2\n3\n", comment="#")
    assert caught.value.line == 4


def test_hyphens_in_a_record_are_no_ruler(path: Path) -> None:
    assert read(path, "a,b\n-,x\n").to_pylist() == [{"a": "-", "b": "x"}]


def test_backslash_n_is_null(path: Path) -> None:
    table = read(path, "id\tname\n1\t\\N\n\\N\tx\n")
    assert table.to_pylist() == [{"id": 1, "name": None}, {"id": None, "name": "x"}]


# --- headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["1,2", "4711000,x", "2024-01-31,a", "1.5,b"])
def test_a_first_line_that_looks_like_a_record_is_not_silently_a_header(
    first: str, path: Path
) -> None:
    text = f"{first}\n3,4\n"
    with pytest.raises(SourceError, match="looks like a record") as caught:
        read(path, text)
    assert "header=False" in caught.value.hint
    assert first.split(",")[0] not in str(caught.value)
    assert read(path, text, header=True).num_rows == 1
    without = read(path, text, header=False)
    assert (without.column_names, without.num_rows) == (["column_1", "column_2"], 2)


def test_names_with_digits_are_names() -> None:
    assert not is_record(["id", "2019", "2020", "q1"])
    assert not is_record(["", "a", "b"])
    assert is_record(["0", "1", "2"])


def test_a_column_without_a_name_gets_one(path: Path) -> None:
    assert read(path, ",a\n0,x\n").column_names == ["column_1", "a"]
    assert numbered(["column_2", "", ""]) == ["column_2", "column_2_", "column_3"]


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.234,50", "7"], [1234.5, 7.0]),
        (["1'234.50", "-2.00"], [1234.5, -2.0]),
        (["1 234,5", "NA"], [1234.5, None]),
        (["1\u00a0234,5", ""], [1234.5, None]),
    ],
)
def test_numbers_are_read_as_spreadsheets_write_them(
    values: list[str], numbers: list[float | None], path: Path
) -> None:
    text = "id;x\n" + "".join(f"{n};{value}\n" for n, value in enumerate(values))
    assert read(path, text)["x"].to_pylist() == numbers


@pytest.mark.parametrize("values", [["1,234", "5,678"], ["1.234"], ["676 123 456"]])
def test_what_may_be_decimals_or_thousands_stays_text(
    values: list[str], path: Path
) -> None:
    text = "id;x\n" + "".join(f"1;{value}\n" for value in values)
    assert read(path, text)["x"].to_pylist() == values
    point, group = (",", ".") if "." in values[0] else (".", values[0][-4])
    assert read(path, text, decimal=point, thousands=group)["x"].type == pa.int64()


def test_another_column_tells_what_a_comma_is(path: Path) -> None:
    table = read(path, "a;b;c\n1,5;1.234;1,234\n")
    assert table.to_pylist() == [{"a": 1.5, "b": 1234, "c": 1.234}]
    table = read(path, "a;b\n1.234;x\n", decimal=",")
    assert table["a"].to_pylist() == [1234]


def test_points_between_thousands_are_never_decimals_beside_a_comma(path: Path) -> None:
    table = read(path, "a;b\n1.234;1,5\n500;2,5\n")
    assert table["a"].to_pylist() == [1234, 500]
    table = read(path, "a;b\n1.234;x\n500;y\n")
    assert table["a"].to_pylist() == ["1.234", "500"]
    table = read(path, "a\n12.5\n500\n", decimal=",")
    assert table["a"].to_pylist() == ["12.5", "500"]


def test_later_points_are_not_decimals_either(path: Path) -> None:
    text = "a;b\n" + "500;1,5\n" * 140_000 + "1.234;2,5\n"
    for types in ({}, {"a": "double"}):
        with pytest.raises(SourceError, match="line 140002, column 1"):
            read(path, text, types=types)
        table = read(path, text, types=types, thousands=".", decimal=",")
        assert table["a"][-1].as_py() == 1234


@pytest.mark.parametrize("value", ["007,5", "+43,1", "1234567890123456,5", "1,2,3"])
def test_what_may_be_an_identifier_stays_text(value: str, path: Path) -> None:
    assert read(path, f"id;x\n1;{value}\n")["x"].to_pylist() == [value]


def test_a_misfit_after_the_first_block_is_named_and_can_be_left_out(
    path: Path,
) -> None:
    text = "id;x\n" + "1;2,5\n" * 300_000 + "2;2.5.1\n" + "3;3,5\n"
    with pytest.raises(SourceError, match="line 300002, column 2") as caught:
        read(path, text)
    assert "2.5.1" not in str(caught.value)
    kept = SkipRejects()
    table = read(path, text, rejects=kept)
    assert (table.num_rows, kept.count) == (300_001, 1)
    assert table["x"].to_pylist()[-1] == 3.5


@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), min_size=1))
def test_german_numbers_are_read_back(numbers: list[float]) -> None:
    english = [f"{number:,.2f}" for number in numbers]
    german = [text.translate(str.maketrans(",.", ".,")) for text in english]
    form = form_of(pa.array(german), Dialect())
    assert isinstance(form, NumberForm)
    assert form.read(pa.array(german)).to_pylist() == numbers


# --- dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "last"),
    [
        (["1.2.2024", "31.12.2024"], dt.date(2024, 12, 31)),
        (["02/01/2024", "12/31/2024"], dt.date(2024, 12, 31)),
        (["02/01/2024", "31/12/2024"], dt.date(2024, 12, 31)),
        (["2024/02/01", "2024/12/31"], dt.date(2024, 12, 31)),
        (
            ["1.2.2024 3:04", "31.12.2024 23:59:58"],
            dt.datetime(2024, 12, 31, 23, 59, 58),
        ),
    ],
)
def test_dates_are_read_where_only_one_order_fits(
    values: list[str], last: dt.date, path: Path
) -> None:
    text = "id;day\n" + "".join(f"1;{value}\n" for value in values)
    assert read(path, text)["day"].to_pylist()[-1] == last


def test_dates_that_two_orders_fit_stay_text_until_the_owner_says(path: Path) -> None:
    text = "id,day\n1,02/01/2024\n"
    assert read(path, text)["day"].to_pylist() == ["02/01/2024"]
    assert read(path, text, dates="dmy")["day"].to_pylist() == [dt.date(2024, 1, 2)]
    assert read(path, text, dates="mdy")["day"].to_pylist() == [dt.date(2024, 2, 1)]


def test_days_that_do_not_exist_are_no_dates(path: Path) -> None:
    assert read(path, "id;d\n1;30.02.2024\n")["d"].to_pylist() == ["30.02.2024"]


def test_a_dataset_that_has_dates_does_not_guess_their_order(path: Path) -> None:
    expected = pa.schema([("id", pa.int64()), ("day", pa.date32())])
    with pytest.raises(SourceError, match="column 2") as caught:
        read(path, "id,day\n1,02/01/2024\n", expected=expected)
    assert "dates" in caught.value.hint
    table = read(path, "id,day\n1,02/01/2024\n", expected=expected, dates="mdy")
    assert table["day"].to_pylist() == [dt.date(2024, 2, 1)]
    table = read(path, "id,day\n1,31.01.2024\n", expected=expected)
    assert table["day"].to_pylist() == [dt.date(2024, 1, 31)]


@given(
    st.lists(st.dates(dt.date(1000, 1, 1)), min_size=1), st.sampled_from(["dmy", "mdy"])
)
def test_dates_are_read_back(days: list[dt.date], order: str) -> None:
    written = {"dmy": "{0.day}/{0.month}/{0.year}", "mdy": "{0.month}/{0.day}/{0.year}"}
    texts = pa.array([written[order].format(day) for day in days])
    assert DateForm(pa.date32(), order).read(texts).to_pylist() == days
    found = form_of(texts, Dialect())
    assert (
        isinstance(found, Unclear)
        or found == DateForm(pa.date32(), order)
        or all(day.day == day.month for day in days)
    )


# --- what the owner says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"decimal": ";"},
        {"thousands": "x"},
        {"thousands": "."},
        {"decimal": ",", "thousands": ","},
        {"dates": "ydm"},
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, str], path: Path) -> None:
    with pytest.raises(InvalidArgument):
        read(path, "a\n1\n", **said)


def test_the_owner_sees_values_as_they_are_written_and_read(path: Path) -> None:
    path.write_text("mrn;amount;day\n000123;1.234,50;31.12.2024\n")
    seen: list[Written] = []
    open_source(str(path), SourceOptions(shown=seen.append))
    assert seen[0].examples == {
        "mrn": [("000123", "000123")],
        "amount": [("1.234,50", "1234.5")],
        "day": [("31.12.2024", "2024-12-31")],
    }
    assert seen[0].notes == (
        "columns are separated by semicolons",
        "numbers are written 1.234,5",
        "dates are written day, month, year",
    )
