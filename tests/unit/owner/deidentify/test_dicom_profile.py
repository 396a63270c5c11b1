"""dicom-basic against table E.1-1 of PS3.15, edition 2026c, and a few files with identifiers in."""

from __future__ import annotations

import csv
from collections import Counter

import pyarrow as pa
import pytest
from corpus import dicom_actions, dicom_expected

from sealift.owner.deidentify import ready_policies
from sealift.owner.deidentify.rules import match_rules
from sealift.owner.sources.dicomelements import Column, element_of, known_element
from sealift.policy.file import Policy

POLICY = ready_policies()["dicom-basic"]


@pytest.fixture(scope="module")
def table() -> list[tuple[str, str]]:
    with (dicom_expected.VECTORS / "e1-1.csv").open(newline="") as file:
        return [(row[0], row[1]) for row in csv.reader(file)][1:]


def actions_of(policy: Policy, columns: list[Column]) -> dict[str, str]:
    schema = pa.schema([column.field for column in columns])
    rules = match_rules(policy, schema)
    return {
        field.name: rule.action if rule else policy.unlisted
        for field, rule in zip(schema, rules, strict=True)
    }


def test_the_table_has_all_its_entries(table: list[tuple[str, str]]) -> None:
    assert len(table) == len({tag for tag, _ in table}) == 655
    codes = Counter(code for _, code in table)
    assert codes == {
        "X": 415,
        "D": 93,
        "U": 55,
        "Z": 42,
        "X/D": 23,
        "X/Z": 11,
        "X/Z/D": 8,
        "Z/D": 6,
        "X/Z/U*": 2,
    }


def test_every_entry_of_the_table_is_removed_or_changed(
    table: list[tuple[str, str]],
) -> None:
    columns, codes, never = [], {}, 0
    for tag, code in table:
        number = tag[1:5] + tag[6:10]
        # Curves and overlays: any of a range.
        element = element_of(int(number.replace("x", "0"), 16))
        if isinstance(element, Column):
            columns.append(element)
            codes[element.field.name] = code
        else:
            never += 1
    assert (len(columns), never) == (558, 97)
    found = actions_of(POLICY, columns)
    assert {name: action for name, action in found.items() if action == "keep"} == {}
    for name, action in found.items():
        if codes[name] == "U":
            assert action == "hash", name
        elif name != "PatientID":
            assert action == "drop", name
    assert found["PatientID"] == "hash"


def test_a_rule_names_every_entry_though_unlisted_ones_would_be_dropped(
    table: list[tuple[str, str]],
) -> None:
    columns = [
        element
        for tag, _ in table
        if isinstance(
            element := element_of(int((tag[1:5] + tag[6:10]).replace("x", "0"), 16)),
            Column,
        )
    ]
    schema = pa.schema([column.field for column in columns])
    rules = match_rules(POLICY, schema)
    assert [n for n, r in zip(schema.names, rules, strict=True) if r is None] == []


def test_no_text_that_people_type_is_kept() -> None:
    if POLICY.version == "1":
        pytest.skip("version 1 keeps 14 of them")
    columns = [known_element(rule.pattern) for rule in POLICY.rules]
    found = actions_of(POLICY, [column for column in columns if column])
    typed = {
        column.field.name
        for column in columns
        if column and column.vr in ("LO", "LT", "PN", "SH", "ST", "UC", "UT")
    }
    assert [
        name for name in typed if found[name] not in ("drop", "hash", "scrub")
    ] == []


def test_the_expected_actions_are_those_of_the_table_and_the_vrs() -> None:
    codes = dicom_expected.table()
    for one in dicom_actions.expected():
        column = known_element(one.keyword)
        if column is None:
            assert one.action in ("remove", "change", "keep")
            continue
        assert one.action == dicom_expected.action_of(column.tag, codes)


FEW = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "examples_rgb_color.dcm")


def test_identifiers_in_a_few_files_are_removed_or_changed_and_the_rest_is_kept() -> (
    None
):
    paths = [path for path in dicom_expected.files() if path.name in FEW]
    assert len(paths) == len(FEW)
    result = dicom_actions.score(paths, POLICY)
    assert result.asked["remove"] > 1000
    assert result.asked["change"] > 100
    assert result.asked["pixels hidden"] >= 1
    kinds = [k for k in dicom_actions.IDENTIFIERS if k != "look"]
    if POLICY.version != "1":
        kinds.append("look")
    assert result.share(kinds) == 1, result.missed
    assert result.share(("keep", "pixels kept")) >= 0.95, result.missed
