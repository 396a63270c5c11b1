"""What each action makes of values."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.deidentify import Deidentifier, parse_policy
from sealift.owner.deidentify.dates import months_of, take_apart, years_of
from sealift.owner.deidentify.generalise import age_bands, bands, round_to, zip3
from sealift.owner.deidentify.low_population_zips import (
    CENSUS_2000_AREAS,
    CENSUS_AREAS,
    low_population_areas,
)
from sealift.owner.deidentify.masking import mask
from sealift.owner.deidentify.noise import Noise
from sealift.owner.deidentify.shift import Shift
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

SECRET = Secret(bytes(range(32)))


def deidentify(
    rule: str, values: pa.Array, *, form: int = 1, **others: pa.Array
) -> pa.Array:
    head = f"format = {form}\nname = 'x'\nversion = '1'\nunlisted = 'drop'\n[columns]\n"
    batch = pa.record_batch({"x": values, **others})
    policy = parse_policy(f"{head}x = {rule}".encode())
    with Deidentifier(
        policy,
        batch.schema,
        secret=SECRET,
        now=lambda: dt.datetime(2026, 6, 1, tzinfo=dt.UTC),
    ) as it:
        found = it.apply(batch)
    found.validate(full=True)
    return found["x"]


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=8))),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_a_mask_keeps_the_ends_and_the_length(
    texts: list[str | None], first: int, last: int
) -> None:
    found = mask(
        pa.array(texts, pa.string()), keep_first=first, keep_last=last, character="•"
    )
    for text, masked in zip(texts, found.to_pylist(), strict=True):
        if text is None:
            assert masked is None
        elif len(text) <= first + last:
            assert masked == "•" * len(text)
        else:
            middle = "•" * (len(text) - first - last)
            assert masked == text[:first] + middle + text[len(text) - last :]


def test_a_mask_of_a_number_is_a_text() -> None:
    rule = "{ action = 'mask', keep_first = 1 }"
    assert deidentify(rule, pa.array([4711, None])).to_pylist() == ["4***", None]
    large = deidentify(rule, pa.array(["ab"], pa.large_string()))
    assert large.type == pa.large_string()


@pytest.mark.parametrize(
    ("width", "ages", "shown"),
    [
        (5, [0, 4, 5, 89, 90, 120], ["0-4", "0-4", "5-9", "85-89", "90+", "90+"]),
        (1, [0, 89, 90], ["0", "89", "90+"]),
        (20, [79, 80, 89], ["60-79", "80-89", "80-89"]),
        (90, [0, 89], ["0-89", "0-89"]),
    ],
)
def test_ages_become_bands_and_ninety_and_above_is_one(
    width: int, ages: list[int], shown: list[str]
) -> None:
    for values in (
        pa.array(ages),
        pa.array(ages, pa.uint8()),
        pa.array(ages, pa.float32()),
        pa.array([Decimal(age) for age in ages]),
        pa.array([f" {age} " for age in ages]),
    ):
        assert age_bands(values, width=width).to_pylist() == shown


def test_what_is_no_age_becomes_null() -> None:
    ages = pa.array([-1.0, float("nan"), float("inf"), None, 89.999])
    assert age_bands(ages, width=5).to_pylist() == [None, None, None, None, "85-89"]
    texts = pa.array(["old", "", "1e3", "-4", None, "89.5"])
    assert age_bands(texts, width=5).to_pylist() == [None] * 5 + ["85-89"]
    assert age_bands(pa.array([2**63 - 1, -(2**63)]), width=5).to_pylist() == [
        "90+",
        None,
    ]


def test_zip_codes_lose_their_last_digits_and_thinly_populated_areas_all() -> None:
    texts = pa.array(["02139", " 02139-4307", "021394307", "03601", "89312-0000", None])
    assert zip3(texts).to_pylist() == ["021", "021", "021", "000", "000", None]
    bad = pa.array(["2139", "0213", "02139-", "02139-43", "SW1A 1AA", "", "٠٢١٣٩"])
    assert zip3(bad).to_pylist() == [None] * 7
    assert zip3(pa.array([2139, 501, 21394307, None])).to_pylist() == [
        "021",
        "000",
        "021",
        None,
    ]
    assert zip3(pa.array([2139.0, 2139.5, -2139.0])).to_pylist() == ["021", None, None]
    assert zip3(
        pa.array(["2139.0", "\uff10\uff12\uff11\uff13\uff19", "\0"])
    ).to_pylist() == [
        "021",
        "021",
        None,
    ]


ZIP3 = "{ action = 'generalise', to = 'zip3'"
EVERY_AREA = [f"{area:03d}" for area in range(1000)]


def suppressed(rule: str, form: int) -> set[str]:
    found = deidentify(rule, pa.array([f"{area}01" for area in EVERY_AREA]), form=form)
    assert all(
        shown in (area, "000")
        for area, shown in zip(EVERY_AREA, found.to_pylist(), strict=True)
    )
    return {
        area
        for area, shown in zip(EVERY_AREA, found.to_pylist(), strict=True)
        if shown == "000"
    }


def test_an_area_is_shown_if_the_newest_census_counted_more_than_20_000_people() -> (
    None
):
    assert suppressed(ZIP3 + " }", 2) == CENSUS_AREAS
    # Counted, and too few: those that the list of 2000 lacks among them.
    assert {"036", "059", "205", "369", "753", "772"} <= CENSUS_AREAS
    # Las Vegas has grown past the limit since 2000.
    assert "890" not in CENSUS_AREAS
    # Nobody was counted there.
    assert {"000", "055", "090", "192", "969"} <= CENSUS_AREAS
    assert len(CENSUS_AREAS) == 1000 - 876


def test_format_1_goes_on_with_the_areas_of_2000_and_adds_those_of_the_newest() -> None:
    assert suppressed(ZIP3 + " }", 1) == CENSUS_AREAS | CENSUS_2000_AREAS


def test_a_policy_may_bring_its_own_areas() -> None:
    assert suppressed(ZIP3 + ", areas = ['100', '902'] }", 2) == {"000", "100", "902"}


@pytest.mark.parametrize(
    ("rule", "form", "by"),
    [
        (ZIP3 + " }", 1, "the Censuses of 2000 and 2020"),
        (ZIP3 + " }", 2, "the Census of 2020"),
        (ZIP3 + ", areas = ['100'] }", 2, "the list of the policy"),
    ],
)
def test_a_report_says_of_which_census_the_areas_are(
    rule: str, form: int, by: str
) -> None:
    head = f"format = {form}\nname = 'x'\nversion = '1'\n[columns]\n"
    policy = parse_policy(f"{head}x = {rule}".encode())
    with Deidentifier(policy, pa.schema([("x", pa.string())]), secret=SECRET) as it:
        assert it.take_report().notices == (
            f"column 1: ZIP codes of areas with few people are 000, by {by}",
        )


def test_the_areas_are_computed_from_people_by_zip_code() -> None:
    people = {"10001": 20_000, "10101": 15_000, "10102": 5_001, "10301": 30_000}
    areas = low_population_areas(people)
    assert set(EVERY_AREA) - areas == {"101", "103"}


DATES = {
    "2024-05-06": (2024, "2024-05", dt.date(2024, 5, 6)),
    "20240506": (2024, "2024-05", dt.date(2024, 5, 6)),
    " 2024-05-06 ": (2024, "2024-05", dt.date(2024, 5, 6)),
    "2024-05-06T10:11:12.5+02:00": (2024, "2024-05", dt.date(2024, 5, 6)),
    "2024-05-06 10:11": (2024, "2024-05", dt.date(2024, 5, 6)),
    "20240506101112.123456-0500": (2024, "2024-05", dt.date(2024, 5, 6)),
    "2024-05": (2024, "2024-05", None),
    "202405": (2024, "2024-05", None),
    "2024": (2024, None, None),
    "2024-02-29": (2024, "2024-02", dt.date(2024, 2, 29)),
    "2023-02-29": (None, None, None),
    "2024-13-01": (None, None, None),
    "2024-00-01": (None, None, None),
    "202400": (None, None, None),
    "2024-05-00": (None, None, None),
    "2024-05-32": (None, None, None),
    "0000-01-01": (None, None, None),
    "2024-5-6": (None, None, None),
    "2024-05-06 John Smith": (None, None, None),
    "20240506John": (None, None, None),
    "06.05.2024": (None, None, None),
    "٢٠٢٤": (None, None, None),
    "": (None, None, None),
}


@pytest.mark.parametrize(("text", "expected"), DATES.items(), ids=DATES)
def test_texts_of_dates_are_taken_apart(text: str, expected: tuple[Any, ...]) -> None:
    values = pa.array([text, None])
    year, month, day = expected
    assert years_of(values, at_least=None).to_pylist() == [year, None]
    assert months_of(values).to_pylist() == [month, None]
    assert take_apart(values).day.to_pylist() == [day, None]


@given(st.dates())
def test_every_date_is_read_from_its_text(day: dt.date) -> None:
    values = pa.array([day.isoformat(), day.strftime("%Y%m%d").zfill(8)])
    assert take_apart(values).day.to_pylist() == [day, day]


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("us", "UTC")]
)
def test_dates_of_any_type_become_years_and_months(kind: pa.DataType) -> None:
    values = pa.array([dt.date(2024, 5, 6), None], pa.date32()).cast(kind)
    assert years_of(values, at_least=None).to_pylist() == [2024, None]
    assert months_of(values).to_pylist() == ["2024-05", None]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_texts_of_dates_are_read_whatever_their_offsets(kind: pa.DataType) -> None:
    values = pa.array([" 2024-05-06 ", None, "06.05.2024"]).cast(kind)
    assert years_of(values, at_least=None).to_pylist() == [2024, None, None]
    assert years_of(values, at_least=None, order="").to_pylist() == [2024, None, 2024]
    assert months_of(values).to_pylist() == ["2024-05", None, None]
    assert take_apart(values).day.to_pylist() == [dt.date(2024, 5, 6), None, None]


def test_years_of_birth_of_the_oldest_become_one() -> None:
    rule = "{ action = 'generalise', to = 'year', oldest = 90 }"
    values = pa.array(
        [dt.date(1901, 1, 1), dt.date(1936, 1, 1), dt.date(1937, 1, 1), None]
    )
    assert deidentify(rule, values).to_pylist() == [1936, 1936, 1937, None]
    assert (
        deidentify("{ action = 'generalise', to = 'year' }", values)[0].as_py() == 1901
    )


def test_numbers_become_bands() -> None:
    assert bands(pa.array([60, 69, 70, -1, None]), width=10).to_pylist() == [
        "[60,70)",
        "[60,70)",
        "[70,80)",
        "[-10,0)",
        None,
    ]
    assert bands(
        pa.array([0.5, 0.74, -0.1, 1e300, math.nan]), width=0.25
    ).to_pylist() == [
        "[0.5,0.75)",
        "[0.5,0.75)",
        "[-0.25,0)",
        None,
        None,
    ]
    assert bands(pa.array([2**64 - 1], pa.uint64()), width=10).to_pylist() == [
        "[18446744073709551610,18446744073709551620)"
    ]
    assert bands(pa.array([-100, 100], pa.int8()), width=1000).to_pylist() == [
        "[-1000,0)",
        "[0,1000)",
    ]
    assert bands(pa.array([Decimal("1.5")]), width=1).to_pylist() == ["[1,2)"]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(1, 10**15))
def test_a_whole_number_lies_in_its_band(numbers: list[int], width: int) -> None:
    for number, band in zip(
        numbers,
        bands(pa.array(numbers, pa.int64()), width=width).to_pylist(),
        strict=True,
    ):
        low, high = band.removeprefix("[").removesuffix(")").split(",")
        assert int(low) <= number < int(high) == int(low) + width


def test_decimals_are_rounded_half_to_even() -> None:
    assert round_to(pa.array([0.125, 0.375, None]), digits=2).to_pylist() == [
        0.12,
        0.38,
        None,
    ]
    assert round_to(pa.array([52.123456], pa.float32()), digits=1)[
        0
    ].as_py() == np.float32(52.1)
    assert round_to(pa.array([7]), digits=2).to_pylist() == [7]


DAYS = st.lists(
    st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), min_size=2, max_size=2
)


@given(DAYS, st.integers(1, 36_500), st.text(max_size=5))
def test_a_shift_keeps_intervals_and_is_never_nothing(
    days: list[dt.date], most: int, whom: str
) -> None:
    shift, by = Shift(SECRET, days=most), pa.array([whom] * 2)
    texts = pa.array([f"{day}T10:11:12Z" for day in days])
    moved = shift.apply(pa.array(days), by).to_pylist()
    assert moved[1] - moved[0] == days[1] - days[0]
    assert 1 <= abs((moved[0] - days[0]).days) <= most
    assert shift.apply(texts, by).to_pylist() == [f"{day}T10:11:12Z" for day in moved]
    for kind in (pa.timestamp("ns"), pa.timestamp("ms", "Asia/Tokyo"), pa.date64()):
        values = pa.array(days).cast(kind)
        assert (
            shift.apply(values, by).to_pylist()
            == pa.array(moved).cast(kind).to_pylist()
        )


def test_offsets_reach_both_ends_and_leave_out_zero() -> None:
    offsets = Shift(SECRET, days=2).offsets(pa.array(range(200))).to_pylist()
    assert set(offsets) == {-2, -1, 1, 2}
    assert all(30 < offsets.count(offset) < 70 for offset in (-2, -1, 1, 2))


def test_dates_that_nobody_is_known_for_or_that_leave_the_calendar_become_null() -> (
    None
):
    by = pa.array([None, "a", "a", "a", "a"])
    days = [dt.date(2024, 1, 1), dt.date.min, dt.date.max, None, dt.date(2024, 1, 1)]
    offset = Shift(SECRET, days=9).offsets(by)[1].as_py()
    moved = Shift(SECRET, days=9).apply(pa.array(days), by).to_pylist()
    assert moved[0] is moved[3] is None
    assert (moved[1] is None) == (offset < 0)
    assert (moved[2] is None) == (offset > 0)
    edges = pa.array([2**63 - 1, -(2**63)], pa.int64())
    for kind in (pa.timestamp("ns"), pa.timestamp("us")):
        found = Shift(SECRET, days=9).apply(edges.view(kind), pa.array(["a", "a"]))
        assert found.null_count >= 1
        found.validate(full=True)


def test_a_shift_follows_a_column_that_is_not_sealed() -> None:
    rule = "{ action = 'shift', by = 'who' }"
    days = pa.array([dt.date(2024, 1, 1)] * 3)
    who = pa.array(["a", "b", "a"])
    plain = deidentify(rule, days, who=who)
    assert plain[0] == plain[2] != plain[1]
    assert deidentify(rule, days, who=who.dictionary_encode()) == plain
    lists = pa.array([[dt.date(2024, 1, 1), None], [], None], pa.list_(pa.date32()))
    in_lists = deidentify(rule, lists, who=who).to_pylist()
    assert in_lists == [[plain[0].as_py(), None], [], None]


@pytest.mark.parametrize("distribution", ["laplace", "gaussian"])
def test_noise_has_the_scale_that_was_asked_for(distribution: str) -> None:
    noise = Noise(scale=3.0, distribution=distribution)
    found = np.asarray(noise.apply(pa.array(np.zeros(20_000))))
    deviation = 3.0 * (math.sqrt(2) if distribution == "laplace" else 1)
    assert abs(found.mean()) < 0.2
    assert abs(found.std() / deviation - 1) < 0.1
    assert not np.array_equal(
        found, np.asarray(noise.apply(pa.array(np.zeros(20_000))))
    )


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int64(), pa.uint64()])
def test_noise_on_whole_numbers_stays_within_their_type(kind: pa.DataType) -> None:
    limits = np.iinfo(kind.to_pandas_dtype())
    values = pa.array([int(limits.min), int(limits.max), 5, None] * 50, kind)
    for scale in (1.0, 1e15, 300.0):
        found = Noise(scale=scale, distribution="laplace").apply(values)
        assert found.type == kind
        assert found.null_count == 50
        noisy = found.to_pylist()
        near = 100 * scale
        assert all(n - limits.min <= near for n in noisy[::4])
        assert all(limits.max - n <= near for n in noisy[1::4])


def test_noise_on_large_whole_numbers_leaves_their_last_digits_alone() -> None:
    found = Noise(scale=0.1, distribution="gaussian").apply(pa.array([2**62 + 1] * 100))
    assert set(found.to_pylist()) <= {2**62, 2**62 + 1, 2**62 + 2}


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_of_every_width_are_changed(kind: pa.DataType) -> None:
    values = pa.array([np.float16(1.5), None], pa.float16()).cast(kind)
    assert deidentify("{ action = 'noise', scale = 0.1 }", values).type == kind
    band = deidentify("{ action = 'generalise', to = 'band', width = 1 }", values)
    assert band.to_pylist() == ["[1,2)", None]
    digits = deidentify(
        "{ action = 'generalise', to = 'decimals', digits = 0 }", values
    )
    assert digits.to_pylist() == [2.0, None]
    masked = deidentify("{ action = 'mask', keep_first = 3 }", values)
    assert masked.to_pylist() == ["***", None]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.string()),
        pa.list_(pa.string(), 2),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_items_of_lists_are_changed_one_by_one(kind: pa.DataType) -> None:
    lists = [["a", "b"], None, [None, "a"], ["b", "b"]]
    alone = deidentify("'hash'", pa.array(["a", "b"])).to_pylist()
    named = dict(zip(["a", "b", None], [*alone, None], strict=True))
    plain = pa.array(lists, pa.list_(pa.string()))
    values = (
        plain.cast(kind)
        if not pa.types.is_dictionary(kind.value_type)
        else pa.array(lists, kind)
    )
    expected = [[named[x] for x in items] if items else items for items in lists]
    assert deidentify("'hash'", values).to_pylist() == expected
    assert deidentify("'hash'", values.slice(1, 2)).to_pylist() == expected[1:3]
    assert deidentify("'hash'", values.slice(1, 0)).to_pylist() == []


def test_a_column_of_nulls_alone_stays_one() -> None:
    for rule in ("'hash'", "{ action = 'generalise', to = 'year' }"):
        assert deidentify(rule, pa.nulls(2)).to_pylist() == [None, None]


def test_text_is_scrubbed_and_what_was_found_is_counted() -> None:
    pytest.importorskip("presidio_analyzer")
    head = b'format = 1\nname = "x"\nversion = "1"\n[columns]\n'
    schema = pa.schema([("note", pa.string()), ("more", pa.list_(pa.string()))])
    policy = parse_policy(head + b"note = 'scrub'\nmore = 'scrub'")
    with Deidentifier(policy, schema, secret=SECRET) as it:
        text = "Write to jane@example.com."
        found = it.apply(pa.record_batch([[text, None], [[text], []]], schema=schema))
        assert "jane" not in str(found.to_pylist())
        assert found["note"][1].as_py() is None
        report = it.take_report()
        assert sum(report.scrubbed.values()) == 2
        assert it.take_report().scrubbed == {}
    unknown = parse_policy(
        head + b"note = { action = 'scrub', entities = ['X'] }\nmore = 'drop'"
    )
    with pytest.raises(InvalidArgument):
        Deidentifier(unknown, schema, secret=SECRET)
