"""One person has one pseudonym in every source, and two never share one."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import VECTORS

from sealift.owner.deidentify import Deidentifier, parse_policy
from sealift.owner.deidentify.identifiers import NOBODY, PADS, identifiers_of
from sealift.owner.deidentify.pseudonyms import Pseudonyms
from sealift.policy.reading import Reading
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

SECRET = Secret(bytes(range(32)))
HASH = "mrn = { action = 'hash' }"


def vectors() -> list[dict[str, Any]]:
    path = VECTORS / "deidentify" / "identifiers.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    secret = Secret(bytes.fromhex(content["secret"]))
    return [{**vector, "secret": secret} for vector in content["vectors"]]


def deidentifier(
    rules: str,
    schema: pa.Schema,
    *,
    form: int = 2,
    reading: Reading = Reading.TEXT,
) -> Deidentifier:
    head = f"format = {form}\nname = 'x'\nversion = '1'\n[columns]\n"
    return Deidentifier(
        parse_policy((head + rules).encode()), schema, secret=SECRET, reading=reading
    )


def changed(rules: str, column: str, **columns: pa.Array) -> list[Any]:
    batch = pa.record_batch(columns)
    with deidentifier(rules, batch.schema) as it:
        found = it.apply(batch)
    found.validate(full=True)
    values: list[Any] = found[column].to_pylist()
    return values


@pytest.mark.parametrize("vector", vectors(), ids=range(20))
def test_the_text_of_an_identifier_is_that_of_the_vectors(
    vector: dict[str, Any],
) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        values = pa.array([vector["value"], None], kind)
        assert identifiers_of(values).to_pylist() == [vector["text"], None]
        found = Pseudonyms(vector["secret"], texts=identifiers_of).apply(values)
        assert found.to_pylist() == [vector["pseudonym"], None]


@given(st.text(max_size=12), st.text(PADS, max_size=3), st.text(PADS, max_size=3))
def test_pads_at_the_ends_make_no_difference(text: str, left: str, right: str) -> None:
    texts = pa.array([text, left + text + right])
    first, second = identifiers_of(texts).to_pylist()
    assert first == second


@given(st.lists(st.text("0123456789+-", min_size=1, max_size=20), unique=True))
def test_no_two_numbers_share_an_identifier(numbers: list[str]) -> None:
    assert identifiers_of(pa.array(numbers, pa.string())).to_pylist() == numbers


def test_one_patient_has_one_pseudonym_whatever_the_type() -> None:
    number = 123456789012345678
    kinds = [
        pa.array([str(number)]),
        pa.array([f" {number}\0"]),
        pa.array([f"{number}.0"]),
        pa.array([number]),
        pa.array([number], pa.uint64()),
        pa.array([Decimal(number)], pa.decimal128(38, 0)),
        pa.array([Decimal(number)], pa.decimal128(38, 4)),
        pa.array([str(number)]).dictionary_encode(),
    ]
    assert len({changed(HASH, "mrn", mrn=values)[0] for values in kinds}) == 1


def test_zeros_at_the_beginning_make_another_patient() -> None:
    values = pa.array(["00123", "0123", "123"])
    assert len(set(changed(HASH, "mrn", mrn=values))) == 3


@pytest.mark.parametrize("nobody", [*NOBODY, " ", "\0", "\u3000"])
def test_nobody_has_no_pseudonym_and_is_counted(nobody: str) -> None:
    batch = pa.record_batch({"mrn": [nobody, "17", None]})
    for form in (1, 2):
        with deidentifier(HASH, batch.schema, form=form) as it:
            found = it.apply(batch)["mrn"].to_pylist()
            report = it.take_report()
        assert [value is None for value in found] == [True, False, True]
        # It is not a value that could not be changed: a push goes on.
        assert (report.columns[0].values, report.columns[0].nulls) == (1, 0)
        assert any("column 1: 1 values are blank" in text for text in report.notices)


def test_a_rule_may_refuse_records_of_nobody() -> None:
    rule = "mrn = { action = 'hash', missing = 'refuse' }"
    assert changed(rule, "mrn", mrn=pa.array(["1", "2"]))
    for value in ("", None):
        with pytest.raises(PolicyViolation) as caught:
            changed(rule, "mrn", mrn=pa.array(["1", value]))
        assert "column 1 name nobody" in str(caught.value)


def test_a_number_that_lost_its_digits_becomes_null_and_is_counted() -> None:
    batch = pa.record_batch({"mrn": ["1.23457E+17", "17"]})
    with deidentifier(HASH, batch.schema) as it:
        assert it.apply(batch)["mrn"].to_pylist()[0] is None
        assert it.take_report().columns[0].nulls == 1


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize(
    "rule",
    [
        HASH,
        "mrn = { action = 'tokenise' }",
        "mrn = { action = 'tokenise', alphabet = 'pan' }",
        "mrn = 'drop'\nday = { action = 'shift', by = 'mrn' }",
    ],
)
def test_floating_point_identifies_nobody(kind: pa.DataType, rule: str) -> None:
    pytest.importorskip("ffx")
    fields = [("mrn", kind)] + ([("day", pa.date32())] if "day" in rule else [])
    with pytest.raises(PolicyViolation) as caught:
        deidentifier(rule, pa.schema(fields))
    assert "floating point" in str(caught.value)
    assert "Int64" in str(caught.value.hint)


def test_a_dataset_that_was_begun_with_floating_point_goes_on_with_it() -> None:
    batch = pa.record_batch({"mrn": pa.array([17.0, None])})
    with deidentifier(HASH, batch.schema, form=1, reading=Reading.NUMBERS) as it:
        found = it.apply(batch)["mrn"]
    assert found.equals(Pseudonyms(SECRET).apply(pa.array([17, None])))


def test_a_shift_follows_the_same_identifier() -> None:
    rules = "mrn = 'drop'\nday = { action = 'shift', by = 'mrn' }"
    days = pa.array([dt.date(2024, 5, 6)] * 5)
    mrn = pa.array([" MRN4711", "MRN4711\0", "MRN4712", "", None])
    found = changed(rules, "day", mrn=mrn, day=days)
    assert found[0] == found[1] != found[2]
    assert found[3] is found[4] is None


def test_format_1_hashes_texts_as_they_are() -> None:
    batch = pa.record_batch({"mrn": [" 17", "17"]})
    with deidentifier(HASH, batch.schema, form=1) as it:
        found = it.apply(batch)["mrn"]
    assert found.equals(Pseudonyms(SECRET).apply(batch["mrn"]))
    assert found[0] != found[1]


def test_blank_dates_and_ages_are_missing_and_not_failures() -> None:
    rules = (
        "a = { action = 'generalise', to = 'year' }\n"
        "b = { action = 'generalise', to = 'age-band' }\n"
        "c = { action = 'generalise', to = 'zip3' }\n"
        "d = { action = 'shift', by = 'e' }\ne = 'drop'"
    )
    blank = pa.array(["", "NULL", None])
    batch = pa.record_batch(
        dict.fromkeys("abcd", blank) | {"e": pa.array(["1", "1", "1"])}
    )
    with deidentifier(rules, batch.schema) as it:
        it.apply(batch)
        assert [c.nulls for c in it.take_report().columns] == [0] * 5
