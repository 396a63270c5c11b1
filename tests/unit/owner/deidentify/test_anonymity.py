"""k-anonymity and l-diversity, compared with pycanon's."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.owner.deidentify import Anonymity, AnonymityCheck, Privacy, anonymity
from sealift_protocol.errors import PolicyViolation

QUASI = ("age", "zip")
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.sampled_from(["30-34", "35-39", "90+"]),
            "zip": st.sampled_from([21, 22]),
            "diagnosis": st.sampled_from(["a", "b", "c"]),
            "drug": st.sampled_from(["x", "y"]),
        }
    ),
    min_size=1,
    max_size=40,
)


def count(
    records: list[dict[str, Any]] | pa.Table, privacy: Privacy, batch: int = 7
) -> AnonymityCheck:
    table = pa.Table.from_pylist(records) if isinstance(records, list) else records
    check = AnonymityCheck(privacy, table.schema)
    for part in table.combine_chunks().to_batches(batch):
        check.add(part)
    return check


def result(
    records: list[dict[str, Any]] | pa.Table, privacy: Privacy, batch: int = 7
) -> Anonymity:
    found = count(records, privacy, batch).result()
    assert found is not None
    return found


# pandas takes its time.
@settings(max_examples=25, deadline=None)
@given(RECORDS, st.integers(1, 10))
def test_k_and_l_are_those_of_pycanon(
    records: list[dict[str, Any]], batch: int
) -> None:
    pycanon = pytest.importorskip("pycanon.anonymity")
    table = pa.Table.from_pylist(records)
    found = result(table, Privacy(QUASI, ("diagnosis", "drug")), batch)
    frame = table.to_pandas()
    assert found.k == pycanon.k_anonymity(frame, list(QUASI))
    assert found.l == pycanon.l_diversity(frame, list(QUASI), ["diagnosis", "drug"])


@given(RECORDS, st.integers(0, 5), st.integers(0, 3))
def test_groups_are_counted_as_one_would_by_hand(
    records: list[dict[str, Any]], min_k: int, min_l: int
) -> None:
    groups = defaultdict(list)
    for record in records:
        groups[record["age"], record["zip"]].append(record["diagnosis"])
    small = [group for group in groups.values() if len(group) < min_k]
    uniform = [group for group in groups.values() if len(set(group)) < min_l]
    assert result(records, Privacy(QUASI, ("diagnosis",), min_k, min_l)) == Anonymity(
        k=min(map(len, groups.values())),
        l=min(len(set(group)) for group in groups.values()),
        records=len(records),
        groups=len(groups),
        small_groups=len(small),
        small_records=sum(map(len, small)),
        uniform_groups=len(uniform),
        uniform_records=sum(map(len, uniform)),
    )


FOUR = [
    {"age": "30-34", "zip": 21, "diagnosis": "a"},
    {"age": "30-34", "zip": 21, "diagnosis": "a"},
    {"age": "30-34", "zip": 21, "diagnosis": "a"},
    {"age": "90+", "zip": 22, "diagnosis": "b"},
]


def test_too_small_a_group_is_refused_with_how_many_records_it_concerns() -> None:
    with pytest.raises(PolicyViolation) as caught:
        count(FOUR, Privacy(QUASI, (), 2)).check()
    assert str(caught.value).startswith(
        "k-anonymity is 1, but the policy demands 2: 1 of 4 records"
    )
    count(FOUR, Privacy(QUASI, (), 1)).check()
    count(FOUR[:3], Privacy(QUASI, (), 3)).check()


def test_a_group_with_too_few_sensitive_values_is_refused() -> None:
    with pytest.raises(
        PolicyViolation, match=r"l-diversity is 1, but .* demands 2: 3 of 3 records"
    ):
        count(FOUR[:3], Privacy(QUASI, ("diagnosis",), 3, 2)).check()
    count(FOUR, Privacy(QUASI, ("diagnosis",), 0, 1)).check()


def test_a_null_is_a_value() -> None:
    records = [*FOUR[:2], {"age": None, "zip": 21, "diagnosis": None}]
    found = result(records, Privacy(QUASI, ("diagnosis",)))
    assert (found.k, found.l, found.groups) == (1, 1, 2)


def test_columns_in_a_dictionary_are_compared_by_value() -> None:
    one = pa.record_batch({"age": pa.array(["a", "b"]).dictionary_encode()})
    two = pa.record_batch({"age": pa.array(["b", "a"]).dictionary_encode()})
    check = AnonymityCheck(Privacy(("age",)), one.schema)
    check.add(one)
    check.add(two)
    found = check.result()
    assert found is not None
    assert (found.k, found.groups) == (2, 2)


def test_without_quasi_identifiers_or_records_nothing_is_demanded() -> None:
    schema = pa.schema([("age", pa.string())])
    without = AnonymityCheck(Privacy(("zip",), (), 5), schema)
    assert without.result() is None
    without.check()
    empty = AnonymityCheck(Privacy(("age",), (), 5), schema)
    empty.add(pa.RecordBatch.from_pylist([], schema=schema))
    assert empty.result() == Anonymity(0, 0, 0, 0, 0, 0, 0, 0)
    empty.check()


def test_a_nested_column_cannot_be_counted_by() -> None:
    schema = pa.schema([("Zxqv", pa.list_(pa.string()))])
    with pytest.raises(PolicyViolation) as caught:
        AnonymityCheck(Privacy(("Zxqv",)), schema)
    assert caught.value.columns == ("Zxqv",)
    assert "Zxqv" not in str(caught.value)


def test_memory_is_bounded_by_a_limit_on_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anonymity, "MAX_GROUPS", 1000)
    monkeypatch.setattr(anonymity, "_GATHERED", 100)
    table = pa.table({"age": range(5000)})
    assert count(table, Privacy(("age",)), 100).result() is None
    with pytest.raises(PolicyViolation, match="more than 1000 distinct combinations"):
        count(table, Privacy(("age",), (), 2), 100)
    few = pa.table({"age": [number % 500 for number in range(5000)]})
    assert result(few, Privacy(("age",), (), 2), 100).k == 10
