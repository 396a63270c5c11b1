"""What the report says was done."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pyarrow as pa
import pytest
from places import DOCS

from sealift.owner.deidentify import (
    Anonymity,
    ColumnReport,
    Deidentifier,
    Report,
    parse_policy,
)
from sealift.owner.deidentify.looking import LookCounts
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

SPEC = DOCS / "spec" / "policy.md"
POLICY = b"""\
format = 1
name = "study"
version = "2"
unlisted = "keep"
[columns]
name = "drop"
phone = { action = "mask", keep_last = 2 }
zip = { action = "generalise", to = "zip3" }
lat = { action = "generalise", to = "decimals", digits = 1 }
tags = "hash"
"""
BATCH = pa.RecordBatch.from_pydict(
    {
        "name": ["Zxqv", None, "c"],
        "phone": ["1234", "**34", None],
        "zip": ["02139", "Zxqv", None],
        "lat": [1.25, float("nan"), 1.5],
        "tags": [["a", None], None, ["b"]],
        "other": [1, None, 3],
    }
)


def report_of(*batches: pa.RecordBatch) -> Report:
    it = Deidentifier(parse_policy(POLICY), BATCH.schema, secret=Secret(bytes(32)))
    for batch in batches:
        it.apply(batch)
    return it.take_report()


def test_what_was_done_to_each_column_is_counted() -> None:
    report = report_of(BATCH)
    assert report.records == 3
    assert report.columns == (
        ColumnReport("name", "drop", "", 6, values=2, changed=2, nulls=0, left=False),
        ColumnReport("phone", "mask", "", 7, values=2, changed=1, nulls=0),
        ColumnReport("zip", "generalise", "zip3", 8, values=2, changed=2, nulls=1),
        ColumnReport("lat", "generalise", "decimals", 9, values=3, changed=1, nulls=0),
        ColumnReport("tags", "hash", "", 10, values=2, changed=2, nulls=0),
        ColumnReport("other", "keep", "", 0, values=2, changed=0, named=False),
    )


def test_a_report_is_taken_once() -> None:
    it = Deidentifier(parse_policy(POLICY), BATCH.schema, secret=Secret(bytes(32)))
    it.apply(BATCH)
    it.take_report()
    again = it.take_report()
    assert again.records == 0
    assert all(
        column.values == column.changed == column.nulls == 0 for column in again.columns
    )


def test_the_report_of_two_batches_is_the_sum_of_two_reports() -> None:
    scrubbed = replace(report_of(BATCH), scrubbed={"PERSON": 2}, notices=("a", "b"))
    other = replace(
        report_of(BATCH), scrubbed={"PERSON": 1, "PHONE": 4}, notices=("b", "c")
    )
    merged = scrubbed.merged(other)
    both = replace(report_of(BATCH, BATCH), notices=())
    assert replace(merged, scrubbed={}, notices=()) == both
    assert merged.scrubbed == {"PERSON": 3, "PHONE": 4}
    assert merged.notices == ("a", "b", "c")


def test_reports_of_two_policies_or_schemas_are_not_merged() -> None:
    report = report_of(BATCH)
    for other in (
        replace(report, digest="00" * 32),
        replace(report, columns=report.columns[1:]),
    ):
        with pytest.raises(InvalidArgument):
            report.merged(other)


def test_the_json_is_the_same_for_the_same_counts_and_holds_no_value() -> None:
    report = report_of(BATCH)
    text = report.to_json()
    assert text == report_of(BATCH).to_json()
    assert "\n" not in text
    assert "Zxqv" not in text
    document = json.loads(text)
    assert list(document) == sorted(document)
    assert document["policy"] == {
        "name": "study",
        "version": "2",
        "sha256": parse_policy(POLICY).digest.hex(),
    }
    assert document["columns"][2]["to"] == "zip3"
    assert "to" not in document["columns"][0]
    assert document["anonymity"] is None
    assert document["notices"] == [
        "column 3: ZIP codes of areas with few people are 000, by the Censuses of 2000 "
        "and 2020",
        'column 3: 1 of 2 values could not be changed by "zip3" and are null now',
    ]


def test_names_that_the_policy_does_not_have_are_counted_and_not_told() -> None:
    source = b'format = 1\nname = "x"\nversion = "1"\nunlisted = "drop"\n[columns]\n'
    policy = parse_policy(source + b'gene = "keep"\n"*oe" = "drop"\n"n_*" = "hash"\n')
    batch = pa.RecordBatch.from_pydict(
        {"gene": ["a"], "Ann Smith": [1], "Jane Doe": [2], "Bob": [3], "n_1": [4]}
    )
    it = Deidentifier(policy, batch.schema, secret=Secret(bytes(32)))
    it.apply(batch)
    report = it.take_report()
    sealed = json.loads(report.to_json())
    assert [column["column"] for column in sealed["columns"]] == ["gene", "n_1"]
    assert sealed["others"] == [
        {"action": "drop", "line": 0, "columns": 2, "values": 2},
        {"action": "drop", "line": 7, "columns": 1, "values": 1},
    ]
    assert not any(name in report.to_json() for name in ("Smith", "Doe", "Bob"))
    own = json.loads(report.to_json(whole=True))
    assert [column["column"] for column in own["columns"]] == batch.schema.names
    assert own["others"] == []


def test_the_documented_report_has_the_keys_of_a_real_one() -> None:
    found = Anonymity(1, 1, 1, 1, 1, 1, 1, 1)
    report = replace(
        report_of(BATCH),
        anonymity=found,
        scrubbed={"PERSON": 1},
        known=LookCounts(4, 1, 0, 2),
    )
    real = json.loads(report.to_json())
    shown = re.search(r"```json\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    documented = json.loads(shown[1])
    assert documented.keys() == real.keys()
    assert documented["policy"].keys() == real["policy"].keys()
    assert documented["anonymity"].keys() == real["anonymity"].keys()
    assert documented["known"].keys() == real["known"].keys()
    assert documented["columns"][0].keys() == real["columns"][2].keys()
    assert documented["others"][0].keys() == {"action", "line", "columns", "values"}


def test_what_the_last_look_did_is_added_up_and_told() -> None:
    one = replace(report_of(BATCH), known=LookCounts(4, 1, 0, 2))
    other = replace(report_of(BATCH), known=LookCounts(1_000, 2, 2, 0))
    both = one.merged(other)
    assert both.known == LookCounts(1_004, 3, 2, 2)
    [told] = [notice for notice in both.all_notices if "patient" in notice]
    assert told.startswith("3 of 1,004 records with texts")
    assert told.endswith("2 of them sent before all was read")
