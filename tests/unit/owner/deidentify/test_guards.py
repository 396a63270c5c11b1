"""What a guard lets pass, what it counts, and which years tell an age."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from sealift.owner.deidentify import Deidentifier, Report, parse_policy
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

SECRET = Secret(bytes(range(32)))
NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


def guarded(
    rule: str, values: pa.Array | list[Any], top: str = ""
) -> tuple[list[Any], Report]:
    batch = pa.RecordBatch.from_arrays(
        [values if isinstance(values, pa.Array) else pa.array(values)], ["v"]
    )
    return applied(f"v = {{ {rule} }}", batch, top)


def applied(
    rules: str, batch: pa.RecordBatch, top: str = ""
) -> tuple[list[Any], Report]:
    text = f'format = 2\nname = "x"\nversion = "1"\n{top}\n[columns]\n{rules}'
    it = Deidentifier(
        parse_policy(text.encode()), batch.schema, secret=SECRET, now=lambda: NOW
    )
    out = it.apply(batch)
    out.validate(full=True)
    assert out.schema.equals(it.schema)
    found = out.to_pylist()
    return (
        [row["v"] for row in found] if "v" in out.schema.names else found
    ), it.take_report()


@pytest.mark.parametrize(
    ("rule", "values", "left"),
    [
        ("type = 'numeric'", [70.5, 7015550100.0, None], [70.5, None, None]),
        ("type = 'numeric'", [70, 20240131, 123456789, -4], [70, None, None, -4]),
        ("type = 'numeric'", ["70", " 1e3 ", "n/a", "1931-04-05"], [70.0, 1000.0, None, None]),
        ("type = 'numeric'", [dt.date(2024, 1, 2)], [None]),
        ("type = 'numeric', min = 30, max = 45", ["37.2", "48.2081743"], [37.2, None]),
        ("type = 'boolean'", ["yes", "F", "Roe", None], [True, False, None, None]),
        ("type = 'boolean'", [1, 0, 2], [True, False, None]),
        ("type = 'date'", ["2024-01-02", "Roe", "20240131"], ["2024-01-02", None, "20240131"]),
        ("type = 'date'", [20240131], [None]),
        ("type = 'date'", ["8072111121", "2024013199", "2024013123"], [None, None, "2024013123"]),
        ("type = 'date'", ["2024-01-31 10:11:12.1234567890"], [None]),
        ("type = 'date'", ["2024-01-31T10:11:12.5+01:00"], ["2024-01-31T10:11:12.5+01:00"]),
        ("type = 'binary'", [b"x"], [b"x"]),
        ("type = 'binary'", ["Roe"], [None]),
        ("values = ['F', 'M']", ["f", " M ", "Roe"], ["F", "M", None]),
        ("values = [0, 1]", [0, 1, 4711], [0, 1, None]),
        ("code = 'MCC'", [5411, 4111111], [5411, None]),
        ("code = ['LOINC', 'FHIR']", [" 8480-6", "final", "Roe"], ["8480-6", "final", None]),
    ],
)  # fmt: skip
def test_what_fits_passes_and_the_rest_becomes_null_and_is_counted(
    rule: str, values: list[Any], left: list[Any]
) -> None:
    found, report = guarded(f"action = 'keep', {rule}", values)
    assert found == left
    [column] = report.columns
    misfits = sum(
        a is not None and b is None for a, b in zip(values, left, strict=True)
    )
    assert (column.misfits, column.nulls) == (misfits, 0)


def test_a_misfit_stops_the_push_where_the_rule_says_so() -> None:
    with pytest.raises(PolicyViolation, match="1 of the next values") as caught:
        guarded("action = 'keep', values = ['F'], misfit = 'refuse'", ["F", "Roe"])
    assert "Roe" not in str(caught.value)


def test_decimals_and_halves_are_held_against_the_same_limits() -> None:
    import decimal

    money = pa.array([decimal.Decimal("12.50"), decimal.Decimal("7015550100")])
    assert guarded("action = 'keep', type = 'numeric'", money)[0] == [
        decimal.Decimal("12.50"),
        None,
    ]
    halves = pa.array([1.5, float("nan")], pa.float16())
    [first, second] = guarded("action = 'keep', type = 'numeric'", halves)[0]
    assert first == 1.5
    assert second != second


def test_a_rule_for_text_lets_numbers_pass_that_are_none_of_a_person() -> None:
    found, report = guarded("action = 'scrub'", [0, 1, 7015550100])
    assert found == [0, 1, None]
    assert report.columns[0].misfits == 1


def test_what_could_not_be_changed_stops_the_push_above_the_policys_share() -> None:
    rule = "action = 'generalise', to = 'year'"
    _, report = guarded(rule, ["1961-04-05", "no date", None])
    assert report.columns[0].nulls == 1
    report.check(0.5)
    with pytest.raises(PolicyViolation, match="1 of 2 values of column 1") as caught:
        report.check(0.49)
    assert caught.value.columns == ("v",)
    guarded(rule, ["1961-04-05"])[1].check(0)


def test_a_push_of_which_nothing_is_left_is_refused() -> None:
    _, report = guarded("action = 'keep', values = ['F']", ["Roe", "Doe"])
    with pytest.raises(PolicyViolation, match="nothing is left"):
        report.check(1)
    guarded("action = 'keep', values = ['F']", ["Roe", "F"])[1].check(1)


@pytest.mark.parametrize(
    "value", ["1961-04-05", "04/05/1961", "31.12.1961", 1961, 19611231]
)
def test_a_year_is_read_in_the_usual_forms(value: Any) -> None:
    assert guarded("action = 'generalise', to = 'year'", [value])[0] == [1961]


@pytest.mark.parametrize("value", ["1961", "13/14/1961", "04/05/61", 70, 19619999])
def test_a_year_is_read_from_nothing_else(value: Any) -> None:
    left = [1961] if value == "1961" else [None]
    assert guarded("action = 'generalise', to = 'year'", [value])[0] == left


AGES = """
born = { action = 'generalise', to = 'year', of = 'birth' }
age = { action = 'generalise', to = 'age-band', width = 1 }
"events.on" = { action = 'generalise', to = 'year' }
"""


def test_no_year_tells_an_age_of_ninety_or_more() -> None:
    records = [
        # Born 1929: the birth and an old event are one year.
        {"born": "1929-01-01", "age": None, "events": [{"on": "1931-04-05"}]},
        # 85 in 2010 is 101 today: the age and the year together tell it.
        {
            "born": None,
            "age": 85,
            "events": [{"on": "2010-01-01"}, {"on": "2024-01-01"}],
        },
        {"born": "1960-01-01", "age": 60, "events": [{"on": "2020-01-01"}]},
        # 90 and more is one group already.
        {"born": None, "age": 95, "events": [{"on": "2020-01-01"}]},
    ]
    batch = pa.RecordBatch.from_pylist(records)
    found, report = applied(AGES, batch, "[ages]\noldest = 90")
    assert found == [
        {"born": 1936, "age": None, "events": [{"on": 1936}]},
        {"born": None, "age": "85", "events": [{"on": None}, {"on": 2024}]},
        {"born": 1960, "age": "60", "events": [{"on": 2020}]},
        {"born": None, "age": "90+", "events": [{"on": 2020}]},
    ]
    assert {c.column: c.misfits for c in report.columns if c.misfits} == {
        "events.on": 1
    }
    without, _ = applied(AGES, batch)
    assert without[0]["events"] == [{"on": 1931}]
