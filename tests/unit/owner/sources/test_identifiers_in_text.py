"""CSV and JSON Lines keep every digit of an identifier."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift.owner.deidentify.reading import read_as
from sealift.owner.sources import (
    BEGINNING,
    SkipRejects,
    Source,
    SourceOptions,
    open_source,
)
from sealift.owner.sources.jsonnumbers import numbers_in, quoted, quoted_fields
from sealift.owner.sources.stdin import csv_stream, jsonl_stream
from sealift.policy.file import parse_policy
from sealift.policy.reading import ReadAs, ReadLeaf, as_plain
from sealift_protocol.errors import SourceError

RULES = """
mrn = { action = "hash" }
"*_pan" = { action = "tokenise" }
zip = { action = "generalise", to = "zip3" }
born = { action = "generalise", to = "year" }
day = { action = "shift", by = "person" }
phone = { action = "mask", keep_last = 2 }
"visit.id" = { action = "hash" }
ids = { action = "hash" }
age = { action = "generalise", to = "age-band" }
"""


def leaves(form: int = 2) -> ReadLeaf:
    head = f"format = {form}\nname = 'x'\nversion = '1'\n[columns]\n"
    return read_as(parse_policy((head + RULES).encode()))


def opened(path: Path, text: str, **options: Any) -> Source:
    path.write_text(text, encoding="utf-8")
    return open_source(path, SourceOptions(**options))


def rows(source: Source) -> list[dict[str, Any]]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def column(path: Path, name: str, *values: str, **options: Any) -> list[Any]:
    source = opened(path, f"{name}\n" + "\n".join(values) + "\n", **options)
    return [row[name] for row in rows(source)]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "people.jsonl"


@pytest.mark.parametrize(
    ("path", "how"),
    [
        *[("mrn", ReadAs.TEXT), ("card_pan", ReadAs.TEXT), ("zip", ReadAs.TEXT)],
        *[("phone", ReadAs.TEXT), ("person", ReadAs.TEXT), ("visit.id", ReadAs.TEXT)],
        *[("born", ReadAs.NO_NUMBER), ("day", ReadAs.NO_NUMBER)],
        *[("age", ReadAs.INFERRED), ("other", ReadAs.INFERRED)],
        *[("visit[0].id", ReadAs.TEXT), ("visit.0.id", ReadAs.TEXT)],
    ],
)
def test_a_policy_says_how_each_leaf_is_read(path: str, how: ReadAs) -> None:
    assert leaves()(path) is leaves(1)(path) is how


def test_names_match_under_format_2_whatever_their_spelling() -> None:
    for name in ("MRN", "M_R-N", "Card PAN", "Visit.ID", "PERSON"):
        assert leaves()(name) is ReadAs.TEXT
        assert leaves(1)(name) is ReadAs.INFERRED


def test_the_subject_is_text_without_a_policy_too() -> None:
    assert read_as(None, "p")("p") is ReadAs.TEXT
    assert read_as(None, "p")("q") is ReadAs.INFERRED


def test_what_identifies_is_text_in_csv(csv: Path) -> None:
    text = "mrn,zip,person,born,age\n17,2139,1,19610405,7\n"
    found = opened(csv, text, read_as=leaves()).schema
    assert found.field("mrn").type == found.field("zip").type == pa.string()
    assert found.field("person").type == found.field("born").type == pa.string()
    assert found.field("age").type == pa.int64()


@pytest.mark.parametrize(
    "value",
    [
        *(
            "007",
            "00",
            "-01",
            "+4912345",
            " 007",
            "1234567890123456",
            "12345678901234567890",
        ),
        *("123456789012345678.0", "00.5", "99999999999999999999999"),
    ],
)
def test_a_number_that_would_lose_digits_makes_its_column_text(
    csv: Path, value: str
) -> None:
    assert column(csv, "n", "1", value, "2") == ["1", value, "2"]


@pytest.mark.parametrize(
    "value", ["0", "-5", "0.5", "1.5", "123456789012345", "0.12345678901234567", "+1.5"]
)
def test_other_numbers_stay_numbers(csv: Path, value: str) -> None:
    assert column(csv, "n", "1", value) == [1, float(value)]


def test_dates_and_texts_are_as_they_were(csv: Path) -> None:
    assert opened(csv, "d,t\n2024-05-06,007x\n").schema.types == [
        pa.date32(),
        pa.string(),
    ]


def test_a_dataset_that_was_begun_with_numbers_goes_on_with_them(csv: Path) -> None:
    expected = pa.schema([("mrn", pa.int64())])
    again = {"expected": expected, "read_as": as_plain}
    assert column(csv, "mrn", "007", **again) == [7]
    # Brought over to a policy of format 2, it is text whatever it was.
    brought = {"expected": expected, "read_as": leaves()}
    assert column(csv, "mrn", "007", **brought) == ["007"]
    # Without a policy, what was pinned stays.
    assert column(csv, "other", "007", expected=pa.schema([("other", pa.int64())])) == [
        7
    ]
    assert column(csv, "other", "007", read_as=as_plain) == [7]


def test_streams_are_read_alike() -> None:
    source = csv_stream(
        io.BytesIO(b"mrn,n\n17,007\n"),
        types={},
        encoding="utf-8",
        rejects=SkipRejects(),
        read_as=leaves(),
    )
    assert rows(source) == [{"mrn": "17", "n": "007"}]
    lines = jsonl_stream(
        io.BytesIO(b'{"mrn": 17, "n": 7}\n'),
        types={},
        rejects=SkipRejects(),
        read_as=leaves(),
    )
    assert rows(lines) == [{"mrn": "17", "n": 7}]


LONG = 12345678901234567890123


def test_what_identifies_is_text_in_json_with_every_digit(jsonl: Path) -> None:
    records: list[dict[str, Any]] = [
        {"mrn": 17, "visit": {"id": 1}, "ids": [1, 2], "id": 5, "age": 7},
        {"mrn": "007", "visit": {"id": "x"}, "ids": ["3"], "id": 6, "age": 8},
        {"mrn": LONG, "visit": {"id": None}, "ids": [], "id": 7, "age": 9},
        {"mrn": None, "visit": None, "ids": None, "id": 8, "age": 10},
    ]
    text = "\n".join(map(json.dumps, records))
    found = rows(opened(jsonl, text, read_as=leaves()))
    assert [row["mrn"] for row in found] == ["17", "007", str(LONG), None]
    assert [row["visit"] and row["visit"]["id"] for row in found] == [
        "1",
        "x",
        None,
        None,
    ]
    assert [row["ids"] for row in found] == [["1", "2"], ["3"], [], None]
    # A leaf of the same name elsewhere is another leaf.
    assert [row["id"] for row in found] == [5, 6, 7, 8]
    assert [row["age"] for row in found] == [7, 8, 9, 10]


def test_a_leaf_of_the_same_name_elsewhere_stays_a_number(jsonl: Path) -> None:
    records: list[dict[str, Any]] = [
        {"visit": {"id": "x"}, "id": 5},
        {"visit": {"id": 1}, "id": 6},
    ]
    found = rows(opened(jsonl, "\n".join(map(json.dumps, records)), read_as=leaves()))
    assert found == [records[0], {"visit": {"id": "1"}, "id": 6}]


def test_a_long_number_of_json_keeps_its_digits_without_a_policy(jsonl: Path) -> None:
    text = f'{{"a": {LONG}, "b": 1234567890123456, "c": 5, "d": [0.1]}}\n{{"a": 1}}\n'
    assert rows(opened(jsonl, text)) == [
        {"a": str(LONG), "b": "1234567890123456", "c": 5, "d": [0.1]},
        {"a": "1", "b": None, "c": None, "d": None},
    ]


@pytest.mark.parametrize("record", [{"card.pan": LONG}, {"card": {"the.pan": LONG}}])
def test_a_long_number_below_a_name_with_a_dot_keeps_its_digits(
    jsonl: Path, record: dict[str, Any]
) -> None:
    [found] = rows(opened(jsonl, json.dumps(record)))
    assert json.dumps(found) == json.dumps(record).replace(str(LONG), f'"{LONG}"')


def test_text_that_looks_like_a_field_stays(jsonl: Path) -> None:
    record = {"mrn": 17, "note": 'said "mrn": 5, and {"mrn": 6}'}
    again = {"mrn": "18", "note": 'then "mrn": 7}'}
    text = json.dumps(record) + "\n" + json.dumps(again)
    found = rows(opened(jsonl, text, read_as=leaves()))
    assert found == [{**record, "mrn": "17"}, again]


def test_a_line_that_is_rejected_is_kept_as_it_was(jsonl: Path) -> None:
    class Kept(SkipRejects):
        def __init__(self) -> None:
            super().__init__()
            self.contents: list[bytes] = []

        def reject(self, error: SourceError, content: bytes) -> None:
            self.contents.append(content)

    kept = Kept()
    text = '{"mrn": 17, "age": 1}\n{"mrn": 18, "age": "x"}\n{"mrn": "19", "age": 2}\n'
    found = rows(opened(jsonl, text, read_as=leaves(), rejects=kept))
    assert [row["mrn"] for row in found] == ["17", "19"]
    assert set(kept.contents) == {b'{"mrn": 18, "age": "x"}\n'}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "x", 'q"', "é"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["id", "x", "é"]), JSON, min_size=1))
def test_quoting_changes_the_numbers_of_its_leaves_and_nothing_else(
    record: dict[str, Any],
) -> None:
    line = json.dumps(record, ensure_ascii=False).encode()
    assert quoted(line, frozenset()) == line
    paths = frozenset(numbers_in(line))
    changed = json.loads(quoted(line, paths))
    assert not numbers_in(json.dumps(changed).encode())
    assert _texts(changed) == _texts(record)
    by_name = json.loads(quoted_fields(line, frozenset({"id"})))
    assert _texts(by_name) == _texts(record)


def _texts(value: Any) -> Any:
    """The same value, numbers as they are written."""
    if isinstance(value, dict):
        return {name: _texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return json.dumps(value) if number else value
