"""FHIR files that the models of fhir.resources wrote, as they come out."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from places import TESTS

from sealift.owner.deidentify import ready_policies
from sealift.owner.deidentify.rules import match_rules
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift_protocol.errors import PolicyViolation

SAMPLES = TESTS / "samples" / "fhir"


def rows(text: Any, **options: Any) -> list[dict[str, Any]]:
    source = open_source(text, SourceOptions(**options))
    assert source.kind == "fhir"
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def test_dispenses() -> None:
    first, second = rows(SAMPLES / "dispenses.ndjson")
    assert first["medicationCodeableConcept.coding.code"] == "197361"
    assert (first["quantity.value"], first["quantity.unit"]) == (30.0, "tablet")
    moment = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    assert (first["whenHandedOver"], first["whenHandedOver.precision"]) == (
        moment,
        "day",
    )
    assert second["subject.reference.id"] == "p2"


def test_explanations_of_benefit() -> None:
    (row,) = rows(SAMPLES / "benefits.ndjson")
    assert row["patient.reference.id"] == "p1"
    assert row["item.sequence"] == [1, 2]
    assert row["item.productOrService.coding.code"] == ["99213", "99213"]
    assert row["item.net.value"] == [None, 120.5]
    assert row["item.servicedDate"] == [datetime.date(2024, 1, 1), None]
    ((), (amount,)) = ([*(each or ())] for each in row["item.adjudication"])
    assert (amount["amount"]["value"], amount["amount"]["currency"]) == (99.95, "USD")
    (total,) = row["total"]
    assert total["amount"]["value"] == 220.45


@pytest.mark.parametrize("name", ["search.json", "search.json.gz"])
def test_bundles(name: str) -> None:
    found = rows(SAMPLES / name, resource="Observation")
    assert [row["id"] for row in found] == ["o1", "o2"]
    assert found[0]["valueQuantity.value"] == 5.2
    assert found[0]["valueQuantity.comparator"] == "<"
    assert [row["id"] for row in rows(SAMPLES / name, resource="Patient")] == ["p1"]


def test_one_resource() -> None:
    (row,) = rows(SAMPLES / "patient.json")
    assert (row["name.family"], row["name.given"]) == ("Kowalska", ["Zoë", "Anna"])
    assert row["identifier.value"] == "003"
    assert row["birthDate.precision"] == "month"


def test_an_export_by_its_manifest() -> None:
    found = rows(f"fhir+bulk://{SAMPLES / 'export'}", resource="Patient")
    assert [row["id"] for row in found] == ["p1", "p2"]
    whole = rows(f"fhir+bulk://{SAMPLES / 'export'}", whole=True)
    types = ["Patient", "Patient", "Observation"]
    assert [row["resourceType"] for row in whole] == types


def test_a_view_of_a_bundle() -> None:
    pytest.importorskip("fhirpathpy")
    found = rows(SAMPLES / "search.json", view=SAMPLES / "view.json")
    assert found[0] == {
        "id": "o1",
        "patient": "p1",
        "taken": "2024-01-02T03:04:05-05:00",
        "code": "2093-3",
        "comparator": "<",
        "value": 5.2,
    }
    assert len(found) == 2


def test_columns_of_a_view_that_no_rule_names_do_not_pass() -> None:
    pytest.importorskip("fhirpathpy")
    options = SourceOptions(view=SAMPLES / "view.json")
    schema = open_source(SAMPLES / "search.json", options).schema
    policies = ready_policies()
    with pytest.raises(PolicyViolation):
        match_rules(policies["hipaa-safe-harbor"], schema)
    rules = match_rules(policies["dicom-basic"], schema)
    assert {rule.action if rule else "drop" for rule in rules} == {"drop"}
