"""Dates as people write them, and the order that a policy states."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.owner.deidentify.dates import (
    months_of,
    put_together,
    take_apart,
    years_of,
)
from sealift.owner.deidentify.shift import Shift
from sealift.process.secret import Secret

FORMS = {
    "mdy": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
    "dmy": ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"),
}
# After 1000, since strftime does not fill years up with zeros everywhere.
DAYS = st.dates(dt.date(1000, 1, 1))


@settings(max_examples=20)
@given(st.lists(DAYS, min_size=1), st.sampled_from(sorted(FORMS)))
def test_a_day_is_read_in_the_order_that_is_stated(
    days: list[dt.date], order: str
) -> None:
    texts = [day.strftime(form) for day in days for form in FORMS[order]]
    found = take_apart(pa.array(texts), order).day.to_pylist()
    assert found == [day for day in days for _ in FORMS[order]]


@settings(max_examples=20)
@given(st.lists(DAYS, min_size=1), st.sampled_from(["", "mdy", "dmy", "ymd"]))
def test_a_year_that_comes_first_needs_no_order(
    days: list[dt.date], order: str
) -> None:
    forms = ("%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d", "%Y%m%d")
    texts = [day.strftime(form) for day in days for form in forms]
    found = take_apart(pa.array(texts), order).day.to_pylist()
    assert found == [day for day in days for _ in forms]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "12-Mar-1961",
            "12MAR1961",
            "12/mar/1961",
            "Mar 12, 1961",
            "March 12th, 1961",
        ),
        *("12 March 1961", "12th of March 1961", "1961-Mar-12", "12. M\u00e4rz 1961"),
        *("12 mars 1961", "12 de marzo de 1961", "12 marzo 1961", "12 mrt. 1961"),
        *(
            "12 de mar\u00e7o de 1961",
            "12 maart 1961",
            "12 marca 1961",
            "12 M\u00c4RZ 1961",
        ),
    ],
)
def test_a_month_with_a_name_needs_no_order(text: str) -> None:
    assert take_apart(pa.array([text]), "").day.to_pylist() == [dt.date(1961, 3, 12)]
    assert take_apart(pa.array([text])).day.to_pylist() == [None]


@pytest.mark.parametrize("text", ["04/05/1961", "12/31/1980", "31.12.1980"])
def test_what_comes_first_is_never_guessed(text: str) -> None:
    values = pa.array([text])
    assert months_of(values, order="").to_pylist() == [None]
    assert take_apart(values, "").day.to_pylist() == [None]
    # The year is the same in either order.
    assert years_of(values, at_least=None, order="").to_pylist() == [int(text[-4:])]


@pytest.mark.parametrize(
    "text",
    [
        *("13/13/1999", "31.4.1980", "1.4.61", "04/05/61", "1/2-2024", "0/1/2024"),
        *("12 foo 1961", "04/05/1961 Jane Doe", "Jane 12, 1961", "12 mar 1961 room 4"),
        *("\u0661\u0662/\u0660\u0663/\u0661\u0669\u0666\u0661", ""),
    ],
)
def test_no_other_text_passes_as_a_date(text: str) -> None:
    for order in ("", "mdy", "dmy", "ymd"):
        found = take_apart(pa.array([text]), order)
        assert found.year.to_pylist() == found.day.to_pylist() == [None]
        assert put_together(found, found.day).to_pylist() == [None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_months_and_times_of_written_dates(kind: pa.DataType) -> None:
    texts = [
        "12/31/1980 10:15 PM",
        "03/1961",
        "April 1961",
        "12/31/1980T10:15:00Z",
        None,
    ]
    values = pa.array(texts, kind)
    assert months_of(values, order="mdy").to_pylist() == [
        *("1980-12", "1961-03", "1961-04", "1980-12"),
        None,
    ]
    found = take_apart(values, "mdy")
    assert put_together(found, found.day).to_pylist() == [
        *("1980-12-31 10:15 PM", None, None, "1980-12-31T10:15:00Z"),
        None,
    ]


def test_a_shift_moves_written_dates_and_writes_them_in_iso_form() -> None:
    shift = Shift(Secret(bytes(32)), days=9, order="mdy")
    by = pa.array(["a", "a", "a"])
    moved = shift.apply(pa.array(["02/28/2024", "03/01/2024", "2024-02-28"]), by)
    first, second, third = (dt.date.fromisoformat(text.as_py()) for text in moved)
    assert (second - first).days == 2
    assert first == third != dt.date(2024, 2, 28)
